"""Somebody moves the wall clock: waiting times move along, once, and a search never begins too late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F

from nutshellpbx.journal import clock, delivery, lags, outbox, settle, tasks, workers, writers
from nutshellpbx.journal.models import Box, Entry, Lag, Writer
from nutshellpbx.journal.states import State
from tests.journal import double
from tests.journal.office import START, Office

pytestmark = pytest.mark.django_db(databases=["default", "index"])

JUMPS = {
    "an hour back": timedelta(hours=-1),
    "an hour on": timedelta(hours=1),
    "a year on": timedelta(days=365),
    "a year back": timedelta(days=-365),
    "ten years back": timedelta(days=-3652),
}


class Hands:
    """Both clocks of a box, in somebody's hands."""

    def __init__(self) -> None:
        self.wall_s = START.timestamp()
        self.counter_s = 1000.0
        self.boot = "boot-1"

    def pass_by(self, seconds: float) -> None:
        self.wall_s += seconds
        self.counter_s += seconds

    def move(self, by: timedelta) -> None:
        self.wall_s += by.total_seconds()

    def reboot(self, *, off: timedelta) -> None:
        self.wall_s += off.total_seconds()
        self.counter_s, self.boot = 5.0, self.boot + "x"


@pytest.fixture
def hands(office: Office, monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(clock, "_wall_s", lambda: hands.wall_s)
    monkeypatch.setattr(clock, "_counter_s", lambda: hands.counter_s)
    monkeypatch.setattr(clock, "_boot", lambda: hands.boot)
    monkeypatch.setattr(writers, "nap", hands.pass_by)
    clock.forget()
    assert clock.heed() is False
    return hands


def at(moment: datetime | None) -> datetime:
    assert moment is not None
    return moment


def deliver(entry: Entry) -> Entry:
    delivery.deliver(entry_id=str(entry.pk), worker=workers.worker_name())
    entry.refresh_from_db()
    return entry


@pytest.mark.parametrize("by", JUMPS.values(), ids=JUMPS.keys())
def test_quiet_period_is_as_long_as_ever_when_the_clock_jumps_within_it(
    office: Office, hands: Hands, mood: double.Mood, by: timedelta
) -> None:
    mood.once["write"] = ["reset_after"]
    entry = deliver(office.enqueue(now=clock.now()))
    assert entry.state == State.UNKNOWN
    hands.pass_by(5)
    hands.move(by)
    tasks.due()
    hands.pass_by(10)
    assert deliver(entry).state == State.UNKNOWN
    assert "find_written" not in mood.requests
    hands.pass_by(6)
    assert deliver(entry).state == State.VERIFIED
    assert (mood.writes, len(office.notes())) == (1, 1)


@pytest.mark.parametrize("by", JUMPS.values(), ids=JUMPS.keys())
def test_pauses_claims_and_ages_move_along_and_history_stays(
    office: Office, hands: Hands, by: timedelta
) -> None:
    now = clock.now()
    claimed = office.enqueue(now=now)
    assert outbox.claim(entry_id=str(claimed.pk), worker="other:box:1:2:3", now=now)
    waiting = office.enqueue(now=now, card=None, number="+13125559999")
    done = deliver(office.enqueue(now=now))
    Writer.objects.update(held_by="x", held_until=now, not_before=now + timedelta(minutes=1))
    Lag.objects.update(since=now)
    before = {one.pk: one for one in Entry.objects.all()}
    hands.move(by)
    assert clock.heed() is True
    assert clock.heed() is False
    for entry in Entry.objects.all():
        was = before[entry.pk]
        assert (entry.happened_at, entry.created_at) == (was.happened_at, was.created_at)
    claimed.refresh_from_db()
    waiting.refresh_from_db()
    done.refresh_from_db()
    assert claimed.claimed_until == at(before[claimed.pk].claimed_until) + by
    assert waiting.not_before == at(before[waiting.pk].not_before) + by
    assert waiting.trying_since == at(before[waiting.pk].trying_since) + by
    assert done.verified_at == before[done.pk].verified_at
    assert outbox.reap(now=clock.now()) == 0
    assert Writer.objects.get().not_before == now + timedelta(minutes=1) + by
    assert Lag.objects.get().since == now + by
    assert Box.objects.get().offset_us == clock._offset_us(hands.wall_s)


def test_only_one_process_moves_the_times(office: Office, hands: Hands) -> None:
    entry = office.enqueue(now=clock.now())
    hands.move(timedelta(hours=1))
    row = Box.objects.get()
    assert clock.heed() is True
    # another process that had read the row before
    wall = datetime.fromtimestamp(hands.wall_s, UTC)
    late = clock._move(row, hands.boot, clock._offset_us(hands.wall_s), wall, by=timedelta(hours=1))
    assert late is False
    moved = Entry.objects.get(pk=entry.pk)
    assert moved.not_before == at(entry.not_before) + timedelta(hours=1)


def test_slewing_and_small_differences_are_no_jump(office: Office, hands: Hands) -> None:
    entry = office.enqueue(now=clock.now())
    hands.move(timedelta(seconds=1.5))
    assert clock.heed() is False
    assert Entry.objects.get(pk=entry.pk).not_before == entry.not_before


@pytest.mark.parametrize("off", [timedelta(hours=9), timedelta(days=-3652), timedelta(days=365)])
def test_over_a_boot_waiting_times_are_only_lengthened(
    office: Office, hands: Hands, mood: double.Mood, off: timedelta
) -> None:
    mood.once["write"] = ["reset_after"]
    entry = deliver(office.enqueue(now=clock.now()))
    first_sent_at = entry.first_sent_at
    hands.pass_by(3)
    hands.reboot(off=off)
    tasks.due()
    entry.refresh_from_db()
    left = at(entry.not_before) - clock.now()
    assert timedelta(seconds=17) <= left <= timedelta(seconds=20) + clock.SEEN_EVERY
    assert at(entry.first_sent_at) <= at(first_sent_at)
    deliver(entry)
    assert "find_written" not in mood.requests
    hands.pass_by(100)
    assert deliver(entry).state == State.VERIFIED
    assert (mood.writes, len(office.notes())) == (1, 1)


def test_wrong_clock_at_boot_that_is_put_right_later_neither_doubles_nor_waits_for_years(
    office: Office, hands: Hands, mood: double.Mood
) -> None:
    mood.once["write"] = ["reset_after"]
    entry = deliver(office.enqueue(now=clock.now()))
    hands.reboot(off=timedelta(days=-3652))
    tasks.due()
    hands.pass_by(8)
    hands.move(timedelta(days=3652, hours=2))
    tasks.due()
    entry.refresh_from_db()
    assert at(entry.not_before) - clock.now() < timedelta(minutes=2)
    hands.pass_by(100)
    assert deliver(entry).state == State.VERIFIED
    assert mood.writes == 1


def test_a_time_taken_just_before_the_jump_is_kept_in_the_terms_after_it(
    office: Office, hands: Hands
) -> None:
    entry = office.enqueue(now=clock.now())
    claimed = outbox.claim(entry_id=str(entry.pk), worker="w", now=clock.now())
    writer = writers.take(credential=office.credential, worker="w", now=clock.now(), lease_s=60)
    assert claimed is not None and writer is not None
    taken = clock.now()
    hands.move(timedelta(hours=1))
    settle.begin_intent(entry=claimed, writer=writer, now=taken)
    row = Entry.objects.get(pk=entry.pk)
    assert abs(at(row.sent_at) - clock.now()) < timedelta(seconds=1)
    with transaction.atomic():
        assert clock.as_kept(clock.now()) == datetime.fromtimestamp(hands.wall_s, UTC)


@pytest.mark.parametrize("by", JUMPS.values(), ids=JUMPS.keys())
def test_entry_that_is_made_while_the_clock_jumps_is_due_at_once(
    office: Office, hands: Hands, monkeypatch: pytest.MonkeyPatch, by: timedelta
) -> None:
    before_the_jump = clock.now

    def jumping() -> datetime:
        taken = before_the_jump()
        hands.move(by)
        return taken

    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", jumping)
        entry = office.enqueue(now=None)
    assert deliver(entry).state == State.VERIFIED


def test_nothing_waits_for_years_whatever_the_clock_was(
    office: Office, hands: Hands, mood: double.Mood
) -> None:
    mood.once["write"] = ["reset_after"]
    unclear = deliver(office.enqueue(now=clock.now()))
    fresh = office.enqueue(now=clock.now())
    year = timedelta(days=365)
    for entry, fields in (
        (unclear, ("not_before", "unknown_since")),
        (fresh, ("not_before", "trying_since")),
    ):
        Entry.objects.filter(pk=entry.pk).update(**{name: F(name) + year for name in fields})
    Writer.objects.update(not_before=clock.now() + year)
    assert clock.pull_in() == 3
    assert clock.pull_in() == 0
    assert deliver(fresh).state == State.VERIFIED
    hands.pass_by(10)
    assert deliver(unclear).state == State.UNKNOWN  # its quiet period begins anew
    assert "find_written" not in mood.requests
    hands.pass_by(15)
    assert deliver(unclear).state == State.VERIFIED
    assert len(office.notes()) == 2


def test_another_box_that_lives_on_the_database_keeps_its_times(
    office: Office, hands: Hands, caplog: pytest.LogCaptureFixture
) -> None:
    entry = office.enqueue(now=clock.now())
    now = clock.now()
    Box.objects.create(
        machine="other.cards", cards=["c"], adopted_at=now, seen_at=now + timedelta(hours=1), boot="b"
    )
    hands.move(timedelta(hours=1))
    assert clock.heed() is False
    assert Entry.objects.get(pk=entry.pk).not_before == entry.not_before
    assert "other boxes" in caplog.text


def test_unknown_fields_are_history_for_the_lag_window_too(office: Office) -> None:
    def learn(lag_s: float, at: datetime) -> int:
        lags.learn(credential=office.credential, lags=[timedelta(seconds=lag_s)], now=at)
        return lags.worst_ms(crm_id=office.crm.pk)

    assert learn(9, START) == 9000
    assert learn(2, START + timedelta(hours=1)) == 9000
    assert learn(1, START + timedelta(days=6)) == 9000
    assert learn(1, START + timedelta(days=7, hours=1)) == 1000
    assert Writer.objects.get().worst_lag_ms == 1000
    assert Lag.objects.count() <= 9


@pytest.mark.parametrize(
    ("worst_s", "quiet_s"), [(None, 20), (0, 20), (1, 22), (15, 50)], ids=["never", "none", "1 s", "15 s"]
)
def test_quiet_period_is_the_time_out_and_twice_the_worst_lag(
    office: Office, worst_s: float | None, quiet_s: float, monkeypatch: Any
) -> None:
    if worst_s is not None:
        lags.learn(credential=office.credential, lags=[timedelta(seconds=worst_s)], now=START)
    assert lags.quiet_period(crm_id=office.crm.pk) == timedelta(seconds=quiet_s)
    monkeypatch.setattr(lags, "SEND_TIMEOUT_S", 1.0)
    assert lags.quiet_period(crm_id=office.crm.pk) >= timedelta(seconds=lags.QUIET_AT_LEAST_S)
