"""How fast a credential asks, when it rests, and what waits for it: the cores by tables, then the writer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nutshellpbx.crm.adapter import SignIn, SlowDown
from nutshellpbx.faults import TryLater
from nutshellpbx.journal import breaker, delivery, looks, outbox, pace, writers
from nutshellpbx.journal.breaker import Breaker
from nutshellpbx.journal.models import Entry, Reason, Writer
from nutshellpbx.journal.pace import Pace
from nutshellpbx.journal.states import State
from nutshellpbx.redact import Secret
from tests.journal import double
from tests.journal.office import Office

T0 = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def test_a_stranger_is_asked_twice_a_second_after_a_small_burst() -> None:
    budget = Pace()
    waits = [budget.take(now=T0) for _request in range(9)]
    assert waits == [0, 0, 0, 0, 0, 0.5, 1.0, 1.5, 2.0]
    assert budget.take(now=after(10)) == 0


def test_rate_grows_with_success_up_to_the_cap_and_no_further() -> None:
    budget = Pace()
    budget.went_well(requests=20)
    assert 4 < budget.rate < 9
    budget.went_well(requests=2000)
    assert budget.rate == pace.CAP


def test_rate_is_cut_when_asked_and_comes_near_the_ceiling_only_slowly() -> None:
    budget = Pace(rate=20.0)
    budget.told_to_slow_down()
    assert budget.rate == pytest.approx(14.0)
    assert budget.wait_s(requests=1, now=T0) > 0
    budget.went_well(requests=100)
    fast = budget.rate
    assert fast == pytest.approx(18.0, abs=0.6)
    budget.went_well(requests=18)
    assert budget.rate - fast < 0.2


def test_rate_never_falls_to_nothing_and_a_clock_set_back_gives_no_tokens() -> None:
    budget = Pace()
    for _time in range(50):
        budget.told_to_slow_down()
    assert budget.rate == pace.FLOOR
    budget = Pace(tokens=0.0, at=T0)
    assert budget.wait_s(requests=1, now=after(-3600)) == pytest.approx(0.5)
    assert budget.wait_s(requests=1, now=after(-3599)) == 0


@pytest.mark.parametrize(
    ("failures", "rests_s", "state"),
    [
        (0, None, Breaker.CLOSED),
        (4, 10, Breaker.CLOSED),
        (5, 10, Breaker.OPEN),
        (5, -1, Breaker.PROBING),
        (5, None, Breaker.PROBING),
        (900, 10, Breaker.OPEN),
    ],
)
def test_breaker_is_closed_open_or_probing(failures: int, rests_s: float | None, state: Breaker) -> None:
    until = None if rests_s is None else after(rests_s)
    assert breaker.state_of(failures=failures, not_before=until, now=T0) is state


def test_pauses_follow_the_crms_word_then_jitter_and_probes_come_soon_enough() -> None:
    assert breaker.pause_s(1, 120.0) == 120
    assert breaker.pause_s(1, 1e9) == breaker.RETRY_AFTER_CAP_S
    assert all(0 <= breaker.pause_s(1, None) <= 2 for _try in range(50))
    pauses = [breaker.pause_s(50, None) for _try in range(50)]
    assert min(pauses) >= breaker.PROBE_EVERY_S / 2
    assert max(pauses) <= breaker.PROBE_EVERY_S
    assert len(set(pauses)) > 40


# ---- the writer

database = pytest.mark.django_db(databases=["default", "index"])


@pytest.fixture(autouse=True)
def looks_at_the_end_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is: no look in the middle of a batch."""
    monkeypatch.setattr(looks, "LOOK_EVERY_S", 1e6)


def drain(office: Office) -> int:
    return delivery.work_off(worker="w", at_most_s=30, clock=office.clock)


