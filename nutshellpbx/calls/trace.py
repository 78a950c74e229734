"""A recorded call as a file: the events that were taken in, without anybody's number or name.

JSON lines, one event each, in the order in which they came; the first line says what it is and may carry the
rules that the call was played by, with what came of it. Extensions and queues stay; outside numbers, names
and the phone system's ids become made-up ones, so that a trace can be shown to others and replayed anywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _

from nutshellpbx.calls import tracehouse
from nutshellpbx.calls.models import Call, Heard
from nutshellpbx.calls.rehearsal import House
from nutshellpbx.calls.tracehouse import Outcome, Rules
from nutshellpbx.faults import Rejected
from nutshellpbx.pbx.events import MAX_ID, MAX_NAME, CallEvent, Cause, Direction, Kind, Via

FORMAT: Final = "nutshellpbx trace 1"
MOST_LINES: Final = 10_000
MOST_SIGNS: Final = 5_000_000
#: Numbers that belong to nobody: 555-0100 to 555-0199 are kept free for made-up people.
MADE_UP: Final = "+1202555{:04}"
#: Longer than any extension: an outside number.
LONGEST_EXTENSION: Final = 6
#: What an extension looks like; anything else that a phone system calls a line by may be somebody's name.
EXTENSION = re.compile(r"[0-9*#]{1,6}")


def export_trace(*, call: Call, house: House | None = None, outcome: Outcome | None = None) -> str:
    """The call's redacted trace, calls that became part of it included; with a house, its rules and what came
    of the call stand in it too (`outcome` in the ids of `house`).
    """
    made_up = _MadeUp()
    events = events_of(call=call)
    lines = [_line(event, made_up) for event in events]
    head: dict[str, Any] = {"format": FORMAT, "pbx": call.pbx.kind, "country": call.pbx.country}
    if house is not None:
        extensions = {event.extension: made_up.extension(event.extension) for event in events}
        queues = {event.via_name: made_up.queue(event.via_name) for event in events if event.via_name}
        head["house"] = tracehouse.house_as_json(
            house, extensions=extensions, queues=queues, name=made_up.name
        )
        head["outcome"] = tracehouse.outcome_as_json((outcome or Outcome()).named(made_up.name))
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in [head, *lines])


def events_of(*, call: Call) -> list[CallEvent]:
    """The events of a call as they were taken in, rebuilt from what is kept of them."""
    return events_of_all(calls=[call])[call.pk]


def events_of_all(*, calls: Sequence[Call]) -> dict[UUID, list[CallEvent]]:
    """The events of each call by its id, those of calls that became part of it included."""
    whole_of = {call.pk: call.pk for call in calls}
    parts = {call.pk: call for call in calls}
    newest = list(calls)
    while newest:
        joined = Call.objects.filter(joined_into__in=newest)
        newest = [part for part in joined if part.pk not in parts]
        for part in newest:
            if part.joined_into_id is not None:
                parts[part.pk], whole_of[part.pk] = part, whole_of[part.joined_into_id]
    events: dict[UUID, list[CallEvent]] = {call.pk: [] for call in calls}
    for row in Heard.objects.filter(call__in=parts).order_by("pk"):
        events[whole_of[row.call_id]].append(_event(row, parts[row.call_id]))
    return events


def read_trace(text: str) -> list[CallEvent]:
    """The events of a trace; raises Rejected that names the bad line."""
    lines = text.splitlines()
    if len(text) > MOST_SIGNS or len(lines) > MOST_LINES:
        raise Rejected(_("The trace is too long"), _("A trace holds one call."))
    if not lines or _read(lines[0], 1).get("format") != FORMAT:
        raise Rejected(_("This is no trace"), _("Download it anew from the call's page."))
    return list(_read_events(lines[1:]))


def read_rules(text: str) -> Rules | None:
    """The rules and the outcome of a trace that was read; None when it carries none. Raises Rejected."""
    head = _read(text.partition("\n")[0], 1)
    if "house" not in head:
        return None
    try:
        return tracehouse.rules_from_json(head["house"], head["outcome"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _bad(1) from error


def _event(row: Heard, call: Call) -> CallEvent:
    said: dict[str, Any] = row.said
    return CallEvent(
        pbx=str(call.pbx_id),
        call_uid=call.uid,
        kind=Kind(row.kind),
        at=row.at,
        leg=row.leg_uid,
        extension=row.number,
        direction=Direction(said.get("direction", "unknown")),
        number=call.number if said.get("has_number", not said) else "",
        dialled=call.dialled,
        via=Via(said["via"]) if said.get("via") else None,
        via_name=said.get("via_name", ""),
        cause=Cause(row.cause) if row.cause else None,
        joins=said.get("joins", ""),
        seq=f"trace-{row.pk}",
    )


class _MadeUp:
    """Made-up numbers and ids in place of the real ones, the same for the same."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._names: dict[str, dict[str, str]] = {}

    def number(self, number: str) -> str:
        if sum(sign.isdecimal() for sign in number) > LONGEST_EXTENSION:
            return self._numbers.setdefault(number, MADE_UP.format(100 + len(self._numbers) % 100))
        return number if number.isdecimal() else ""

    def extension(self, text: str) -> str:
        """An extension as it is; what may be a name or an outside number gets another."""
        if not text or EXTENSION.fullmatch(text):
            return text
        return self._ids.setdefault(f"line {text}", f"line-{len(self._ids) + 1}")

    def queue(self, text: str) -> str:
        """A queue's name as it is; one that is a number gets another."""
        is_number = sum(sign.isdecimal() for sign in text) > LONGEST_EXTENSION
        return self.number(text) if is_number else text

    def name(self, kind: str, text: str) -> str:
        """Somebody or something by a made-up name: person-3."""
        known = self._names.setdefault(kind, {})
        return known.setdefault(text, f"{kind}-{len(known) + 1}") if text else ""

    def id(self, text: str, *, kind: str) -> str:
        return self._ids.setdefault(text, f"{kind}-{len(self._ids) + 1}") if text else ""


