"""From our own JSON events to call events: every field checked, bounded and named when it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from nutshellpbx.faults import Rejected
from nutshellpbx.pbx.events import MAX_ID, MAX_NAME, MAX_NUMBER, CallEvent, Cause, Direction, Kind, Via

Choice = TypeVar("Choice", bound=StrEnum)

#: A sender whose clock is ahead by more than this gets our time instead.
AHEAD = timedelta(minutes=5)
#: So does one whose clock was never set; and no zone's clock can leave the calendar from here.
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
#: A kind that is not ours is a word, not longer than this.
MAX_KIND = 40


def is_unknown_kind(content: Mapping[str, Any]) -> bool:
    """Whether the event's kind is a word that is not ours: such events are kept and counted."""
    kind = content.get("kind")
    if not isinstance(kind, str) or kind in list(Kind):
        return False
    return 0 < len(kind) <= MAX_KIND and kind.isprintable()


def event_of(*, pbx: str, content: Mapping[str, Any], raw_id: str, now: datetime) -> CallEvent:
    """The call event that a posted object says; raises `Rejected` whose `detail` is the bad field's name."""
    via = content.get("via") or {}
    if not isinstance(via, dict):
        raise _bad("via", "must be an object with kind and name")
    return CallEvent(
        pbx=pbx,
        call_uid=_text(content, "call", MAX_ID, required=True),
        kind=_choice(content, "kind", Kind, None),
        at=min(_moment(content, now), now + AHEAD),
        leg=_text(content, "leg", MAX_ID) or _leg_of(content),
        extension=_text(content, "extension", 20),
        direction=_choice(content, "direction", Direction, Direction.UNKNOWN),
        number=_text(content, "number", MAX_NUMBER),
        name=_shown(content, "name"),
        dialled=_text(content, "dialled", MAX_NUMBER),
        via=_choice(via, "kind", Via, None, name="via.kind") if via else None,
        via_name=_shown(via, "name"),
        cause=_choice(content, "cause", Cause, Cause.UNKNOWN) if content.get("cause") else None,
        joins=_text(content, "joins", MAX_ID),
        raw_id=raw_id,
    )


def _leg_of(content: Mapping[str, Any]) -> str:
    """A sender that names only the extension has one leg per extension and call."""
    extension = content.get("extension")
    return f"ext-{extension}" if extension else ""


def _text(content: Mapping[str, Any], field: str, limit: int, *, required: bool = False) -> str:
    value = content.get(field)
    if value is None or value == "":
        if required:
            raise _bad(field, "is missing")
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise _bad(field, "must be text")
    if len(value) > limit:
        raise _bad(field, f"is longer than {limit} characters")
    if not value.isprintable():
        raise _bad(field, "has control characters")
    return value


def _shown(content: Mapping[str, Any], field: str) -> str:
    """A text that is only shown: cut and cleaned, never a reason to lose the call."""
    value = content.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _bad(field, "must be text")
    return "".join(sign if sign.isprintable() else " " for sign in value[:MAX_NAME]).strip()


def _choice(
    content: Mapping[str, Any], field: str, choices: type[Choice], default: Choice | None, *, name: str = ""
) -> Any:
    value = content.get(field)
    if value is None or value == "":
        if default is None and not name:
            raise _bad(field, "is missing")
        return default
    try:
        return choices(value)
    except ValueError:
        raise _bad(name or field, f"must be one of {', '.join(choices)}") from None


def _moment(content: Mapping[str, Any], now: datetime) -> datetime:
    value = content.get("at")
    if value is None:
        return now
    try:
        moment = datetime.fromisoformat(value)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise _bad("at", "must be a time like 2026-11-22T15:04:05.123Z") from None
    return moment if moment >= OLDEST else now


def _bad(field: str, what: str) -> Rejected:
    return Rejected(f"{field} {what}.", "Correct the sender; this event is set aside.", detail=field)
