"""A small language for what happens at the practice 3CX, one line for each thing:

in A +13125550142 Grace Customer    a call from outside, that a script calls A
ring A 101 102                      these extensions ring
ring A 101 via 800                  … for a queue or a ring group
answer A 101                        101 takes it; the others stop ringing
stop A 101                          101 has nothing to do with it any more
out A 101 +13125550142              101 calls somebody outside
inside B 101 102                    101 calls 102
connect A                           whoever is called has answered
blind A 101 102                     101 passes the call on to 102, which rings
attend A B 101 102                  101 passes A on to 102, with whom it speaks in B
attend A B 101 102 keeping          … and 102's part keeps the id of B
turn B 102 +13125550199             102, called by 101, turns that call to somebody outside
know A +13125550142 Grace           the caller's number becomes known
hold A 101                          101 holds the call: nobody is told
park A 101 8000                     101 parks the call
fetch A 8000 103                    103 takes it from there
missed A 101                        101 was busy: nothing rings, the log has it
end A                               everybody hangs up
wait 0.2                            seconds pass
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from nutshellpbx.lab.threecx.switch import Segment, Switch


class NoSuchLine(ValueError):
    """A line of a script that says nothing we know."""


class Player:
    """Plays scripts at a switch; `pause` is called after each line, `wait` for seconds that pass."""

    def __init__(
        self,
        switch: Switch,
        *,
        pause: Callable[[], None] = lambda: None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.switch = switch
        self._pause = pause
        self._wait = wait

    def play(self, text: str) -> None:
        """Play a script to its end."""
        for line in text.splitlines():
            words = line.partition("#")[0].split()
            if words:
                self._play(words)
                self._pause()

    def _play(self, words: list[str]) -> None:
        verb, *rest = words
        named: dict[str, Callable[..., None]] = {
            "in": self._inbound,
            "ring": self._ring,
            "answer": self._answer,
            "stop": self._stop,
            "out": self._out,
            "inside": self._inside,
            "connect": self._connect,
            "blind": self._blind,
            "attend": self._attend,
            "turn": self._turn,
            "know": self._know,
            "hold": self._hold,
            "park": self._park,
            "fetch": self._fetch,
            "missed": self._missed,
            "end": self._end,
            "wait": self._wait_s,
        }
        if verb not in named:
            raise NoSuchLine(" ".join(words))
        named[verb](*rest)

    def _inbound(self, name: str, number: str, *caller: str) -> None:
        shown = "" if number in {"-", "anonymous"} else number
        words = list(caller)
        did = words.pop()[4:] if words and words[-1].startswith("did=") else ""
        self.switch.begin(name, "inbound", shown or number.replace("-", ""), " ".join(words), did)

    def _ring(self, name: str, *dns: str) -> None:
        more: dict[str, Any] = {}
        if "via" in dns:
            place = dns.index("via")
            via = dns[place + 1]
            dns = dns[:place]
            more = {"on_behalf_of_dn": via, "on_behalf_of_type": self.switch.lines[via].kind}
        for dn in dns:
            self.switch.join(name, dn, "Ringing", **more)

    def _answer(self, name: str, dn: str) -> None:
        key = next(self.switch.parts_of(name, dn=dn, status="Ringing"), None)
        if key is None:
            key = self.switch.join(name, dn, "Connected")
        else:
            self.switch.change(key, status="Connected")
        for other in self.switch.parts_of(name, status="Ringing"):
            self.switch.leave(other)

    def _stop(self, name: str, dn: str) -> None:
        for key in self.switch.parts_of(name, dn=dn):
            self.switch.leave(key)

    def _out(self, name: str, dn: str, number: str) -> None:
        self.switch.begin(name, "outbound", number)
        self.switch.join(name, dn, "Dialing")

    def _inside(self, name: str, dn: str, other: str) -> None:
        self.switch.begin(name, "internal")
        self.switch.join(name, dn, "Dialing", party_dn=other, party_caller_id=other)
        self.switch.join(name, other, "Ringing", party_dn=dn, party_caller_id=dn)

    def _connect(self, name: str) -> None:
        # whoever is rung picks up, and then whoever called hears it
        for status in ("Ringing", "Dialing"):
            for key in self.switch.parts_of(name, status=status):
                self.switch.change(key, status="Connected")

    def _blind(self, name: str, giver: str, taker: str) -> None:
        self.switch.leave(self.switch.part_of(name, giver))
        self._wait(0.05)
        line = self.switch.lines[taker]
        referred = {"referred_by_dn": giver, "referred_by_type": "Wextension"}
        if line.kind == "Wextension":
            self.switch.join(name, taker, "Ringing", **referred)

    def _attend(self, name: str, consulted: str, giver: str, taker: str, how: str = "") -> None:
        key = self.switch.part_of(consulted, taker)
        call = self.switch.calls[name]
        more: dict[str, Any] = {"referred_by_dn": giver, "referred_by_type": "Wextension"}
        if how == "keeping":
            more["callid"] = self.switch.calls[consulted].callid
        self.switch.leave(self.switch.part_of(name, giver))
        self.switch.leave(self.switch.part_of(consulted, giver))
        self.switch.move(key, call.name, **more)
        del self.switch.calls[consulted]

    def _turn(self, name: str, giver: str, number: str) -> None:
        call = self.switch.calls[name]
        call.direction, call.number = "outbound", number
        other = next(key for key in self.switch.parts_of(name) if key[0] != giver)
        self.switch.leave(self.switch.part_of(name, giver))
        self.switch.move(other, name, referred_by_dn=giver, referred_by_type="Wextension")

    def _know(self, name: str, number: str, *caller: str) -> None:
        self.switch.calls[name].number = number
        for key in self.switch.parts_of(name):
            self.switch.change(key, party_caller_id=number, party_caller_name=" ".join(caller))

    def _hold(self, name: str, dn: str) -> None:
        self.switch.part_of(name, dn)

    def _park(self, name: str, dn: str, place: str) -> None:
        self.switch.leave(self.switch.part_of(name, dn))
        self.switch.join(name, place, "Connected")

    def _fetch(self, name: str, place: str, dn: str) -> None:
        self.switch.join(name, dn, "Connected")
        self.switch.leave(self.switch.part_of(name, place))

    def _missed(self, name: str, dn: str) -> None:
        now = datetime.now(UTC)
        segment = Segment(dn, self.switch.lines[dn].kind, now, ended_at=now)
        self.switch.calls[name].segments.append(segment)

    def _end(self, name: str) -> None:
        self.switch.end(name)

    def _wait_s(self, seconds: str) -> None:
        self._wait(float(seconds))
