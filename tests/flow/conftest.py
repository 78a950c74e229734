"""One practice office of real processes for all stories; each story has a caller of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import close_old_connections

from nutshellpbx.calls.models import Call
from nutshellpbx.journal.models import Entry
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY
from nutshellpbx.lab.office import Desk, Nutshell, Office, webhook_office
from nutshellpbx.lab.openers import recorder
from nutshellpbx.lab.phone_system import PhoneSystem
from nutshellpbx.people.models import Company, Preferences, User

BEN = "ben@harbortools.example"


def until(condition: Callable[[], Any], *, timeout_s: float = 15.0) -> Any:
    """What the condition is when it becomes true; the test fails when it never does."""
    end = time.monotonic() + timeout_s
    while True:
        close_old_connections()
        if value := condition():
            return value
        if time.monotonic() > end:
            pytest.fail(f"never became true within {timeout_s:.0f} s: {condition.__doc__ or condition}")
        time.sleep(0.02)


class Stage:
    """The office as a story needs it: its people, their desks, a caller, and what became of a call."""

    def __init__(self, office: Office, ada: Desk, ben: Desk) -> None:
        assert office.nutshell is not None
        self.office, self.ada, self.ben = office, ada, ben
        self.nutshell: Nutshell = office.nutshell
        self._customers = {
            kind: iter(self.nutshell.sample(count=200, kind=kind)) for kind in ("own", "shared")
        }
        self.system: PhoneSystem = office.phone_system(speed=10)
        self.slow_system: PhoneSystem = office.phone_system(speed=1.5)

    def close(self) -> None:
        self.system.close()
        self.slow_system.close()

    def customer(self, *, kind: str = "own") -> dict[str, Any]:
        """A customer of the CRM with a number of his own; every story gets another one."""
        customer = next(self._customers[kind])
        customer["path"] = (
            f"/{'person' if 'contacts' in customer['id'] else 'company'}/{customer['id'].split('-')[0]}-"
        )
        return customer

    def user(self, email: str = PRACTICE_EMAIL) -> User:
        return User.objects.get(email=email)

    def prefer(self, email: str = PRACTICE_EMAIL, **values: Any) -> None:
        """What a user sets on the settings page."""
        Preferences.objects.update_or_create(user=self.user(email), defaults=values)

    def entry_of(self, told: Any) -> Entry:
        """The one entry of a told call, once it is settled."""
        key = until(lambda: Call.objects.filter(uid=told.id, ended_at__isnull=False).first()).key
        settled = {Entry.State.VERIFIED, Entry.State.PARKED, Entry.State.WAITING}
        until(lambda: Entry.objects.filter(call_key=key, state__in=settled).first(), timeout_s=30)
        return Entry.objects.get(call_key=key)

    def call_of(self, told: Any) -> Call:
        return until(lambda: Call.objects.filter(uid=told.id).first())

    def notes_of(self, customer: dict[str, Any]) -> list[dict[str, Any]]:
        """The notes with our marker at this customer; the practice company has notes of its own."""
        notes = self.nutshell.notes()
        return [note for note in notes if note["parent"] == customer["id"] and "[npbx " in note["body"]]

    def opened(self, desk: Desk, customer: dict[str, Any]) -> int:
        """How often this customer's page was opened on a desk."""
        return sum(1 for address in desk.opened() if customer["path"] in address)

    def said(self, desk: Desk, text: str) -> bool:
        return any(text in line for line in desk.running.lines)


@pytest.fixture(scope="session", autouse=True)
def real_database(django_db_blocker: Any) -> Iterator[None]:
    """These tests look into the office's own database, which is that of this process's settings."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, real_database: None) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("office")
    with Office(folder, contacts=600, users=f"{BEN}:{PRACTICE_KEY}", data=settings.NUTSHELLPBX_DIR) as office:
        assert office.nutshell is not None
        people = [
            {
                "email": PRACTICE_EMAIL,
                "name": "Ada Vance",
                "role": "admin",
                "extensions": ["101"],
                "key": PRACTICE_KEY,
            },
            {"email": BEN, "name": "Ben Ortiz", "extensions": ["102"], "key": PRACTICE_KEY},
        ]
        office.enter(webhook_office(nutshell=office.nutshell.address, people=people))
        ada = office.add_desk(email=PRACTICE_EMAIL, opener=recorder(folder / "ada.txt"), name="ada")
        ben = office.add_desk(email=BEN, opener=recorder(folder / "ben.txt"), name="ben")
        office.wait_until_ready()
        stage = Stage(office, ada, ben)
        yield stage
        stage.close()


@pytest.fixture(autouse=True)
def as_it_was(stage: Stage) -> Iterator[None]:
    """Every story begins with the built-in settings, a CRM that behaves, and desks that may open two pages.

    Here calls follow one another faster than in any office: the client's limit would hold pages back.
    """
    desks = (stage.ada, stage.ben)
    until(
        lambda: all(desk.opened_within(6.5) <= 1 and desk.opened_within(60) <= 17 for desk in desks),
        timeout_s=60,
    )
    yield
    stage.nutshell.behave()
    Preferences.objects.all().delete()
    company = Company.get()
    company.locks, company.never_numbers, company.group_policy, company.index_fresh_minutes = (
        [],
        [],
        "card",
        15,
    )
    company.save()
