"""The whole story of a call: what the phone system said, what was decided and why, what desks and CRM did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from nutshellpbx.calls import words
from nutshellpbx.calls.models import Answer, Call, Heard, Leg, Step
from nutshellpbx.dashboard.callshow.line import CAUSES, page_address
from nutshellpbx.desktop.models import Instruction
from nutshellpbx.journal.models import Attempt, Entry

TONES = {"plain": "", "good": "ok", "desk": "live", "waited": "warn", "failed": "bad"}
STEP_ICONS = {
    "answer_found": "user-round-search",
    "answer_not_found": "user-round-search",
    "answer_unavailable": "cloud-off",
    "shown_open": "external-link",
    "shown_card": "app-window",
    "not_shown": "circle-minus",
    "unknown_extension": "route",
    "no_owner": "user-round-x",
    "no_grant": "circle-minus",
    "entry_made": "notebook-pen",
    "left_out": "ban",
    "timed_out": "clock",
    "chosen": "user-round",
    "private": "eye-off",
    "contact_done": "user-round-plus",
    "contact_failed": "circle-alert",
    "contact_unclear": "circle-question-mark",
    "entry_amended": "pencil",
    "entry_left": "notebook-pen",
    "entry_stays": "notebook-pen",
}
#: Why an entry is whose it is.
OWNERS: dict[str, Any] = {
    "owner_longest": gettext_lazy("It is %(who)s’s: who spoke longest keeps the call."),
    "owner_first": gettext_lazy("It is %(who)s’s: who spoke first keeps the call."),
    "owner_last": gettext_lazy("It is %(who)s’s: who spoke last keeps the call."),
    "owner_rung_first": gettext_lazy("It is %(who)s’s: nobody spoke, and it rang there first."),
}
KIND_ICONS = {
    "dialing": "phone-outgoing",
    "ringing": "bell-ring",
    "answered": "phone-call",
    "held": "pause",
    "resumed": "play",
    "updated": "pencil",
    "joined": "git-merge",
    "ended": "phone-off",
}
HEARD: dict[str, Any] = {
    "dialing": gettext_lazy("%(who)s dials"),
    "ringing": gettext_lazy("It rings at %(who)s"),
    "answered": gettext_lazy("%(who)s answers"),
    "held": gettext_lazy("%(who)s puts the other side on hold"),
    "resumed": gettext_lazy("%(who)s speaks again"),
    "updated": gettext_lazy("More became known of the call"),
    "joined": gettext_lazy("It became part of another call"),
    "ended": gettext_lazy("The line of %(who)s is free again"),
}
RESULTS: dict[str, tuple[str, str, Any]] = {
    "opened": ("external-link", "ok", gettext_lazy("%(desk)s opened the page")),
    "shown": ("app-window", "live", gettext_lazy("%(desk)s showed the card")),
    "withdrawn": ("undo-2", "", gettext_lazy("%(desk)s took the card away")),
    "expired": ("clock", "warn", gettext_lazy("%(desk)s was too late and opened nothing")),
    "refused_origin": (
        "shield",
        "bad",
        gettext_lazy("%(desk)s does not trust this address yet and opened nothing"),
    ),
    "too_many": (
        "layers",
        "warn",
        gettext_lazy("%(desk)s was asked to open too many pages and left this one out"),
    ),
}
ATTEMPT_ICONS = {"write": "send", "search": "search", "read": "badge-check", "remove": "trash-2"}
ATTEMPT_TONES = {
    "verified": "ok",
    "found": "ok",
    "written": "ok",
    "removed": "ok",
    "unknown": "warn",
    "unsent": "warn",
    "refused": "bad",
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the time line."""

    at: datetime
    icon: str
    what: str
    why: str = ""
    tone: str = ""
    part: str = "pbx"
    took_ms: float | None = None
    raw: dict[str, str] = field(default_factory=dict)
    since: timedelta | None = None
    known_at: datetime | None = None

    @property
    def order(self) -> datetime:
        """When it was known here: the phone system's clock may be another one."""
        return self.known_at or self.at


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a lane in percent of the call: rings, speaks or holds."""

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Lane:
    """One person's part of the call."""

    leg: Leg
    bars: tuple[Bar, ...]
    spoke: timedelta | None
    rang: timedelta | None
    said: str
    held: timedelta | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class WhyCard:
    """Why this person: what was compared, and what else was found."""

    answer: Answer
    card: dict[str, Any] | None
    others: list[dict[str, Any]]
    why: dict[str, str]

    @property
    def page(self) -> str:
        return page_address(self.card)


