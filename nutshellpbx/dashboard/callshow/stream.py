"""What happens on all lines, as short lines: what was heard, found, shown and written, newest first.

Read from the rows each time: who looks away for an hour misses nothing that stands there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, Max, OuterRef, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from nutshellpbx.calls import words
from nutshellpbx.calls.models import Answer, Call, Heard, Leg, Step
from nutshellpbx.dashboard.callshow.line import CAUSES, Caller, caller_of
from nutshellpbx.dashboard.callshow.story import ATTEMPT_ICONS, ATTEMPT_TONES, KIND_ICONS, STEP_ICONS, TONES
from nutshellpbx.desktop.models import Instruction
from nutshellpbx.journal.models import Attempt
from nutshellpbx.people.models import Company

MOST_LINES = 100
#: So many calls more than lines are looked at: of some of them nothing is told.
SLACK = 10
#: So many of the newest rows are looked at for a change.
MOST_MARKED = 50
#: Events of one call this close together are one line: a group's phones ring at once.
AT_ONCE = timedelta(seconds=1)
#: What follows from an event stands in its line for so long.
FOLLOWS = timedelta(seconds=8)
#: A filter for a line that is never rung does not search the whole past.
LOOKS_BACK = timedelta(days=2)
MOST_NAMED = 4

HEARD: dict[str, Any] = {
    "dialing": gettext_lazy("%(who)s dials"),
    "ringing": gettext_lazy("rings at %(who)s"),
    "answered": gettext_lazy("%(who)s answers"),
    "held": gettext_lazy("on hold by %(who)s"),
    "resumed": gettext_lazy("%(who)s speaks again"),
    "ended": gettext_lazy("%(who)s is free again"),
    "joined": gettext_lazy("became part of another call"),
}
ON_DESK: dict[str, Any] = {
    "opened": gettext_lazy("opened on %(desk)s"),
    "shown": gettext_lazy("card shown on %(desk)s"),
    "withdrawn": gettext_lazy("card gone from %(desk)s"),
    "expired": gettext_lazy("too late for %(desk)s"),
    "refused_origin": gettext_lazy("%(desk)s does not trust this address yet"),
    "too_many": gettext_lazy("%(desk)s had too many pages to open"),
}
DESK_TONES = {"opened": "ok", "shown": "live", "refused_origin": "bad", "expired": "warn", "too_many": "warn"}
#: The tones of a line, the one that is seen first last.
RANK = ("", "live", "ok", "warn", "bad")


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing that happened, in a few words; `kind` and `who` where equal ones are drawn together."""

    call: Any
    at: datetime
    text: str
    icon: str
    tone: str = ""
    is_event: bool = False
    kind: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class StreamLine:
    """What happened of one call within a moment."""

    key: str
    at: datetime
    call: Call
    caller: Caller
    icon: str
    tone: str
    pieces: tuple[str, ...]

    @property
    def said(self) -> str:
        return f"{self.caller.title}: {self.pieces[0]}"


@dataclass(frozen=True, slots=True)
class Stream:
    """Lines, newest first; `is_cut` when there are older ones."""

    lines: tuple[StreamLine, ...]
    is_cut: bool

    @property
    def oldest_at(self) -> datetime | None:
        return self.lines[-1].at if self.lines else None


def stream_of(calls: QuerySet[Call], *, until: datetime, most: int, since: datetime | None = None) -> Stream:
    """The newest lines of these calls up to a moment: those from `since` on, at most `most`."""
    chosen = _chosen(calls, until=until, since=since, most=most + SLACK)
    pieces: dict[Any, list[Piece]] = {}
    for piece in _pieces(chosen):
        if piece.at <= until:
            pieces.setdefault(piece.call, []).append(piece)
    callers = _callers(chosen)
    lines = [
        line
        for call in chosen
        for line in _lines(call, callers[call.pk], sorted(pieces.get(call.pk, []), key=lambda one: one.at))
    ]
    lines.sort(key=lambda line: (line.at, line.key), reverse=True)
    fresh = [line for line in lines if since is None or line.at >= since]
    shown = tuple(fresh[:most])
    return Stream(shown, bool(shown) and _has_older(calls, shown[-1].at))


def mark_of() -> str:
    """Another one as soon as anything has happened: asked each second, so a handful of cheap questions."""
    newest = [model._default_manager.aggregate(pk=Max("pk"))["pk"] for model in (Heard, Step, Answer)]
    told = Instruction.objects.order_by("-pk").values_list("pk", "outcome")[:MOST_MARKED]
    tried = Attempt.objects.order_by("-pk").values_list("pk", "outcome")[:MOST_MARKED]
    ended = Call.objects.order_by("-started_at").values_list("pk", "is_private")[:MOST_MARKED]
    return hashlib.sha256(repr((newest, list(told), list(tried), list(ended))).encode()).hexdigest()[:16]


