"""A database that was restored: it has never heard of notes that stand in the CRM, so it searches first.

Beside the database, not in it, a small file says how far the journal had got: the number of the last attempt
that was committed. Numbers only grow, so a database whose own highest number is lower is an older one. From
the moment when that is found, what seems unsent is searched for before it is sent, and so is every call that
happened before that moment, whenever it is told.
"""

from __future__ import annotations

import logging
import os
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from nutshellpbx.journal import boxsecret, clock, points, rows
from nutshellpbx.journal.models import Attempt, Entry, Standing
from nutshellpbx.journal.states import Outcome, State

logger = logging.getLogger(__name__)

#: Clocks of phone systems and this box's differ; a call this much younger is searched for as well.
MARGIN = timedelta(minutes=10)
#: How much earlier than its own times an entry may have been sent by the database that is gone.
SENT_BEFORE = timedelta(days=1)
_DIGITS = 20


def note_reached(number: int) -> None:
    """Keep how far the journal got, right after the commit; without fsync, a power cut may forget some."""
    known = _read(_path())
    if known is None or known < number:
        _write(_path(), number)
    points.reach("after_high_water")


def check(*, now: datetime) -> bool:
    """Whether this database knows less than the file: then it was restored, and is treated so from now on."""
    reached = _read(_path())  # before the database: what is read there afterwards is at least as far
    if reached is None:
        return False
    known = Attempt.objects.aggregate(last=Max("pk"))["last"] or 0
    if known >= reached:
        return False
    logger.error("the journal's database was restored: it ends at %s, the journal was at %s", known, reached)
    declare(now=now)
    _write(_path(), known)
    return True


def declare(*, now: datetime) -> int:
    """Take the database for a restored one: search for everything that it thinks unsent. How many entries."""
    with transaction.atomic():
        now = clock.as_kept(now)
        Standing.objects.update_or_create(pk=1, defaults={"restored_at": now})
        count = suspect_all(now=now)
        points.reach("inside_restored")
    points.reach("after_restored")
    return count


def suspect_all(*, now: datetime) -> int:
    """What seems unsent may stand in the CRM: it becomes unclear, and is searched for. How many."""
    count = 0
    never = [Outcome.NEVER, Outcome.UNSENT, Outcome.REFUSED]
    for entry in Entry.objects.filter(state__in=[State.PENDING, State.WAITING]).select_related("crm"):
        count += rows.change(
            entry, to=State.UNKNOWN, now=now, attempt=entry.attempt + 1, **suspect_fields(entry, now=now)
        )
    # A parked one waits for a person; when it is sent again, the search comes first as well.
    for entry in Entry.objects.filter(state=State.PARKED, outcome__in=never).select_related("crm"):
        fields = suspect_fields(entry, now=now) | {"not_before": None}
        count += rows.change(entry, to=entry.state, now=now, attempt=entry.attempt + 1, **fields)
    return count


def suspect_fields(entry: Entry, *, now: datetime) -> dict[str, object]:
    """What an entry holds whose generation may stand in the CRM although it was never sent from here."""
    sent = min(moment for moment in (entry.first_sent_at, entry.happened_at, entry.created_at) if moment)
    return {
        "marker": boxsecret.marker_of(
            call_key=entry.call_key, crm_id=str(entry.crm_id), generation=entry.generation
        ),
        "first_sent_at": sent - SENT_BEFORE,
        **rows.unknown_fields(crm_id=entry.crm_id, now=now),
    }


def is_suspect(*, happened_at: datetime) -> bool:
    """Whether a call may have been written by a database that is gone."""
    standing = Standing.objects.filter(pk=1).first()
    return (
        standing is not None
        and standing.restored_at is not None
        and happened_at <= standing.restored_at + MARGIN
    )


def _path() -> Path:
    return Path(settings.NUTSHELLPBX_HIGH_WATER)


def _read(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _write(path: Path, number: int) -> None:
    """In place and of one length: whatever happens, the old number stands there or the new one."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(handle, f"{number:0{_DIGITS}d}\n".encode("ascii"), 0)
        finally:
            os.close(handle)
    except OSError as error:
        logger.warning("the journal's high-water file %s cannot be written: %s", path, error)
