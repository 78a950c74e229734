"""What comes of an entry, outcome by outcome: one note, none lost, none twice, a person told when needed."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections

from nutshellpbx.crm.models import Credential, Grant
from nutshellpbx.journal import addressee, breaker, delivery, marker, outbox, pace, tasks
from nutshellpbx.journal.models import Attempt, Entry, Reason, Writer
from nutshellpbx.journal.states import Outcome, State
from tests.journal import double
from tests.journal.office import ANNA, Office, give_key

pytestmark = pytest.mark.django_db(databases=["default", "index"])


def outcomes(entry: Entry) -> list[tuple[str, str]]:
    return [(attempt.kind, attempt.outcome) for attempt in entry.attempts.order_by("pk")]


def test_entry_is_written_once_and_verified(office: Office) -> None:
    entry = office.deliver(office.enqueue())
    assert entry.state == State.VERIFIED
    (note,) = office.notes()
    assert note["parent"] == ANNA.id
    assert note["text"] == f"Inbound call, 3:20 min\n{entry.marker}"
    assert [one.generation for one in marker.find_markers(note["text"])] == [1]
    assert (entry.ref_id, entry.claimed_by, entry.not_before) == (note["id"], "", None)
    assert outcomes(entry) == [("write", "written"), ("read", "verified"), ("search", "found")]
    assert entry.seen_at is not None
    assert entry.copies == 1


def test_nothing_more_is_written_after_it_is_verified(office: Office, mood: double.Mood) -> None:
    entry = office.deliver(office.enqueue())
    for _look in range(3):
        office.clock.advance(days=1)
        office.deliver(entry)
    tasks.deliver(str(entry.pk))
    assert mood.writes == 1


def test_bell_for_an_entry_that_is_not_there_does_nothing(office: Office) -> None:
    tasks.deliver("not a row id")
    tasks.deliver("00000000-0000-0000-0000-000000000000")


def test_crm_away_before_the_first_byte_tries_again_until_it_is_back(
    office: Office, mood: double.Mood
) -> None:
    mood.always["write"] = "unsent"
    entry = office.deliver(office.enqueue())
    assert (entry.state, entry.outcome) == (State.PENDING, Outcome.UNSENT)
    assert entry.reason_title == "The CRM is away"
    for _hour in range(6):
        office.clock.advance(minutes=16)
        office.deliver(entry)
    assert entry.state == State.PENDING
    assert entry.not_before is not None
    assert entry.not_before - office.clock.now <= timedelta(seconds=breaker.CAP_S)
    mood.always.clear()
    office.deliver_until(entry, State.VERIFIED)
    assert len(office.notes()) == 1


def test_back_off_grows_with_full_jitter_up_to_a_quarter_of_an_hour() -> None:
    waits = [[breaker.back_off_s(failures) for _one in range(300)] for failures in (1, 4, 30)]
    assert max(waits[0]) <= 2
    assert max(waits[1]) <= 16
    assert 800 < max(waits[2]) <= 900
    assert min(waits[2]) < 100


def test_retry_after_is_obeyed_by_all_entries_of_the_credential(office: Office, mood: double.Mood) -> None:
    mood.once["write"] = ["busy 120"]
    first, second = office.enqueue(), office.enqueue()
    office.deliver(first)
    rests_until = Writer.objects.get().not_before
    assert rests_until is not None
    assert rests_until >= office.clock.now + timedelta(seconds=119)
    office.deliver(second)
    assert mood.writes == 1
    office.clock.advance(seconds=115)
    office.deliver(second)
    assert mood.writes == 1
    assert str(second.pk) not in outbox.due(now=office.clock())
    office.clock.advance(seconds=10)
    assert office.deliver(second).state == State.VERIFIED


def test_refused_note_is_parked_with_the_reason_and_others_go_on(office: Office, mood: double.Mood) -> None:
    mood.once["write"] = ["rejected"]
    refused = office.deliver(office.enqueue())
    assert (refused.state, refused.reason) == (State.PARKED, Reason.REFUSED)
    assert refused.reason_title == "The contact is not there any more"
    assert refused.next_step == "Choose another one."
    assert office.deliver(office.enqueue()).state == State.VERIFIED
    office.clock.advance(days=2)
    assert addressee.wake(now=office.clock()) == 0
    outbox.retry(entry=refused, by=office.owner, now=office.clock())
    assert office.deliver(refused).state == State.VERIFIED
    assert len(office.notes()) == 2


def test_wrong_key_parks_the_entry_and_stops_the_key_until_another_is_entered(
    office: Office, mood: double.Mood
) -> None:
    mood.key = "another-key-entirely"
    entry = office.deliver(office.enqueue())
    assert (entry.state, entry.reason) == (State.PARKED, Reason.KEY_REFUSED)
    assert entry.reason_title == "Nutshell refused this e-mail and key"
    assert office.credential.state == Credential.State.REFUSED
    assert addressee.wake(now=office.clock()) == 0
    second = office.deliver(office.enqueue())
    assert (second.reason, mood.writes) == (Reason.KEY_REFUSED, 1)
    give_key(crm=office.crm, user=office.owner, key="another-key-entirely")
    assert addressee.wake(now=office.clock()) == 2
    assert {office.deliver(one).state for one in Entry.objects.all()} == {State.VERIFIED}
    shown = " ".join(f"{one.asked} {one.answered} {one.title}" for one in Attempt.objects.all())
    assert "another-key" not in shown


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("grant", Reason.NO_GRANT), ("key", Reason.NO_KEY), ("owner", Reason.NO_OWNER), ("crm", Reason.CRM_OFF)],
)
def test_missing_right_is_named_and_the_entry_is_sent_once_it_is_there(
    office: Office, mood: double.Mood, missing: str, reason: str
) -> None:
    entry = office.enqueue()
    match missing:
        case "grant":
            Grant.objects.all().delete()
        case "key":
            Credential.objects.all().delete()
        case "owner":
            type(office.extension).objects.update(owner=None)
        case "crm":
            type(office.crm).objects.update(is_enabled=False)
    office.deliver(entry)
    assert (entry.state, entry.reason, mood.writes) == (State.PARKED, reason, 0)
    assert entry.reason_title
    assert entry.next_step
    assert addressee.wake(now=office.clock()) == 0
    match missing:
        case "grant":
            Grant.objects.create(extension=office.extension, crm=office.crm, granted_at=office.clock())
        case "key":
            give_key(crm=office.crm, user=office.owner, key=double.KEY)
        case "owner":
            type(office.extension).objects.update(owner=office.owner)
        case "crm":
            type(office.crm).objects.update(is_enabled=True)
    assert addressee.wake(now=office.clock()) == 1
    assert office.deliver(entry).state == State.VERIFIED


def test_note_that_is_not_shown_yet_is_read_again(office: Office, mood: double.Mood) -> None:
    mood.once["read"] = ["not_yet", "reset_before"]
    entry = office.deliver(office.enqueue())
    assert entry.state == State.WRITTEN
    office.deliver_until(entry, State.VERIFIED)
    assert mood.writes == 1


def test_note_that_vanished_is_for_a_person_and_never_written_again_unasked(
    office: Office, mood: double.Mood
) -> None:
    mood.always["read"] = "not_yet"
    entry = office.deliver_until(office.enqueue(), State.PARKED)
    assert (entry.reason, mood.writes) == (Reason.VANISHED, 1)
    outbox.retry(entry=entry, by=office.owner, now=office.clock())
    assert entry.state == State.WRITTEN
    office.deliver_until(entry, State.PARKED)
    assert mood.writes == 1
    mood.always.clear()
    outbox.retry(entry=entry, by=office.owner, now=office.clock(), looked=True)
    office.deliver_until(entry, State.VERIFIED)
    assert entry.generation == 2


def test_other_text_in_place_of_the_note_is_for_a_person(office: Office, mood: double.Mood) -> None:
    mood.once["read"] = ["other"]
    entry = office.deliver(office.enqueue())
    assert (entry.state, entry.reason) == (State.PARKED, Reason.ELSEWHERE)


def test_poisonous_entry_is_set_aside_the_third_time_and_others_go_on(
    office: Office, mood: double.Mood
) -> None:
    mood.once["find"] = ["bug"] * 3
    poison = office.enqueue(card=None)
    for _crash in range(3):
        with pytest.raises(ZeroDivisionError):
            office.deliver(poison)
        office.clock.advance(minutes=1)
    poison.refresh_from_db()
    assert (poison.state, poison.reason) == (State.PARKED, Reason.FAULTY)
    assert office.deliver(office.enqueue()).state == State.VERIFIED


def test_entry_that_nobody_could_send_for_a_week_is_told(office: Office, mood: double.Mood) -> None:
    mood.always["write"] = "unsent"
    entry = office.deliver(office.enqueue())
    office.clock.advance(days=8)
    office.deliver(entry)
    assert (entry.state, entry.reason) == (State.PARKED, Reason.TOO_OLD)
    mood.always.clear()
    outbox.retry(entry=entry, by=office.owner, now=office.clock())
    assert office.deliver(entry).state == State.VERIFIED


def test_text_that_is_amended_before_the_intent_is_the_one_that_is_written(office: Office) -> None:
    entry = office.enqueue()
    again = office.enqueue(call_key=entry.call_key, text="Inbound call, 3:20 min\nHe will call back")
    assert again.pk == entry.pk
    office.deliver(entry)
    office.enqueue(call_key=entry.call_key, text="too late")
    office.clock.advance(minutes=1)
    office.deliver(entry)
    (note,) = office.notes()
    assert note["text"].startswith("Inbound call, 3:20 min\nHe will call back\n[npbx ")
    assert Entry.objects.count() == 1


def test_entry_that_rolls_back_with_its_call_never_was(office: Office) -> None:
    from django.db import transaction

    with pytest.raises(RuntimeError), transaction.atomic():
        office.enqueue()
        raise RuntimeError("the call's transaction fails")
    assert Entry.objects.count() == 0


@pytest.mark.django_db(transaction=True, databases=["default", "index"])
def test_two_workers_at_once_write_one_note(office: Office, mood: double.Mood) -> None:
    entry = office.enqueue()
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        assert go_on.wait(10)

    mood.while_writing = hold
    first = threading.Thread(target=_deliver_and_close, args=(office, entry))
    first.start()
    assert inside.wait(10)
    for _second_worker in range(3):
        assert delivery.deliver(entry_id=str(entry.pk), worker="another", clock=office.clock) is None
    other = office.enqueue()
    assert office.deliver(other, worker="another").state == State.PENDING
    assert outbox.due(now=office.clock()) == []
    go_on.set()
    first.join(10)
    entry.refresh_from_db()
    assert entry.state == State.VERIFIED
    mood.while_writing = None
    assert office.deliver(other).state == State.VERIFIED
    assert len(office.notes()) == 2


def _deliver_and_close(office: Office, entry: Entry) -> None:
    try:
        delivery.deliver(entry_id=str(entry.pk), worker="first", clock=office.clock)
    finally:
        connections.close_all()


def test_worker_that_stood_still_before_the_first_byte_sends_nothing(
    office: Office, mood: double.Mood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "SEND_WITHIN_S", -1.0)
    entry = office.deliver(office.enqueue())
    assert (entry.state, entry.outcome, mood.writes) == (State.PENDING, Outcome.UNSENT, 0)


def test_right_taken_away_from_a_verified_entry_changes_nothing(office: Office, mood: double.Mood) -> None:
    mood.once["find_many"] = ["blind"]
    entry = office.deliver(office.enqueue())
    Grant.objects.all().delete()
    office.clock.advance(minutes=1)
    office.deliver(entry)
    assert (entry.state, entry.not_before) == (State.VERIFIED, None)


def test_task_works_off_everything_that_is_due(office: Office, mood: double.Mood) -> None:
    Writer.objects.create(credential=office.credential, rate=pace.CAP)
    entries = [office.enqueue() for _one in range(5)]
    tasks.deliver(str(entries[0].pk))
    assert set(Entry.objects.values_list("state", flat=True)) == {State.VERIFIED}
    assert mood.writes == 5
    assert tasks.due() == []
