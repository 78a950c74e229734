"""How long each step of a call took: from event to opened page, from hang-up to proven note."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from nutshellpbx.calls.models import Answer, Call, Heard, Pop
from nutshellpbx.dashboard.callshow.story import who
from nutshellpbx.desktop.models import Instruction
from nutshellpbx.journal.models import Entry
from nutshellpbx.journal.states import State

#: The event that makes something be shown at a moment.
CAUSED_BY = {"ring": "ringing", "answer": "answered", "dial": "dialing", "after": "ended"}
MOMENTS: dict[str, Any] = {
    "ring": gettext_lazy("when it rang at %(who)s"),
    "answer": gettext_lazy("when %(who)s answered"),
    "dial": gettext_lazy("when %(who)s dialled"),
    "after": gettext_lazy("after the call of %(who)s"),
}
#: From how many milliseconds on a step is called slow.
RECEIVED, TAKEN_UP, INDEX, LIVE, WRITTEN, DELIVERED, OPENED = 1000, 200, 50, 1500, 200, 500, 1000
SHOWN_IN_ALL, ENTERED, NOTE_WRITTEN, NOTE_VERIFIED, NOTE_IN_ALL = 1000, 1000, 5000, 30_000, 40_000
#: Beyond this the phone system's clock and ours differ, and a difference of them says nothing.
CLOCKS_DIFFER_S = 60


@dataclass(frozen=True, slots=True)
class Stage:
    """One step; `ms` is None when it did not happen or cannot be told, and `note` says why.

    `x` and `width` are its place in the whole chain, in percent.
    """

    what: str
    ms: float | None = None
    limit: int = 0
    note: str = ""
    x: float = 0.0
    width: float = 0.0

    @property
    def is_slow(self) -> bool:
        return self.ms is not None and self.ms > self.limit


@dataclass(frozen=True, slots=True)
class Chain:
    """The steps that led to one thing, one after the other."""

    title: str
    stages: tuple[Stage, ...]
    whole: Stage | None = None

    @property
    def slow_count(self) -> int:
        return sum(stage.is_slow for stage in self.stages)


def times_of(call: Call, *, now: datetime) -> list[Chain]:
    """What was shown, in its order, then each entry."""
    heard = list(call.heard.all())
    pops = Pop.objects.filter(leg__call=call).select_related("leg__owner", "user", "crm")
    answers = {(row.crm_id, row.asked_for_id): row for row in call.answers.all()}
    rows = Instruction.objects.filter(call_key=call.key).exclude(verb="withdraw").select_related("device")
    desks: dict[tuple[Any, str], list[Instruction]] = {}
    for row in rows:
        desks.setdefault((row.device.user_id, row.subject), []).append(row)
    chains = [_shown(pop, heard, answers, desks, now) for pop in pops.order_by("created_at", "pk")]
    entries = Entry.objects.filter(call_key=call.key).select_related("crm")
    return [*chains, *(_kept(entry, call, heard) for entry in entries)]


def _shown(
    pop: Pop,
    heard: Sequence[Heard],
    answers: dict[tuple[Any, Any], Answer],
    desks: dict[tuple[Any, str], list[Instruction]],
    now: datetime,
) -> Chain:
    event = _event(heard, kind=CAUSED_BY[pop.moment], leg=pop.leg.uid, until=pop.created_at)
    stages = [_received(event)]
    row = _instruction(pop, desks)
    settled = row.created_at if row else pop.settled_at
    stages.append(_span(_("Taken up by a worker"), pop.created_at, pop.claimed_at, TAKEN_UP, _("waits")))
    answer = answers.get((pop.crm_id, pop.user_id))
    is_fresh = bool(answer and pop.claimed_at and answer.created_at >= pop.claimed_at)
    looked_ms = answer.took_ms if answer and is_fresh else 0.0
    if answer is None:
        stages.append(Stage(_("Looked up"), note=_("nobody was asked")))
    elif not is_fresh:
        stages.append(Stage(_("Looked up"), note=_("known from a moment before")))
    else:
        way = _("Looked up in the index") if answer.source == "index" else _("Asked %(crm)s live")
        limit = INDEX if answer.source == "index" else LIVE
        stages.append(Stage(way % {"crm": pop.crm.name}, answer.took_ms, limit))
    written = _span(_("Decided, instruction written"), pop.claimed_at, settled, WRITTEN, _("not yet"))
    if written.ms is not None:
        written = replace(written, ms=max(0.0, written.ms - looked_ms))
    if row is None:
        note = _("nothing was sent to a desk") if pop.settled_at else _("not yet")
        stages.append(replace(written, what=_("Decided"), note="" if pop.settled_at else note))
        stages.append(Stage(_("Delivered"), note=note))
        return _chain(_title(pop), stages, start=event, stop=None)
    stages.append(written)
    gone = _("the desk did not fetch it in time") if row.expires_at < now else _("waits for the desk")
    fetched = _("Fetched by %(desk)s") % {"desk": row.device.name}
    stages.append(_span(fetched, row.created_at, row.delivered_at, DELIVERED, gone))
    done = _("Page opened") if row.verb == "open" else _("Card shown")
    is_done = row.outcome in {"opened", "shown"}
    ms = row.took_ms if row.took_ms is not None else _ms(row.delivered_at, row.outcome_at)
    note = "" if is_done else row.outcome.replace("_", " ") or _("the desk has not said so yet")
    stages.append(Stage(done, float(ms) if is_done and ms is not None else None, OPENED, note))
    return _chain(_title(pop), stages, start=event, stop=row.outcome_at if is_done else None)


def _kept(entry: Entry, call: Call, heard: Sequence[Heard]) -> Chain:
    event = _event(heard, kind="ended", leg="", until=entry.created_at)
    event = event or _event(heard, kind="ended", leg=None, until=entry.created_at)
    since = event.taken_at if event else call.ended_at
    waits = _("waits for a contact") if entry.state == State.WAITING else _("not yet")
    if entry.state == State.PARKED:
        waits = _("stands still, see the entry")
    if entry.state == State.DONE_BY_HAND:
        waits = _("done by hand")
    stages = [
        replace(_received(event), what=_("Hang-up received")),
        _span(_("Entry made"), since, entry.created_at, ENTERED, ""),
        _span(_("Note written"), entry.created_at, entry.written_at, NOTE_WRITTEN, waits),
        _span(_("Found again, proven"), entry.written_at, entry.verified_at, NOTE_VERIFIED, waits),
    ]
    title = _("The note in %(crm)s") % {"crm": entry.crm.name}
    return _chain(title, stages, start=event, stop=entry.verified_at, limit=NOTE_IN_ALL)


def _title(pop: Pop) -> str:
    name = pop.leg.number if pop.leg.owner is None else who(pop.leg)
    return _("%(crm)s, %(moment)s") % {
        "crm": pop.crm.name,
        "moment": str(MOMENTS[pop.moment]) % {"who": name},
    }


def _received(event: Heard | None) -> Stage:
    what = _("Event received")
    if event is None:
        return Stage(what, note=_("not told of by an event"))
    ms = _ms(event.at, event.taken_at)
    if ms is None or abs(ms) > CLOCKS_DIFFER_S * 1000:
        return Stage(what, note=_("its clock and ours differ"))
    return Stage(what, max(0.0, ms), RECEIVED)


def _event(heard: Iterable[Heard], *, kind: str, leg: str | None, until: datetime) -> Heard | None:
    """The last such event before something was made of it; `leg` None means any."""
    found = None
    for event in heard:
        if event.kind == kind and (leg is None or event.leg_uid == leg) and event.taken_at <= until:
            found = event
    return found


def _instruction(pop: Pop, desks: dict[tuple[Any, str], list[Instruction]]) -> Instruction | None:
    """What this pop put on a desk: the page, else the first card; an earlier moment's card is not its own."""
    subject = f"{pop.leg.uid}:after" if pop.moment == Pop.Moment.AFTER else pop.leg.uid
    if pop.claimed_at is None or pop.state not in {Pop.State.SHOWN, Pop.State.WITHDRAWN}:
        return None
    rows = [
        row
        for row in desks.get((pop.user_id, subject), [])
        if row.created_at >= pop.claimed_at and (pop.settled_at is None or row.created_at <= pop.settled_at)
    ]
    return next((row for row in rows if row.verb == "open"), rows[0] if rows else None)


def _span(what: str, start: datetime | None, stop: datetime | None, limit: int, note: str) -> Stage:
    ms = _ms(start, stop)
    return Stage(what, None if ms is None else max(0.0, ms), limit, "" if ms is not None else note)


def _ms(start: datetime | None, stop: datetime | None) -> float | None:
    return None if start is None or stop is None else (stop - start).total_seconds() * 1000


def _chain(
    title: str,
    stages: Sequence[Stage],
    *,
    start: Heard | None,
    stop: datetime | None,
    limit: int = SHOWN_IN_ALL,
) -> Chain:
    """The steps with their places: each begins where the one before ended."""
    total = sum(stage.ms or 0.0 for stage in stages) or 1.0
    placed, before = [], 0.0
    for stage in stages:
        width = (stage.ms or 0.0) / total * 100
        shown = 0.0 if stage.ms is None else max(width, 0.8)
        placed.append(replace(stage, x=round(min(before, 99.2), 2), width=round(shown, 2)))
        before += width
    whole_ms = _ms(start.taken_at, stop) if start else None
    whole = None if whole_ms is None else Stage(_("In all, from the event on"), max(0.0, whole_ms), limit)
    return Chain(title, tuple(placed), whole)
