"""An unclear end: nothing is written again before a search that can be believed found nothing, twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nutshellpbx.journal import addressee, lags, outbox, restored
from nutshellpbx.journal.models import Entry, Reason, Writer
from nutshellpbx.journal.states import Outcome, State
from tests.journal import double
from tests.journal.office import Office

pytestmark = pytest.mark.django_db(databases=["default", "index"])


@pytest.mark.parametrize("how", double.AFTER)
def test_unclear_end_after_the_write_is_found_by_search_and_not_written_again(
    office: Office, mood: double.Mood, how: str
) -> None:
    mood.once["write"] = [how]
    entry = office.deliver(office.enqueue())
    assert (entry.state, entry.outcome) == (State.UNKNOWN, Outcome.UNKNOWN)
    office.clock.advance(seconds=9)
    office.deliver(entry)
    assert ("search", "found") not in list(entry.attempts.values_list("kind", "outcome"))
    office.clock.advance(seconds=11)
    assert office.deliver(entry).state == State.VERIFIED
    assert (len(office.notes()), mood.writes) == (1, 1)
    assert entry.ref_id == office.notes()[0]["id"]


def test_unclear_end_before_the_write_is_written_after_two_searches_that_found_nothing(
    office: Office, mood: double.Mood
) -> None:
    mood.once["write"] = ["reset_before"]
    entry = office.deliver(office.enqueue())
    office.clock.advance(seconds=20)
    office.deliver(entry)
    assert (entry.state, entry.absent_count, mood.writes) == (State.UNKNOWN, 1, 1)
    office.deliver(entry)
    assert entry.absent_count == 1
    office.clock.advance(seconds=2)
    office.deliver(entry)
    assert (entry.state, mood.writes) == (State.PENDING, 1)
    assert office.deliver(entry).state == State.VERIFIED
    assert (len(office.notes()), mood.writes) == (1, 2)


def test_note_taken_without_an_id_is_searched_for(office: Office, mood: double.Mood) -> None:
    mood.once["write"] = ["no_id"]
    entry = office.deliver(office.enqueue())
    assert entry.state == State.UNKNOWN
    office.deliver_until(entry, State.VERIFIED)
    assert len(office.notes()) == 1


def test_nobody_can_search_so_the_entry_is_parked_and_never_doubled(
    office: Office, mood: double.Mood
) -> None:
    mood.once["write"] = ["reset_after"]
    mood.always["find_written"] = "unsent"
    entry = office.deliver(office.enqueue())
    for _look in range(6):
        office.clock.advance(minutes=2)
        office.deliver(entry)
    assert (entry.state, entry.reason) == (State.PARKED, Reason.OUTCOME_UNKNOWN)
    assert "The CRM is away" in entry.reason_title
    assert entry.next_step
    outbox.retry(entry=entry, by=office.owner, now=office.clock())
    assert entry.state == State.UNKNOWN
    for _look in range(6):
        office.clock.advance(minutes=2)
        office.deliver(entry)
    assert (entry.state, mood.writes, len(office.notes())) == (State.PARKED, 1, 1)
    mood.always.clear()
    office.clock.advance(minutes=16)
    assert addressee.wake(now=office.clock()) == 1
    assert office.deliver(entry).state == State.VERIFIED
    assert (mood.writes, len(office.notes())) == (1, 1)


def test_person_who_looked_may_have_an_unclear_entry_written_anew(office: Office, mood: double.Mood) -> None:
    mood.once["write"] = ["reset_before"]
    mood.always["find_written"] = "unsent"
    entry = office.deliver_until(office.enqueue(), State.PARKED)
    outbox.retry(entry=entry, by=office.owner, now=office.clock(), looked=True)
    assert office.deliver_until(entry, State.VERIFIED).outcome == Outcome.WRITTEN
    assert (mood.writes, len(office.notes())) == (2, 1)


def test_search_that_does_not_show_a_note_that_is_there_is_not_believed(
    office: Office, mood: double.Mood
) -> None:
    mood.always["find_many"] = "blind"
    shown = office.deliver(office.enqueue())
    for _look in range(30):
        office.clock.advance(minutes=1)
        office.deliver(shown)
    assert Writer.objects.get().is_blind
    assert shown.not_before is None
    mood.once["write"] = ["reset_after"]
    entry = office.deliver(office.enqueue())
    office.clock.advance(minutes=1)
    office.deliver(entry)
    assert (entry.state, entry.reason) == (State.PARKED, Reason.OUTCOME_UNKNOWN)
    assert len(office.notes()) == 2


def test_lag_of_the_search_is_measured_and_lengthens_the_quiet_period(
    office: Office, mood: double.Mood
) -> None:
    before = lags.quiet_period(crm_id=office.crm.pk)
    mood.once["find_many"] = ["blind", "blind", "blind"]
    entry = office.deliver(office.enqueue())
    for _look in range(10):
        office.clock.advance(seconds=5)
        office.deliver(entry)
    lag_s = Writer.objects.get().worst_lag_ms / 1000
    assert 2 <= lag_s <= 40
    assert lags.quiet_period(crm_id=office.crm.pk) == before + timedelta(seconds=2 * lag_s)


def test_crash_of_our_own_after_the_intent_is_unclear_and_searched_for(
    office: Office, mood: double.Mood
) -> None:
    mood.once["write"] = ["bug"]
    entry = office.enqueue()
    with pytest.raises(ZeroDivisionError):
        office.deliver(entry)
    entry.refresh_from_db()
    assert (entry.state, entry.claimed_by) == (State.UNKNOWN, "")
    office.deliver_until(entry, State.VERIFIED)
    assert len(office.notes()) == 1


def test_worker_whose_claim_ran_out_still_settles_what_the_crm_told_it(
    office: Office, mood: double.Mood
) -> None:
    entry = office.enqueue()

    def meanwhile() -> None:
        office.clock.advance(seconds=outbox.LEASE_S + 1)
        assert outbox.reap(now=office.clock()) == 1
        mood.while_writing = None

    mood.while_writing = meanwhile
    office.deliver(entry)
    assert entry.state in {State.WRITTEN, State.VERIFIED}
    office.deliver_until(entry, State.VERIFIED)
    assert (mood.writes, len(office.notes())) == (1, 1)


def test_restored_old_database_searches_before_it_writes(office: Office, mood: double.Mood) -> None:
    entry = office.enqueue()
    office.deliver(entry)
    # the database as it was before
    Entry.objects.filter(pk=entry.pk).update(
        state=State.PENDING,
        outcome=Outcome.NEVER,
        marker="",
        ref_id="",
        verified_at=None,
        not_before=office.clock(),
    )
    assert restored.suspect_all(now=office.clock()) == 1
    entry.refresh_from_db()
    office.deliver_until(entry, State.VERIFIED)
    assert (mood.writes, len(office.notes())) == (1, 1)


def test_unclear_entry_is_not_searched_for_within_its_quiet_period_whoever_looks(
    office: Office, mood: double.Mood
) -> None:
    mood.once["write"] = ["reset_before"]
    entry = office.deliver(office.enqueue())
    office.clock.advance(seconds=9)
    Entry.objects.filter(pk=entry.pk).update(not_before=office.clock(), absent_count=1)
    office.deliver(entry)
    assert (entry.state, entry.absent_count) == (State.UNKNOWN, 1)
    assert not entry.attempts.filter(kind="search").exists()
    assert entry.not_before is not None
    assert entry.not_before > office.clock.now
