"""3CX's Configuration API (XAPI), where the licence has it: people with extensions, and the call log."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from nutshellpbx.pbx.connector import SeenExtension
from nutshellpbx.pbx.events import MAX_NAME, MAX_NUMBER, Cause, Direction, Via
from nutshellpbx.pbx.threecx import doubts
from nutshellpbx.pbx.threecx.connection import Connection
from nutshellpbx.pbx.threecx.records import Part, Record

PAGE, MOST_PAGES = 200, 50
LOG_BYTES = 20_000_000
_SPAN = re.compile(r"(?:(?P<days>\d+)\.)?(?P<hours>\d+):(?P<minutes>\d{2}):(?P<seconds>\d{2}(?:\.\d+)?)")
_ISO_SPAN = re.compile(
    r"P(?:(?P<days>\d+)D)?T?(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?"
)
_EXTENSION = re.compile(r"[0-9A-Za-z_-]{1,20}")


def list_people(line: Connection) -> list[SeenExtension]:
    """Every user's extension with name and e-mail, by number; raises a Fault."""
    found: dict[str, SeenExtension] = {}
    for user in _pages(line, doubts.USERS, {"$select": "Number,FirstName,LastName,EmailAddress"}):
        number = _text(user, "Number", 20)
        if not _EXTENSION.fullmatch(number):
            continue
        name = " ".join(filter(None, (_text(user, "FirstName", 60), _text(user, "LastName", 60))))
        found[number] = SeenExtension(number, name, _text(user, "EmailAddress", 254).lower())
    return [found[number] for number in sorted(found)]


def newest_record(line: Connection) -> str:
    """A text that changes with each new record, so that the log is read only then; empty: not told."""
    content = line.ask(doubts.NEW_RECORDS).json
    return str(content.get("value", content))[:500] if isinstance(content, dict) else ""


def list_records(line: Connection, *, since: datetime, until: datetime) -> list[Record]:
    """The outside calls that the PBX logged between two moments of our clock; raises a Fault."""
    ahead = timedelta(seconds=line.clock_ahead_s)
    rows = list(_pages(line, doubts.call_log_path(since + ahead, until + ahead), {}))
    return records_of(rows, ahead=ahead)


def records_of(rows: list[Any], *, ahead: timedelta = timedelta()) -> list[Record]:
    """The calls that these rows tell of. Pure; `ahead` is how far the PBX's clock goes before ours."""
    calls: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if isinstance(row, dict):
            named = (
                _text(row, name, 60) for name in ("MainCallHistoryId", "CallHistoryId", "CallId", "CdrId")
            )
            uid = next(filter(None, named), "")
            if uid:
                calls.setdefault(uid, []).append(row)
    found = (_record(uid, segments, ahead) for uid, segments in calls.items())
    return [record for record in found if record is not None]


def _record(uid: str, rows: list[Mapping[str, Any]], ahead: timedelta) -> Record | None:
    parts: list[Part] = []
    times: list[tuple[datetime, datetime]] = []
    direction, number, name, dialled, via, via_name = Direction.UNKNOWN, "", "", "", None, ""
    cause: Cause | None = None
    for row in rows:
        began = read_moment(row.get("StartTime"))
        if began is None:
            continue
        began -= ahead
        rang, talked = read_span(row.get("RingingDuration")), read_span(row.get("TalkingDuration"))
        ended = began + rang + talked
        times.append((began, ended))
        said = _text(row, "Direction", 20).lower()
        outside = {"inbound": "Source", "outbound": "Destination"}.get(said, "")
        if outside and direction is Direction.UNKNOWN:
            direction = Direction(said)
            number = doubts.number_of(_text(row, f"{outside}CallerId", MAX_NUMBER))
            name = _text(row, f"{outside}DisplayName", MAX_NAME)
            dialled = _text(row, "DialedNumber", MAX_NUMBER) if said == "inbound" else ""
        own = "Source" if said == "outbound" else "Destination"
        kind, dn = _text(row, f"{own}Type", 30) or _text(row, f"{own}DnType", 30), _text(row, f"{own}Dn", 20)
        way = doubts.find_way(kind)
        if way in {Via.QUEUE, Via.GROUP}:
            via, via_name = way, dn
        if doubts.type_of(kind) in {"voicemail", "vmail"} or kind.lower() == "vmail":
            cause = Cause.VOICEMAIL
        elif way is None and doubts.is_extension(kind) and _EXTENSION.fullmatch(dn):
            answered = began + rang if _is_answered(row, talked) else None
            parts.append(Part(dn, began, ended, answered))
    if not times or direction is Direction.UNKNOWN:
        return None
    return Record(
        uid=re.sub(r"[^A-Za-z0-9_.-]", "_", uid),
        direction=direction,
        number=number,
        began_at=min(began for began, _ended in times),
        ended_at=max(ended for _began, ended in times),
        parts=tuple(sorted(parts, key=lambda part: part.began_at)),
        name=name,
        dialled=dialled,
        via=via,
        via_name=via_name,
        cause=None if any(part.answered_at for part in parts) else cause,
    )


def _is_answered(row: Mapping[str, Any], talked: timedelta) -> bool:
    said = row.get("Answered")
    if isinstance(said, bool):
        return said
    return _text(row, "Status", 20).lower() == "answered" or talked > timedelta()


def read_moment(text: object) -> datetime | None:
    """A moment in aware UTC; one without a zone is UTC. None for what is none."""
    if not isinstance(text, str):
        return None
    # three or six digits of a second are all that is read everywhere; 3CX may write seven
    text = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_span(told: object) -> timedelta:
    """A duration from seconds, `hh:mm:ss` or ISO 8601; none for what cannot be read, a week at most."""
    seconds = 0.0
    if isinstance(told, int | float) and not isinstance(told, bool):
        seconds = float(told)
    elif isinstance(told, str) and len(told) < 40:
        found = _SPAN.fullmatch(told.strip()) or _ISO_SPAN.fullmatch(told.strip())
        parts = {name: float(value or 0) for name, value in found.groupdict().items()} if found else {}
        seconds = parts.get("days", 0) * 86_400 + parts.get("hours", 0) * 3_600
        seconds += parts.get("minutes", 0) * 60 + parts.get("seconds", 0)
    return timedelta(seconds=seconds) if 0 <= seconds < 604_800 else timedelta()


def _pages(line: Connection, path: str, params: Mapping[str, Any]) -> Iterator[Any]:
    for page in range(MOST_PAGES):
        asked = {**params, "$top": PAGE, "$skip": page * PAGE}
        content = line.ask(path, params=asked, max_bytes=LOG_BYTES).json
        rows = content.get("value") if isinstance(content, dict) else content
        rows = rows if isinstance(rows, list) else []
        yield from (row for row in rows if isinstance(row, dict))
        if len(rows) < PAGE:
            return


def _text(row: Mapping[str, Any], name: str, longest: int) -> str:
    found = row.get(name)
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found) if abs(found) < 10**18 else ""
    found = found.strip()[:longest] if isinstance(found, str) else ""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in found)
