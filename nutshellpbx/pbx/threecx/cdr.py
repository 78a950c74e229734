"""A 3CX's call detail records (CDR): lines of text in an order that its admin chose, read into records.

Pure. Lines of one call (a queue's, a transfer's) share their history id and become one record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nutshellpbx.pbx.events import MAX_NAME, MAX_NUMBER, Cause, Direction, Via
from nutshellpbx.pbx.threecx import doubts
from nutshellpbx.pbx.threecx.records import Part, Record

LONGEST_LINE = 8_000
#: Without these a line tells nothing of a call.
NEEDED = ("time-start", "time-end", "from-no", "to-no")
#: Fields in which people's names with commas may stand; all the others hold none.
_NAMES = ("from-dispname", "to-dispname", "final-dispname")
_NUMBER = re.compile(r"\+?[0-9*#]{3,40}")
_EXTENSION = re.compile(r"(?:ext\.?)?\s*([0-9]{2,6})", re.IGNORECASE)

_CAUSES: Mapping[str, Cause] = {
    "terminatedbysrc": Cause.HUNG_UP,
    "terminatedbydst": Cause.HUNG_UP,
    "failed_cancelled": Cause.GAVE_UP,
    "failed": Cause.FAILED,
    "routebusy": Cause.BUSY,
    "targetnotfound": Cause.FAILED,
    "externalcalldisabled": Cause.FAILED,
}


def read_fields(text: str) -> tuple[str, ...]:
    """The order of the fields as the admin entered it; the usual one when nothing is entered."""
    names = tuple(name.strip().lower() for name in (text or doubts.CDR_FIELDS).split(","))
    return tuple(name for name in names if name)


def find_missing(fields: Sequence[str]) -> list[str]:
    """The fields without which nothing can be read."""
    return [name for name in NEEDED if name not in fields]


def find_zone(name: str) -> ZoneInfo | None:
    """The zone that is entered for the records' times; None when it is to be found out from their arrival."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def find_shift(row: Mapping[str, str], came_at: datetime) -> timedelta:
    """How far a line's times are from UTC, to the quarter of an hour: a line comes when its call ends."""
    ended = _moment(row.get("time-end", ""), ZoneInfo("UTC"), timedelta())
    if ended is None:
        return timedelta()
    quarters = round((ended - came_at).total_seconds() / 900)
    return timedelta(seconds=900 * quarters) if abs(quarters) <= 56 else timedelta()


def decode(line: bytes) -> str:
    """A line's text, whatever the PBX's encoding."""
    for encoding in doubts.CDR_ENCODINGS:
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("utf-8", "replace")


def read_line(line: str, fields: Sequence[str]) -> dict[str, str] | None:
    """A line's values by field; None for a line that is no record.

    A name may hold commas. What is too much stands in the first field of names then, for the fields before
    it and behind it are counted from both ends.
    """
    line = line.strip("\r\n\x00 \ufeff")
    if not line or len(line) > LONGEST_LINE:
        return None
    values = [value.strip().strip('"') for value in line.split(",")]
    spare = len(values) - len(fields)
    if spare == 1 and values[-1] == "":
        values.pop()
        spare = 0
    if spare > 0:
        place = next((place for place, name in enumerate(fields) if name in _NAMES), None)
        if place is None:
            return None
        joined = ",".join(values[place : place + spare + 1])
        values = [*values[:place], joined, *values[place + spare + 1 :]]
    found = dict(zip(fields, values, strict=False))
    return found if all(found.get(name) for name in ("time-start", "time-end")) else None


def records_of(
    rows: Iterable[Mapping[str, str]], *, zone: ZoneInfo, ahead: timedelta = timedelta()
) -> list[Record]:
    """The calls that these lines tell of; `ahead` is how far the PBX's clock goes before ours."""
    calls: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        uid = row.get("historyid") or row.get("callid") or f"{row['time-start']} {row.get('from-no', '')}"
        calls.setdefault(uid, []).append(row)
    found = (_record(uid, lines, zone, ahead) for uid, lines in calls.items())
    return [record for record in found if record is not None]


