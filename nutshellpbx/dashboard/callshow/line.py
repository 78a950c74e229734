"""A call as one line: who it was, how it went, what the desk did, where the note is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from nutshellpbx import phone
from nutshellpbx.calls import words
from nutshellpbx.calls.models import Answer, Call, Leg, Step
from nutshellpbx.journal.models import Entry
from nutshellpbx.journal.states import State
from nutshellpbx.people.models import Company, User
from nutshellpbx.redact import mask_number

#: entry state -> state kind, icon, words
NOTES: dict[str, tuple[str, str, Any]] = {
    State.WAITING: ("idle", "user-round-search", gettext_lazy("Note waits for a contact")),
    State.PENDING: ("idle", "clock", gettext_lazy("Note on its way")),
    State.INTENT: ("idle", "clock", gettext_lazy("Note is being written")),
    State.UNKNOWN: ("idle", "clock", gettext_lazy("Unclear, being looked for")),
    State.WRITTEN: ("idle", "clock", gettext_lazy("Written, being checked")),
    State.REMOVING: ("idle", "clock", gettext_lazy("Moved, the old note goes")),
    State.VERIFIED: ("ok", "badge-check", gettext_lazy("Note in the CRM")),
    State.PARKED: ("bad", "circle-alert", gettext_lazy("Note needs a person")),
    State.DONE_BY_HAND: ("idle", "check", gettext_lazy("Note done by hand")),
}
CAUSES: dict[str, Any] = {
    "answered_elsewhere": gettext_lazy("a colleague answered"),
    "busy": gettext_lazy("busy"),
    "no_answer": gettext_lazy("no answer"),
    "gave_up": gettext_lazy("the caller gave up"),
    "voicemail": gettext_lazy("voicemail"),
    "forwarded": gettext_lazy("forwarded"),
    "transferred": gettext_lazy("transferred"),
    "hung_up": gettext_lazy("hung up"),
    "failed": gettext_lazy("failed"),
    "unknown": "",
}
#: What a step must be to say what a desk got.
DESK_STEPS = ("shown_open", "shown_card", "not_shown", "unknown_extension", "no_owner", "no_grant")


@dataclass(frozen=True, slots=True)
class Note:
    """Where a call's note is, as a state."""

    kind: str
    icon: str
    text: Any
    why: str = ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who the outside party is, as far as we know."""

    title: str
    subtitle: str = ""
    number: str = ""
    is_known: bool = False
    is_company: bool = False
    card: dict[str, Any] | None = None
    raw: str = ""

    @property
    def page(self) -> str:
        return page_address(self.card)


@dataclass(frozen=True, slots=True)
class CallLine:
    """One row."""

    call: Call
    caller: Caller
    icon: str
    tone: str
    length: timedelta | None
    outcome: str
    people: list[Leg]
    desk: str
    desk_why: str
    notes: list[Note]


def lines_of(calls: Sequence[Call], *, user: User | None = None) -> list[CallLine]:
    """The rows of a list, with a handful of queries for all of them; `user` sees what his own desk did."""
    keys = [call.key for call in calls]
    answers: dict[Any, Answer] = {}
    for answer in Answer.objects.filter(call__in=calls).select_related("crm"):
        if answer.call_id not in answers or answer.result == Answer.Result.FOUND:
            answers[answer.call_id] = answer
    entries: dict[str, list[Entry]] = {}
    for entry in Entry.objects.filter(call_key__in=keys).select_related("crm"):
        entries.setdefault(entry.call_key, []).append(entry)
    legs: dict[Any, list[Leg]] = {}
    for leg in Leg.objects.filter(call__in=calls).select_related("owner", "extension"):
        legs.setdefault(leg.call_id, []).append(leg)
    steps = Step.objects.filter(call__in=calls, what__in=DESK_STEPS).select_related("leg")
    desk: dict[Any, Step] = {}
    for step in steps.filter(Q(leg__owner=user) | Q(leg=None)) if user else steps:
        desk[step.call_id] = _more_telling(desk.get(step.call_id), step)
    country = Company.get().country
    return [
        _line(
            call,
            answers.get(call.pk),
            entries.get(call.key, []),
            legs.get(call.pk, []),
            desk.get(call.pk),
            country,
        )
        for call in calls
    ]


def filtered(calls: QuerySet[Call], *, show: str, text: str) -> QuerySet[Call]:
    """The calls of a filter chip and a search for a number or a caller's own name."""
    match show:
        case "in":
            calls = calls.filter(direction="inbound")
        case "out":
            calls = calls.filter(direction="outbound")
        case "missed":
            calls = calls.filter(direction="inbound", answered_at=None, state=Call.State.ENDED)
        case "unknown":
            calls = calls.filter(answers__result=Answer.Result.NOT_FOUND)
        case "live":
            calls = calls.filter(state=Call.State.LIVE)
        case "left":
            calls = calls.filter(_without_entry(), state=Call.State.ENDED)
        case "left-unaccounted":
            calls = calls.filter(_without_entry(), left_out="", state=Call.State.ENDED)
        case _ if show.removeprefix("left-") in Call.LeftOut.values:
            calls = calls.filter(left_out=show.removeprefix("left-"), state=Call.State.ENDED)
    if text:
        digits = "".join(sign for sign in text if sign.isdecimal())
        wanted = Q(name__icontains=text)
        if digits:
            wanted |= Q(number__contains=digits) | Q(e164__contains=digits)
        calls = calls.filter(wanted, is_private=False)
    return calls


