"""Where an entry belongs: unknown callers that wait, several records, and a note that moves."""

from __future__ import annotations

import pytest

from nutshellpbx.journal import addressee, outbox
from nutshellpbx.journal.models import Reason
from nutshellpbx.journal.states import State
from tests.journal import double
from tests.journal.office import ANNA, BERT, NUMBER, Office

pytestmark = pytest.mark.django_db(databases=["default", "index"])


def test_unknown_caller_waits_with_its_key_and_is_written_when_the_contact_appears(office: Office) -> None:
    entry = office.deliver(office.enqueue(card=None, number="+13125559999"))
    assert (entry.state, entry.reason) == (State.WAITING, Reason.NO_MATCH)
    assert entry.not_before is not None
    office.folder.joinpath("contacts.json").write_text('{"77-contacts": ["Zoe Zane", "+13125559999"]}')
    office.deliver_until(entry, State.VERIFIED)
    assert [note["parent"] for note in office.notes()] == ["77-contacts"]
    assert entry.card_name == "Zoe Zane"


def test_caller_that_could_not_be_asked_for_is_tried_later_and_not_called_unknown(
    office: Office, mood: double.Mood
) -> None:
    mood.once["find"] = ["unsent"]
    entry = office.deliver(office.enqueue(card=None, number=NUMBER))
    assert (entry.state, entry.reason_title) == (State.PENDING, "The CRM is away")
    office.deliver_until(entry, State.VERIFIED)
    assert [note["parent"] for note in office.notes()] == [ANNA.id]


def test_several_records_wait_for_a_choice_and_go_to_the_chosen_one(office: Office) -> None:
    office.folder.joinpath("contacts.json").write_text(
        f'{{"{ANNA.id}": ["Anna", "{NUMBER}"], "{BERT.id}": ["Bert", "{NUMBER}"]}}'
    )
    entry = office.deliver(office.enqueue(card=None))
    assert (entry.state, entry.reason) == (State.WAITING, Reason.SEVERAL)
    outbox.give_card(crm=office.crm, call_key=entry.call_key, card=BERT, by=office.owner, now=office.clock())
    assert office.deliver(entry).state == State.VERIFIED
    assert [note["parent"] for note in office.notes()] == [BERT.id]


def test_moved_entry_is_written_and_verified_there_before_the_old_note_goes(
    office: Office, mood: double.Mood
) -> None:
    entry = office.deliver(office.enqueue())
    outbox.move(entry=entry, card=BERT, by=office.owner, now=office.clock())
    mood.once["read"] = ["not_yet"]
    office.deliver(entry)
    assert {note["parent"] for note in office.notes()} == {ANNA.id, BERT.id}
    office.deliver_until(entry, State.VERIFIED)
    (note,) = office.notes()
    assert (note["parent"], entry.generation, entry.old_ref_id) == (BERT.id, 2, "")
    assert note["text"].endswith("-2]")
    # "wrong person" once more, and back again
    outbox.move(entry=entry, card=ANNA, by=office.owner, now=office.clock())
    office.deliver_until(entry, State.VERIFIED)
    assert [note["parent"] for note in office.notes()] == [ANNA.id]


def test_record_chosen_while_the_worker_is_at_it_gets_the_note_in_the_end(
    office: Office, mood: double.Mood
) -> None:
    entry = office.enqueue()

    def choose() -> None:
        mood.while_writing = None
        outbox.give_card(
            crm=office.crm, call_key=entry.call_key, card=BERT, by=office.owner, now=office.clock()
        )

    mood.while_writing = choose
    office.deliver(entry)
    addressee.wake(now=office.clock())
    office.deliver(entry)
    for _look in range(3):
        office.clock.advance(seconds=5)
        office.deliver(entry)
    assert (entry.state, entry.card_id) == (State.VERIFIED, BERT.id)
    assert [note["parent"] for note in office.notes()] == [BERT.id]


def test_old_note_that_may_not_be_removed_is_for_a_person(office: Office, mood: double.Mood) -> None:
    entry = office.deliver(office.enqueue())
    outbox.move(entry=entry, card=BERT, by=office.owner, now=office.clock())
    mood.always["remove"] = "rejected"
    office.deliver_until(entry, State.PARKED)
    assert entry.reason == Reason.MAY_NOT_REMOVE
    mood.always.clear()
    outbox.retry(entry=entry, by=office.owner, now=office.clock())
    office.deliver_until(entry, State.VERIFIED)
    assert [note["parent"] for note in office.notes()] == [BERT.id]


def test_unclear_end_of_a_removal_is_looked_at_again(office: Office, mood: double.Mood) -> None:
    entry = office.deliver(office.enqueue())
    outbox.move(entry=entry, card=BERT, by=office.owner, now=office.clock())
    mood.once["remove"] = ["reset_after"]
    office.deliver_until(entry, State.VERIFIED)
    assert [note["parent"] for note in office.notes()] == [BERT.id]