def calls_at(*, pbx: UUID | None = None, extension: str = "") -> QuerySet[Call]:
    """The calls of a phone system and of an extension; None and an empty one are all."""
    calls = Call.objects.all()
    if pbx is not None:
        calls = calls.filter(pbx=pbx)
    if extension:
        calls = calls.filter(Exists(Leg.objects.filter(call=OuterRef("pk"), number=extension)))
    return calls


def _chosen(calls: QuerySet[Call], *, until: datetime, since: datetime | None, most: int) -> list[Call]:
    """The calls of which something may be among the newest lines: live ones, those heard of or begun last,
    those that somebody decided about or whose note was worked at last.
    """
    calls = calls.select_related("pbx")
    within = calls.filter(quiet_at__gte=(since or until) - (FOLLOWS if since else LOOKS_BACK))
    sets = [
        within.filter(state=Call.State.LIVE, started_at__lte=until).order_by("-started_at"),
        within.filter(state=Call.State.ENDED, quiet_at__lte=until).order_by("-quiet_at"),
        within.filter(state=Call.State.JOINED, quiet_at__lte=until).order_by("-quiet_at"),
        within.filter(started_at__lte=until).order_by("-started_at"),
    ]
    found = {call.pk: call for one in sets for call in one[:most]}
    recent = until - LOOKS_BACK if since is None else since - FOLLOWS
    tried = Attempt.objects.filter(started_at__range=(recent, until)).order_by("-pk")[:most]
    decided = Step.objects.filter(at__range=(recent, until)).order_by("-pk")[:most]
    by_key = calls.filter(key__in=set(tried.values_list("entry__call_key", flat=True)))
    by_pk = calls.filter(pk__in=set(decided.values_list("call", flat=True)))
    found.update((call.pk, call) for one in (by_key, by_pk) for call in one)
    return list(found.values())


def _has_older(calls: QuerySet[Call], at: datetime) -> bool:
    return calls.filter(started_at__lt=at, quiet_at__gte=at - LOOKS_BACK).exists()


def _callers(calls: Sequence[Call]) -> dict[Any, Caller]:
    answers: dict[Any, Answer] = {}
    for answer in Answer.objects.filter(call__in=calls):
        if answer.call_id not in answers or answer.result == Answer.Result.FOUND:
            answers[answer.call_id] = answer
    country = Company.get().country
    return {call.pk: caller_of(call, answers.get(call.pk), country=country) for call in calls}


# --- what happened ---------------------------------------------------------------------------------


def _pieces(calls: Sequence[Call]) -> Iterator[Piece]:
    by_key = {call.key: call for call in calls}
    legs: dict[tuple[Any, str], Leg] = {}
    for leg in Leg.objects.filter(call__in=calls).select_related("owner"):
        legs[leg.call_id, leg.uid] = leg
    for heard in Heard.objects.filter(call__in=calls).order_by("taken_at", "pk"):
        if piece := _of_heard(heard, legs.get((heard.call_id, heard.leg_uid))):
            yield piece
    for step in Step.objects.filter(call__in=calls).select_related("leg__owner").order_by("at", "pk"):
        yield _of_step(step)
    rows = Instruction.objects.filter(call_key__in=by_key, outcome__in=ON_DESK).select_related("device")
    for row in rows:
        text = str(ON_DESK[row.outcome]) % {"desk": row.device.name}
        if row.took_ms is not None and row.outcome in {"opened", "shown"}:
            text = _("%(what)s after %(ms)s ms") % {"what": text, "ms": row.took_ms}
        tone = DESK_TONES.get(row.outcome, "")
        yield Piece(by_key[row.call_key].pk, row.outcome_at or row.created_at, text, "monitor", tone)
    attempts = Attempt.objects.filter(entry__call_key__in=by_key).select_related("entry__crm")
    for attempt in attempts:
        yield _of_attempt(attempt, by_key[attempt.entry.call_key])


def _of_heard(heard: Heard, leg: Leg | None) -> Piece | None:
    """A piece for what changed something; that more became known of a call is no news."""
    if heard.kind not in HEARD:
        return None
    name = leg.owner.name if leg and leg.owner else ""
    number = (leg.number if leg else "") or heard.number
    who = f"{name} ({number})" if name else number
    text = str(HEARD[heard.kind]) % {"who": who or _("the other side")}
    cause = str(CAUSES.get(heard.cause, ""))
    if heard.kind == "ended":
        text = text if heard.leg_uid else _("over")
        text = f"{text}: {cause}" if cause else text
    if heard.was_late:
        text = _("%(what)s (told of too late)") % {"what": text}
    drawn = heard.kind if heard.kind == "ringing" and not heard.was_late else ""
    icon = KIND_ICONS.get(heard.kind, "phone")
    tone = {"ringing": "live", "answered": "ok"}.get(heard.kind, "") if not heard.was_late else ""
    return Piece(heard.call_id, heard.taken_at, text, icon, tone, is_event=True, kind=drawn, who=who)


