"""The bad days of the CRM, on request: per matching request, by rate with a seed, or as long as they last.

Kinds *before* leave the request undone, kinds *after* carry it out first, so a client that hears nothing
good cannot know which of the two it met. Three are of another sort: ``lag`` keeps new records out of lists
for a while, ``limit`` counts, and ``refuse`` and ``cut`` shut the door for everybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from random import Random
from typing import Any

from nutshellpbx.lab.nutshell.rate_limit import WHOSE, RateLimit

# What each kind does; its own settings stand in brackets. Every kind knows times, rate and lasts_s.
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
    "limit": "answers 429 beyond so many requests [per_second, burst, per: sign_in or all, "
    "retry_after: seconds, null, or exact]",
    "refuse": "nobody listens: connections are refused, open ones are cut [lasts_s]",
    "cut": "takes every connection and cuts it before a byte is read [lasts_s]",
}
#: What ``lag`` can hide: rows of lists, lines of the change feed, the notes that a record comes with.
TABLES = ("contacts", "accounts", "notes", "activities", "events", "record_notes")
#: They concern the whole server, not one request.
DOOR_KINDS = ("refuse", "cut")
#: Faults that are over are kept for whoever asks how often they fired, up to so many.
MOST_OVER = 100


class UnknownFault(ValueError):
    """A fault was ordered that cannot be made; the text says which part of the order is wrong."""


@dataclass(slots=True)
class Fault:
    """One ordered misbehaviour; ``times`` counts down, None is for ever; ``rate`` is the share of matches."""

    id: int
    kind: str
    method: str | None = None
    path: str | list[str] = field(default_factory=lambda: ["/rest", "/api"])
    user: str | None = None
    agent: str | None = None
    times: int | None = None
    rate: float = 1.0
    lasts_s: float | None = None
    seconds: float | list[float] = 1.0
    status: int = 500
    retry_after: int | str | None = None
    content_type: str = "text/plain; charset=UTF-8"
    bytes_per_s: int = 200
    tables: list[str] = field(default_factory=lambda: list(TABLES))
    per_second: float = 20.0
    burst: int | None = None
    per: str = "sign_in"
    matched: int = 0
    fired: int = 0
    ends_at: float | None = None

    def draw_seconds(self, rng: Random) -> float:
        """The wait of this time."""
        if isinstance(self.seconds, list):
            return rng.uniform(self.seconds[0], self.seconds[1])
        return self.seconds

    def is_over(self, now: float) -> bool:
        """Whether it can never fire again."""
        spent = self.times is not None and self.fired >= self.times
        return spent or (self.ends_at is not None and now >= self.ends_at)


class Misbehaviour:
    """The ordered faults and the dice; ``clock`` gives seconds that never go back."""

    def __init__(self, *, seed: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._faults: list[Fault] = []
        self._limits: dict[int, RateLimit] = {}
        self._next_id = 1
        self._clock = clock
        self.seed = seed
        self._rng = Random(f"misbehaviour {seed}")

    def order(self, faults: Iterable[Any], *, seed: int | None = None) -> list[Fault]:
        """Add faults from their JSON form, all of them or none; raises UnknownFault."""
        if seed is not None:
            self.seed = seed
            self._rng = Random(f"misbehaviour {seed}")
        ordered = [_read_fault(item, number=self._next_id + place) for place, item in enumerate(faults)]
        self._next_id += len(ordered)
        now = self._clock()
        for fault in ordered:
            if fault.lasts_s is not None:
                fault.ends_at = now + fault.lasts_s
            if fault.kind == "limit":
                burst = fault.burst or ceil(fault.per_second)
                self._limits[fault.id] = RateLimit(per_second=fault.per_second, burst=burst, per=fault.per)
        over = [fault.id for fault in self._faults if fault.is_over(now)]
        self._forget(over[:-MOST_OVER])
        self._faults.extend(ordered)
        return ordered

    def clear(self) -> None:
        """Behave again."""
        self._faults.clear()
        self._limits.clear()

    def withdraw(self, number: int) -> bool:
        """Take one fault back; False when there is none of this number."""
        known = any(fault.id == number for fault in self._faults)
        self._forget([number])
        return known

    def listing(self) -> list[dict[str, Any]]:
        """The ordered faults with how often each matched and fired, and for how long they still last."""
        now = self._clock()
        listed = []
        for fault in self._faults:
            shown = asdict(fault)
            ends_at = shown.pop("ends_at")
            shown["left_s"] = None if ends_at is None else round(max(0.0, ends_at - now), 3)
            listed.append(shown | {"is_over": fault.is_over(now)})
        return listed

    def limits(self) -> list[dict[str, Any]]:
        """What each ordered limit let through and refused."""
        return [
            {"id": fault.id, "per_second": fault.per_second, "per": fault.per}
            | self._limits[fault.id].counts()
            for fault in self._faults
            if fault.kind == "limit"
        ]

    @property
    def shut_door(self) -> Fault | None:
        """The fault that keeps everybody out just now, if there is one."""
        now = self._clock()
        return next(
            (fault for fault in self._faults if fault.kind in DOOR_KINDS and not fault.is_over(now)), None
        )

    def left_s(self, fault: Fault) -> float | None:
        """How long a fault still lasts; None when until told otherwise."""
        return None if fault.ends_at is None else max(0.0, fault.ends_at - self._clock())

    def draw(self, *, method: str, path: str, username: str, agent: str) -> list[Fault]:
        """The faults that befall this request: any number of delays, and at most one other.

        A limit stands in front of everything: what it refuses meets nothing else.
        """
        now = self._clock()
        present = [
            fault
            for fault in self._faults
            if fault.kind != "lag"
            and fault.kind not in DOOR_KINDS
            and not fault.is_over(now)
            and _matches(fault, method, path, username, agent)
        ]
        for fault in present:
            if fault.kind == "limit" and (refusal := self._refuse(fault, username, now)):
                return [refusal]
        drawn: list[Fault] = []
        chosen = False
        for fault in present:
            if fault.kind == "limit":
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
        now = self._clock()
        longest = 0.0
        for fault in self._faults:
            if fault.kind == "lag" and table in fault.tables and not fault.is_over(now):
                fault.matched += 1
                if self._rng.random() < fault.rate:
                    fault.fired += 1
                    longest = max(longest, fault.draw_seconds(self._rng))
        return longest

    def _refuse(self, fault: Fault, username: str, now: float) -> Fault | None:
        """The limit with the Retry-After of this refusal; None when the request may pass."""
        fault.matched += 1
        wait_s = self._limits[fault.id].take(username, now=now)
        if not wait_s:
            return None
        fault.fired += 1
        return replace(fault, retry_after=ceil(wait_s)) if fault.retry_after == "exact" else fault

    def _forget(self, numbers: Iterable[int]) -> None:
        gone = set(numbers)
        self._faults = [fault for fault in self._faults if fault.id not in gone]
        for number in gone:
            self._limits.pop(number, None)


def _matches(fault: Fault, method: str, path: str, username: str, agent: str) -> bool:
    paths = (fault.path,) if isinstance(fault.path, str) else tuple(fault.path)
    return (
        (fault.method is None or fault.method == method)
        and path.startswith(paths)
        and (fault.user is None or fault.user.lower() == username.lower())
        and (fault.agent is None or fault.agent in agent)
    )


def _read_fault(item: Any, *, number: int) -> Fault:
    if not isinstance(item, dict) or item.get("kind") not in KINDS:
        raise UnknownFault(f"kind must be one of {', '.join(KINDS)}")
    allowed = set(Fault.__slots__) - {"id", "matched", "fired", "ends_at"}
    unknown = set(item) - allowed
    if unknown:
        raise UnknownFault(f"unknown setting: {', '.join(sorted(unknown))}")
    fault = Fault(id=number, **item)
    if not isinstance(fault.rate, int | float) or not 0 <= fault.rate <= 1:
        raise UnknownFault("rate must be a share from 0 to 1")
    if fault.times is not None and (not isinstance(fault.times, int) or fault.times < 1):
        raise UnknownFault("times must be a whole number above 0, or null")
    spans = fault.seconds if isinstance(fault.seconds, list) else [fault.seconds]
    if len(spans) not in (1, 2) or not all(_is_number(s) and 0 <= s <= 3600 for s in spans):
        raise UnknownFault("seconds must be a number or [from, to], up to 3600")
    if fault.lasts_s is not None and not (_is_number(fault.lasts_s) and 0 < fault.lasts_s <= 86_400):
        raise UnknownFault("lasts_s must be seconds above 0, up to a day, or null")
    if not isinstance(fault.status, int) or not 100 <= fault.status <= 599:
        raise UnknownFault("status must be an HTTP status")
    if not isinstance(fault.bytes_per_s, int) or fault.bytes_per_s < 1:
        raise UnknownFault("bytes_per_s must be a whole number above 0")
    paths = fault.path if isinstance(fault.path, list) else [fault.path]
    if not all(isinstance(text, str) for text in [*paths, fault.content_type]):
        raise UnknownFault("path and content_type must be texts, path a list of them at most")
    if not isinstance(fault.tables, list) or not set(fault.tables) <= set(TABLES):
        raise UnknownFault(f"tables must be among {', '.join(TABLES)}")
    if not _is_number(fault.per_second) or fault.per_second <= 0 or fault.per not in WHOSE:
        raise UnknownFault(f"per_second must be above 0, per one of {', '.join(WHOSE)}")
    if fault.burst is not None and (not isinstance(fault.burst, int) or fault.burst < 1):
        raise UnknownFault("burst must be a whole number above 0, or null for one second's worth")
    if isinstance(fault.seconds, list) and len(fault.seconds) == 1:
        fault.seconds = fault.seconds[0]
    return fault


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