def _record(uid: str, rows: list[Mapping[str, str]], zone: ZoneInfo, ahead: timedelta) -> Record | None:
    parts: list[Part] = []
    times: list[tuple[datetime, datetime]] = []
    number = name = dialled = ""
    direction, via, via_name = Direction.UNKNOWN, None, ""
    cause: Cause | None = None
    for row in rows:
        began, ended = (_moment(row.get(field, ""), zone, ahead) for field in ("time-start", "time-end"))
        if began is None or ended is None or ended < began:
            continue
        times.append((began, ended))
        answered = _moment(row.get("time-answered", ""), zone, ahead)
        from_line, to_line = _is_line(row, "from"), _is_line(row, "to") or _is_line(row, "final")
        own = _extension(row.get("to-dn", "") or row.get("to-no", ""))
        if from_line:
            direction = Direction.INBOUND
            number = number or _number(row.get("from-no", ""))
            name = name or row.get("from-dispname", "")
            dialled = dialled or row.get("dial-no", "")
        elif to_line:
            direction = Direction.OUTBOUND
            number = number or _number(row.get("to-no", "")) or _number(row.get("dial-no", ""))
            name = name or row.get("to-dispname", "")
            own = _extension(row.get("from-dn", "") or row.get("from-no", ""))
        way = doubts.find_way(row.get("to-type", ""))
        if way is not None:
            via, via_name = way, own
            own = _extension(row.get("final-dn", "")) if from_line else ""
        if row.get("to-type", "").lower() == "vmail":
            cause, own = Cause.VOICEMAIL, ""
        if own:
            parts.append(Part(own, began, ended, answered if answered and answered <= ended else None))
        cause = cause or (_CAUSES.get(row.get("reason-terminated", "").lower()) if not answered else None)
    if not times or direction is Direction.UNKNOWN:
        return None
    was_answered = any(part.answered_at for part in parts)
    return Record(
        uid=re.sub(r"[^A-Za-z0-9_.-]", "_", uid)[:60] + f"@{times[0][0]:%Y%m%d%H%M%S}",
        direction=direction,
        number=number[:MAX_NUMBER],
        name=_clean(name)[:MAX_NAME],
        dialled=_number(dialled) if direction is Direction.INBOUND else "",
        began_at=min(began for began, _ended in times),
        ended_at=max(ended for _began, ended in times),
        parts=tuple(sorted(parts, key=lambda part: part.began_at)),
        via=via if via in {Via.QUEUE, Via.GROUP} else None,
        via_name=via_name if via in {Via.QUEUE, Via.GROUP} else "",
        cause=None if was_answered or cause is Cause.HUNG_UP else cause,
    )


def _is_line(row: Mapping[str, str], which: str) -> bool:
    kind = row.get(f"{which}-type", "").lower()
    if kind:
        return kind in {"line", "lineset"} or doubts.is_outside(kind)
    # without types: an outside number is longer than any extension
    return len(doubts.compared(row.get(f"{which}-no", ""))) == doubts.COMPARED_DIGITS


def _extension(text: str) -> str:
    found = _EXTENSION.fullmatch(text.strip())
    return found[1] if found else ""


def _number(text: str) -> str:
    text = re.sub(r"[\s().\-/]", "", text)
    found = _NUMBER.fullmatch(text)
    return found[0] if found else ""


def _moment(text: str, zone: ZoneInfo, ahead: timedelta) -> datetime | None:
    for form in doubts.CDR_TIMES:
        try:
            told = datetime.strptime(text.strip()[:19], form)
            return told.replace(tzinfo=zone).astimezone(UTC) - ahead
        except (ValueError, OverflowError):
            continue
    return None


def _clean(text: str) -> str:
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