def _of_step(step: Step) -> Piece:
    facts = step.facts
    leg = step.leg
    who = (leg.owner.name if leg.owner else leg.number) if leg else ""
    reason = words.reason_of(step)
    text = words.sentence_of(step)
    ms = "" if step.took_ms is None else f"{step.took_ms:.0f}"
    match step.what:
        case "answer_found" | "answer_not_found":
            text = _found(step)
            if ms:
                text = _("%(what)s in %(ms)s ms") % {"what": text, "ms": ms}
        case "shown_open":
            text, reason = _("page to %(who)s’s desk") % {"who": who}, ""
        case "shown_card":
            text = _("card to %(who)s’s desk") % {"who": who}
        case "not_shown":
            text = _("nothing to %(who)s’s desk") % {"who": who}
        case "entry_made":
            text = _("note for %(crm)s") % {"crm": facts.get("crm", "")}
            if facts.get("who"):
                text = _("%(what)s by %(who)s") % {"what": text, "who": facts["who"]}
        case "left_out":
            text = _("no note")
    text = f"{text} ({reason.rstrip('.')})" if reason else text.rstrip(".")
    tone = TONES[step.tone]
    return Piece(step.call_id, step.at, text, STEP_ICONS.get(step.what, "circle-question-mark"), tone)


def _found(step: Step) -> str:
    facts = step.facts
    if step.what == "answer_not_found":
        return _("not in %(crm)s") % {"crm": facts.get("crm", "")}
    n = int(facts["matches"]) if str(facts.get("matches", "")).isdecimal() else 1
    names = {
        "n": n,
        "source": _("in the index") if facts.get("source") == "index" else _("live"),
    }
    return ngettext("found %(source)s", "%(n)s records found %(source)s", n) % names


def _of_attempt(attempt: Attempt, call: Call) -> Piece:
    what = {"what": attempt.get_outcome_display(), "crm": attempt.entry.crm.name}
    text = _("%(crm)s: %(what)s") % {**what, "what": str(what["what"]).lower()}
    if attempt.ended_at is not None:
        took = (attempt.ended_at - attempt.started_at).total_seconds() * 1000
        text = _("%(what)s in %(ms)s ms") % {"what": text, "ms": f"{took:.0f}"}
    if attempt.title:
        text = f"{text} ({attempt.title.rstrip('.')})"
    icon = ATTEMPT_ICONS.get(attempt.kind, "notebook-pen")
    at = attempt.ended_at or attempt.started_at
    return Piece(call.pk, at, text, icon, ATTEMPT_TONES.get(attempt.outcome, ""))


# --- into lines ------------------------------------------------------------------------------------


def _lines(call: Call, caller: Caller, pieces: Sequence[Piece]) -> Iterator[StreamLine]:
    groups: list[list[Piece]] = []
    for piece in pieces:
        if groups and _belongs(groups[-1], piece):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    for place, group in enumerate(groups):
        tone = max((piece.tone for piece in group), key=RANK.index)
        yield StreamLine(
            f"e-{call.pk.hex[:12]}-{place}",
            group[0].at,
            call,
            caller,
            group[0].icon,
            tone,
            tuple(_texts(group)),
        )


def _belongs(group: Sequence[Piece], piece: Piece) -> bool:
    """Whether a piece goes on in the line: events of one moment, and what follows from them."""
    if piece.is_event:
        return piece.at - group[0].at <= AT_ONCE
    return piece.at - group[-1].at <= FOLLOWS


def _texts(group: Sequence[Piece]) -> Iterator[str]:
    """The words of a line; phones that ring at once are drawn together."""
    rung = list(dict.fromkeys(piece.who for piece in group if piece.kind == "ringing" and piece.who))
    is_told = False
    for piece in group:
        if piece.kind != "ringing" or len(rung) < 2:
            yield piece.text
        elif not is_told:
            is_told = True
            named = ", ".join(rung[:MOST_NAMED])
            if (more := len(rung) - MOST_NAMED) > 0:
                named = _("%(named)s and %(n)s more") % {"named": named, "n": more}
            yield str(HEARD["ringing"]) % {"who": named}
