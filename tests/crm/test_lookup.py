"""Who is this: found, not found, or could not be asked; never one for the other."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from nutshellpbx.crm import index
from nutshellpbx.crm.adapter import Card, CardNumber, Page, Table
from nutshellpbx.crm.lookup import Found, NotFound, Source, Unavailable, find_caller, remember_choice
from nutshellpbx.crm.match import Form
from nutshellpbx.crm.models import Credential, Sync
from nutshellpbx.crm.router import index_alias
from nutshellpbx.people.models import Company
from nutshellpbx.phone import read
from tests.crm.conftest import NOW, House

pytestmark = pytest.mark.django_db(databases={"default", index_alias()})


@dataclass(frozen=True)
class Wishes:
    compare_digits: int = 0
    tables: tuple[str, ...] = ("contacts", "accounts")


def person(record_id: str, *numbers: str, table: Table = Table.CONTACTS, **values) -> Card:
    return Card(
        table=table,
        id=f"{record_id}-{table}",
        name=values.pop("name", f"Person {record_id}"),
        numbers=tuple(CardNumber(raw=number, label="work") for number in numbers),
        page=Page(origin="https://x.example", path=f"/person/{record_id}"),
        **values,
    )


def put(house: House, *cards: Card) -> None:
    index.put_cards(crm_id=house.crm.pk, cards=cards, country="CH")


def synced_at(house: House, as_of: datetime | None, *tables: str) -> None:
    for table in tables or ("contacts", "accounts"):
        Sync.objects.update_or_create(
            crm=house.crm, table=table, defaults={"state": "complete", "as_of": as_of}
        )


def ask(
    house: House, caller: str, *, credential: Credential | None = None, wishes: Wishes = Wishes(), **values
):
    return find_caller(
        number=read(caller, country="CH"),
        crm=house.crm,
        user=values.pop("user", house.owner),
        credential=credential,
        preferences=wishes,
        now=NOW,
        **values,
    )


def test_the_index_answers_without_asking_anybody(house: House, nutshell):
    put(house, person("1", "044 555 01 99", company="Harbor"), person("2", "044 555 01 98"))
    synced_at(house, NOW - timedelta(minutes=40))
    asked = len(nutshell.log())
    found = ask(house, "+41445550199", credential=house.credential(user=house.owner, key=nutshell.key))
    assert isinstance(found, Found)
    assert [(card.id, card.name, card.company) for card in found.cards] == [
        ("1-contacts", "Person 1", "Harbor")
    ]
    assert found.cards[0].page == Page(origin="https://x.example", path="/person/1")
    assert (found.source, found.as_of) == (Source.INDEX, NOW - timedelta(minutes=40))
    assert (found.why.raw, found.why.label, found.why.form, found.why.compared) == (
        "044 555 01 99",
        "work",
        Form.E164,
        "41445550199",
    )
    assert len(nutshell.log()) == asked


def test_a_number_that_is_not_in_the_index_is_asked_live(house: House, nutshell):
    created = nutshell.ask(
        "POST", "/contacts", {"name": "Live One", "phones": [{"value": "+41 44 555 07 01"}]}
    )
    credential = house.credential(user=house.owner, key=nutshell.key)
    found = ask(house, "0445550701", credential=credential)
    assert isinstance(found, Found)
    assert (found.source, found.as_of) == (Source.LIVE, NOW)
    assert [card.id for card in found.cards] == [created["id"]]


def test_the_live_search_may_say_that_nobody_has_the_number(house: House, nutshell):
    answer = ask(house, "0445550702", credential=house.credential(user=house.owner, key=nutshell.key))
    assert answer == NotFound(as_of=NOW, source=Source.LIVE)


@pytest.mark.parametrize(
    "misbehaviour",
    [
        {"kind": "status_before", "status": 503},
        {"kind": "garbage"},
        {"kind": "html"},
        {"kind": "reset_before"},
        {"kind": "throttle", "retry_after": 60},
        {"kind": "truncate"},
    ],
    ids=lambda each: each["kind"],
)
def test_a_crm_that_is_away_or_talks_nonsense_never_makes_an_unknown_caller(
    house: House, nutshell, misbehaviour
):
    credential = house.credential(user=house.owner, key=nutshell.key)
    nutshell.misbehave(misbehaviour)
    answer = ask(house, "0445550703", credential=credential)
    assert isinstance(answer, Unavailable)
    assert answer.title and answer.next_step
    assert Credential.objects.get().state == "ok"


def test_a_slow_crm_is_not_waited_for(house: House, nutshell):
    credential = house.credential(user=house.owner, key=nutshell.key)
    nutshell.misbehave({"kind": "delay", "seconds": 5})
    started = time.monotonic()
    answer = ask(house, "0445550703", credential=credential, deadline_s=0.4)
    assert isinstance(answer, Unavailable)
    assert time.monotonic() - started < 1.0


def test_a_fresh_and_complete_index_may_say_not_found_while_the_crm_is_away(house: House, nutshell):
    credential = house.credential(user=house.owner, key=nutshell.key)
    nutshell.misbehave({"kind": "status_before", "status": 503})
    as_of = NOW - timedelta(minutes=14)
    synced_at(house, as_of)
    assert ask(house, "0445550703", credential=credential) == NotFound(as_of=as_of, source=Source.INDEX)
    synced_at(house, NOW - timedelta(minutes=15))
    assert isinstance(ask(house, "0445550703", credential=credential), Unavailable)
    Company.objects.update(index_fresh_minutes=30)
    assert isinstance(ask(house, "0445550703", credential=credential), NotFound)


def test_half_an_index_never_says_not_found(house: House):
    synced_at(house, NOW, "contacts")
    assert isinstance(ask(house, "0445550703"), Unavailable)
    contacts_only = Wishes(tables=("contacts",))
    assert ask(house, "0445550703", wishes=contacts_only) == NotFound(as_of=NOW, source=Source.INDEX)
    synced_at(house, None, "contacts")
    assert isinstance(ask(house, "0445550703", wishes=contacts_only), Unavailable)


def test_without_a_key_the_index_still_finds(house: House):
    put(house, person("1", "044 555 01 99"))
    assert isinstance(ask(house, "0445550199"), Found)


def test_a_refused_key_makes_no_unknown_caller_and_is_paused(house: House, nutshell):
    credential = house.credential(user=house.owner, key="wrong-key-wrong-key")
    answer = ask(house, "0445550703", credential=credential)
    assert isinstance(answer, Unavailable)
    assert answer.title == "Nutshell refused this e-mail and key"
    assert Credential.objects.get().state == "refused"


def test_a_moved_crm_gets_no_key_and_makes_no_unknown_caller(house: House, nutshell):
    credential = house.credential(user=house.owner, key=nutshell.key)
    house.crm.settings = {"address": "http://127.0.0.1:9"}
    house.crm.save()
    asked = len(nutshell.log())
    answer = ask(house, "0445550703", credential=Credential.objects.get(pk=credential.pk))
    assert isinstance(answer, Unavailable)
    assert Credential.objects.get().state == "enter_again"
    assert len(nutshell.log()) == asked


def test_the_last_digits_are_compared_in_the_index(house: House):
    put(house, person("1", "555 01 99"), person("2", "044 555 11 99"), person("3", "+49 30 5550199"))
    found = ask(house, "+41445550199", wishes=Wishes(compare_digits=7))
    assert isinstance(found, Found)
    assert {card.id for card in found.cards} == {"1-contacts", "3-contacts"}
    assert found.why.form is Form.LAST_DIGITS


def test_last_digits_that_nobody_could_be_asked_about_are_not_not_found(house: House, nutshell):
    credential = house.credential(user=house.owner, key=nutshell.key)
    assert isinstance(
        ask(house, "0445550704", credential=credential, wishes=Wishes(compare_digits=7)), Unavailable
    )
    synced_at(house, NOW - timedelta(hours=3))
    assert isinstance(
        ask(house, "0445550704", credential=credential, wishes=Wishes(compare_digits=7)), NotFound
    )


def test_tables_are_searched_in_the_users_order(house: House):
    put(house, person("1", "044 555 01 99"), person("9", "044 555 01 99", table=Table.ACCOUNTS))
    assert [c.id for c in ask(house, "0445550199").cards] == ["1-contacts"]
    swapped = Wishes(tables=("accounts", "contacts"))
    assert [c.id for c in ask(house, "0445550199", wishes=swapped).cards] == ["9-accounts"]


def test_several_come_in_the_fixed_order_with_those_of_the_user_first(house: House, nutshell):
    put(
        house,
        person("1", "044 555 01 99", name="Zoe", last_contacted_at=datetime(2026, 1, 1, tzinfo=UTC)),
        person("2", "044 555 01 99", name="Anna"),
        person("3", "044 555 01 99", name="Mine", owner="7-users"),
    )
    credential = house.credential(user=house.owner, key=nutshell.key, who_id="7-users")
    found = ask(house, "0445550199", credential=credential)
    assert [card.name for card in found.cards] == ["Mine", "Zoe", "Anna"]
    assert found.chosen is None


def test_a_choice_is_remembered_for_that_user_and_number(house: House):
    put(
        house,
        person("1", "044 555 01 99", name="Anna"),
        person("2", "044 555 01 99", "079 555 01 88", name="Zoe"),
    )
    found = ask(house, "0445550199")
    number = read("0445550199", country="CH")
    remember_choice(user=house.owner, crm=house.crm, number=number, card=found.cards[1], now=NOW)
    again = ask(house, "+41445550199")
    assert again.chosen is not None and again.chosen.id == "2-contacts"
    assert ask(house, "0445550199", user=house.colleague).chosen is None
    remember_choice(user=house.owner, crm=house.crm, number=number, card=found.cards[0], now=NOW)
    assert ask(house, "0445550199").chosen.id == "1-contacts"


def test_a_chosen_record_that_is_gone_is_not_chosen(house: House):
    put(house, person("1", "044 555 01 99"), person("2", "044 555 01 99"))
    gone = person("3", "044 555 01 99")
    remember_choice(
        user=house.owner, crm=house.crm, number=read("0445550199", country="CH"), card=gone, now=NOW
    )
    assert ask(house, "0445550199").chosen is None


def test_records_of_another_crm_are_not_found(house: House):
    other = house.crm.__class__.objects.create(kind="nutshell", name="Other", settings=house.crm.settings)
    index.put_cards(crm_id=other.pk, cards=[person("1", "044 555 01 99")], country="CH")
    assert isinstance(ask(house, "0445550199"), Unavailable)


def test_a_lookup_in_the_index_asks_the_stores_little(house: House, django_assert_max_num_queries):
    put(house, person("1", "044 555 01 99"))
    synced_at(house, NOW)
    with django_assert_max_num_queries(5):
        assert isinstance(ask(house, "0445550199"), Found)