def story_of(call: Call) -> list[Happening]:
    """Every line in the order in which it happened, each with its distance from the beginning."""
    names = {leg.uid: who(leg) for leg in call.legs.select_related("owner")}
    lines = [*_heard(call, names), *_decided(call), *_on_desks(call), *_written(call)]
    lines.sort(key=lambda line: line.order)
    return [replace(line, since=line.at - call.started_at) for line in lines]


def lanes_of(call: Call, *, now: datetime) -> list[Lane]:
    """One lane per leg that has a number, on the scale of the whole call."""
    return lanes_of_all([call], now=now)[call.pk]


def lanes_of_all(calls: Sequence[Call], *, now: datetime) -> dict[Any, list[Lane]]:
    """The lanes of each call, with two questions for all of them."""
    legs: dict[Any, list[Leg]] = {call.pk: [] for call in calls}
    for leg in Leg.objects.filter(call__in=calls).exclude(number="").select_related("owner", "extension"):
        legs[leg.call_id].append(leg)
    heard: dict[Any, list[Heard]] = {call.pk: [] for call in calls}
    told = Heard.objects.filter(call__in=calls, was_late=False, kind__in=("held", "resumed", "ended"))
    for event in told.order_by("at", "id"):
        heard[event.call_id].append(event)
    return {call.pk: _lanes(call, legs[call.pk], heard[call.pk], now) for call in calls}


def _lanes(call: Call, legs: Sequence[Leg], heard: Sequence[Heard], now: datetime) -> list[Lane]:
    end = call.ended_at or now
    whole = max((end - call.started_at).total_seconds(), 1.0)
    held = _held_spans(heard, end)
    lanes = []
    for leg in legs:
        over = leg.ended_at or end
        bars = []
        rings_until = leg.answered_at or over
        if leg.rang_at or leg.answered_at is None:
            bars.append(_bar("rings", leg.rang_at or leg.started_at, rings_until, call.started_at, whole))
        if leg.answered_at:
            bars.append(_bar("speaks", leg.answered_at, over, call.started_at, whole))
            bars += [
                _bar("holds", start, stop, call.started_at, whole) for start, stop in held.get(leg.uid, [])
            ]
        spoke = over - leg.answered_at if leg.answered_at else None
        rang = rings_until - (leg.rang_at or leg.started_at)
        held_for = sum((stop - start for start, stop in held.get(leg.uid, [])), timedelta()) or None
        said = str(CAUSES.get(leg.cause, ""))
        lanes.append(Lane(leg, tuple(bars), spoke, rang, said, held_for, leg.ended_at))
    return lanes


def ticks_of(call: Call, *, now: datetime) -> list[tuple[float, datetime]]:
    """Five moments for the axis, with their place in percent."""
    whole = (call.ended_at or now) - call.started_at
    return [(place, call.started_at + whole * place / 100) for place in (0, 25, 50, 75, 100)]


def why_cards(call: Call) -> list[WhyCard]:
    """For each CRM that was asked: the record, and why it was taken."""
    found = []
    for answer in call.answers.select_related("crm"):
        cards = list(answer.cards)
        card = next((card for card in cards if card["id"] == answer.chosen_id), None)
        if card is None and len(cards) == 1:
            card = cards[0]
        others = [other for other in cards if other is not card]
        found.append(WhyCard(answer, card, others, dict(answer.why)))
    return found


def who(leg: Leg) -> str:
    """The owner and the extension of a leg."""
    return f"{leg.owner.name} ({leg.number})" if leg.owner else leg.number or _("the other side")


def _heard(call: Call, names: dict[str, str]) -> Iterator[Happening]:
    for heard in call.heard.all():
        name = names.get(heard.leg_uid) or heard.number
        what = str(HEARD.get(heard.kind, heard.kind)) % {"who": name or call.pbx.name}
        if heard.kind == "ended" and not heard.leg_uid:
            what = _("The call is over")
        why = str(CAUSES.get(heard.cause, ""))
        if heard.was_late:
            why = _("It came too late to change anything.")
        raw = {"kind": heard.kind, "leg": heard.leg_uid, "extension": heard.number, "cause": heard.cause}
        raw |= {name: str(text) for name, text in heard.said.items() if name != "has_number"}
        yield Happening(
            at=heard.at,
            icon=KIND_ICONS.get(heard.kind, "phone"),
            what=what,
            why=why,
            tone="ok" if heard.kind == "answered" and not heard.was_late else "",
            known_at=heard.taken_at,
            raw={name: value for name, value in raw.items() if value},
        )


