"""A recorded call as a file: the events that were taken in, without anybody's number or name.

JSON lines, one event each, in the order in which they came; the first line says what it is. Extensions and
queues stay, outside numbers and the phone system's ids become made-up ones, so that a trace can be shown to
others and replayed anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _

from nutshellpbx.calls.models import Call, Heard
from nutshellpbx.faults import Rejected
from nutshellpbx.pbx.events import MAX_ID, MAX_NAME, CallEvent, Cause, Direction, Kind, Via

FORMAT: Final = "nutshellpbx trace 1"
MOST_LINES: Final = 10_000
MOST_SIGNS: Final = 5_000_000
#: Numbers that belong to nobody: 555-0100 to 555-0199 are kept free for made-up people.
MADE_UP: Final = "+1202555{:04}"
#: Longer than any extension: an outside number.
LONGEST_EXTENSION: Final = 6


def export_trace(*, call: Call) -> str:
    """The call's redacted trace, calls that became part of it included."""
    made_up = _MadeUp()
    head = {"format": FORMAT, "pbx": call.pbx.kind, "country": call.pbx.country}
    lines = [head, *(_line(event, made_up) for event in events_of(call=call))]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def events_of(*, call: Call) -> list[CallEvent]:
    """The events of a call as they were taken in, rebuilt from what is kept of them."""
    parts = {call.pk: call}
    newest = [call]
    while newest:
        newest = [part for part in Call.objects.filter(joined_into__in=newest) if part.pk not in parts]
        parts.update((part.pk, part) for part in newest)
    heard = Heard.objects.filter(call__in=parts).order_by("pk")
    return [_event(row, parts[row.call_id]) for row in heard]


def read_trace(text: str) -> list[CallEvent]:
    """The events of a trace; raises Rejected that names the bad line."""
    lines = text.splitlines()
    if len(text) > MOST_SIGNS or len(lines) > MOST_LINES:
        raise Rejected(_("The trace is too long"), _("A trace holds one call."))
    if not lines or _read(lines[0], 1).get("format") != FORMAT:
        raise Rejected(_("This is no trace"), _("Download it anew from the call's page."))
    return list(_read_events(lines[1:]))


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
        number=call.number if said.get("has_number") else "",
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

    def number(self, number: str) -> str:
        if sum(sign.isdecimal() for sign in number) > LONGEST_EXTENSION:
            return self._numbers.setdefault(number, MADE_UP.format(100 + len(self._numbers) % 100))
        return number if number.isdecimal() else ""

    def id(self, text: str, *, kind: str) -> str:
        return self._ids.setdefault(text, f"{kind}-{len(self._ids) + 1}") if text else ""


def _line(event: CallEvent, made_up: _MadeUp) -> dict[str, str]:
    line = {
        "at": event.at.isoformat(),
        "call": made_up.id(event.call_uid, kind="call"),
        "leg": made_up.id(event.leg, kind="leg"),
        "kind": str(event.kind),
        "extension": event.extension,
        "direction": str(event.direction),
        "number": made_up.number(event.number),
        "via": str(event.via or ""),
        "via_name": event.via_name,
        "cause": str(event.cause or ""),
        "joins": made_up.id(event.joins, kind="call"),
    }
    return {name: value for name, value in line.items() if value}


def _read_events(lines: list[str]) -> Iterator[CallEvent]:
    for place, text in enumerate(lines, start=2):
        line = _read(text, place)
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
    if not isinstance(line, dict) or not all(isinstance(value, str) for value in line.values()):
        raise _bad(place)
    return line


def _bad(place: int) -> Rejected:
    return Rejected(
        _("Line %(line)s of the trace cannot be read") % {"line": place},
        _("Download it anew from the call's page."),
    )
