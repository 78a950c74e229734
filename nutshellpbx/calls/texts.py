"""The text of a note: the call's history in plain words, per kind of call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _


@dataclass(frozen=True, slots=True)
class Part:
    """One leg as the note tells it."""

    who: str
    extension: str
    rang_s: float
    talked_s: float
    answered: bool
    via_name: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """What a note says of a call."""

    direction: str
    number: str
    name: str
    dialled: str
    started_at: datetime
    parts: tuple[Part, ...]
    agent: str
    talked_s: float

    @property
    def was_answered(self) -> bool:
        return any(part.answered for part in self.parts)


def note_text(history: History, *, zone: ZoneInfo) -> str:
    """The note's text (the marker is added when it is written): one line that says it, then the legs."""
    when = date_format(history.started_at.astimezone(zone), "DATETIME_FORMAT")
    values = {
        "when": when,
        "number": history.number,
        "agent": history.agent,
        "duration": duration(history.talked_s),
    }
    match history.direction == "outbound", history.was_answered:
        case True, True:
            head = _("%(when)s: Answered outgoing call from %(agent)s to %(number)s (%(duration)s)") % values
        case True, False:
            head = _("%(when)s: Unanswered outgoing call from %(agent)s to %(number)s") % values
        case False, True:
            head = _("%(when)s: Answered incoming call from %(number)s to %(agent)s (%(duration)s)") % values
        case _both:
            head = _("%(when)s: Missed call from %(number)s to %(agent)s") % values
    lines = [head]
    if history.name:
        lines.append(_("Caller's own name: %(name)s") % {"name": history.name})
    if history.dialled and history.direction != "outbound":
        lines.append(_("Dialled: %(number)s") % {"number": history.dialled})
    if len(history.parts) > 1 or any(part.via_name for part in history.parts):
        lines += [_line(part) for part in history.parts]
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Minutes and seconds, with hours where there are some: 2:31, 1:02:05."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def _line(part: Part) -> str:
    values = {
        "who": part.who,
        "rang": duration(part.rang_s),
        "talked": duration(part.talked_s),
        "via": part.via_name,
    }
    if part.answered and part.via_name:
        return _("– %(who)s answered from %(via)s after %(rang)s, spoke %(talked)s") % values
    if part.answered:
        return _("– %(who)s answered after %(rang)s, spoke %(talked)s") % values
    if part.cause == "answered_elsewhere":
        return _("– %(who)s rang %(rang)s, a colleague answered") % values
    if part.cause == "busy":
        return _("– %(who)s was busy") % values
    if part.cause == "voicemail":
        return _("– %(who)s rang %(rang)s, then voicemail") % values
    return _("– %(who)s rang %(rang)s, not answered") % values
