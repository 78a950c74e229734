"""The text of a note: one line that says it, then the call's way through the house in plain words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

_PLACE = re.compile(r"\[([A-Za-z]{1,20})\]")
#: So many names of people who were only rung; the others are counted.
MOST_NAMES = 3
#: These ends are worth a line more even where there is nothing else to tell.
TOLD_CAUSES = frozenset({"busy", "forwarded"})


@dataclass(frozen=True, slots=True)
class Part:
    """One leg as the note tells it; moments are seconds since the call began, `owner` tells people apart."""

    who: str
    extension: str
    rang_s: float
    talked_s: float
    answered: bool
    via: str = ""
    via_name: str = ""
    cause: str = ""
    rang_at_s: float = 0.0
    answered_at_s: float = 0.0
    ended_at_s: float = 0.0
    owner: str = ""
    has_called: bool = False

    @property
    def person(self) -> str:
        return self.owner or self.extension


@dataclass(frozen=True, slots=True)
class History:
    """What a note says of a call; the parts in the order in which they began."""

    direction: str
    number: str
    name: str
    dialled: str
    started_at: datetime
    parts: tuple[Part, ...]
    agent: str
    talked_s: float
    extension: str = ""
    cause: str = ""

    @property
    def was_answered(self) -> bool:
        return any(part.answered for part in self.parts)


def note_text(history: History, *, template: str, zone: ZoneInfo) -> str:
    """The note by a template: its places filled (once: a name with brackets stays a name), then the legs
    unless the template has them.
    """
    values = {
        "DateTime": date_format(history.started_at.astimezone(zone), "DATETIME_FORMAT"),
        "Number": history.number,
        "Name": history.name,
        "Agent": history.agent,
        "Extension": history.extension,
        "Duration": duration(history.talked_s),
        "Dialled": history.dialled,
        "Queue": next((part.via_name for part in history.parts if part.via_name), ""),
        "Legs": "; ".join(legs := legs_in_words(history)),
    }
    lines = [_PLACE.sub(lambda place: values.get(place[1], place[0]), template)]
    if history.name and "[Name]" not in template:
        lines.append(_("Caller's own name: %(name)s") % {"name": history.name})
    if history.dialled and history.direction != "outbound" and "[Dialled]" not in template:
        lines.append(_("Dialled: %(number)s") % {"number": history.dialled})
    ends = {history.cause, *(part.cause for part in history.parts)}
    if (len(legs) > 1 or ends & TOLD_CAUSES) and "[Legs]" not in template:
        lines.append(values["Legs"])
    return "\n".join(lines)


def legs_in_words(history: History) -> list[str]:
    """The call's way, in order: "rang in the queue sales 12 s", "104 answered, 2:31", "transferred to 107,
    4:05".
    """
    parts = [part for part in history.parts if not _is_within(part, history.parts)]
    told: list[tuple[float, int, str]] = []
    for place, (via, via_name) in enumerate(_lines_of(parts)):
        there = [part for part in parts if (part.via, part.via_name) == (via, via_name)]
        begin = min(part.rang_at_s for part in there)
        answers = [part.answered_at_s for part in there if part.answered]
        end = min(answers) if answers else max(part.ended_at_s for part in there)
        values = {"name": via_name, "time": short(end - begin)}
        words = (
            _("rang in the queue %(name)s %(time)s")
            if via == "queue"
            else _("rang in the group %(name)s %(time)s")
        )
        told.append((begin, place, words % values))
    for (cause, _place), rung in _rung_alike(parts).items():
        moments = [part.ended_at_s if cause == "answered_elsewhere" else part.rang_at_s for part in rung]
        told.append((max(moments), 90, _rung(cause, rung)))
    told += [(part.answered_at_s, 99, _answered(part, parts)) for part in parts if part.answered]
    calls = [part for part in parts if part.has_called and not part.answered]
    told += [(part.ended_at_s, 99, _called_in_vain(part)) for part in calls]
    told += [(part.ended_at_s, 100, _passed_on(part)) for part in parts if _is_passed_on(part, parts)]
    in_order = [words for _at, _place, words in sorted(told, key=lambda line: line[:2])]
    return [*in_order, *_end(history)]


def duration(seconds: float) -> str:
    """Minutes and seconds, with hours where there are some: 2:31, 1:02:05."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def short(seconds: float) -> str:
    """A time of ringing: "12 s", from a minute on as `duration`."""
    return _("%(seconds)s s") % {"seconds": max(0, round(seconds))} if seconds < 60 else duration(seconds)


def _lines_of(parts: Sequence[Part]) -> list[tuple[str, str]]:
    """The queues and groups that the call rang in, in order."""
    return list(dict.fromkeys((part.via, part.via_name) for part in parts if part.via in {"queue", "group"}))


