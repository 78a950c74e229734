"""The proof: what the CRM shows is counted, and every difference is told as what it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connections

from nutshellpbx.audit import book
from nutshellpbx.audit.models import Act
from nutshellpbx.crm.adapter import Card, CrmConfig, Table
from nutshellpbx.crm.models import Credential
from nutshellpbx.journal import boxsecret, comparing, marker, outbox, proof, proving
from nutshellpbx.journal.models import Entry, Proving, Reason
from nutshellpbx.journal.states import State
from tests.journal import double
from tests.journal.office import Office

Kind = Proving.Kind


def no_calls(*, since: datetime, until: datetime) -> tuple[int, dict[str, int]]:
    return 0, {}


@pytest.fixture
def prove(office: Office) -> Callable[..., Proving]:
    """One run over the last day, without pauses."""

    def run(kind: str = Kind.HOURLY, *, count: proving.Count = no_calls) -> Proving:
        office.clock.advance(minutes=1)
        begun = proving.begin(kind=kind, now=office.clock())
        assert begun is not None
        return proving.run(proving=begun, count=count, clock=office.clock, rest=lambda seconds: None)

    return run


def written(office: Office, count: int = 1) -> list[Entry]:
    return [office.deliver_until(office.enqueue(), State.VERIFIED) for _each in range(count)]


def forget(office: Office, entry: Entry) -> None:
    """Somebody deletes the note in the CRM."""
    _double(office)._append({"removed": True}, note_id=entry.ref_id)


def add_note(office: Office, text: str, parent: str = "23-contacts") -> None:
    _double(office)._append({"text": text, "parent": parent})


def _double(office: Office) -> double.DoubleAdapter:
    config = CrmConfig(id=str(office.crm.pk), name="Double", kind=double.KIND, settings=office.crm.settings)
    return double.DoubleAdapter(config)


def test_all_is_there_and_the_row_says_so(office: Office, prove) -> None:
    written(office, 7)
    run = prove(count=lambda *, since, until: (9, {"private": 2}))
    assert (run.asked, run.unanswered, run.missing, run.double, run.foreign) == (7, 0, 0, 0, 0)
    assert (run.calls, run.left_out, run.entries) == (9, {"private": 2}, 7)
    assert run.terms["verified"] == 7
    assert run.ended_at is not None
    assert Act.objects.filter(act=proving.ACT).count() == 0


def test_what_the_feed_shows_is_not_asked_for_again(office: Office, prove, mood: double.Mood) -> None:
    written(office, 7)
    mood.always["read"] = "unsent"  # nobody may need it
    assert prove().unanswered == 0


@pytest.mark.parametrize("feed", ["unsent", "cut", "blind", "busy"])
def test_without_the_feed_the_notes_are_read_one_by_one(
    feed: str, office: Office, prove, mood: double.Mood
) -> None:
    written(office, 5)
    mood.always["notes_since"] = feed
    run = prove()
    assert (run.asked, run.unanswered, run.missing) == (5, 0, 0)


def test_a_deleted_note_is_missing_and_its_entry_asks_for_a_person(office: Office, prove) -> None:
    kept, lost = written(office, 2)
    forget(office, lost)
    run = prove()
    assert (run.asked, run.missing, run.unanswered) == (2, 1, 0)
    lost.refresh_from_db()
    kept.refresh_from_db()
    assert (lost.state, lost.reason) == (State.PARKED, Reason.VANISHED)
    assert lost.reason_title and lost.next_step
    assert kept.state == State.VERIFIED
    assert proving.findings_of(proving=run)["missing"] == [lost.marker]
    assert book.verify().is_whole
    # and a person's word brings it back, once
    outbox.retry(entry=lost, by=office.owner, now=office.clock(), looked=True)
    office.deliver_until(lost, State.VERIFIED)
    assert prove().missing == 0
    assert len(office.notes()) == 2


def test_one_wrong_answer_calls_nobody(office: Office, prove, mood: double.Mood) -> None:
    [entry] = written(office)
    mood.always["notes_since"] = "blind"
    mood.once["read"] = ["not_yet"]
    assert prove().missing == 0
    entry.refresh_from_db()
    assert entry.state == State.VERIFIED


def test_another_text_in_its_place_is_told(office: Office, prove, mood: double.Mood) -> None:
    [entry] = written(office)
    mood.always["notes_since"] = "blind"
    mood.always["read"] = "other"
    assert prove().missing == 1
    entry.refresh_from_db()
    assert (entry.state, entry.reason) == (State.PARKED, Reason.ELSEWHERE)


def test_could_not_ask_is_never_missing(office: Office, prove, mood: double.Mood) -> None:
    written(office, 6)
    mood.always["notes_since"] = mood.always["read"] = "unsent"
    run = prove()
    assert (run.asked, run.unanswered, run.missing) == (6, 6, 0)
    assert set(Entry.objects.values_list("state", flat=True)) == {State.VERIFIED}


def test_a_crm_that_fails_is_left_alone(office: Office, prove, mood: double.Mood, monkeypatch) -> None:
    written(office, 12)
    mood.always["notes_since"] = mood.always["read"] = "unsent"
    asked: list[str] = []

    def of(method: str) -> str:
        asked.append(method)
        return mood.always.get(method, "")

    monkeypatch.setattr(mood, "of", of)
    assert prove().unanswered == 12
    assert asked.count("read") == comparing.FAULTS_AT_MOST


@pytest.mark.parametrize("state", [Credential.State.REFUSED, Credential.State.ENTER_AGAIN])
def test_without_a_key_nothing_is_asked(state: str, office: Office, prove) -> None:
    written(office, 2)
    Credential.objects.update(state=state)
    run = prove()
    assert (run.asked, run.unanswered, run.missing) == (2, 2, 0)


def test_a_crm_that_wants_peace_gets_it(office: Office, prove, mood: double.Mood) -> None:
    written(office, 2)
    office.credential.writer.__class__.objects.update(not_before=office.clock.now + timedelta(hours=1))
    mood.always["read"] = mood.always["notes_since"] = "bug"  # would break the run
    assert prove().unanswered == 2


def test_a_second_note_with_the_marker_is_double(office: Office, prove) -> None:
    first, second = written(office, 2)
    add_note(office, f"copied\n{second.marker}")
    run = prove()
    assert (run.double, run.missing, run.foreign) == (1, 0, 0)
    second.refresh_from_db()
    assert second.copies == 2
    assert proof.prove(since=run.since, until=run.until).double == 1
    assert proving.findings_of(proving=run)["double"] == [second.marker]
    # the copy is removed in the CRM: the next run says so
    extra = next(note for note in office.notes() if note["text"].startswith("copied"))
    _double(office)._append({"removed": True}, note_id=extra["id"])
    assert prove().double == 0
    second.refresh_from_db()
    assert second.copies == 1


def test_a_note_of_the_generation_before_that_still_stands_is_double(office: Office, prove) -> None:
    [entry] = written(office)
    old = entry.marker
    outbox.move(entry=entry, card=Card(Table.CONTACTS, "24-contacts", "Bert"), by=None, now=office.clock())
    office.deliver_until(entry, State.VERIFIED)
    while entry.old_ref_id:
        office.deliver(entry)
    assert prove().double == 0
    add_note(office, f"again\n{old}")
    assert prove().double == 1


def test_a_marker_that_nobody_here_wrote_is_foreign(office: Office, prove) -> None:
    written(office, 2)
    other = str(marker.make(secret=b"x" * 32, call_key="elsewhere", crm_id="1", generation=1))
    add_note(office, f"from another box\n{other}")
    run = prove()
    assert (run.foreign, run.double, run.missing) == (1, 0, 0)
    assert proving.findings_of(proving=run)["foreign"] == [other]
    assert proving.find_alarms(now=office.clock()) == [run]


def test_a_note_written_before_an_old_database_was_restored_is_not_foreign(office: Office, prove) -> None:
    entry = office.enqueue()  # unsent, as far as this database knows
    ours = boxsecret.marker_of(call_key=entry.call_key, crm_id=str(office.crm.pk), generation=1)
    add_note(office, f"Inbound call\n{ours}")
    assert prove().foreign == 0


def test_an_entry_on_the_move_is_no_false_alarm(office: Office, prove) -> None:
    [entry] = written(office)
    outbox.move(entry=entry, card=Card(Table.CONTACTS, "24-contacts", "Bert"), by=None, now=office.clock())
    run = prove()
    assert (run.missing, run.double, run.foreign) == (0, 0, 0)


def test_a_run_that_was_cut_off_stays_open_and_the_next_begins_anew(office: Office, prove) -> None:
    written(office)
    begun = proving.begin(kind=Kind.HOURLY, now=office.clock())
    assert begun is not None
    assert proving.begin(kind=Kind.HOURLY, now=office.clock()) is None  # one at a time
    assert proving.find_last() is None
    office.clock.advance(hours=1)
    assert prove().missing == 0
    begun.refresh_from_db()
    assert begun.ended_at is None


def test_a_run_that_breaks_leaves_its_row_open(office: Office, prove, mood: double.Mood) -> None:
    written(office)
    mood.always["notes_since"] = "bug"
    with pytest.raises(ZeroDivisionError):
        prove()
    assert Proving.objects.get().ended_at is None


def test_a_wish_is_one_row_and_comes_first(office: Office, prove) -> None:
    written(office)
    wish = proving.ask_for(by=office.owner, now=office.clock())
    assert proving.ask_for(by=office.owner, now=office.clock()) == wish
    assert proving.find_running(now=office.clock()) == wish
    assert proving.find_due_kind(now=office.clock()) == Kind.ASKED
    run = prove(Kind.ASKED)
    assert run.pk == wish.pk
    assert run.until - run.since == timedelta(days=7)
    assert Act.objects.get(act="proof.asked").by_email == office.owner.email
    assert proving.find_due_kind(now=office.clock()) is None


def test_runs_come_due_by_the_hour_and_by_night(office: Office, prove) -> None:
    assert proving.find_due_kind(now=office.clock()) is None  # nothing to prove
    written(office)
    office.clock.advance(hours=2)
    assert proving.find_due_kind(now=office.clock()) == Kind.NIGHTLY
    prove(Kind.NIGHTLY)
    assert proving.find_due_kind(now=office.clock()) == Kind.HOURLY
    prove(Kind.HOURLY)
    assert proving.find_due_kind(now=office.clock()) is None
    office.clock.advance(minutes=61)
    assert proving.find_due_kind(now=office.clock()) == Kind.HOURLY
    office.clock.advance(hours=24)
    assert proving.find_due_kind(now=office.clock()) == Kind.NIGHTLY


def test_a_run_in_its_thread_lets_nobody_else_begin(office: Office, monkeypatch) -> None:
    written(office)
    begun, go_on = threading.Event(), threading.Event()

    def run(**_values: object) -> None:
        begun.set()
        assert go_on.wait(timeout=20)

    monkeypatch.setattr(proving, "run", run)
    monkeypatch.setattr(connections, "close_all", lambda: None)
    office.clock.advance(hours=2)
    assert proving.run_if_due(now=office.clock(), count=no_calls)
    assert begun.wait(timeout=20)
    assert not proving.run_if_due(now=office.clock(), count=no_calls)
    go_on.set()
    assert proving._at_it.acquire(timeout=20)
    proving._at_it.release()


def test_every_state_stands_in_exactly_one_term() -> None:
    counted = [state for states in proof.TERMS.values() for state in states]
    assert sorted(counted) == sorted(State)
