"""What a 3CX says over its Call Control API, read into frozen words: events, participants, the whole state.

Pure. Everything that comes in is hostile until it is read here: fields of the wrong type count as empty, an
object that names nothing is None, and texts are cut to what an event may carry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from nutshellpbx.pbx.events import MAX_NAME, MAX_NUMBER
from nutshellpbx.pbx.threecx import doubts

#: A DN is a number or an API client's name; an id is a number. Anything else is no path of ours.
DN = re.compile(r"(?!\.+\Z)[A-Za-z0-9_.*#+-]{1,40}")
ID = re.compile(r"[0-9]{1,18}")
#: More than any PBX that we serve has; beyond that the state is cut.
MOST_DNS, MOST_PARTICIPANTS = 5_000, 5_000
LONGEST_FRAME = 1_000_000


class Said(StrEnum):
    """What kind of message this is."""

    UPSERT = "upsert"  # a participant came or changed: ask for it
    REMOVE = "remove"  # a participant is gone
    PARTICIPANT = "participant"  # the answer to our asking for one; without content it is gone
    STATE = "state"  # the answer to our asking for the whole state
    SETTLED = "settled"  # the same, a moment after a call lost its last leg
    QUIET = "quiet"  # known, and nothing to us
    UNKNOWN = "unknown"


class Status(StrEnum):
    """Where a participant stands."""

    RINGING = "ringing"
    DIALING = "dialing"
    CONNECTED = "connected"


@dataclass(frozen=True, slots=True)
class Participant:
    """One DN's part of a call. `id` is its own, `callid` the call's; both start over with the PBX."""

    dn: str
    id: str
    status: Status
    callid: str = ""
    party_dn: str = ""
    party_type: str = ""
    party_number: str = ""
    party_name: str = ""
    did: str = ""
    referred_by: str = ""
    behalf_of: str = ""
    behalf_type: str = ""
    originated_by: str = ""
    originated_type: str = ""

    @property
    def key(self) -> str:
        """Where it is found: `101/1234`."""
        return f"{self.dn}/{self.id}"


@dataclass(frozen=True, slots=True)
class State:
    """All that the PBX lets us see now: the DNs with their types, and who takes part in calls."""

    types: Mapping[str, str]
    participants: tuple[Participant, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that the PBX said. `key` is a participant's (`101/1234`), or the call's of SETTLED."""

    said: Said
    key: str = ""
    sequence: int | None = None
    participant: Participant | None = None
    state: State | None = None
    kind: str = ""  # of what is unknown


def read_event(frame: str | bytes) -> Message:
    """The message in a frame of the WebSocket; what cannot be read is UNKNOWN."""
    if len(frame) > LONGEST_FRAME:
        return Message(Said.UNKNOWN, kind="(too long)")
    try:
        content = json.loads(frame)
    except (ValueError, RecursionError):
        return Message(Said.UNKNOWN, kind="(no JSON)")
    if not isinstance(content, dict):
        return Message(Said.UNKNOWN, kind="(no object)")
    event = content.get("event")
    if not isinstance(event, dict):
        # answers to requests sent over the socket; we send none
        return Message(Said.QUIET if "RequestID" in content else Said.UNKNOWN, kind="(no event)")
    sequence = content.get("sequence")
    number = sequence if isinstance(sequence, int) and not isinstance(sequence, bool) else None
    kind = event.get("event_type")
    if isinstance(kind, bool) or not isinstance(kind, int):
        return Message(Said.UNKNOWN, sequence=number, kind="event_type (no number)")
    if kind in doubts.QUIET_TYPES:
        return Message(Said.QUIET, sequence=number)
    if kind not in (doubts.UPSERT, doubts.REMOVE):
        return Message(Said.UNKNOWN, sequence=number, kind=f"event_type {kind!r}"[:60])
    key = find_key(event.get("entity"))
    if key is None:
        return Message(Said.QUIET, sequence=number)
    return Message(Said.UPSERT if kind == doubts.UPSERT else Said.REMOVE, key=key, sequence=number)


def find_key(entity: object) -> str | None:
    """The participant that an entity's path names, `101/1234`; None for a device, a DN, a foreign path."""
    if not isinstance(entity, str):
        return None
    parts = entity.split("/")
    if len(parts) != 5 or parts[:2] != ["", "callcontrol"] or parts[3] != "participants":
        return None
    _root, _api, dn, _what, number = parts
    return f"{dn}/{number}" if DN.fullmatch(dn) and ID.fullmatch(number) else None


def path_of(key: str) -> str:
    """Where a participant is asked for."""
    dn, _, number = key.partition("/")
    return f"/callcontrol/{quote(dn, safe='')}/participants/{quote(number, safe='')}"


def read_answer(key: str, content: Any) -> Message:
    """The answer to asking for a participant; content None (or another one's) means that it is gone."""
    participant = read_participant(content, dn=key.partition("/")[0])
    if participant is not None and participant.key != key:
        participant = None
    return Message(Said.PARTICIPANT, key=key, participant=participant)


def read_state(content: Any, *, settled: str = "") -> Message:
    """The answer to asking for the whole state: the array of DNs. `settled` is the call it was asked for."""
    types: dict[str, str] = {}
    found: dict[str, Participant] = {}
    for each in content[:MOST_DNS] if isinstance(content, list) else ():
        if not isinstance(each, dict) or not DN.fullmatch(dn := _text(each, "dn", 40)):
            continue
        types[dn] = _text(each, "type", 40)
        for raw in _listed(each, "participants"):
            participant = read_participant(raw, dn=dn)
            if participant is not None and len(found) < MOST_PARTICIPANTS:
                found[participant.key] = participant
    state = State(types, tuple(found.values()))
    return Message(Said.SETTLED if settled else Said.STATE, key=settled, state=state)


def read_participant(content: Any, *, dn: str = "") -> Participant | None:
    """A participant object; None when it has no id, no DN or no status that we know."""
    if not isinstance(content, dict):
        return None
    dn, number = _text(content, "dn", 40) or dn, _text(content, "id", 18)
    word = _text(content, "status", 20).lower()
    if not DN.fullmatch(dn) or not ID.fullmatch(number) or word not in list(Status):
        return None
    callid = _text(content, "callid", 18)
    return Participant(
        dn=dn,
        id=number,
        status=Status(word),
        callid=callid if ID.fullmatch(callid) and callid != "0" else "",
        party_dn=_text(content, "party_dn", 40),
        party_type=_text(content, "party_dn_type", 40),
        party_number=_text(content, "party_caller_id", MAX_NUMBER),
        party_name=_text(content, "party_caller_name", MAX_NAME),
        did=_text(content, "party_did", MAX_NUMBER),
        referred_by=_text(content, "referred_by_dn", 40),
        behalf_of=_text(content, "on_behalf_of_dn", 40),
        behalf_type=_text(content, "on_behalf_of_type", 40),
        originated_by=_text(content, "originated_by_dn", 40),
        originated_type=_text(content, "originated_by_type", 40),
    )


def _listed(content: Mapping[str, Any], name: str) -> Iterator[Any]:
    found = content.get(name)
    yield from found if isinstance(found, list) else ()


def _text(content: Mapping[str, Any], name: str, longest: int) -> str:
    """A field as text: numbers as their digits, everything else that is no text as nothing."""
    found = content.get(name)
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found) if abs(found) < 10**18 else ""
    if not isinstance(found, str):
        return ""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in found.strip()[:longest])
