"""A box for hostile surroundings: its office, its phone system's own list of calls, the checker's verdict."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY
from nutshellpbx.lab.office import Nutshell, Office, webhook_office
from nutshellpbx.lab.phone_system import Delivery, PhoneSystem
from nutshellpbx.lab.processes import NotReady
from tests.faults import checker
from tests.faults.traffic import FIRST_LINE, LINES, Traffic

CONTACTS = 3000
GONE_S = 20.0
#: Short calls: what is attacked is what comes after them.
QUICK = {"ring_s": 0.3, "talk_s": 0.2}


@dataclass(slots=True)
class Box:
    """A running office with all that is needed to judge it from outside."""

    office: Office
    nutshell: Nutshell
    customers: Iterator[dict[str, Any]]
    calls: Path
    hook: str = ""

    def traffic(self, **options: Any) -> Traffic:
        """A driver with short calls whose phone system posts again for two minutes."""
        given = {"hook": self.hook or self.office.hook_url, "customers": self.customers, "calls": self.calls}
        return Traffic(**{**given, **QUICK, "retry_for_s": 180.0, "timeout_s": 15.0, **options})

    def ask(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """What the box's own database answers."""
        path = self.office.data / "main.sqlite3"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as connection:
            return list(connection.execute(query, arguments))

    def states(self) -> Counter[str]:
        """How many entries stand in which state."""
        return Counter(dict(self.ask("SELECT state, count(*) FROM journal_entry GROUP BY state")))

    def unwritten(self) -> list[tuple[Any, ...]]:
        """The entries that are not verified, and calls without one, for a failure's message."""
        entries = self.ask(
            "SELECT call_key, state, reason, reason_title, outcome, failures, not_before, claimed_by"
            " FROM journal_entry WHERE state <> 'verified'"
        )
        lost = self.ask(
            "SELECT key, state, left_out FROM calls_call"
            " WHERE key NOT IN (SELECT call_key FROM journal_entry)"
        )
        return entries + lost

    def check(self) -> dict[str, Any]:
        """What the separate checker says of all calls that this box was ever told."""
        return checker.check(calls=self.calls, crm=self.nutshell.address)

    def check_when_written(self, *, timeout_s: float) -> dict[str, Any]:
        """The same once every call has its note and every entry is verified, or the time is up."""
        until = time.monotonic() + timeout_s
        while True:
            result = self.check()
            at_work = sum(count for state, count in self.states().items() if state != "verified")
            if (not result["missing"] and not at_work) or time.monotonic() > until:
                return result
            time.sleep(0.5)

    def seconds_until_note(self, *, timeout_s: float) -> float:
        """How long it takes from now until a fresh call's note stands in the CRM, in seconds; or endless."""
        began = time.monotonic()
        probe = self.traffic(retry_for_s=timeout_s)
        probe.tell(calls=1)
        record = probe.told[0]["id"]
        while time.monotonic() - began < timeout_s:
            if any(note["parent"] == record for note in self.nutshell.notes()):
                return time.monotonic() - began
            time.sleep(0.3)
        return float("inf")

    def start_again(self) -> None:
        """Start the server; when it does not get ready, its programs' last words are in the failure."""
        try:
            self.office.start_server()
        except NotReady as failure:
            words = [
                f"--- {log.name}\n{log.read_text(encoding='utf-8', errors='replace')[-1500:]}"
                for log in sorted((self.office.data / "log").glob("*.log"))
            ]
            raise NotReady("\n".join([str(failure), *words])) from failure

    def kill(self) -> None:
        """kill -9 of all the box's processes at the same moment; returns once none is left."""
        server = self.office.server
        assert server is not None
        group = server.process.pid
        os.killpg(group, signal.SIGKILL)
        server.stop()
        until = time.monotonic() + GONE_S
        while _lives(group):
            if time.monotonic() > until:
                raise TimeoutError("a killed process is still there")
            time.sleep(0.01)


def open_box(
    folder: Path,
    *,
    data: Path | None = None,
    prepare: Callable[[Office], None] = lambda _office: None,
    crm_by: Callable[[str], str] = str,
    settings: dict[str, Any] | None = None,
    seed: int = 7,
    contacts: int = CONTACTS,
) -> Box:
    """Start an office with 12 lines and a company key; `box.office.stop()` ends it.

    `prepare` may change its environment before it starts; `crm_by` gives the CRM's address as the box shall
    see it, from the real one.
    """
    office = Office(folder, contacts=contacts, seed=seed, data=data)
    try:
        prepare(office)
        office.start()
        assert office.nutshell is not None
        nutshell = office.nutshell
        people = [
            {
                "email": f"line{number}@harbortools.example",
                "name": f"Line {number}",
                "extensions": [str(number)],
            }
            for number in range(FIRST_LINE, FIRST_LINE + LINES)
        ]
        spec = webhook_office(nutshell=crm_by(nutshell.address), people=people)
        spec["crm"]["company_key"] = {"email": PRACTICE_EMAIL, "key": PRACTICE_KEY}
        spec["pbx"]["settings"] |= settings or {}
        office.enter(spec)
        office.wait_until_ready()
    except BaseException:
        office.stop()
        raise
    customers = iter(nutshell.sample(count=contacts // 2))
    return Box(office, nutshell, customers, folder / "calls.jsonl")


@dataclass
class Remembered:
    """The events that were acknowledged, in order, and all answers by status, of its phone systems."""

    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def forgotten_by(self, box: Box) -> list[str]:
        """The ids of the acknowledged events that a box does not know any more."""
        with self.lock:
            acknowledged = [event["id"] for event in self.acknowledged]
        there = {row[0] for row in box.ask("SELECT raw_id FROM pbx_received")}
        return [event for event in acknowledged if event not in there]

    def phone_system(self, **options: Any) -> PhoneSystem:
        """A phone system that notes here what was acknowledged."""
        remembered = self

        class Remembering(PhoneSystem):
            def tell(self, *events: dict[str, Any], **more: Any) -> Delivery:
                delivery = super().tell(*events, **more)
                with remembered.lock:
                    remembered.acknowledged += events
                return delivery

            def _post_once(self, body: bytes, message_id: str) -> Delivery:
                delivery = super()._post_once(body, message_id)
                with remembered.lock:
                    remembered.statuses[delivery.status] += 1
                return delivery

        return Remembering(**options)


def _lives(group: int) -> bool:
    """Whether any process of this group is left that is more than its own memorial."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] not in "ZX":
                return True
    return False
