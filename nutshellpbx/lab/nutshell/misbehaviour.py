"""The bad days of the CRM, on request: per matching request or by rate with a seed.

Kinds *before* leave the request undone, kinds *after* carry it out first, so a client that hears nothing
good cannot know which of the two it met. ``lag`` is of another sort: it keeps new records out of lists for
a while.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from random import Random
from typing import Any

# What each kind does; the names of its own settings stand in brackets.
KINDS = {
    "delay": "waits before the request is carried out [seconds]",
    "slow_answer": "carries the request out, then waits before it answers [seconds]",
    "reset_before": "cuts the connection, nothing was done",
    "reset_after": "cuts the connection after the request was carried out",
    "status_before": "answers a status without doing anything [status]",
    "status_after": "answers a status after the request was carried out [status]",
    "throttle": "answers 429 without doing anything [retry_after: seconds, an HTTP date, or null]",
    "truncate": "sends half of the answer and cuts the connection",
    "wrong_type": "gives the answer another media type [content_type]",
    "html": "answers an HTML page with status 200 instead of JSON, after the request was carried out",
    "garbage": "answers bytes that are no JSON, as JSON, after the request was carried out",
    "empty": "answers nothing, with the right status",
    "trickle": "sends the answer slowly [bytes_per_s]",
    "duplicate": "sends the whole answer twice on the same connection",
    "lag": "keeps new records out of lists [seconds: a number or [from, to]; tables]",
}
TABLES = ("contacts", "accounts", "notes", "activities")


class UnknownFault(ValueError):
    """A fault was ordered that cannot be made; the text says which part of the order is wrong."""


@dataclass(slots=True)
class Fault:
    """One ordered misbehaviour; ``times`` counts down, None is for ever; ``rate`` is the share of matches."""

    id: int
    kind: str
    method: str | None = None
    path: str = "/rest"
    user: str | None = None
    agent: str | None = None
    times: int | None = None
    rate: float = 1.0
    seconds: float | list[float] = 1.0
    status: int = 500
    retry_after: int | str | None = None
    content_type: str = "text/plain; charset=UTF-8"
    bytes_per_s: int = 200
    tables: list[str] = field(default_factory=lambda: list(TABLES))
    matched: int = 0
    fired: int = 0

    def draw_seconds(self, rng: Random) -> float:
        """The wait of this time."""
        if isinstance(self.seconds, list):
            return rng.uniform(self.seconds[0], self.seconds[1])
        return self.seconds


class Misbehaviour:
    """The ordered faults and the dice."""

    def __init__(self, *, seed: int) -> None:
        self._faults: list[Fault] = []
        self._next_id = 1
        self.seed = seed
        self._rng = Random(f"misbehaviour {seed}")

    def order(self, faults: Iterable[Any], *, seed: int | None = None) -> list[Fault]:
        """Add faults from their JSON form, all of them or none; raises UnknownFault."""
        if seed is not None:
            self.seed = seed
            self._rng = Random(f"misbehaviour {seed}")
        ordered = [_read_fault(item, number=self._next_id + place) for place, item in enumerate(faults)]
        self._next_id += len(ordered)
        self._faults.extend(ordered)
        return ordered

    def clear(self) -> None:
        """Behave again."""
        self._faults.clear()

    def listing(self) -> list[dict[str, Any]]:
        """The ordered faults with how often each matched and fired."""
        return [asdict(fault) for fault in self._faults]

    def draw(self, *, method: str, path: str, username: str, agent: str) -> list[Fault]:
        """The faults that befall this request: any number of delays, and at most one other."""
        drawn: list[Fault] = []
        chosen = False
        for fault in self._faults:
            if fault.kind == "lag" or not _matches(fault, method, path, username, agent):
                continue
            if fault.times is not None and fault.fired >= fault.times:
                continue
            fault.matched += 1
            if self._rng.random() >= fault.rate or (chosen and fault.kind != "delay"):
                continue
            fault.fired += 1
            chosen = chosen or fault.kind != "delay"
            drawn.append(fault)
        return drawn

    def draw_wait_s(self, fault: Fault) -> float:
        """How long a drawn fault waits."""
        return fault.draw_seconds(self._rng)

    def draw_lag_s(self, table: str) -> float:
        """How long a record that was created just now stays out of the lists of its table."""
        longest = 0.0
        for fault in self._faults:
            if fault.kind == "lag" and table in fault.tables:
                fault.matched += 1
                if self._rng.random() < fault.rate and (fault.times is None or fault.fired < fault.times):
                    fault.fired += 1
                    longest = max(longest, fault.draw_seconds(self._rng))
        return longest


def _matches(fault: Fault, method: str, path: str, username: str, agent: str) -> bool:
    return (
        (fault.method is None or fault.method == method)
        and path.startswith(fault.path)
        and (fault.user is None or fault.user.lower() == username.lower())
        and (fault.agent is None or fault.agent in agent)
    )


def _read_fault(item: Any, *, number: int) -> Fault:
    if not isinstance(item, dict) or item.get("kind") not in KINDS:
        raise UnknownFault(f"kind must be one of {', '.join(KINDS)}")
    allowed = set(Fault.__slots__) - {"id", "matched", "fired"}
    unknown = set(item) - allowed
    if unknown:
        raise UnknownFault(f"unknown setting: {', '.join(sorted(unknown))}")
    fault = Fault(id=number, **item)
    if not isinstance(fault.rate, int | float) or not 0 <= fault.rate <= 1:
        raise UnknownFault("rate must be a share from 0 to 1")
    if fault.times is not None and (not isinstance(fault.times, int) or fault.times < 1):
        raise UnknownFault("times must be a whole number above 0, or null")
    spans = fault.seconds if isinstance(fault.seconds, list) else [fault.seconds]
    if len(spans) not in (1, 2) or not all(isinstance(s, int | float) and 0 <= s <= 3600 for s in spans):
        raise UnknownFault("seconds must be a number or [from, to], up to 3600")
    if not isinstance(fault.status, int) or not 100 <= fault.status <= 599:
        raise UnknownFault("status must be an HTTP status")
    if not isinstance(fault.bytes_per_s, int) or fault.bytes_per_s < 1:
        raise UnknownFault("bytes_per_s must be a whole number above 0")
    if not isinstance(fault.path, str) or not isinstance(fault.content_type, str):
        raise UnknownFault("path and content_type must be texts")
    if not isinstance(fault.tables, list) or not set(fault.tables) <= set(TABLES):
        raise UnknownFault(f"tables must be among {', '.join(TABLES)}")
    if isinstance(fault.seconds, list) and len(fault.seconds) == 1:
        fault.seconds = fault.seconds[0]
    return fault
