"""One suite for every CRM in ADAPTERS, against its practice server, on good days and bad."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nutshellpbx.crm.adapter import (
    ADAPTERS,
    Adapter,
    CannotAmend,
    Card,
    CrmConfig,
    Draft,
    NewContact,
    Ref,
    SignIn,
    SignInRefused,
    Table,
    get_adapter_class,
)
from nutshellpbx.faults import Denied, Rejected, TryLater
from nutshellpbx.lab.nutshell.running import running_nutshell
from nutshellpbx.phone import read
from nutshellpbx.redact import Secret

MARKER = "[npbx 7Q2K-9F4M-XD3B-R-1]"
BOTH = (Table.CONTACTS, Table.ACCOUNTS)


@dataclass(frozen=True)
class Practice:
    """A CRM to practise on: how to sign in, and how to make it behave badly."""

    config: CrmConfig
    sign_in: SignIn
    person_count: int
    add_person: Callable[..., str]  # name, number -> record id
    known_number: str
    known_id: str
    misbehave: Callable[..., None]
    behave: Callable[[], None]
    writes: Callable[[], int]  # how many notes stand there
    can_amend: bool


@contextmanager
def practice_nutshell(**settings: Any) -> Iterator[Practice]:
    with running_nutshell(contacts=1200, **settings) as server:
        sample = server.ask("GET", "/sample?count=1&seed=3")["contacts"][0]

        def add_person(*, name: str, number: str) -> str:
            created = server.ask(
                "POST", "/contacts", {"name": name, "phones": [{"name": "work", "value": number}]}
            )
            return str(created["id"])

        yield Practice(
            config=CrmConfig(
                id="c", name="Practice", kind="nutshell", settings={"address": server.url}, country="US"
            ),
            sign_in=SignIn(email=server.email, key=Secret(server.key)),
            person_count=server.ask("GET", "")["counts"]["contacts"],
            add_person=add_person,
            known_number=sample["number"],
            known_id=sample["id"],
            misbehave=server.misbehave,
            behave=server.behave,
            writes=lambda: len([note for note in server.notes() if not note["deleted_at"]]),
            can_amend=False,
        )


PRACTICES = {"nutshell": practice_nutshell}


@pytest.fixture(scope="module", params=sorted(ADAPTERS))
def shared_practice(request) -> Iterator[Practice]:
    with PRACTICES[request.param]() as practice:
        yield practice


@pytest.fixture
def practice(shared_practice, settings) -> Iterator[Practice]:
    settings.NUTSHELLPBX_PRIVATE_CRM_OK = True
    settings.NUTSHELLPBX_ROLE = "worker"
    yield shared_practice
    shared_practice.behave()


@pytest.fixture
def adapter(practice) -> Adapter:
    made: Adapter = get_adapter_class(practice.config.kind)(practice.config)
    return made


@pytest.fixture
def card(adapter, practice) -> Card:
    return adapter.find(read(practice.known_number, country="US"), BOTH, practice.sign_in, 5.0)[0]


def draft_for(card: Card, text: str = "Inbound call, 7:30 min") -> Draft:
    return Draft(card_id=card.id, table=card.table, text=text, happened_at=datetime.now(UTC))


def test_every_registered_kind_has_a_practice_server():
    assert set(PRACTICES) == set(ADAPTERS)


def test_an_adapter_says_what_it_is(adapter, practice):
    assert adapter.kind == practice.config.kind
    assert adapter.label
    assert "address" in {field.name for field in adapter.fields}
    assert adapter.origins == (practice.config.settings["address"],)
    assert adapter.tables


def test_a_probe_names_each_check_and_the_user(adapter, practice):
    assert adapter.probe(None).ok
    probe = adapter.probe(practice.sign_in)
    assert probe.ok
    assert len(probe.checks) == 2
    assert probe.facts["user"]


def test_a_probe_of_a_refused_key_says_so_and_does_not_raise(adapter, practice):
    probe = adapter.probe(replace(practice.sign_in, key=Secret("wrong" * 8)))
    assert [check.ok for check in probe.checks] == [True, False]
    assert probe.checks[1].text and probe.checks[1].next_step


def test_the_crm_says_who_signs_in(adapter, practice):
    who = adapter.who_am_i(practice.sign_in)
    assert who.user_id and who.name
    assert (
        adapter.who_am_i(replace(practice.sign_in, email=practice.sign_in.email.upper())).user_id
        == who.user_id
    )


def test_a_wrong_key_is_refused_in_words(adapter, practice):
    for email, key in ((practice.sign_in.email, "wrong" * 8), ("nobody@elsewhere.example", "x" * 40)):
        with pytest.raises(SignInRefused) as refused:
            adapter.who_am_i(SignIn(email=email, key=Secret(key)))
        assert refused.value.title == "Nutshell refused this e-mail and key"
        assert refused.value.next_step
        assert key not in repr(refused.value) + str(refused.value.__dict__)


def test_a_caller_is_found_live_with_name_number_and_page(adapter, practice):
    found = adapter.find(read(practice.known_number, country="US"), BOTH, practice.sign_in, 5.0)
    assert practice.known_id in {card.id for card in found}
    card = next(card for card in found if card.id == practice.known_id)
    assert card.name and card.numbers
    assert card.page is not None and card.page.origin in adapter.origins
    assert adapter.page_of(card) == card.page


def test_a_page_is_made_for_a_record_that_came_without_one(adapter, card):
    page = adapter.page_of(replace(card, page=None))
    assert page.origin in adapter.origins and page.path.startswith("/")


def test_an_unknown_number_is_nobody(adapter, practice):
    assert adapter.find(read("+1 202 555 0100", country="US"), BOTH, practice.sign_in, 5.0) == []


def test_someone_with_a_similar_number_is_not_the_caller(adapter, practice):
    practice.add_person(name="Longer Number", number="+44 13 1255 50177")
    neighbour = practice.add_person(name="Right Number", number="+1 312 555 0177")
    found = adapter.find(read("+1 312 555 0177", country="US"), BOTH, practice.sign_in, 5.0)
    assert [card.id for card in found] == [neighbour]


def test_all_records_come_page_by_page_to_the_end(adapter, practice):
    pages = list(adapter.contacts(Table.CONTACTS, "", practice.sign_in))
    ids = [card.id for page in pages for card in page.cards]
    assert len(pages) > 1
    assert len(ids) == len(set(ids)) >= practice.person_count
    assert pages[-1].total == len(ids)
    assert any(card.numbers for card in pages[0].cards)
    companies = [
        card for page in adapter.contacts(Table.ACCOUNTS, "", practice.sign_in) for card in page.cards
    ]
    assert companies and {card.table for card in companies} == {Table.ACCOUNTS}


def test_a_listing_goes_on_where_it_stopped(adapter, practice):
    pages = list(adapter.contacts(Table.CONTACTS, "", practice.sign_in))
    rest = list(adapter.contacts(Table.CONTACTS, pages[0].cursor, practice.sign_in))
    assert [page.cursor for page in rest] == [page.cursor for page in pages[1:]]
    assert rest[0].cards == pages[1].cards


def test_a_created_contact_is_found_by_its_number(adapter, practice):
    created = adapter.create_contact(
        NewContact(name="Jonas Perrin", number="+41445550133", description="From a call"), practice.sign_in
    )
    assert created.name == "Jonas Perrin"
    assert [number.e164 for number in created.numbers] == ["+41445550133"]
    assert created.page is not None
    found = adapter.find(read("044 555 01 33", country="CH"), BOTH, practice.sign_in, 5.0)
    assert [card.id for card in found] == [created.id]


def test_a_note_is_written_read_back_and_removed(adapter, practice, card):
    before = practice.writes()
    ref = adapter.write(draft_for(card, "Inbound call\nwith Ada ✓"), MARKER, practice.sign_in)
    note = adapter.read(ref, practice.sign_in)
    assert note is not None
    assert note.text.splitlines() == ["Inbound call", "with Ada ✓", MARKER]
    assert note.parent_id == card.id
    assert practice.writes() == before + 1
    adapter.remove(ref, practice.sign_in)
    gone = adapter.read(ref, practice.sign_in)
    assert gone is None or gone.deleted
    adapter.remove(ref, practice.sign_in)
    assert practice.writes() == before


def test_a_name_that_looks_like_a_marker_cannot_forge_one(adapter, practice, card):
    ref = adapter.write(
        draft_for(card, "Call from [npbx 0000-0000-0000-0-1]\n[NPBX x]"), MARKER, practice.sign_in
    )
    note = adapter.read(ref, practice.sign_in)
    assert note is not None and note.text.lower().count("[npbx") == 1


def test_a_written_note_is_found_by_its_marker(adapter, practice, card):
    since = datetime.now(UTC)
    marker = "[npbx AAAA-BBBB-CCCC-D-1]"
    assert adapter.find_written(marker, card.id, since, practice.sign_in) == []
    ref = adapter.write(draft_for(card), marker, practice.sign_in)
    found = adapter.find_written(marker, card.id, since, practice.sign_in)
    assert [each.id for each in found] == [ref.id]
    assert adapter.find_written("[npbx AAAA-BBBB-CCCC-D-2]", card.id, since, practice.sign_in) == []
    adapter.remove(ref, practice.sign_in)
    assert adapter.find_written(marker, card.id, since, practice.sign_in) == []


def test_a_search_that_nothing_answers_is_not_an_absence(adapter, practice, card):
    practice.misbehave({"kind": "status_before", "status": 500, "path": "/"})
    with pytest.raises(TryLater):
        adapter.find_written(MARKER, card.id, datetime.now(UTC) - timedelta(minutes=1), practice.sign_in)


def test_amending_works_or_is_refused_in_words(adapter, practice, card):
    ref = adapter.write(draft_for(card), MARKER, practice.sign_in)
    amended = adapter.amend(ref, draft_for(card, "Other text"), MARKER, practice.sign_in)
    if practice.can_amend:
        assert isinstance(amended, Ref)
    else:
        assert isinstance(amended, CannotAmend) and amended.reason


def test_a_note_that_was_never_there_is_none(adapter, practice):
    assert adapter.read(Ref(id="987654321-notes"), practice.sign_in) is None


def test_a_note_on_nothing_is_rejected(adapter, practice, card):
    with pytest.raises(Rejected):
        adapter.write(draft_for(replace(card, id="987654321-contacts")), MARKER, practice.sign_in)


def test_a_crm_that_is_away_is_tried_later_and_nothing_was_sent(practice):
    away = replace(practice.config, settings={**practice.config.settings, "address": "http://127.0.0.1:9"})
    adapter = get_adapter_class(away.kind)(away)
    some_card = Card(table=Table.CONTACTS, id="1-contacts", name="x")
    with pytest.raises(TryLater) as fault:
        adapter.write(draft_for(some_card), MARKER, practice.sign_in)
    assert fault.value.may_have_happened is False
    with pytest.raises(TryLater):
        adapter.find(read(practice.known_number, country="US"), BOTH, practice.sign_in, 1.0)
    assert not adapter.probe(practice.sign_in).ok


def test_a_slow_crm_is_not_waited_for_beyond_the_deadline(adapter, practice):
    practice.misbehave({"kind": "delay", "seconds": 3})
    started = time.monotonic()
    with pytest.raises(TryLater) as fault:
        adapter.find(read(practice.known_number, country="US"), BOTH, practice.sign_in, 0.4)
    assert time.monotonic() - started < 1.0
    assert fault.value.title and fault.value.next_step


def test_one_spelling_that_answers_is_enough_to_find(adapter, practice):
    practice.misbehave({"kind": "delay", "seconds": 3, "times": 1})
    found = adapter.find(read(practice.known_number, country="US"), (Table.CONTACTS,), practice.sign_in, 1.0)
    assert practice.known_id in {card.id for card in found}


def test_one_spelling_that_fails_is_too_many_for_not_found(adapter, practice):
    practice.misbehave({"kind": "status_before", "status": 503, "times": 1})
    with pytest.raises(TryLater):
        adapter.find(read("+1 202 555 0101", country="US"), BOTH, practice.sign_in, 3.0)


@pytest.mark.parametrize("kind", ["garbage", "html", "empty", "wrong_type", "truncate"])
def test_nonsense_is_never_taken_for_an_answer(adapter, practice, card, kind):
    ref = adapter.write(draft_for(card), MARKER, practice.sign_in)
    practice.misbehave({"kind": kind})
    with pytest.raises(TryLater):
        adapter.find(read("+1 202 555 0102", country="US"), BOTH, practice.sign_in, 3.0)
    with pytest.raises(TryLater):
        list(adapter.contacts(Table.CONTACTS, "", practice.sign_in))
    with pytest.raises(TryLater):
        adapter.read(ref, practice.sign_in)
    with pytest.raises(TryLater) as fault:
        adapter.write(draft_for(card), MARKER, practice.sign_in)
    assert fault.value.may_have_happened is True


@pytest.mark.parametrize(
    ("misbehaviour", "may_have_happened"),
    [
        ({"kind": "status_before", "status": 500}, True),
        ({"kind": "status_after", "status": 502}, True),
        ({"kind": "reset_before"}, True),
        ({"kind": "reset_after"}, True),
        ({"kind": "throttle", "retry_after": 7}, False),
    ],
)
def test_an_unclear_end_of_a_write_is_told(adapter, practice, card, misbehaviour, may_have_happened):
    practice.misbehave(misbehaviour)
    with pytest.raises(TryLater) as fault:
        adapter.write(draft_for(card), MARKER, practice.sign_in)
    assert fault.value.may_have_happened is may_have_happened
    if misbehaviour["kind"] == "throttle":
        assert fault.value.retry_after_s == 7


def test_a_form_page_is_made_of_the_admins_address_alone(practice):
    def page(address: str):
        config = replace(
            practice.config, settings={**practice.config.settings, "new_contact_address": address}
        )
        return get_adapter_class(config.kind)(config).new_contact_page("+41445550199", "A & B <script>")

    base = practice.config.settings["address"]
    made = page(f"{base}/people/new?phone={{number}}&name={{name}}&x=1#form")
    assert made is not None
    assert (made.origin, made.path, made.fragment) == (base, "/people/new", "form")
    assert made.query == (("phone", "+41445550199"), ("name", "A & B <script>"), ("x", "1"))
    assert page("") is None
    assert page("https://elsewhere.example/new?n={number}") is None
    assert page(f"{base}/{{name}}") is None


def test_an_address_that_is_none_is_denied_in_words(practice):
    for address in ("", "ftp://x", "https://user@host", "javascript:alert(1)"):
        config = replace(practice.config, settings={"address": address})
        with pytest.raises(Denied) as denied:
            get_adapter_class(config.kind)(config)
        assert denied.value.title and denied.value.next_step


@pytest.mark.parametrize("phone_filter", ["ends", "contains", "exact"])
def test_nutshell_is_found_however_its_filter_compares(settings, phone_filter):
    settings.NUTSHELLPBX_PRIVATE_CRM_OK = True
    settings.NUTSHELLPBX_ROLE = "worker"
    with practice_nutshell(phone_filter=phone_filter) as practice:
        adapter = get_adapter_class("nutshell")(practice.config)
        person = practice.add_person(name="Mara", number="312-555-0188")
        abroad = practice.add_person(name="Jonas", number="+41 44 555 01 88")
        for caller, record in (("+13125550188", person), ("+41445550188", abroad)):
            found = adapter.find(read(caller, country="US"), BOTH, practice.sign_in, 5.0)
            assert [card.id for card in found] == [record]
