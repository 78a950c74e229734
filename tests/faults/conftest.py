"""An office of processes that is treated badly; a test may be asked to do it for longer by --fault-
seconds.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from nutshellpbx.calls.models import Call
from nutshellpbx.journal.models import Entry
from nutshellpbx.lab.desks import Desks
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY
from nutshellpbx.lab.office import Office, webhook_office

LINES = 12


@dataclass(slots=True)
class Traffic:
    """Calls told at a pace, each with a customer of its own; what was told and how long the answers took."""

    office: Office
    customers: Iterator[dict[str, Any]]
    retry_for_s: float = 0.0
    rang_at: dict[str, float] = field(default_factory=dict)
    answers_ms: list[float] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def tell(self, *, seconds: float, per_second: float = 2.0) -> None:
        """Ring, answer and end calls for so long."""
        number = 0
        started = time.monotonic()
        ends: list[threading.Thread] = []
        with self.office.phone_system(retry_for_s=self.retry_for_s) as system:
            while time.monotonic() - started < seconds:
                customer = next(self.customers)
                call = {"call": system.new_call_id(), "direction": "inbound", "number": customer["number"]}
                line = str(100 + number % LINES)
                self.rang_at[customer["id"]] = before = time.time()
                system.tell({**call, "kind": "ringing", "extension": line})
                self.answers_ms.append((time.time() - before) * 1000)
                self.told.append(customer)
                end = threading.Thread(target=self._talk, args=(call, line))
                end.start()
                ends.append(end)
                number += 1
                time.sleep(max(0.0, started + number / per_second - time.monotonic()))
        for end in ends:
            end.join(timeout=60)

    def _talk(self, call: dict[str, Any], line: str) -> None:
        with self.office.phone_system(retry_for_s=self.retry_for_s) as system:
            time.sleep(6.0)
            system.tell({**call, "kind": "answered", "extension": line})
            time.sleep(0.5)
            system.tell({**call, "kind": "ended"})


@dataclass(frozen=True, slots=True)
class Scene:
    """The office, its waiting desks, and the traffic."""

    office: Office
    desks: Desks
    customers: Iterator[dict[str, Any]]

    def traffic(self, *, retry_for_s: float = 0.0) -> Traffic:
        return Traffic(self.office, self.customers, retry_for_s)

    def wait_until_well(self, *, timeout_s: float = 60.0) -> None:
        """Wait until a call pops within a second again, after whatever the test before did."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            probe = self.traffic(retry_for_s=20)
            probe.tell(seconds=0.1)
            if max(self.pop_delays_s(probe)) < 1.0:
                return
        pytest.fail("the office did not get well again")

    def pop_delays_s(self, traffic: Traffic) -> list[float]:
        """Seconds from the ring to the page, for each told call; a page that never came counts as endless."""
        opened = {path.split("/")[2].split("-")[0]: at for path, at in self.desks.opened.items()}
        return [
            opened.get(customer["id"].split("-")[0], float("inf")) - traffic.rang_at[customer["id"]]
            for customer in traffic.told
        ]

    def notes_of(self, customer: dict[str, Any]) -> int:
        assert self.office.nutshell is not None
        return sum(
            1
            for note in self.office.nutshell.notes()
            if note["parent"] == customer["id"] and "[npbx " in note["body"]
        )

    def what_became_of(self, customer: dict[str, Any]) -> list[str]:
        """The calls of this customer with their entries, for a failure's message."""
        calls = Call.objects.filter(e164=customer["number"])
        keys = calls.values_list("key", flat=True)
        states = [f"{call.state} {call.left_out}" for call in calls]
        return [
            *states,
            *(f"{e.state} {e.reason} {e.outcome}" for e in Entry.objects.filter(call_key__in=keys)),
        ]

    def wait_for_notes(self, traffic: Traffic, *, timeout_s: float) -> dict[str, int]:
        """How many notes each customer has, once each has one or the time is up."""
        assert self.office.nutshell is not None
        until = time.monotonic() + timeout_s
        while True:
            counts = {customer["id"]: 0 for customer in traffic.told}
            for note in self.office.nutshell.notes():
                if note["parent"] in counts and "[npbx " in note["body"]:
                    counts[note["parent"]] += 1
            if all(counts.values()) or time.monotonic() > until:
                return counts
            time.sleep(0.3)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-seconds", type=float, default=15.0, help="how long each fault lasts")
    parser.addoption("--fault-seed", type=int, default=None, help="replay this seed")


@pytest.fixture
def fault_s(request: pytest.FixtureRequest) -> float:
    return float(request.config.getoption("--fault-seconds"))


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Seeded; the seed is printed, --fault-seed replays it."""
    seed = request.config.getoption("--fault-seed")
    seed = seed if seed is not None else random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.fixture(scope="session", autouse=True)
def real_database(django_db_blocker: Any) -> Iterator[None]:
    """These tests look into the office's own database, which is that of this process's settings."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("faults")
    with Office(folder, contacts=4000, data=settings.NUTSHELLPBX_DIR) as office:
        assert office.nutshell is not None
        people: list[dict[str, Any]] = [
            {
                "email": f"line{number}@harbortools.example",
                "name": f"Line {number}",
                "extensions": [str(number)],
            }
            for number in range(100, 100 + LINES)
        ]
        spec = webhook_office(nutshell=office.nutshell.address, people=people)
        spec["crm"]["company_key"] = {"email": PRACTICE_EMAIL, "key": PRACTICE_KEY}
        office.enter(spec)
        office.wait_until_ready()
        desks = Desks(
            f"http://127.0.0.1:{office.push_port}", json.loads(office.manage("practice", "desks"))["tokens"]
        )
        desks.start()
        customers = iter(office.nutshell.sample(count=2000))
        yield Scene(office, desks, customers)
        desks.stop()
