"""What a listener heard from a 3CX, line by line as it came over the wire, and call events that it told."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nutshellpbx.pbx.events import CallEvent
from nutshellpbx.pbx.threecx import protocol
from nutshellpbx.pbx.threecx.picture import Known
from nutshellpbx.pbx.threecx.protocol import Message
from nutshellpbx.pbx.threecx.translate import nothing_known, translate

RECORDINGS = Path(__file__).parents[2] / "recordings" / "threecx" / "20"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def read_messages(text: str) -> Iterator[Message]:
    """The messages of a recording: frames of the socket, answers to what was asked, states."""
    for line in text.splitlines():
        said = json.loads(line)
        if "frame" in said:
            yield protocol.read_event(said["frame"])
        elif "participant" in said:
            yield protocol.read_answer(said["participant"], said["content"])
        else:
            yield protocol.read_state(said["state"], settled=said["settled"])


def read_recording(story: str) -> list[Message]:
    """The messages that a listener heard during a story."""
    return list(read_messages((RECORDINGS / f"{story}.jsonl").read_text(encoding="utf-8")))


def hear_all(
    messages: Iterable[Message], *, known: Known | None = None, now: datetime = NOON
) -> tuple[Known, list[CallEvent]]:
    """The picture and the events after these messages."""
    known = known or nothing_known("pbx")
    events: list[CallEvent] = []
    for message in messages:
        known, told, _fetches = translate(known, message, now)
        events += told
    return known, events


def show(event: CallEvent) -> str:
    """An event in one line: `1 101-1 answered inbound …0142 via 600`."""
    words = [event.call_uid, event.leg or "-", event.kind, event.direction]
    words += [f"…{event.number[-4:]}"] if event.number else []
    words += [f"via {event.via_name}"] if event.via_name else []
    words += [event.cause] if event.cause else []
    words += [f"into {event.joins}"] if event.joins else []
    return " ".join(map(str, words))


def participant(dn: str = "101", number: int = 1, status: str = "Ringing", **more: Any) -> dict[str, Any]:
    """A participant object as 3CX shows it: an outside caller at an extension."""
    return {
        "id": number,
        "status": status,
        "dn": dn,
        "party_caller_name": "Grace",
        "party_dn": "10001",
        "party_caller_id": "+13125550142",
        "party_did": "",
        "party_dn_type": "Wexternalline",
        "originated_by_dn": "",
        "originated_by_type": "None",
        "referred_by_dn": "",
        "referred_by_type": "None",
        "on_behalf_of_dn": "",
        "on_behalf_of_type": "None",
        "callid": 1,
        "legid": number,
        **more,
    }


def state_of(*participants: dict[str, Any], settled: str = "") -> Message:
    """The whole state with these participants; five extensions, a queue, a group."""
    kinds = {**dict.fromkeys(("101", "102", "103", "104", "105"), "Wextension")}
    kinds |= {"800": "Wqueue", "600": "Wringgroup"}
    content = [
        {"dn": dn, "type": kind, "devices": [], "participants": [p for p in participants if p["dn"] == dn]}
        for dn, kind in kinds.items()
    ]
    return protocol.read_state(content, settled=settled)


def upsert(key: str, sequence: int | None = None) -> Message:
    return Message(protocol.Said.UPSERT, key=key, sequence=sequence)


def remove(key: str, sequence: int | None = None) -> Message:
    return Message(protocol.Said.REMOVE, key=key, sequence=sequence)


def answer(found: dict[str, Any] | None, *, key: str = "") -> Message:
    """The answer to asking for a participant."""
    key = key or f"{found['dn']}/{found['id']}" if found else key
    return protocol.read_answer(key, found)
