"""The office of the journal's tests: an extension, its owner, a CRM with a grant and a key, a clock."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from nutshellpbx.crm.adapter import ADAPTERS, Card, Table
from nutshellpbx.crm.models import Credential, Crm, Grant
from nutshellpbx.journal import delivery, outbox, workers
from nutshellpbx.journal.models import Entry
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company, Extension, User
from nutshellpbx.vault import pairs, safe
from tests.journal import double

START = datetime(2026, 1, 12, 9, 0, tzinfo=UTC)
NUMBER = "+13125550142"
ANNA = Card(Table.CONTACTS, "23-contacts", "Anna Ames")
BERT = Card(Table.CONTACTS, "24-contacts", "Bert Brook")
_numbers = count(1)


class Clock:
    """A clock that goes on when it is told to, and a little with every look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Office:
    """One line with everything that it needs."""

    folder: Path
    crm: Crm
    owner: User
    extension: Extension
    clock: Clock

    @property
    def credential(self) -> Credential:
        return Credential.objects.get(user=self.owner)

    def enqueue(self, **more: Any) -> Entry:
        values: dict[str, Any] = {
            "crm": self.crm,
            "call_key": f"office/{next(_numbers)}/202611220900",
            "user": self.owner,
            "extension": self.extension,
            "direction": "inbound",
            "number": NUMBER,
            "name": "Anna",
            "card": ANNA,
            "text": "Inbound call, 3:20 min",
            "happened_at": self.clock.now,
            "now": self.clock(),
        }
        with transaction.atomic():
            return outbox.enqueue(**{**values, **more})

    def deliver(self, entry: Entry, worker: str = "") -> Entry:
        """One look of a worker at an entry, as it stands afterwards."""
        name = worker or workers.worker_name()
        delivery.deliver(entry_id=str(entry.pk), worker=name, clock=self.clock)
        entry.refresh_from_db()
        return entry

    def deliver_until(self, entry: Entry, *states: str) -> Entry:
        """Let time pass and workers look until the entry is in one of these states."""
        for _look in range(60):
            if entry.state in states:
                return entry
            self.clock.advance(seconds=20)
            outbox.reap(now=self.clock())
            self.deliver(entry)
        raise AssertionError(f"still {entry.state}: {entry.reason} {entry.reason_title}")

    def notes(self) -> list[dict[str, Any]]:
        return double.notes_in(self.folder)


def make_office(folder: Path) -> Office:
    """An office whose CRM is the double; NUTSHELLPBX_KEYS_DIR must be a folder that may be written."""
    pairs.make_missing()
    ADAPTERS[double.KIND] = double.WHERE  # type: ignore[index]
    Company.objects.get_or_create(pk=1, defaults={"name": "Harbor Tools", "country": "US"})
    owner = User.objects.create_user("owner@harbor.example", name="Olga Owner")
    extension = Extension.objects.create(
        pbx=Pbx.objects.create(kind="webhook", name="Office"), number="101", owner=owner
    )
    crm = Crm.objects.create(kind=double.KIND, name="Double", settings={"folder": str(folder)})
    Grant.objects.create(extension=extension, crm=crm, granted_at=START)
    give_key(crm=crm, user=owner, key=double.KEY)
    (folder / "contacts.json").write_text(json.dumps({ANNA.id: [ANNA.name, NUMBER]}), encoding="utf-8")
    return Office(folder, crm, owner, extension, Clock())


def give_key(*, crm: Crm, user: User, key: str) -> Credential:
    """A sign-in that works as far as we know, in place of the one before."""
    Credential.objects.filter(crm=crm, user=user).delete()
    credential = Credential(
        crm=crm, user=user, email=user.email, state=Credential.State.OK, created_at=timezone.now()
    )
    credential.sealed = safe.seal(
        purpose="crm", secret=key, bound_to=credential.owner_key, origins=(double.ORIGIN,)
    )
    credential.save()
    return credential