def _decided(call: Call) -> Iterator[Happening]:
    for step in call.steps.select_related("leg__owner"):
        part = "lookup" if step.what.startswith(("answer_", "contact_", "chosen")) else "desk"
        if step.what in {"entry_made", "left_out"}:
            part = "journal"
        next_step = step.facts.get("next_step", "")
        yield Happening(
            at=step.at,
            icon=STEP_ICONS.get(step.what, "circle-question-mark"),
            what=words.sentence_of(step),
            why=" ".join(part for part in (words.reason_of(step), _more(step), next_step) if part),
            tone=TONES[step.tone],
            part=part,
            took_ms=step.took_ms,
        )


def _more(step: Step) -> str:
    """What the sentence and the reason leave out: whose desk, whose entry, by which number."""
    facts = step.facts
    if step.what == "entry_made":
        return str(OWNERS.get(facts.get("why", ""), "")) % {"who": facts.get("who", "")}
    if step.what.startswith(("shown_", "not_shown")) and step.leg is not None:
        return _("At %(who)s.") % {"who": who(step.leg)}
    if step.what == "answer_found" and facts.get("written") and not step.call.is_private:
        return _("Found by %(label)s %(written)s.") % {
            "label": facts.get("label") or _("number"),
            "written": facts["written"],
        }
    return ""


def _on_desks(call: Call) -> Iterator[Happening]:
    now = timezone.now()
    rows = Instruction.objects.filter(call_key=call.key).select_related("device")
    for row in rows:
        if not row.outcome:
            if row.verb != "withdraw":
                yield _without_outcome(row, now)
            continue
        icon, tone, what = RESULTS.get(row.outcome, ("monitor", "warn", _("%(desk)s said: %(outcome)s")))
        yield Happening(
            at=row.outcome_at or row.created_at,
            icon=icon,
            what=str(what) % {"desk": row.device.name, "outcome": row.outcome},
            tone=tone,
            part="desk",
            took_ms=row.took_ms,
        )


def _without_outcome(row: Instruction, now: datetime) -> Happening:
    """An instruction that no desk has said the end of."""
    tone, icon = "", "monitor"
    if row.delivered_at is not None:
        what = _("%(desk)s fetched it")
    elif row.withdrawn_at is not None:
        what, icon = _("It was taken back before %(desk)s fetched it"), "undo-2"
    elif row.expires_at < now:
        what, tone, icon = _("%(desk)s was not there and never fetched it"), "warn", "wifi-off"
    else:
        what = _("It waits for %(desk)s to fetch it")
    at = row.delivered_at or row.withdrawn_at or row.created_at
    return Happening(at=at, icon=icon, what=what % {"desk": row.device.name}, why="", tone=tone, part="desk")


def _written(call: Call) -> Iterator[Happening]:
    attempts = Attempt.objects.filter(entry__call_key=call.key).select_related("entry__crm")
    for attempt in attempts:
        what = _("%(what)s in %(crm)s: %(outcome)s") % {
            "what": attempt.get_kind_display(),
            "crm": attempt.entry.crm.name,
            "outcome": attempt.get_outcome_display(),
        }
        took = attempt.ended_at - attempt.started_at if attempt.ended_at else None
        yield Happening(
            at=attempt.started_at,
            icon=ATTEMPT_ICONS.get(attempt.kind, "notebook-pen"),
            what=what,
            why=attempt.title,
            tone=ATTEMPT_TONES.get(attempt.outcome, ""),
            part="journal",
            took_ms=took.total_seconds() * 1000 if took else None,
            raw={
                name: text
                for name, text in (("asked", attempt.asked), ("answered", attempt.answered))
                if text
            },
        )


def _held_spans(told: Sequence[Heard], end: datetime) -> dict[str, list[tuple[datetime, datetime]]]:
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    open_since: dict[str, datetime] = {}
    for heard in told:
        if heard.kind == "held":
            open_since.setdefault(heard.leg_uid, heard.at)
        elif heard.kind in {"resumed", "ended"} and heard.leg_uid in open_since:
            spans.setdefault(heard.leg_uid, []).append((open_since.pop(heard.leg_uid), heard.at))
    for uid, since in open_since.items():
        spans.setdefault(uid, []).append((since, end))
    return spans


def _bar(kind: str, start: datetime, stop: datetime, zero: datetime, whole: float) -> Bar:
    x = min(max((start - zero).total_seconds() / whole * 100, 0.0), 100.0)
    width = max((stop - start).total_seconds() / whole * 100, 0.6)
    return Bar(kind, round(x, 2), round(min(width, 100.0 - x), 2))


def entries_of(call: Call) -> list[Entry]:
    """The call's entries, one per CRM."""
    return list(Entry.objects.filter(call_key=call.key).select_related("crm", "user"))
