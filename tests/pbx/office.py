"""The office of these tests: the server as processes, six people with desks that keep what they are told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from django.db import close_old_connections
from django.utils import timezone

from nutshellpbx.crm.models import Grant
from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY
from nutshellpbx.lab.office import Nutshell, Office, webhook_office
from nutshellpbx.lab.watching import WatchedDesk
from nutshellpbx.pbx.config import keep_secret
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company, Extension, Preferences, User
from nutshellpbx.redact import Secret

#: Whose each extension is; Cyd opens on answer, Dan never, the others on ring.
PEOPLE = {
    "101": ("Ada Vance", PRACTICE_EMAIL),
    "102": ("Ben Ortiz", "ben@harbortools.example"),
    "103": ("Cyd Moe", "cyd@harbortools.example"),
    "104": ("Dan Ruiz", "dan@harbortools.example"),
    "105": ("Eve Stone", "eve@harbortools.example"),
    "106": ("Fay Wong", "fay@harbortools.example"),
}
OPEN_MODES = {"103": "answer", "104": "never"}
#: Two more, whose desks are real clients.
GIL, HAL = "gil@harbortools.example", "hal@harbortools.example"


def until(condition: Callable[[], Any], *, timeout_s: float = 30.0) -> Any:
    """What the condition is when it becomes true; raises AssertionError when it never does."""
    end = time.monotonic() + timeout_s
    while True:
        close_old_connections()
        if value := condition():
            return value
        assert time.monotonic() < end, f"never became true within {timeout_s:.0f} s"
        time.sleep(0.05)


class PbxOffice(Office):
    """An office without a phone system of its own; Asterisks are added to it while it runs."""

    def __init__(self, folder: Path, *, data: Path) -> None:
        others = [email for _name, email in PEOPLE.values() if email != PRACTICE_EMAIL] + [GIL, HAL]
        users = ",".join(f"{email}:{PRACTICE_KEY}" for email in others)
        super().__init__(folder, contacts=200, users=users, data=data)
        self.watched: dict[str, WatchedDesk] = {}

    def __enter__(self) -> PbxOffice:
        super().__enter__()
        try:
            self._furnish()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for desk in self.watched.values():
            desk.stop()
        super().__exit__(kind, error, trace)

    @property
    def crm(self) -> Nutshell:
        assert self.nutshell is not None
        return self.nutshell

    def add_asterisk(self, asterisk: RealAsterisk, *, name: str, owners: dict[str, str]) -> Pbx:
        """Enter a real Asterisk with these extensions (owners' e-mails by number); once it is heard."""
        pbx = Pbx(kind="asterisk", name=name, is_practice=True)
        pbx.settings = {"host": "127.0.0.1", "port": str(asterisk.ami_port), "username": asterisk.ami_user}
        pbx.is_enabled = False
        pbx.save()
        keep_secret(pbx=pbx, field="secret", secret=Secret(asterisk.ami_secret))
        for number, email in owners.items():
            line = Extension.objects.create(pbx=pbx, number=number, owner=User.objects.get(email=email))
            Grant.objects.create(extension=line, crm_id=self.ids["crm"], granted_at=timezone.now())
        Pbx.objects.filter(pk=pbx.pk).update(is_enabled=True)
        until(lambda: self.hears(pbx))
        return pbx

    def hears(self, pbx: Pbx) -> bool:
        """Whether the listener is connected to this phone system now."""
        return Pbx.objects.filter(pk=pbx.pk, state=Pbx.State.CONNECTED).exists()

    def _furnish(self) -> None:
        everybody = [*PEOPLE.values(), ("Gil Park", GIL), ("Hal Quinn", HAL)]
        people: list[dict[str, Any]] = [
            {"email": email, "name": name, "extensions": [number], "key": PRACTICE_KEY}
            for number, (name, email) in PEOPLE.items()
        ]
        people += [
            {"email": email, "name": name, "extensions": [], "key": PRACTICE_KEY}
            for name, email in everybody[len(PEOPLE) :]
        ]
        self.enter(webhook_office(nutshell=self.crm.address, people=people))
        Company.objects.update(own_numbers=["+12125550100"])
        for number, mode in OPEN_MODES.items():
            Preferences.objects.create(user=User.objects.get(email=PEOPLE[number][1]), open_mode=mode)
        tokens = json.loads(self.manage("practice", "desks"))["tokens"]
        for number, token in zip(PEOPLE, tokens, strict=True):  # both by name, as the people are sorted
            desk = WatchedDesk(push_url=self.env["NUTSHELLPBX_PUSH_URL"], token=token)
            desk.start()
            self.watched[number] = desk
        self.wait_until_ready()
