"""The journal's time: the wall clock, and what is done when somebody moves it.

Waiting times stand in the rows as wall-clock times. A wall clock can jump: a wrong battery clock at boot, a
time server an hour later, a hand. CLOCK_BOOTTIME cannot: it counts on from the boot, through sleep too
(clock_gettime(2)). So the row of this box keeps the difference of the two; who finds another difference moves
every waiting time along with the clock, in one transaction that only one process gets through. Over a boot
nothing tells how long the box was off: there waiting times are only ever lengthened.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from nutshellpbx.journal import box, lags, points
from nutshellpbx.journal.models import Box, Entry, Lag, Writer
from nutshellpbx.journal.states import AT_WORK, State

logger = logging.getLogger(__name__)

#: A difference up to this is no jump: clocks are slewed, and two reads are not one.
JUMP_S = 2.0
#: How often this box's row says that it was alive; after a boot the waiting times grow by as much at most.
SEEN_EVERY = timedelta(seconds=60)
#: A second box whose row is younger than this shares the database: then its times are not ours to move.
ALIVE_FOR = timedelta(minutes=5)

#: Longer than any wait that is ever laid down: a CRM's own word is obeyed up to a day.
LONGEST_WAIT = timedelta(hours=25)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_COUNTER = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_here = threading.local()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What this process knows to stand in its box's row."""

    boot: str
    offset_us: int
    until: float  # time.monotonic()


_seen: _Seen | None = None


def now() -> datetime:
    """The wall clock's time, aware."""
    wall_s = _wall_s()
    _here.offset_us = _offset_us(wall_s)
    return datetime.fromtimestamp(wall_s, UTC)


def counter_s() -> float:
    """Seconds since this box's boot, sleep included; nobody can set it."""
    return _counter_s()


def heed() -> bool:
    """Look whether the clock was moved, and move the journal's waiting times along; True when it was so.

    Two clock reads as long as nothing happened; to be called before every step that acts on waiting times.
    """
    global _seen
    wall_s = _wall_s()
    boot, offset_us = _boot(), _offset_us(wall_s)
    is_known = _seen is not None and _seen.boot == boot and time.monotonic() < _seen.until
    if is_known and _seen is not None and abs(offset_us - _seen.offset_us) <= JUMP_S * 1e6:
        return False
    row = box.find_mine()
    if row is None:
        return False
    wall = datetime.fromtimestamp(wall_s, UTC)
    moved = False
    if row.boot != boot:
        moved = _move(row, boot, offset_us, wall, by=wall - row.seen_at if row.seen_at else timedelta(0))
    elif abs(offset_us - row.offset_us) > JUMP_S * 1e6:
        moved = _move(row, boot, offset_us, wall, by=timedelta(microseconds=offset_us - row.offset_us))
    else:
        offset_us = row.offset_us
        if row.seen_at is None or not timedelta(0) <= wall - row.seen_at < SEEN_EVERY:
            Box.objects.filter(pk=row.pk, boot=boot, offset_us=offset_us).update(seen_at=wall)
    _seen = _Seen(boot, offset_us, time.monotonic() + SEEN_EVERY.total_seconds())
    return moved


def as_kept(moment: datetime) -> datetime:
    """A time that this thread took by `now` a moment ago, in the terms in which the rows are kept by now.

    To be called first in a transaction that keeps it: whoever moves the waiting times comes before or after.
    """
    heed()
    row = box.find_mine(locked=True)
    taken_us = getattr(_here, "offset_us", None)
    if row is None or taken_us is None or row.boot != _boot():
        return moment
    difference_us = row.offset_us - taken_us
    return moment + timedelta(microseconds=difference_us) if abs(difference_us) > JUMP_S * 1e6 else moment


def kept_now() -> datetime:
    """Now, in the terms in which the rows are kept; to be called in the transaction that keeps it.

    The clock may have been moved a moment ago, and the waiting times not yet: then this one moves with them.
    """
    return as_kept(now())


def pull_in() -> int:
    """Let nothing wait longer than anything can: such times were kept while the clock was wrong. How many.

    An unclear outcome waits for its whole quiet period again.
    """
    if not _waiting_beyond(now() + LONGEST_WAIT):  # a look that nothing follows from writes nothing
        return 0
    with transaction.atomic():
        moment = kept_now()
        count = 0
        for entry in _late_entries(moment + LONGEST_WAIT):
            doubt = {} if entry.unknown_since is None else {"unknown_since": moment}
            wait = lags.quiet_period(crm_id=entry.crm_id) if doubt else timedelta(0)
            stands = Entry.objects.filter(pk=entry.pk, attempt=entry.attempt, claimed_by="")
            count += stands.update(not_before=moment + wait, **doubt)
        count += _late_writers(moment + LONGEST_WAIT).update(not_before=moment)
    return count


def _waiting_beyond(late: datetime) -> bool:
    return _late_entries(late).exists() or _late_writers(late).exists()


def _late_entries(late: datetime) -> QuerySet[Entry]:
    return Entry.objects.filter(Q(not_before__gt=late) | Q(unknown_since__gt=late), claimed_by="")


def _late_writers(late: datetime) -> QuerySet[Writer]:
    return Writer.objects.filter(not_before__gt=late)


def forget() -> None:
    """Know nothing of the row any more: another database is looked at."""
    global _seen
    _seen = None
    _here.__dict__.clear()


def _move(row: Box, boot: str, offset_us: int, wall: datetime, *, by: timedelta) -> bool:
    """Take over a new difference; every waiting time moves along. False when another process did it."""
    is_new_boot = row.boot != boot
    others = Box.objects.exclude(pk=row.pk).filter(seen_at__gt=wall - ALIVE_FOR)
    with transaction.atomic():
        stands = Box.objects.filter(pk=row.pk, boot=row.boot, offset_us=row.offset_us)
        if not stands.update(boot=boot, offset_us=offset_us, seen_at=wall):
            return False
        if row.boot == "" and row.seen_at is None:
            return False
        if others.exists():
            logger.error(
                "this box's clock was moved by %s; other boxes share the database, no time moves", by
            )
            return False
        points.reach("inside_clock_shift")
        shift(by=by, is_new_boot=is_new_boot)
    points.reach("after_clock_shift")
    if not is_new_boot:
        logger.warning("the clock was moved by %s; the journal's waiting times move along", by)
    return True


def shift(*, by: timedelta, is_new_boot: bool) -> None:
    """Move every waiting time of the journal; what only tells history stays.

    Over a boot the moment of the first sending is not moved on: a search must not begin after it.
    """
    if not by:
        return
    at_work = Q(state__in=[*AT_WORK, State.WAITING, State.PARKED]) | Q(not_before__isnull=False)
    names = ["not_before", "claimed_at", "claimed_until", "unknown_since", "trying_since"]
    names += ["written_at", "unseen_at", "parked_at"]
    if not is_new_boot or by < timedelta(0):
        names += ["sent_at", "first_sent_at"]
    Entry.objects.filter(at_work).update(**_moved(names, by))
    Writer.objects.update(**_moved(["held_until", "not_before", "filled_at", "throttled_at", "lag_at"], by))
    Lag.objects.update(**_moved(["since"], by))


def _moved(names: list[str], by: timedelta) -> dict[str, Any]:
    return {name: F(name) + by for name in names}


def _offset_us(wall_s: float) -> int:
    return round((wall_s - _counter_s()) * 1e6)


def _wall_s() -> float:
    return time.time()


def _counter_s() -> float:
    return time.clock_gettime(_COUNTER)


def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()[:36]
    except OSError:
        return "one boot"
