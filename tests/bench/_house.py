"""An office of real processes with a practice Nutshell and waiting desks, for benches that tell it calls."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nutshellpbx.lab.desks import Desks
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY
from nutshellpbx.lab.office import Nutshell, Office, webhook_office
from tests.bench._figures import say

FIRST_LINE = 100


@dataclass(slots=True)
class House:
    """The office, its CRM and desks; calls have a customer of their own each, and a line in turn."""

    office: Office
    nutshell: Nutshell
    desks: Desks
    customers: Iterator[dict[str, Any]]
    rang_at: dict[str, float] = field(default_factory=dict)
    told: int = 0

    def next_line(self) -> str:
        """The next extension, each in turn."""
        self.told += 1
        return str(FIRST_LINE + self.told % len(self.desks.tokens))

    def pop_delays_ms(self, records: list[str]) -> list[float]:
        """From the told ring to the page that was asked for, of the calls whose page came."""
        opened = {_number(path): at for path, at in self.desks.opened.items()}
        return [
            (opened[number] - self.rang_at[record]) * 1000
            for record in records
            if (number := record.partition("-")[0]) in opened
        ]


@contextmanager
def open_house(folder: Path, *, desks: int, contacts: int, customers: int) -> Iterator[House]:
    """Everything running, synced and waiting; the customers have a number of their own."""
    say(f"an office with {desks} desks and {contacts:,} contacts …")
    with Office(folder, contacts=contacts) as office:
        assert office.nutshell is not None
        people: list[dict[str, Any]] = [
            {
                "email": f"desk{number}@harbortools.example",
                "name": f"Desk {number}",
                "extensions": [str(number)],
            }
            for number in range(FIRST_LINE, FIRST_LINE + desks)
        ]
        spec = webhook_office(nutshell=office.nutshell.address, people=people)
        spec["crm"]["company_key"] = {"email": PRACTICE_EMAIL, "key": PRACTICE_KEY}
        office.enter(spec)
        office.wait_until_ready()
        tokens = json.loads(office.manage("practice", "desks"))["tokens"]
        crowd = Desks(f"http://127.0.0.1:{office.push_port}", tokens)
        crowd.start()
        sample = office.nutshell.sample(count=customers)
        if len(sample) < customers:
            sys.exit(f"only {len(sample)} contacts have a number of their own: ask for more with --contacts")
        try:
            yield House(office, office.nutshell, crowd, iter(sample))
        finally:
            crowd.stop()


def look_into(office: Office) -> None:
    """Let this process read the office's database with the house's own models."""
    os.environ.update(office.env)
    import django

    django.setup()


def keep_pace(started: float, number: int, per_second: float) -> None:
    """Sleep until the call of this number is due."""
    time.sleep(max(0.0, started + number / per_second - time.monotonic()))


def _number(path: str) -> str:
    """The record's number in the path of its page."""
    return path.split("/")[2].partition("-")[0]
