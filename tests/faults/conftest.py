"""An office of processes that is treated badly, in CI's short share or at full length (--fault-long)."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import close_old_connections

from nutshellpbx.calls.models import Call
from nutshellpbx.journal.models import Entry
from nutshellpbx.journal.states import AT_WORK
from nutshellpbx.lab.desks import Desks
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY
from nutshellpbx.lab.office import Nutshell, Office, webhook_office
from tests.faults import checker, results
from tests.faults.hostile import hostile, spare  # noqa: F401 - fixtures
from tests.faults.traffic import FIRST_LINE, LINES, Traffic
from tests.faults.turns import pytest_collection_modifyitems  # noqa: F401 - a hook

CONTACTS = 12_000


@dataclass(frozen=True, slots=True)
class Scene:
    """The office, its waiting desks, the customers, and the phone system's own list of all calls."""

    office: Office
    nutshell: Nutshell
    desks: Desks
    customers: Iterator[dict[str, Any]]
    calls: Path

    def traffic(self, **options: Any) -> Traffic:
        """A driver for this office's webhook, with options as `Traffic` has them."""
        return Traffic(
            **{"hook": self.office.hook_url, "customers": self.customers, "calls": self.calls, **options}
        )

    def wait_until_well(self, *, timeout_s: float = 90.0) -> None:
        """Wait until a call pops within a second again, after whatever the test before did."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            probe = self.traffic(retry_for_s=60)
            probe.tell(calls=1)
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

    def check(self) -> dict[str, Any]:
        """What the separate checker says of all calls that this office was ever told."""
        return checker.check(calls=self.calls, crm=self.nutshell.address)

    def check_when_written(self, *, timeout_s: float) -> dict[str, Any]:
        """The same once every call has its note and nothing is on its way any more, or the time is up."""
        until = time.monotonic() + timeout_s
        while True:
            result = self.check()
            close_old_connections()
            at_work = Entry.objects.filter(state__in=AT_WORK).exists()
            if (not result["missing"] and not at_work) or time.monotonic() > until:
                return result
            time.sleep(0.5)

    def unwritten(self) -> list[str]:
        """What stands in the way of the entries that are not written, for a failure's message."""
        close_old_connections()
        entries = Entry.objects.exclude(state=Entry.State.VERIFIED)
        lost = Call.objects.exclude(key__in=Entry.objects.values("call_key"))
        return [
            *(f"{entry.call_key} {entry.state} {entry.reason} {entry.reason_title}" for entry in entries),
            *(f"{call.key} {call.state} {call.left_out} has no entry" for call in lost),
        ]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-long", action="store_true", help="the full counts instead of CI's short share")
    parser.addoption("--fault-seed", type=int, default=None, help="replay this seed")


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    """Whether the full counts are asked for."""
    return bool(request.config.getoption("--fault-long"))


@pytest.fixture
def fault_s(is_long: bool) -> float:
    """How long a fault lasts that is measured by time, in seconds."""
    return 60.0 if is_long else 10.0


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """What this test's dice begin with: a fresh seed, printed, or the one of --fault-seed."""
    wanted = request.config.getoption("--fault-seed")
    number = results.fresh_seed() if wanted is None else int(wanted)
    print(f"--fault-seed {number}")
    return number


@pytest.fixture
def dice(seed: int) -> random.Random:
    """Dice by the seed."""
    return random.Random(seed)


@pytest.fixture(scope="session", autouse=True)
def real_database(django_db_blocker: Any) -> Iterator[None]:
    """These tests look into the office's own database, which is that of this process's settings."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("faults")
    with Office(folder, contacts=CONTACTS, data=settings.NUTSHELLPBX_DIR) as office:
        assert office.nutshell is not None
        office.enter(office_spec(office.nutshell.address))
        office.wait_until_ready()
        desks = Desks(
            f"http://127.0.0.1:{office.push_port}", json.loads(office.manage("practice", "desks"))["tokens"]
        )
        desks.start()
        customers = iter(office.nutshell.sample(count=CONTACTS // 2))
        yield Scene(office, office.nutshell, desks, customers, folder / "calls.jsonl")
        desks.stop()


def office_spec(nutshell: str) -> dict[str, Any]:
    """What an admin would enter: a line for each of `LINES` people, and a company key of the CRM."""
    people: list[dict[str, Any]] = [
        {"email": f"line{number}@harbortools.example", "name": f"Line {number}", "extensions": [str(number)]}
        for number in range(FIRST_LINE, FIRST_LINE + LINES)
    ]
    spec = webhook_office(nutshell=nutshell, people=people)
    spec["crm"]["company_key"] = {"email": PRACTICE_EMAIL, "key": PRACTICE_KEY}
    return spec
