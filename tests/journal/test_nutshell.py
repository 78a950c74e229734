"""The writer against the practice Nutshell, with every way in which a write can end: one note in the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from nutshellpbx.crm import signin
from nutshellpbx.crm.adapter import Card, Ref, Table
from nutshellpbx.crm.models import Credential, Crm, Grant
from nutshellpbx.crm.nutshell import api
from nutshellpbx.journal import delivery, outbox, proving
from nutshellpbx.journal.models import Entry, Proving, Reason, Writer
from nutshellpbx.journal.states import State
from nutshellpbx.lab.nutshell.running import RunningNutshell, running_nutshell
from nutshellpbx.vault import safe
from tests.journal.office import START, Office

pytestmark = pytest.mark.django_db(databases=["default", "index"])
WRITES = {"method": "POST", "path": "/rest/notes", "times": 1}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningNutshell]:
    with running_nutshell(contacts=60) as server:
        yield server


@pytest.fixture
def nutshell(running: RunningNutshell, office: Office, settings: Any) -> Iterator[RunningNutshell]:
    """The office's second CRM: a practice Nutshell."""
    settings.NUTSHELLPBX_PRIVATE_CRM_OK = True
    connect(office, running.url, running)
    running.behave()
    yield running
    running.behave()


def connect(office: Office, address: str, running: RunningNutshell) -> None:
    office.crm = Crm.objects.create(kind="nutshell", name=address, settings={"address": address})
    Grant.objects.create(extension=office.extension, crm=office.crm, granted_at=START)
    credential = Credential(
        crm=office.crm, user=office.owner, email=running.email, state="ok", created_at=START
    )
    credential.sealed = safe.seal(
        purpose="crm",
        secret=running.key,
        bound_to=credential.owner_key,
        origins=office.crm.adapter().origins,
    )
    credential.save()


def a_person(nutshell: RunningNutshell) -> Card:
    person = nutshell.ask("GET", "/sample")["contacts"][0]
    return Card(Table.CONTACTS, person["id"], person["name"])


def standing(nutshell: RunningNutshell, entry: Entry) -> list[dict[str, Any]]:
    """The notes of an entry that stand in Nutshell, of any generation."""
    code = entry.marker[6:20]
    assert code
    return [note for note in nutshell.notes() if code in str(note["body"]) and not note["deleted_at"]]


def test_note_stands_at_the_contact_with_its_marker_in_the_last_line(
    office: Office, nutshell: RunningNutshell
) -> None:
    card = a_person(nutshell)
    hostile = "Call from <b>O'Hara</b> & $(reboot)'; DROP TABLE notes;--\nZürich 電話 \U0001f4de"
    entry = office.deliver(office.enqueue(card=card, text=hostile))
    assert (entry.state, entry.copies) == (State.VERIFIED, 1)
    (note,) = standing(nutshell, entry)
    assert note["body"].splitlines() == [*hostile.splitlines(), entry.marker]
    assert entry.ref_id == note["id"]
    assert entry.ref_page is not None
    assert entry.ref_page["path"].startswith("/note/")
    kinds = list(entry.attempts.values_list("kind", "outcome"))
    assert kinds == [("write", "written"), ("read", "verified"), ("search", "found")]


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ({"kind": "throttle", "retry_after": 7}, State.PENDING),
        ({"kind": "throttle", "retry_after": None}, State.PENDING),
        ({"kind": "reset_before"}, State.UNKNOWN),
        ({"kind": "reset_after"}, State.UNKNOWN),
        ({"kind": "status_before", "status": 500}, State.UNKNOWN),
        ({"kind": "status_after", "status": 500}, State.UNKNOWN),
        ({"kind": "status_before", "status": 502}, State.UNKNOWN),
        ({"kind": "status_after", "status": 504}, State.UNKNOWN),
        ({"kind": "truncate"}, State.UNKNOWN),
        ({"kind": "wrong_type"}, State.UNKNOWN),
        ({"kind": "html"}, State.UNKNOWN),
        ({"kind": "garbage"}, State.UNKNOWN),
        ({"kind": "empty"}, State.UNKNOWN),
        ({"kind": "duplicate"}, State.VERIFIED),
        ({"kind": "status_before", "status": 400}, State.PARKED),
        ({"kind": "status_before", "status": 403}, State.PARKED),
        ({"kind": "status_before", "status": 422}, State.PARKED),
    ],
    ids=lambda value: "-".join(str(part) for part in value.values()) if isinstance(value, dict) else "",
)
def test_each_end_of_a_write_has_its_class_and_leaves_one_note(
    office: Office, nutshell: RunningNutshell, fault: dict[str, Any], state: str
) -> None:
    nutshell.misbehave({**WRITES, **fault})
    entry = office.deliver(office.enqueue(card=a_person(nutshell)))
    assert entry.state == state, (entry.reason_title, list(entry.attempts.values_list("title", flat=True)))
    if fault["kind"] == "throttle" and fault["retry_after"]:
        rests_until = Writer.objects.get().not_before
        assert rests_until is not None
        assert rests_until >= office.clock.now + timedelta(seconds=6.9)
    if state == State.PARKED:
        assert entry.reason == Reason.REFUSED
        assert entry.reason_title
        assert standing(nutshell, entry) == []
        outbox.retry(entry=entry, by=office.owner, now=office.clock())
    office.deliver_until(entry, State.VERIFIED)
    assert len(standing(nutshell, entry)) == 1
    assert entry.generation == 1


