"""The calls' side of the proof's equation: calls = those with an entry + left out by reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db.models import Count, Exists, OuterRef

from nutshellpbx.calls.models import Call
from nutshellpbx.journal import proving
from nutshellpbx.journal.models import Entry

#: Under this name stand the calls that have neither an entry nor a reason. There must be none.
UNACCOUNTED = "unaccounted"


def count_calls(*, since: datetime, until: datetime) -> tuple[int, Mapping[str, int]]:
    """The calls that began in the period and are over, and by reason how many of them have no entry."""
    ended = Call.objects.filter(started_at__gte=since, started_at__lt=until, state=Call.State.ENDED)
    rows = ended.exclude(left_out="").order_by().values_list("left_out").annotate(n=Count("pk"))
    left_out: dict[str, int] = dict(rows)
    entries = Entry.objects.filter(call_key=OuterRef("key"))
    if unaccounted := ended.filter(left_out="").exclude(Exists(entries)).count():
        left_out[UNACCOUNTED] = unaccounted
    return ended.count(), left_out


def prove_if_due(*, now: datetime) -> bool:
    """For the sweeper: begin a proof when it is time for one."""
    return proving.run_if_due(now=now, count=count_calls)
