"""One writer at a time for each credential: its row, which all processes share, and the turn that one has."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, Q

from nutshellpbx.crm.adapter import Adapter, SignIn, SlowDown
from nutshellpbx.crm.models import Credential
from nutshellpbx.faults import Fault, TryLater
from nutshellpbx.journal import breaker, points
from nutshellpbx.journal.models import Entry, Reason, Writer
from nutshellpbx.journal.pace import PATIENCE_S, Pace
from nutshellpbx.journal.states import AT_WORK, State

#: How a worker waits in place; tests and faster clocks put something else here.
nap: Callable[[float], None] = time.sleep


def take(*, credential: Credential, worker: str, now: datetime, lease_s: float) -> Writer | None:
    """Become the credential's writer; None when somebody else is, or when it has to wait."""
    writer, _made = Writer.objects.get_or_create(credential=credential)
    free = Q(held_by="") | Q(held_until__lte=now)
    may_write = Q(not_before__isnull=True) | Q(not_before__lte=now)
    taken = Writer.objects.filter(free, may_write, pk=writer.pk).update(
        held_by=worker, held_until=now + timedelta(seconds=lease_s), turn=F("turn") + 1
    )
    if not taken:
        return None
    writer.refresh_from_db()
    points.reach("after_take")
    return writer


def keep(*, writer: Writer, now: datetime, lease_s: float) -> bool:
    """Stay the writer for a while longer, and keep its pace; False when somebody else is by now."""
    mine = Writer.objects.filter(pk=writer.pk, turn=writer.turn).exclude(held_by="")
    return bool(mine.update(held_until=now + timedelta(seconds=lease_s), **pace_fields(writer)))


def give_back(
    *,
    writer: Writer,
    now: datetime,
    worked: bool | None,
    retry_after_s: float | None = None,
    pause_s: float | None = None,
) -> None:
    """Let others write; after a failure nobody does for a while, growing with each failure in a row.

    `worked` is None when the CRM was not asked or asked for peace: that says nothing about its health, and
    `pause_s` alone says how long this credential rests.
    """
    fields = {"held_by": "", "held_until": None, **pace_fields(writer)}
    if worked is True:
        fields |= {"failures": 0, "not_before": None}
    elif worked is False:
        failures = writer.failures + 1
        rest_s = breaker.pause_s(failures, retry_after_s)
        fields |= {"failures": failures, "not_before": now + timedelta(seconds=rest_s)}
    if pause_s is not None:
        fields["not_before"] = now + timedelta(seconds=pause_s)
    points.reach("before_give_back")
    Writer.objects.filter(pk=writer.pk, turn=writer.turn).update(**fields)
    points.reach("after_give_back")


def release_waiting(*, credential: Credential, now: datetime) -> int:
    """The CRM is back: what waited because it was away is due at once, the oldest first. How many.

    Entries that nobody could search for while it was away go on as well.
    """
    mine = Entry.objects.filter(credential=credential, claimed_by="")
    waiting = mine.filter(state__in=AT_WORK, failures__gt=0, not_before__gt=now)
    count = waiting.update(not_before=now, failures=0) if waiting.exists() else 0
    parked = mine.filter(state=State.PARKED, reason=Reason.OUTCOME_UNKNOWN, outcome="unknown")
    if parked.exists():
        count += parked.update(
            state=State.UNKNOWN, not_before=now, failures=0, absent_count=0, reason="", reason_title="",
            next_step="", parked_at=None, updated_at=now,
        )  # fmt: skip
    return count


def pace_of(writer: Writer) -> Pace:
    """The request budget as the row has it."""
    return Pace(writer.rate, writer.ceiling, writer.tokens, writer.filled_at)


def pace_fields(writer: Writer) -> dict[str, object]:
    """The request budget as the row keeps it."""
    names = ("rate", "ceiling", "tokens", "filled_at", "throttled_at")
    return {name: getattr(writer, name) for name in names}


@dataclass(slots=True)
class Turn:
    """A writer's turn: its row, the opened way into the CRM, and what it has learnt of the CRM so far.

    `is_over` says that nothing more is to be asked in this turn, `is_back` that the CRM was away until now.
    `unseen` counts what it verified and nobody looked for yet.
    """

    writer: Writer
    credential: Credential
    adapter: Adapter
    as_: SignIn
    now: Callable[[], datetime]
    pace: Pace = field(init=False)
    worked: bool | None = None
    is_over: bool = False
    retry_after_s: float | None = None
    pause_s: float | None = None
    is_back: bool = False
    unseen: int = 0
    looked_at: float = field(default_factory=time.monotonic)
    _asked: int = 0

    def __post_init__(self) -> None:
        self.pace = pace_of(self.writer)
        self.adapter.before_request = self.spend

    @property
    def is_probe(self) -> bool:
        """Whether the next thing done is the one that tells whether the CRM is back."""
        return self.writer.failures >= breaker.OPEN_AFTER

    def wait_s(self, *, requests: int, now: datetime) -> float:
        """Seconds that the budget makes so many requests wait, beyond what is waited out in place; else 0.

        A longer wait ends the turn: it stands in the row, where nobody sits it out.
        """
        wait_s = self.pace.wait_s(requests=requests, now=now)
        self._keep_pace()
        if wait_s <= PATIENCE_S:
            return 0.0
        self.is_over, self.pause_s = True, wait_s
        return wait_s

    def spend(self) -> None:
        """Take one request's token, and wait until it may be sent."""
        wait_s = self.pace.take(now=self.now())
        self._asked += 1
        self._keep_pace()
        if wait_s > 0:
            nap(min(wait_s, PATIENCE_S))

    def pay(self, *, requests: int) -> None:
        """Take the tokens of requests that were sent already, as far as there are any: no debt is left."""
        self.pace.wait_s(requests=0, now=self.now())
        self.pace.tokens = max(min(self.pace.tokens, 0.0), self.pace.tokens - requests)
        self._keep_pace()

    def went_well(self, *, now: datetime) -> None:
        """The CRM answered: a little faster, and what waited for it goes on."""
        self.pace.went_well(requests=self._asked)
        self._asked = 0
        self.worked = True
        if self.is_probe:
            self.pace.after_outage()
            release_waiting(credential=self.credential, now=now)
            self.is_back = True
        self.writer.failures = 0
        self._keep_pace()

    def failed(self, fault: Fault, *, now: datetime) -> None:
        """The CRM is away or wants peace: this credential's other entries wait as well."""
        self._asked = 0
        self.is_over = True
        retry_after_s = fault.retry_after_s if isinstance(fault, TryLater) else None
        if isinstance(fault, SlowDown):
            self.pace.told_to_slow_down()
            self.writer.throttled_at = now
            self.worked = None
            own_s = 1.0 / self.pace.rate
            self.pause_s = breaker.pause_s(1, retry_after_s) if retry_after_s is not None else own_s
        else:
            self.worked, self.retry_after_s = False, retry_after_s
        self._keep_pace()

    def end(self, *, now: datetime) -> None:
        """Give the turn back."""
        self.adapter.before_request = None
        give_back(
            writer=self.writer,
            now=now,
            worked=self.worked,
            retry_after_s=self.retry_after_s,
            pause_s=self.pause_s,
        )

    def _keep_pace(self) -> None:
        pace, writer = self.pace, self.writer
        writer.rate, writer.ceiling = pace.rate, pace.ceiling
        writer.tokens, writer.filled_at = pace.tokens, pace.at