def _is_within(part: Part, parts: Sequence[Part]) -> bool:
    """Whether another leg of the same person says it all: a second phone that rang too, a word aside."""
    others = [each for each in parts if each is not part and each.answered and each.person == part.person]
    if not part.answered:
        return any(each.ended_at_s >= part.rang_at_s and _overlap(part, each) for each in others)
    return any(each.answered_at_s < part.answered_at_s < each.ended_at_s for each in others)


def _overlap(part: Part, other: Part) -> bool:
    return part.rang_at_s <= other.ended_at_s and other.rang_at_s <= part.ended_at_s


def _rung_alike(parts: Sequence[Part]) -> dict[tuple[str, int], list[Part]]:
    """Who was only rung, by how it ended; of those whom nobody answered who rang at the same time."""
    alike: dict[tuple[str, int], list[Part]] = {}
    for part in parts:
        if not part.answered and not part.has_called:
            cause = (
                part.cause if part.cause in {"answered_elsewhere", "busy", "forwarded"} else "not_answered"
            )
            key = next(
                (key for key, rung in alike.items() if key[0] == cause and _together(rung, part)), None
            )
            alike.setdefault(key or (cause, len(alike)), []).append(part)
    return alike


def _together(rung: Sequence[Part], part: Part) -> bool:
    return part.cause != "no_answer" or any(
        other.rang_at_s < part.ended_at_s and part.rang_at_s < other.ended_at_s for other in rung
    )


def _answered(part: Part, parts: Sequence[Part]) -> str:
    values = {"who": part.who, "talked": duration(part.talked_s)}
    if part.has_called:
        return _("%(who)s called, %(talked)s") % values
    giver = _find_giver(part, parts)
    if giver is not None and giver.person != part.person:
        return _("transferred to %(who)s, %(talked)s") % values
    if any(other.answered and other.person == part.person for other in _before(part, parts)):
        return _("back to %(who)s, %(talked)s") % values
    if part.rang_s == 0 and any(_stays(other, part) for other in _before(part, parts)):
        return _("%(who)s joined, %(talked)s") % values
    return _("%(who)s answered, %(talked)s") % values


def _called_in_vain(part: Part) -> str:
    values = {"who": part.who}
    if part.cause == "busy":
        return _("%(who)s called, the line was busy") % values
    return _("%(who)s called in vain") % values


def _stays(part: Part, joiner: Part) -> bool:
    """Whether this one was on the call when another came to it, and did not give it away."""
    return part.ended_at_s > joiner.answered_at_s and part.cause != "transferred"


def _is_passed_on(part: Part, parts: Sequence[Part]) -> bool:
    """Whether somebody gave the call away and nobody of ours is heard to ring or speak afterwards."""
    if not part.answered or part.cause != "transferred":
        return False
    return all(other is part or other.has_called or other.ended_at_s <= part.ended_at_s for other in parts)


def _passed_on(part: Part) -> str:
    return _("%(who)s passed the call on") % {"who": part.who}


def _end(history: History) -> list[str]:
    """Where the call went when it left everybody here."""
    if history.cause == "voicemail":
        return [_("sent to voicemail")]
    return [_("forwarded to an outside number")] if history.cause == "forwarded" else []


def _find_giver(part: Part, parts: Sequence[Part]) -> Part | None:
    """Who passed the call on to this one: gave it away, and this is the next who had it afterwards."""
    for giver in parts:
        if not giver.answered or giver.cause != "transferred" or giver is part:
            continue
        takers = [each for each in parts if each.answered and each is not giver and _goes_on(giver, each)]
        if takers and min(takers, key=lambda each: each.answered_at_s) is part:
            return giver
    return None


def _goes_on(giver: Part, taker: Part) -> bool:
    return taker.ended_at_s > giver.ended_at_s and taker.answered_at_s > giver.answered_at_s


def _before(part: Part, parts: Sequence[Part]) -> list[Part]:
    return [other for other in parts if other.answered and other.answered_at_s < part.answered_at_s]


def _rung(cause: str, parts: Sequence[Part]) -> str:
    """Who was only rung: the first few by name."""
    names = list(dict.fromkeys(part.who for part in parts))
    who = ", ".join(names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        who = _("%(who)s and %(more)s more") % {"who": who, "more": len(names) - MOST_NAMES}
    values = {"who": who, "rang": short(max(part.rang_s for part in parts))}
    if cause == "answered_elsewhere":
        return _("%(who)s rang %(rang)s, a colleague answered") % values
    if cause == "busy":
        return ngettext("%(who)s was busy", "%(who)s were busy", len(names)) % values
    if cause == "forwarded":
        return ngettext("%(who)s forwards calls", "%(who)s forward calls", len(names)) % values
    return _("%(who)s rang %(rang)s, not answered") % values
