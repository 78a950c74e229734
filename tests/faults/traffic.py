"""A phone system that tells calls to a webhook at a pace, and keeps its own list of them.

    traffic = Traffic(hook=office.hook_url, customers=customers, calls=path, copies=5, shuffled=True)
    traffic.tell(seconds=20, per_second=4)      # or calls=500; returns when every call was told to its end
    assert traffic.untold == []
    result = checker.check(calls=traffic.calls, crm=office.nutshell.address)

Each call rings on one of `lines` extensions from 100 on, is answered after `ring_s`, ends after `talk_s`, and
belongs to the next of `customers` (`{"id": "12-contacts", "number": "+1…"}`, as the practice Nutshell's
`sample` gives them). Like a real phone system it posts each event again until it is acknowledged, for
`retry_for_s` at most. A line of the list is appended and fsynced once the last event was acknowledged; a call
that was given up stands in `untold` instead. Several drivers may write into one list.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nutshellpbx.lab.office import SECRET
from nutshellpbx.lab.phone_system import NotTaken, PhoneSystem, iso, make_event

FIRST_LINE = 100
LINES = 12


@dataclass(slots=True)
class Traffic:
    """One driver; its options say how badly the events come.

    `repeated` is the share of calls by a customer who has called before; each event is posted 1 to `copies`
    times, half of the copies as the same message, half as another one with the same event; `shuffled` posts a
    call's events in any order; `late_s` holds each of them back for up to so long.
    """

    hook: str
    customers: Iterator[dict[str, Any]]
    calls: Path
    dice: random.Random = field(default_factory=random.Random)
    retry_for_s: float = 0.0
    timeout_s: float = 5.0
    secret: str = SECRET
    lines: int = LINES
    ring_s: float = 6.0
    talk_s: float = 0.5
    repeated: float = 0.0
    copies: int = 1
    shuffled: bool = False
    late_s: float = 0.0
    told: list[dict[str, Any]] = field(default_factory=list)  # the customer of each call, as they rang
    untold: list[str] = field(default_factory=list)  # calls that were given up, with the reason
    rang_at: dict[str, float] = field(default_factory=dict)  # record -> Unix time of its last ring
    answers_ms: list[float] = field(default_factory=list)  # how long each ring's acknowledgement took
    _done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(
        self,
        *,
        seconds: float = float("inf"),
        calls: int | None = None,
        per_second: float = 2.0,
        stop: threading.Event | None = None,
    ) -> None:
        """Tell calls for so long, or so many, or until `stop`; each is told to its end."""
        started = time.monotonic()
        running: list[threading.Thread] = []
        number = 0
        with PhoneSystem(
            url=self.hook, secret=self.secret, retry_for_s=self.retry_for_s, timeout_s=self.timeout_s
        ) as system:
            while time.monotonic() - started < seconds and number != calls:
                if stop is not None and stop.is_set():
                    break
                line = str(FIRST_LINE + number % self.lines)
                dice = random.Random(self.dice.getrandbits(64))
                call = threading.Thread(target=self._call, args=(system, self._next_customer(), line, dice))
                call.start()
                running.append(call)
                number += 1
                time.sleep(max(0.0, started + number / per_second - time.monotonic()))
            for call in running:
                call.join()

    @property
    def done(self) -> int:
        """How many calls stand in the list by this driver."""
        return self._done

    def _next_customer(self) -> dict[str, Any]:
        again = bool(self.told) and self.dice.random() < self.repeated
        customer = self.dice.choice(self.told) if again else next(self.customers)
        self.told.append(customer)
        return customer

    def _call(self, system: PhoneSystem, customer: dict[str, Any], line: str, dice: random.Random) -> None:
        """One call from its ring to its end, and to its line in the list."""
        call, began = system.new_call_id(), time.time()
        self.rang_at[customer["id"]] = began
        members = {"direction": "inbound", "number": customer["number"], "extension": line}
        plan = [("ringing", 0.0), ("answered", self.ring_s), ("ended", self.ring_s + self.talk_s)]
        events = [
            (
                # an end names neither extension nor number: it ends the whole call
                make_event(
                    call=call, kind=kind, at=iso_at(began + after_s), **({} if kind == "ended" else members)
                ),
                after_s,
            )
            for kind, after_s in plan
        ]
        posts = [
            (moment + dice.uniform(0.0, self.late_s), event)
            for (event, _), moment in zip(events, self._moments(events, dice), strict=True)
            for _copy in range(dice.randint(1, self.copies))
        ]
        posts.sort(key=lambda post: post[0])
        try:
            for moment, event in posts:
                time.sleep(max(0.0, began + moment - time.time()))
                # The same message again, or a new one that says the same: both happen.
                message_id = f"msg_{event['id']}" if dice.random() < 0.5 else None
                posted_at = time.monotonic()
                system.tell(event, message_id=message_id)
                if event["kind"] == "ringing":
                    self.answers_ms.append((time.monotonic() - posted_at) * 1000)
        except NotTaken as refusal:
            with self._lock:
                self.untold.append(f"{call}: {refusal}")
            return
        self._list(call, customer, events[-1][0]["at"])

    def _moments(self, events: list[tuple[dict[str, Any], float]], dice: random.Random) -> list[float]:
        moments = [after_s for _event, after_s in events]
        if self.shuffled:
            # Nothing can be told before it happened: all of it comes at the end, in any order.
            moments = [moments[-1] + dice.uniform(0.0, 0.5) for _moment in moments]
        return moments

    def _list(self, call: str, customer: dict[str, Any], ended_at: str) -> None:
        line = {"call": call, "number": customer["number"], "record": customer["id"], "ended_at": ended_at}
        append(self.calls, line)
        with self._lock:
            self._done += 1


def append(path: Path, line: dict[str, Any]) -> None:
    """Put a line at the end of a list so that it stays there whatever happens to this program or machine."""
    with path.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(line) + "\n")
        file.flush()
        os.fsync(file.fileno())


def iso_at(moment: float) -> str:
    """A Unix time as events carry it."""
    return iso(datetime.fromtimestamp(moment, UTC))
