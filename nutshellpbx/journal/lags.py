"""How slow a CRM's search is: the worst lag of the last week, and the quiet period that follows from it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Max

from nutshellpbx.crm.models import Credential
from nutshellpbx.journal.models import Lag, Writer

#: No adapter waits longer than this for the answer to a write.
SEND_TIMEOUT_S = 20.0
QUIET_AT_LEAST_S = 10.0
#: A bad day is remembered for so long: a CRM's slow days come back within a week or not at all.
WINDOW = timedelta(days=7)
_DAY = timedelta(days=1)


def learn(*, credential: Credential, lags: list[timedelta], now: datetime) -> None:
    """Remember how long it took from each write until its marker was found."""
    measured = [max(0, lag // timedelta(milliseconds=1)) for lag in lags]
    if not measured:
        return
    Writer.objects.get_or_create(credential=credential)
    crm_id = credential.crm_id
    today = Lag.objects.filter(crm_id=crm_id, since__gt=now - _DAY).order_by("-since").first()
    if today is None:
        Lag.objects.create(crm_id=crm_id, since=now, worst_ms=max(measured), count=len(measured))
        Lag.objects.filter(crm_id=crm_id, since__lte=now - WINDOW - _DAY).delete()
    else:
        worst = max(today.worst_ms, max(measured))
        Lag.objects.filter(pk=today.pk).update(worst_ms=worst, count=F("count") + len(measured))
    Writer.objects.filter(credential=credential).update(
        last_lag_ms=measured[-1], worst_lag_ms=worst_ms(crm_id=crm_id), lag_at=now, is_blind=False
    )


def learn_blindness(*, credential: Credential, now: datetime) -> None:
    """Remember that a note which surely stands there could not be found: finding nothing proves nothing."""
    Writer.objects.get_or_create(credential=credential)
    Writer.objects.filter(credential=credential).update(is_blind=True, lag_at=now)


def worst_ms(*, crm_id: UUID) -> int:
    """The worst lag of this CRM in the last week before its last measurement, in milliseconds."""
    rows = Lag.objects.filter(crm_id=crm_id)
    last = rows.aggregate(last=Max("since"))["last"]
    if last is None:
        return 0
    return rows.filter(since__gt=last - WINDOW).aggregate(worst=Max("worst_ms"))["worst"] or 0


def quiet_period(*, crm_id: UUID) -> timedelta:
    """How long after an unclear outcome a search in this CRM tells the truth: time-out + 2 x worst lag."""
    return timedelta(seconds=max(QUIET_AT_LEAST_S, SEND_TIMEOUT_S + 2 * worst_ms(crm_id=crm_id) / 1000))
