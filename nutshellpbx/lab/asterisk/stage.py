"""Where a story is played: an Asterisk, and a manager connection that drives and watches it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from nutshellpbx.lab.asterisk.manager import Manager, Said
from nutshellpbx.lab.asterisk.phones import Answers, Caller, Refuses
from nutshellpbx.lab.asterisk.runner import RealAsterisk

#: A caller who stays until the other side hangs up, in milliseconds.
STAYS_MS = 60_000


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a story is played: the Asterisk and a manager connection that drives and watches it."""

    pbx: RealAsterisk
    manager: Manager

    def phones(self, **behaviours: Answers | Refuses) -> None:
        """Set phones by extension: `phones(p101=Answers())`."""
        for name, behaviour in behaviours.items():
            self.pbx.set_phone(name.removeprefix("p"), behaviour)

    def caller(self, dialled: str, caller: Caller | None = None) -> None:
        """Let somebody call and be clean about it."""
        self.pbx.call(dialled, caller or Caller())

    def inside(self, extension: str, dialled: str, *, talk_ms: int = 800, give_up_ms: int = 0) -> None:
        """Let the phone of an extension dial."""
        self.pbx.call(dialled, Caller(number=extension, name="", talk_ms=talk_ms, give_up_ms=give_up_ms))

    def pause(self, pause_ms: int) -> None:
        """Let some time of the story pass."""
        time.sleep(pause_ms * self.pbx.times / 1000)

    def talking(self, device: str, *, since: int = 0) -> Said:
        """Wait until a channel of the device is in a bridge with another."""
        return self.manager.wait_event("BridgeEnter", since=since, Channel=f"PJSIP/{device}-")

    def ringing(self, device: str, *, since: int = 0) -> Said:
        """Wait until the device's phone rings."""
        return self.manager.wait_event("Newstate", since=since, Channel=f"PJSIP/{device}-", ChannelState="5")

    def both_talking(self) -> Said:
        """Wait until two are in one bridge; the second one's event."""
        return self.manager.wait_event("BridgeEnter", BridgeNumChannels="2")