def _line(event: CallEvent, made_up: _MadeUp) -> dict[str, str]:
    line = {
        "at": event.at.isoformat(),
        "call": made_up.id(event.call_uid, kind="call"),
        "leg": made_up.id(event.leg, kind="leg"),
        "kind": str(event.kind),
        "extension": made_up.extension(event.extension),
        "direction": str(event.direction),
        "number": made_up.number(event.number),
        "via": str(event.via or ""),
        "via_name": made_up.queue(event.via_name),
        "cause": str(event.cause or ""),
        "joins": made_up.id(event.joins, kind="call"),
    }
    return {name: value for name, value in line.items() if value}


def _read_events(lines: list[str]) -> Iterator[CallEvent]:
    for place, text in enumerate(lines, start=2):
        line = _read(text, place)
        if not all(isinstance(value, str) for value in line.values()):
            raise _bad(place)
        try:
            at = datetime.fromisoformat(line["at"])
            event = CallEvent(
                pbx="trace",
                call_uid=line["call"][:MAX_ID],
                kind=Kind(line["kind"]),
                at=at,
                leg=line.get("leg", "")[:MAX_ID],
                extension=line.get("extension", "")[:20],
                direction=Direction(line.get("direction", "unknown")),
                number=line.get("number", "")[:64],
                via=Via(line["via"]) if line.get("via") else None,
                via_name=line.get("via_name", "")[:MAX_NAME],
                cause=Cause(line["cause"]) if line.get("cause") else None,
                joins=line.get("joins", "")[:MAX_ID],
                seq=f"trace-{place}",
            )
        except (KeyError, TypeError, ValueError) as error:
            raise _bad(place) from error
        if at.tzinfo is None or not event.call_uid:
            raise _bad(place)
        yield event


def _read(text: str, place: int) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise _bad(place) from error
    if not isinstance(line, dict):
        raise _bad(place)
    return line


def _bad(place: int) -> Rejected:
    return Rejected(
        _("Line %(line)s of the trace cannot be read") % {"line": place},
        _("Download it anew from the call's page."),
    )
