"""What the practice phones and callers do, as sipp scenarios."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from string import Template

SCENARIOS = Path(__file__).with_name("sipp")
CONFIG = Path(__file__).with_name("config")

#: "For ever", as far as a story is concerned, in milliseconds.
LONG_MS = 120_000


class Blank(Template):
    """A template with @@{name} places: neither Asterisk's ${…} nor sipp's [$…] is touched."""

    delimiter = "@@"


def fill(path: Path, **values: object) -> str:
    """The text of a template file with its places filled; raises KeyError for a place without a value."""
    return Blank(path.read_text(encoding="utf-8")).substitute(values)


@dataclass(frozen=True, slots=True)
class Answers:
    """A phone that rings `after_ms`, answers and talks until the other side hangs up or `talk_ms` is over."""

    after_ms: int = 600
    talk_ms: int = LONG_MS
    hold_ms: int = 0  # puts the other side on hold that long, 300 ms after the answer

    def slower(self, times: int) -> Answers:
        """The same with all its times so many times as long."""
        return Answers(self.after_ms * times, self.talk_ms * times, self.hold_ms * times)

    def scenario(self) -> str:
        talk = (
            fill(SCENARIOS / "phone_hold.part.xml", before_ms=300, hold_ms=self.hold_ms)
            if self.hold_ms
            else ""
        )
        return fill(SCENARIOS / "phone_answers.xml", ring_ms=self.after_ms, talk_ms=self.talk_ms, talk=talk)


@dataclass(frozen=True, slots=True)
class Refuses:
    """A phone that refuses every call: busy (486), do not disturb (480), declined (603), forwarded (302)."""

    status: str = "486 Busy Here"
    contact: str = "phone@127.0.0.1"

    def slower(self, times: int) -> Refuses:
        return self

    def scenario(self) -> str:
        return fill(SCENARIOS / "phone_refuses.xml", status=self.status, contact=self.contact)


#: A phone that rings and is never answered.
NEVER_ANSWERS = Answers(after_ms=LONG_MS)
BUSY = Refuses()
DO_NOT_DISTURB = Refuses("480 Temporarily Unavailable")

Behaviour = Answers | Refuses


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: number and name as the outside line presents them; a withheld number has its own host."""

    number: str = "13125550142"
    name: str = "Grace Customer"
    host: str = "127.0.0.1"
    give_up_ms: int = 0  # 0: never
    talk_ms: int = 800

    def slower(self, times: int) -> Caller:
        """The same with all his times so many times as long."""
        return replace(self, give_up_ms=self.give_up_ms * times, talk_ms=self.talk_ms * times)

    def scenario(self) -> str:
        if self.give_up_ms:
            return fill(SCENARIOS / "caller_gives_up.xml", give_up_ms=self.give_up_ms)
        return fill(SCENARIOS / "caller.xml", talk_ms=self.talk_ms)

    def injection(self) -> str:
        """The line that sipp takes number, name and host from."""
        return f"SEQUENTIAL\n{self.number};{self.name};{self.host}\n"
