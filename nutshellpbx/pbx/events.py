"""What a phone system said, in our words: one event type for every vendor.

Pure: no clock, no IO. Vendors translate into this and nothing above `pbx` knows their words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What happened to a leg, or to the whole call when the event names no leg."""

    DIALING = "dialing"  # our extension dials out; the other side has not rung yet
    RINGING = "ringing"  # this leg's phone rings
    ANSWERED = "answered"  # this leg speaks (or spoke again after a transfer came back)
    HELD = "held"
    RESUMED = "resumed"
    UPDATED = "updated"  # number, name or queue became known or changed
    JOINED = "joined"  # this call became part of the call named in `joins`
    ENDED = "ended"  # the leg is over; without a leg: the whole call is over


class Direction(StrEnum):
    """Seen from the company: who called whom. UNKNOWN until the phone system tells."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    """Why a leg or call ended without, or after, an answer."""

    ANSWERED_ELSEWHERE = "answered_elsewhere"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    GAVE_UP = "gave_up"
    VOICEMAIL = "voicemail"
    FORWARDED = "forwarded"
    TRANSFERRED = "transferred"
    HUNG_UP = "hung_up"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Via(StrEnum):
    """Through what a call reached the leg."""

    QUEUE = "queue"
    GROUP = "group"
    MENU = "menu"


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One thing that a phone system said about one call.

    `call_uid` is the vendor's id of the conversation as one chain, `leg` the vendor's id of one extension's
    part of it (empty: the event is about the whole call). `number` and `name` are the outside party's, raw
    and hostile. `at` is aware UTC. Socket connectors count what they read in `seq` ("epoch-number"), others
    name the message in `raw_id`; the pair of PBX and that id makes a repeat recognisable. The same call may
    enter at any kind.
    """

    pbx: str
    call_uid: str
    kind: Kind
    at: datetime
    leg: str = ""
    extension: str = ""
    direction: Direction = Direction.UNKNOWN
    number: str = ""
    name: str = ""
    dialled: str = ""
    via: Via | None = None
    via_name: str = ""
    cause: Cause | None = None
    joins: str = ""
    seq: str = ""
    raw_id: str = ""

    @property
    def seen_id(self) -> str:
        """The id by which a repeat of this event is recognised on its PBX; empty when there is none."""
        return self.raw_id or self.seq


#: Longest values that an event may carry; translators cut the shown ones and refuse the ids.
MAX_ID = 120
MAX_NUMBER = 64
MAX_NAME = 200
