"""Looking for verified notes by their markers, many at a time: so the lag is known, and any double.

Nothing hangs on a single look. A note that the search shows late lengthens the quiet period; one that it
never shows makes the search's "not there" worthless.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction

from nutshellpbx.crm.adapter import Ref, SlowDown, WayAnswer
from nutshellpbx.faults import Fault
from nutshellpbx.journal import box, lags, points, ways
from nutshellpbx.journal.models import Attempt, Entry
from nutshellpbx.journal.states import State
from nutshellpbx.journal.steps import SEARCH_FROM
from nutshellpbx.journal.writers import Turn

#: While a writer is busy it looks so often, in seconds: a lag is then known to within as much.
LOOK_EVERY_S = 5.0
AT_ONCE = 200
FINDABLE_WITHIN = timedelta(minutes=10)  # how long a note is looked for

_FIELDS = (
    "pk", "crm_id", "marker", "attempt", "generation", "ref_id", "written_at", "unseen_at", "first_sent_at",
    "credential_id",
)  # fmt: skip


def look_now_and_then(turn: Turn, *, clock: Callable[[], datetime]) -> None:
    """A look in the middle of much work, when the last one is some seconds ago."""
    if turn.unseen and not turn.is_over and time.monotonic() - turn.looked_at > LOOK_EVERY_S:
        look(turn, clock=clock)


def look(turn: Turn, *, clock: Callable[[], datetime]) -> None:
    """Look once for everything of this credential that is verified and was not seen yet."""
    if not turn.unseen or turn.is_over:
        return
    turn.unseen, turn.looked_at = 0, time.monotonic()
    waiting = Entry.objects.filter(
        credential=turn.credential,
        state=State.VERIFIED,
        seen_at__isnull=True,
        not_before__lte=clock(),
        claimed_by="",
        next_card__isnull=True,
    )
    entries = list(waiting.only(*_FIELDS).order_by("not_before")[:AT_ONCE])
    if not entries or turn.wait_s(requests=1, now=clock()):
        return
    markers = {entry.marker for entry in entries}
    since = min(entry.first_sent_at or entry.written_at or clock() for entry in entries) - SEARCH_FROM
    heard: list[WayAnswer] = []
    found: dict[str, list[Ref]] = {}
    points.reach("before_look")
    try:
        found = turn.adapter.find_many(markers, since, turn.as_, heard=heard.append)
    except SlowDown as fault:
        return turn.failed(fault, now=clock())
    except Fault as fault:
        heard = heard or []
        title = fault.title
    else:
        turn.went_well(now=clock())
        title = ""
    points.reach("after_look")
    with transaction.atomic():
        _keep(turn, entries, found, heard=heard, title=title, now=clock())
        points.reach("inside_look")
    points.reach("after_look_settle")


def _keep(
    turn: Turn,
    entries: list[Entry],
    found: dict[str, list[Ref]],
    *,
    heard: list[WayAnswer],
    title: str,
    now: datetime,
) -> None:
    kept = ways.kept(heard)
    attempts: list[Attempt] = []
    seen: list[Entry] = []
    for entry in entries:
        refs = found.get(entry.marker)
        outcome = Attempt.Outcome.UNSENT
        if refs:
            outcome = Attempt.Outcome.FOUND
            seen.append(entry)
            if len(refs) > 1:
                _tell_double(entry, refs, now)
        else:
            if refs is not None:
                outcome = Attempt.Outcome.ABSENT
            _look_again(turn, entry, is_told=refs is not None, now=now)
        attempts.append(_attempt_of(turn, entry, outcome, refs or [], kept, title, now))
    Attempt.objects.bulk_create(attempts)
    same = {"state": State.VERIFIED, "seen_at__isnull": True, "claimed_by": ""}
    markers = [entry.marker for entry in seen]
    Entry.objects.filter(pk__in=[entry.pk for entry in seen], marker__in=markers, **same).update(
        seen_at=now, copies=1, not_before=None, updated_at=now
    )
    for entry in seen:
        if (number := len(found[entry.marker])) > 1:
            Entry.objects.filter(pk=entry.pk, marker=entry.marker).update(copies=number)
    lags.learn(credential=turn.credential, lags=[_lag_of(entry, now=now) for entry in seen], now=now)
    if heard and entries:
        ways.learn(crm_id=entries[0].crm_id, answers=heard, now=now)


def _look_again(turn: Turn, entry: Entry, *, is_told: bool, now: datetime) -> None:
    """It was not seen: look again ever more rarely, and in the end believe that the search is blind."""
    waited = now - (entry.written_at or now)
    again = now + max(timedelta(seconds=1), waited / 2) if waited < FINDABLE_WITHIN else None
    fields = {"not_before": again, **({"unseen_at": now} if is_told else {})}
    stands = Entry.objects.filter(pk=entry.pk, state=State.VERIFIED, attempt=entry.attempt, claimed_by="")
    stands.update(**fields)
    if again is None and is_told:
        lags.learn_blindness(credential=turn.credential, now=now)


def _attempt_of(
    turn: Turn,
    entry: Entry,
    outcome: str,
    refs: list[Ref],
    kept: list[dict[str, str]],
    title: str,
    now: datetime,
) -> Attempt:
    return Attempt(
        entry_id=entry.pk,
        number=entry.attempt,
        kind=Attempt.Kind.SEARCH,
        generation=entry.generation,
        credential_id=str(turn.credential.pk),
        started_at=now,
        ended_at=now,
        outcome=outcome,
        title=title[:300],
        asked=entry.marker,
        answered=" ".join(ref.id for ref in refs)[:2000],
        ways=kept,
    )


def _tell_double(entry: Entry, refs: list[Ref], now: datetime) -> None:
    box.hold_for_double(marker=entry.marker, note_ids=[ref.id for ref in refs], now=now)


def _lag_of(entry: Entry, *, now: datetime) -> timedelta:
    """How long the CRM's search needed to show a note: from the write to the look that found it.

    That look may itself have come late (a worker died, the CRM was away): then the look before it counts, and
    the gap that was planned after it.
    """
    written_at = entry.written_at or now
    in_vain = entry.unseen_at - written_at if entry.unseen_at else timedelta(0)
    return min(now - written_at, in_vain * 1.5 + timedelta(seconds=LOOK_EVERY_S))