@database
def test_an_entry_costs_two_requests_and_one_look_sees_them_all(office: Office, mood: double.Mood) -> None:
    entries = [office.enqueue() for _one in range(30)]
    assert drain(office) == len(entries)
    asked = {kind: mood.requests.count(kind) for kind in set(mood.requests)}
    assert asked == {"write": 30, "read": 30, "find_many": 1}
    assert Entry.objects.filter(state=State.VERIFIED, seen_at__isnull=False, copies=1).count() == 30
    assert Writer.objects.get().last_lag_ms is not None
    assert outbox.due(now=office.clock()) == []


@database
def test_the_oldest_call_is_written_first_whatever_the_order_of_telling(office: Office) -> None:
    moments = [7, 3, 9, 1, 5]
    keys = {minute: office.enqueue(happened_at=T0 + timedelta(minutes=minute)).call_key for minute in moments}
    drain(office)
    written = list(Entry.objects.order_by("written_at").values_list("call_key", flat=True))
    assert written == [keys[minute] for minute in sorted(moments)]


@database
def test_every_request_takes_from_the_budget_which_is_kept_in_the_row(
    office: Office, mood: double.Mood
) -> None:
    began = office.clock.now
    for _one in range(20):
        office.enqueue()
    drain(office)
    took_s = (office.clock.now - began).total_seconds()
    requests = len(mood.requests)
    assert requests == 41
    # from 2/s on, a little faster with each: far slower than all at once, far faster than 2/s to the end
    assert 2 < took_s < (requests - pace.BURST) / pace.START
    row = Writer.objects.get()
    assert row.rate > pace.START
    assert row.filled_at is not None and row.filled_at >= began


@database
def test_a_long_wait_for_the_budget_stands_in_the_row_and_nobody_sits_it_out(
    office: Office, mood: double.Mood
) -> None:
    office.deliver(office.enqueue())
    Writer.objects.update(rate=pace.FLOOR, tokens=0.0, filled_at=office.clock.now)
    entry = office.deliver(office.enqueue())
    assert (entry.state, entry.failures, mood.writes) == (State.PENDING, 0, 1)
    rests_until = Writer.objects.get().not_before
    assert rests_until is not None
    assert 8 < (rests_until - office.clock.now).total_seconds() <= 10
    assert outbox.due(now=office.clock()) == []
    office.clock.advance(seconds=11)
    assert office.deliver(entry).state == State.VERIFIED


@database
def test_being_told_to_slow_down_cuts_the_pace_and_is_no_failure(office: Office, mood: double.Mood) -> None:
    entries = [office.enqueue() for _one in range(3)]
    mood.once["write"] = ["busy 30"]
    drain(office)
    row = Writer.objects.get()
    assert (row.failures, mood.writes, row.throttled_at is not None) == (0, 1, True)
    assert row.rate == pytest.approx(pace.START * pace.CUT)
    assert row.breaker(now=office.clock()) is Breaker.CLOSED
    entries[0].refresh_from_db()
    assert (entries[0].state, entries[0].failures) == (State.PENDING, 0)
    office.clock.advance(seconds=31)
    drain(office)
    assert Entry.objects.filter(state=State.VERIFIED).count() == 3


def fail_until_open(office: Office, mood: double.Mood) -> None:
    """Let the CRM be away until the breaker is open."""
    mood.always["write"] = "unsent"
    for _try in range(40):
        drain(office)
        if Writer.objects.get().breaker(now=office.clock()) is Breaker.OPEN:
            return
        office.clock.advance(seconds=3)
    raise AssertionError("the breaker never opened")


@database
def test_five_failures_in_a_row_open_the_breaker_and_one_probe_goes_at_a_time(
    office: Office, mood: double.Mood
) -> None:
    for _one in range(12):
        office.enqueue()
    fail_until_open(office, mood)
    assert (Writer.objects.get().failures, mood.writes) == (5, 5)
    assert drain(office) == 0
    for probes in (1, 2):
        office.clock.advance(seconds=breaker.PROBE_EVERY_S)
        assert Writer.objects.get().breaker(now=office.clock()) is Breaker.PROBING
        drain(office)
        assert (mood.writes, Writer.objects.get().failures) == (5 + probes, 5 + probes)


