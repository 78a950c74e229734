"""One writer at a time for each credential, and what it learns: how the CRM fares, how slow its search is."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Max, Q

from nutshellpbx.crm.models import Credential
from nutshellpbx.journal.models import Writer

#: No adapter waits longer than this for the answer to a write.
SEND_TIMEOUT_S = 20.0
QUIET_AT_LEAST_S = 10.0

BACK_OFF_BASE_S = 1.0
BACK_OFF_CAP_S = 900.0
#: A credential that fails is tried again at least so often, with one entry: so a CRM that is back is noticed.
PROBE_EVERY_S = 60.0
#: The CRM's own word is obeyed, up to a day: more is a mistake of its own.
RETRY_AFTER_CAP_S = 86_400.0

_dice = random.SystemRandom()


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
    return writer


def keep(*, writer: Writer, now: datetime, lease_s: float) -> bool:
    """Stay the writer for a while longer; False when somebody else is by now."""
    mine = Writer.objects.filter(pk=writer.pk, turn=writer.turn).exclude(held_by="")
    return bool(mine.update(held_until=now + timedelta(seconds=lease_s)))


def give_back(*, writer: Writer, now: datetime, worked: bool, retry_after_s: float | None = None) -> None:
    """Let others write; after a failure nobody does for a while, growing with each failure in a row."""
    failures = 0 if worked else writer.failures + 1
    not_before = None if worked else now + timedelta(seconds=pause_s(failures, retry_after_s))
    Writer.objects.filter(pk=writer.pk, turn=writer.turn).update(
        held_by="", held_until=None, failures=failures, not_before=not_before
    )


def pause_s(failures: int, retry_after_s: float | None) -> float:
    """How long a credential waits after so many failures in a row, in seconds."""
    if retry_after_s is not None:
        return min(max(retry_after_s, 0.0), RETRY_AFTER_CAP_S)
    return min(back_off_s(failures), PROBE_EVERY_S)


def back_off_s(failures: int, retry_after_s: float | None = None) -> float:
    """How long an entry waits after so many failures in a row, in seconds: full jitter after Retry-After."""
    ceiling = min(BACK_OFF_CAP_S, BACK_OFF_BASE_S * 2.0 ** min(failures, 20))
    asked_for = min(max(retry_after_s or 0.0, 0.0), RETRY_AFTER_CAP_S)
    return asked_for + _dice.uniform(0.0, ceiling)


def learn_lag(*, credential: Credential, lag: timedelta, now: datetime) -> None:
    """Remember how long it took from a write until its marker was found."""
    lag_ms = max(0, lag // timedelta(milliseconds=1))
    Writer.objects.get_or_create(credential=credential)
    rows = Writer.objects.filter(credential=credential)
    rows.update(last_lag_ms=lag_ms, lag_at=now, is_blind=False)
    rows.filter(worst_lag_ms__lt=lag_ms).update(worst_lag_ms=lag_ms)


def learn_blindness(*, credential: Credential, now: datetime) -> None:
    """Remember that a note which surely stands there could not be found: finding nothing proves nothing."""
    Writer.objects.get_or_create(credential=credential)
    Writer.objects.filter(credential=credential).update(is_blind=True, lag_at=now)


def quiet_period(*, crm_id: UUID) -> timedelta:
    """How long after an unclear outcome a search in this CRM tells the truth."""
    rows = Writer.objects.filter(credential__crm_id=crm_id)
    worst_ms = rows.aggregate(worst=Max("worst_lag_ms"))["worst"] or 0
    return timedelta(seconds=max(QUIET_AT_LEAST_S, SEND_TIMEOUT_S + 2 * worst_ms / 1000))
