"""The practice 3CX's switch: who takes part in which call, told as events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

TRUNK = "10001"
#: The API client's own DN, which every list of DNs has.
ROUTE_POINT = "npbx"


@dataclass
class Line:
    """A DN: an extension with its person, or a queue, a group, a place to park."""

    number: str
    kind: str = "Wextension"
    first: str = ""
    last: str = ""
    email: str = ""


@dataclass
class Segment:
    """One DN's part of a call, as it is logged when the call is over."""

    dn: str
    kind: str
    began_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    via: str = ""


@dataclass
class Call:
    """A conversation: the outside number, or none when colleagues speak."""

    name: str
    callid: int
    direction: str
    number: str = ""
    caller: str = ""
    did: str = ""
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    segments: list[Segment] = field(default_factory=list)


OFFICE = (
    Line("101", first="Ada", last="Vance", email="ada@practice.example"),
    Line("102", first="Ben", last="Ortiz", email="ben@practice.example"),
    Line("103", first="Cyd", last="Moss", email="cyd@practice.example"),
    Line("104", first="Dan", last="Reed", email="dan@practice.example"),
    Line("105", first="Eve", last="Hale", email="eve@practice.example"),
    Line("106", first="Flo", last="Kerr", email="flo@practice.example"),
    Line("600", "Wringgroup"),
    Line("800", "Wqueue"),
    Line("8000", "Wpark"),
    Line(ROUTE_POINT, "Wroutepoint"),
)


class Switch:
    """Everything that goes on; `listeners` are told (type, entity) of changes, `logged` each ended call."""

    def __init__(self, lines: tuple[Line, ...] = OFFICE) -> None:
        self.lock = threading.RLock()
        self.lines = {line.number: line for line in lines}
        #: The DNs that the API client may see; a place to park is only where the admin has listed it.
        self.listed = {line.number for line in lines}
        self.listeners: list[Callable[[int, str], None]] = []
        self.logged: list[Callable[[Call], None]] = []
        self.calls: dict[str, Call] = {}
        self.ended: list[Call] = []
        self.participants: dict[tuple[str, int], dict[str, Any]] = {}
        self.places: dict[tuple[str, int], tuple[str, Segment]] = {}
        self._next_call, self._next_id = 1, 1

    def restart(self) -> None:
        """Everything that went on is cut without a word, and all ids count from 1 again."""
        with self.lock:
            self.calls.clear()
            self.participants.clear()
            self.places.clear()
            self._next_call, self._next_id = 1, 1

    # --- what the interfaces show

    def describe(self, dn: str) -> dict[str, Any] | None:
        """A DN as the Call Control API shows it, None for one that is not listed."""
        with self.lock:
            if dn not in self.listed or dn not in self.lines:
                return None
            line = self.lines[dn]
            mine = [dict(each) for (place, _id), each in self.participants.items() if place == dn]
            device = {"dn": dn, "device_id": f"sip:{dn}@127.0.0.1:5060", "user_agent": "Practice phone"}
            return {"dn": dn, "type": line.kind, "devices": [device], "participants": mine}

    def describe_all(self) -> list[dict[str, Any]]:
        """Every listed DN."""
        with self.lock:
            found = (self.describe(dn) for dn in sorted(self.lines))
            return [each for each in found if each is not None]

    # --- what happens

    def begin(self, name: str, direction: str, number: str = "", caller: str = "", did: str = "") -> Call:
        """A new call under a name by which a script speaks of it."""
        with self.lock:
            call = Call(name, self._next_call, direction, number, caller, did)
            self._next_call += 1
            self.calls[name] = call
            return call

    def join(self, name: str, dn: str, status: str, **more: Any) -> tuple[str, int]:
        """A DN takes part in a call from now on; the outside party is its other side unless `more` says
        otherwise.
        """
        with self.lock:
            call = self.calls[name]
            key = (dn, self._next_id)
            self._next_id += 1
            self.participants[key] = self._describe_part(call, key, status) | more
            via = str(self.participants[key]["on_behalf_of_dn"])
            segment = Segment(dn, self.lines[dn].kind, datetime.now(UTC), via=via)
            if status == "Connected":
                segment.answered_at = segment.began_at
            call.segments.append(segment)
            self.places[key] = (name, segment)
        self._tell(0, key)
        return key

    def change(self, key: tuple[str, int], **values: Any) -> None:
        """Something about a participant is different from now on."""
        with self.lock:
            self.participants[key].update(values)
            segment = self.places[key][1]
            if values.get("status") == "Connected" and segment.answered_at is None:
                segment.answered_at = datetime.now(UTC)
        self._tell(0, key)

    def move(self, key: tuple[str, int], name: str, **values: Any) -> None:
        """A participant belongs to another call from now on."""
        with self.lock:
            call, (_before, segment) = self.calls[name], self.places[key]
            status = self.participants[key]["status"]
            self.participants[key] = self._describe_part(call, key, status) | values
            self.places[key] = (name, segment)
            call.segments.append(segment)
        self._tell(0, key)

    def leave(self, key: tuple[str, int]) -> None:
        """A DN takes part no longer; with the last one nothing is logged yet (see `end`)."""
        with self.lock:
            if self.participants.pop(key, None) is None:
                return
            self.places.pop(key)[1].ended_at = datetime.now(UTC)
        self._tell(1, key)

    def end(self, name: str) -> None:
        """A call is over for everybody, and is logged."""
        for key in list(self.parts_of(name)):
            self.leave(key)
        with self.lock:
            call = self.calls.pop(name)
            self.ended.append(call)
        for told in list(self.logged):
            told(call)

    def parts_of(self, name: str, *, dn: str = "", status: str = "") -> Iterator[tuple[str, int]]:
        """The participants of a call, those of one DN or status if asked for."""
        with self.lock:
            found = [
                key
                for key, (call, _segment) in self.places.items()
                if call == name and dn in {"", key[0]} and status in {"", self.participants[key]["status"]}
            ]
        yield from found

    def part_of(self, name: str, dn: str) -> tuple[str, int]:
        """The participant of a DN in a call."""
        return next(self.parts_of(name, dn=dn))

    def wait_for_calls(self, count: int, *, timeout_s: float = 10.0) -> None:
        """Wait until so many calls go on; raises TimeoutError."""
        until = time.monotonic() + timeout_s
        while len(self.calls) != count:
            if time.monotonic() > until:
                raise TimeoutError(f"{len(self.calls)} calls go on, not {count}")
            time.sleep(0.01)

    def _describe_part(self, call: Call, key: tuple[str, int], status: str) -> dict[str, Any]:
        dn, number = key
        is_outside = bool(call.number) or call.direction != "internal"
        return {
            "id": number,
            "status": status,
            "dn": dn,
            "party_caller_name": call.caller,
            "party_dn": TRUNK if is_outside else "",
            "party_caller_id": call.number,
            "party_did": call.did,
            "device_id": f"sip:{dn}@127.0.0.1:5060",
            "party_dn_type": "Wexternalline" if is_outside else "Wextension",
            "direct_control": False,
            "originated_by_dn": "",
            "originated_by_type": "None",
            "referred_by_dn": "",
            "referred_by_type": "None",
            "on_behalf_of_dn": "",
            "on_behalf_of_type": "None",
            "callid": call.callid,
            "legid": number,
        }

    def _tell(self, kind: int, key: tuple[str, int]) -> None:
        dn, number = key
        if dn in self.listed:
            for told in list(self.listeners):
                told(kind, f"/callcontrol/{dn}/participants/{number}")