def _without_entry() -> Q:
    has_entry = Exists(Entry.objects.filter(call_key=OuterRef("key")))
    return Q(~Q(left_out="") | ~has_entry)


def caller_of(call: Call, answer: Answer | None, *, country: str) -> Caller:
    """Who called, or was called, in words; hostile text stays text."""
    if call.is_private:
        return Caller(_("Private call"), mask_number(call.number))
    number = phone.read(call.number, country=call.pbx.country or country).shown()
    if not number:
        return Caller(_("Withheld number"), _says(call.name))
    if answer is None or answer.result != Answer.Result.FOUND or not answer.cards:
        is_asked = answer is not None and answer.result == Answer.Result.NOT_FOUND
        subtitle = _("unknown caller") if is_asked else _("not looked up")
        if answer is not None and answer.result == Answer.Result.UNAVAILABLE:
            subtitle = _("we could not ask who this is")
        return Caller(number, " · ".join(part for part in (subtitle, _says(call.name)) if part), number)
    card = next((card for card in answer.cards if card["id"] == answer.chosen_id), None)
    if card is None and len(answer.cards) > 1:
        n = len(answer.cards)
        shared = ngettext("%(n)s record has this number", "%(n)s records share this number", n) % {"n": n}
        return Caller(number, shared, number)
    card = card or answer.cards[0]
    about = ", ".join(part for part in (card.get("job_title"), card.get("company")) if part)
    is_company = card["table"] == "accounts"
    subtitle = about or (_("company") if is_company else "")
    return Caller(card["name"], subtitle, number, True, is_company, card, call.number)


def note_of(entry: Entry) -> Note:
    """An entry's state in words, and why it stands still."""
    kind, icon, text = NOTES[entry.state]
    title = entry.reason_title
    if title and entry.next_step and title[-1] not in ".!?…":
        title += "."
    why = " ".join(part for part in (title, entry.next_step) if part)
    if entry.state == State.VERIFIED:
        text = _("Note in %(crm)s") % {"crm": entry.crm.name}
    return Note(kind, icon, text, why)


def page_address(card: dict[str, Any] | None) -> str:
    """The address of a record in its CRM, for a link; empty for anything but http and https."""
    page = (card or {}).get("page") or {}
    origin = str(page.get("origin", ""))
    if not origin.startswith(("https://", "http://")):
        return ""
    query = urlencode([tuple(pair) for pair in page.get("query", [])])
    return f"{origin}{page.get('path', '')}{'?' + query if query else ''}"


def length_of(call: Call) -> timedelta | None:
    """How long they spoke, once it is over."""
    if call.answered_at is None or call.ended_at is None:
        return None
    return call.ended_at - call.answered_at


def started_before(calls: QuerySet[Call], text: str) -> QuerySet[Call]:
    """The next older page: calls that began before a moment that stands in the address."""
    try:
        return calls.filter(started_at__lt=datetime.fromisoformat(text))
    except (ValueError, TypeError):
        return calls


def _line(
    call: Call, answer: Answer | None, entries: list[Entry], legs: list[Leg], step: Step | None, country: str
) -> CallLine:
    icon, tone = _sign(call)
    notes = [note_of(entry) for entry in entries]
    if not notes and call.left_out:
        notes = [Note("idle", "circle-minus", _("No note"), str(call.get_left_out_display()))]
    people: dict[Any, Leg] = {}
    for leg in sorted(legs, key=lambda leg: leg.answered_at is None):
        people.setdefault(leg.owner_id or leg.number, leg)
    return CallLine(
        call=call,
        caller=caller_of(call, answer, country=country),
        icon=icon,
        tone=tone,
        length=length_of(call),
        outcome=_outcome(call),
        people=list(people.values()),
        desk=words.sentence_of(step) if step else "",
        desk_why=words.reason_of(step) if step else "",
        notes=notes,
    )


def _sign(call: Call) -> tuple[str, str]:
    if call.state == Call.State.LIVE:
        return ("phone-call", "live") if call.answered_at else ("bell-ring", "live")
    if call.direction == "outbound":
        return "phone-outgoing", "out"
    if call.direction == "inbound":
        return ("phone-incoming", "in") if call.answered_at else ("phone-missed", "miss")
    return "phone", "none"


def _outcome(call: Call) -> str:
    if call.state == Call.State.LIVE:
        return _("going on") if call.answered_at else _("rings")
    return "" if call.answered_at else str(CAUSES.get(call.cause, "") or _("not answered"))


def _says(name: str) -> str:
    return _("says “%(name)s”") % {"name": name} if name else ""


def _more_telling(before: Step | None, step: Step) -> Step:
    """The step that tells most of what a desk got: an opened page, a card, then why there was nothing."""
    if before is None:
        return step
    order = {what: place for place, what in enumerate(DESK_STEPS)}
    return step if order[step.what] < order[before.what] else before
