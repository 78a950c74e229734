"""From a desktop's ring to a call event. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from nutshellpbx.pbx.events import CallEvent, Direction, Kind

#: The one line of a desk.
LINE = "desk"


def event_of(*, pbx: str, content: Mapping[str, str], raw_id: str, now: datetime) -> CallEvent:
    """The ring; its call has no id that a phone system knows."""
    return CallEvent(
        pbx=pbx,
        call_uid=f"told-{raw_id}",
        kind=Kind.RINGING,
        at=now,
        leg="told-desk",
        extension=LINE,
        direction=Direction.INBOUND,
        number=content["number"],
        name=content.get("name", ""),
        raw_id=raw_id,
    )