def test_note_that_is_made_after_our_time_out_is_found_and_not_doubled(
    office: Office, nutshell: RunningNutshell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "WRITE_TIMEOUT_S", 1.0)
    nutshell.misbehave({**WRITES, "kind": "delay", "seconds": 2.0})
    entry = office.deliver(office.enqueue(card=a_person(nutshell)))
    assert entry.state == State.UNKNOWN
    assert standing(nutshell, entry) == []
    # its quiet period is longer than anything that it could still be waiting for
    end = time.monotonic() + 10
    while not standing(nutshell, entry) and time.monotonic() < end:
        nutshell.log(after=0, wait_s=0.05)
    office.deliver_until(entry, State.VERIFIED)
    assert len(standing(nutshell, entry)) == 1


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "https://no-such-name.invalid"])
def test_nobody_there_means_that_nothing_was_sent(
    office: Office, nutshell: RunningNutshell, address: str
) -> None:
    connect(office, address, nutshell)
    entry = office.deliver(office.enqueue(card=a_person(nutshell)))
    assert (entry.state, entry.outcome) == (State.PENDING, "unsent")
    assert entry.reason_title


def test_wrong_key_is_told_in_words_and_shown_nowhere(office: Office, nutshell: RunningNutshell) -> None:
    Credential.objects.filter(crm=office.crm).delete()
    wrong = "no-such-key-" + "f" * 28
    credential = Credential(
        crm=office.crm, user=office.owner, email=nutshell.email, state="ok", created_at=START
    )
    credential.sealed = safe.seal(
        purpose="crm", secret=wrong, bound_to=credential.owner_key, origins=office.crm.adapter().origins
    )
    credential.save()
    entry = office.deliver(office.enqueue(card=a_person(nutshell)))
    assert (entry.state, entry.reason) == (State.PARKED, Reason.KEY_REFUSED)
    assert entry.reason_title == "Nutshell refused this e-mail and key"
    assert not any(wrong in f"{row}" for row in entry.attempts.values())


def test_changed_address_gets_no_byte_of_the_key(office: Office, nutshell: RunningNutshell) -> None:
    entry = office.enqueue(card=a_person(nutshell))
    with running_nutshell(contacts=3) as elsewhere:
        Crm.objects.filter(pk=office.crm.pk).update(settings={"address": elsewhere.url})
        office.deliver(entry)
        assert elsewhere.log() == []
    assert (entry.state, entry.reason) == (State.PARKED, Reason.KEY_REFUSED)
    assert Credential.objects.get(crm=office.crm).state == Credential.State.ENTER_AGAIN


def test_moved_note_stands_at_the_other_person_alone(office: Office, nutshell: RunningNutshell) -> None:
    first, second = (
        Card(Table.CONTACTS, person["id"], person["name"])
        for person in nutshell.ask("GET", "/sample")["contacts"][:2]
    )
    entry = office.deliver(office.enqueue(card=first))
    outbox.move(entry=entry, card=second, by=office.owner, now=office.clock())
    office.deliver_until(entry, State.VERIFIED)
    (note,) = standing(nutshell, entry)
    assert note["parent"] == second.id
    assert (entry.generation, entry.old_ref_id) == (2, "")


@pytest.fixture
def fresh_nutshell(office: Office, settings: Any) -> Iterator[RunningNutshell]:
    """A practice Nutshell in which no other test has left its notes."""
    settings.NUTSHELLPBX_PRIVATE_CRM_OK = True
    with running_nutshell(contacts=5) as server:
        connect(office, server.url, server)
        yield server


@pytest.mark.parametrize("way", ["events", "newest notes"])
def test_proof_sees_what_is_gone_and_what_stands_twice_in_nutshell(
    office: Office, fresh_nutshell: RunningNutshell, way: str
) -> None:
    nutshell = fresh_nutshell
    if way == "newest notes":
        nutshell.misbehave({"method": "GET", "path": "/rest/events", "kind": "status_before", "status": 404})
    card = a_person(nutshell)
    first, gone, twice = (
        office.deliver_until(office.enqueue(card=card), State.VERIFIED) for _each in range(3)
    )
    adapter = office.crm.adapter()
    as_ = signin.open_sign_in(credential=Credential.objects.get(crm=office.crm))
    adapter.remove(Ref(gone.ref_id), as_)
    adapter.write(delivery.draft_of(twice), twice.marker, as_)
    asked_before = len(nutshell.log())
    begun = proving.begin(kind=Proving.Kind.HOURLY, now=office.clock())
    assert begun is not None
    run = proving.run(
        proving=begun,
        count=lambda *, since, until: (3, {}),
        clock=office.clock,
        rest=lambda seconds: None,
    )
    assert (run.asked, run.unanswered, run.missing, run.double, run.foreign) == (3, 0, 1, 1, 0)
    for entry in (first, gone, twice):
        entry.refresh_from_db()
    assert [entry.state for entry in (first, gone, twice)] == ["verified", "parked", "verified"]
    assert (gone.reason, twice.copies) == (Reason.VANISHED, 2)
    asked = [line["path"] for line in nutshell.log()[asked_before:]]
    assert ("/rest/notes" in asked) == (way == "newest notes")
    # two looks at the one note that the list did not show
    assert sum(path.startswith("/rest/notes/") for path in asked) == 2
