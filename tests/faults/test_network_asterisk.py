"""The way between the listener and a real Asterisk goes through a proxy that treats it badly in mid-call.

One call is up when the fault begins, another one rings and is answered during it; both end after it. What
rang and ended while nobody could listen is not told by the manager interface and is not asked for here.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nutshellpbx.lab.asterisk.phones import Answers, Caller
from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.lab.asterisk.tree import CannotHaveAsterisk, get_tree
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY
from nutshellpbx.lab.office import Nutshell, Office, asterisk_office
from nutshellpbx.lab.proxy import FAULTS, Proxy
from tests.faults import checker, results
from tests.faults.test_network import suffer

FAULT_S = 4.0
TALK_MS = 14_000
NOTES_S = 60.0


@dataclass(slots=True)
class Scenery:
    """A real Asterisk, the way to it, and an office whose 101 and 102 are rung by customers."""

    asterisk: RealAsterisk
    way: Proxy
    nutshell: Nutshell
    calls: Path
    customers: Iterator[dict[str, Any]]

    def call(self, extension: str) -> tuple[dict[str, Any], subprocess.Popen[bytes]]:
        """Let the next customer call an extension and talk for TALK_MS; who, and the phone used for it."""
        customer = next(self.customers)
        caller = Caller(number=customer["number"].removeprefix("+"), name="", talk_ms=TALK_MS)
        return customer, self.asterisk.call(f"12125550{extension}", caller)

    def note_call(self, customer: dict[str, Any]) -> None:
        """Put a call that has ended on the list of calls."""
        line = {"call": customer["id"], "number": customer["number"], "record": customer["id"]}
        with self.calls.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line | {"ended_at": time.time()}) + "\n")

    def check_when_written(self) -> dict[str, Any]:
        """What the separate checker says once nothing is missing, or the time is up."""
        until = time.monotonic() + NOTES_S
        found = checker.check(calls=self.calls, crm=self.nutshell.address)
        while found["missing"] and time.monotonic() < until:
            time.sleep(0.5)
            found = checker.check(calls=self.calls, crm=self.nutshell.address)
        return found


@pytest.fixture
def scenery(tmp_path: Path) -> Iterator[Scenery]:
    try:
        tree = get_tree(say=print)
    except CannotHaveAsterisk as reason:
        pytest.skip(f"no real Asterisk on this machine: {reason}")
    with (
        RealAsterisk(tree) as asterisk,
        Proxy(("127.0.0.1", asterisk.ami_port)) as way,
        Office(tmp_path, contacts=500) as office,
    ):
        assert office.nutshell is not None
        people = [
            {"email": f"line{number}@harbortools.example", "name": f"Line {number}", "extensions": [number]}
            for number in ("101", "102")
        ]
        spec = asterisk_office(
            nutshell=office.nutshell.address,
            people=people,
            port=int(way.url.rpartition(":")[2]),
            username=asterisk.ami_user,
            secret=asterisk.ami_secret,
        )
        spec["crm"]["company_key"] = {"email": PRACTICE_EMAIL, "key": PRACTICE_KEY}
        office.enter(spec)
        office.wait_until_ready(connected=True)
        for extension in ("101", "102"):
            asterisk.set_phone(extension, Answers())
        customers = iter(office.nutshell.sample(count=60))
        yield Scenery(asterisk, way, office.nutshell, tmp_path / "calls.jsonl", customers)


def test_calls_that_outlive_a_bad_way_to_asterisk_leave_one_note_each(
    scenery: Scenery, is_long: bool, seed: int, dice: random.Random
) -> None:
    started = time.monotonic()
    faults = list(FAULTS) if is_long else dice.sample(list(FAULTS), 1)
    for fault in faults:
        calls = [scenery.call("101")]
        time.sleep(2.0)
        scenery.way.suffer(fault)
        calls.append(scenery.call("102"))
        try:
            suffer(scenery.way, fault, seconds=FAULT_S)
        finally:
            scenery.way.heal()
        for customer, phone in calls:
            assert phone.wait(timeout=3 * TALK_MS / 1000) == 0, "the call itself went wrong"
            scenery.note_call(customer)
    found = scenery.check_when_written()
    counts = {name: len(found[name]) for name in ("missing", "double", "foreign")}
    results.record(
        attack="the way to a real Asterisk through a bad proxy",
        seed=seed,
        duration_s=time.monotonic() - started,
        entries=found["calls"],
        note="",
        struck=scenery.way.count.struck,
        **counts,
    )
    assert found["calls"] == 2 * len(faults)
    assert counts == {"missing": 0, "double": 0, "foreign": 0}, found