@database
def test_the_first_success_after_an_outage_releases_the_whole_queue_oldest_first(
    office: Office, mood: double.Mood
) -> None:
    entries = [office.enqueue(happened_at=T0 + timedelta(minutes=minute)) for minute in range(12)]
    fail_until_open(office, mood)
    # as after many probes: each has its own long back-off
    waiting = Entry.objects.filter(failures__gt=0)
    assert waiting.exists()
    waiting.update(not_before=office.clock.now + timedelta(minutes=14), failures=9)
    mood.always.clear()
    office.clock.advance(seconds=breaker.PROBE_EVERY_S)
    drain(office)
    assert Writer.objects.get().breaker(now=office.clock()) is Breaker.CLOSED
    office.clock.advance(seconds=1)
    drain(office)
    assert Entry.objects.filter(state=State.VERIFIED).count() == len(entries)
    # but for the probe itself, in the order in which the calls happened
    order = list(Entry.objects.order_by("written_at").values_list("happened_at", flat=True))
    assert order[1:] == sorted(order[1:])


@database
def test_what_nobody_could_search_for_goes_on_when_the_crm_is_back(office: Office, mood: double.Mood) -> None:
    mood.once["write"] = ["reset_after"]
    mood.always |= {"find_written": "unsent"}
    entry = office.deliver_until(office.enqueue(), State.PARKED)
    assert entry.reason == Reason.OUTCOME_UNKNOWN
    Writer.objects.update(failures=breaker.OPEN_AFTER)
    mood.always.clear()
    office.clock.advance(minutes=1)
    office.deliver(office.enqueue())
    entry.refresh_from_db()
    assert entry.state == State.UNKNOWN
    assert office.deliver_until(entry, State.VERIFIED).copies == 1
    assert len(office.notes()) == 2


@database
def test_a_turn_that_asked_nothing_does_not_close_the_breaker(office: Office) -> None:
    writer = writers.take(credential=office.credential, worker="w", now=office.clock(), lease_s=60)
    assert writer is not None
    Writer.objects.update(failures=7)
    writer.refresh_from_db()
    writers.give_back(writer=writer, now=office.clock(), worked=None)
    assert Writer.objects.get().failures == 7


@database
@pytest.mark.parametrize(
    ("fault", "failures", "rests_s"),
    [
        (TryLater("away"), 1, (0, 2)),
        (TryLater("away", retry_after_s=90.0), 1, (89, 91)),
        (SlowDown("slow", retry_after_s=90.0), 0, (89, 91)),
        (SlowDown("slow"), 0, (0.6, 0.8)),
    ],
    ids=["away", "503 with Retry-After", "429 with Retry-After", "429 without"],
)
def test_each_kind_of_failure_is_treated_by_its_kind(
    office: Office, fault: TryLater, failures: int, rests_s: tuple[float, float]
) -> None:
    writer = writers.take(credential=office.credential, worker="w", now=T0, lease_s=60)
    assert writer is not None
    as_ = SignIn("", Secret(double.KEY))
    turn = writers.Turn(writer, office.credential, office.crm.adapter(), as_, office.clock)
    turn.failed(fault, now=T0)
    turn.end(now=T0)
    row = Writer.objects.get()
    assert row.failures == failures
    assert row.not_before is not None
    assert rests_s[0] <= (row.not_before - T0).total_seconds() <= rests_s[1]


@database
def test_a_budget_that_is_used_up_delays_no_pop(office: Office, mood: double.Mood) -> None:
    """The lookup of a ringing call uses an adapter of its own, which nobody has put a budget into."""
    Writer.objects.create(credential=office.credential, rate=pace.FLOOR, tokens=-50.0)
    assert office.crm.adapter().before_request is None
