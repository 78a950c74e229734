"""What the tests of the CRM side share: three people, a line, a practice CRM that answers as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from nutshellpbx.crm.models import Credential, Crm, Grant
from nutshellpbx.lab.nutshell.running import RunningNutshell, running_nutshell
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company, Extension, User
from nutshellpbx.vault import keys, safe

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def running() -> Iterator[RunningNutshell]:
    with running_nutshell(contacts=300) as server:
        yield server


@pytest.fixture
def nutshell(running, settings) -> Iterator[RunningNutshell]:
    settings.NUTSHELLPBX_PRIVATE_CRM_OK = True
    settings.NUTSHELLPBX_ROLE = "worker"
    running.behave()
    yield running
    running.behave()


@dataclass
class House:
    """A company with an owner of a line, a colleague, and a CRM."""

    owner: User
    colleague: User
    line: Extension
    crm: Crm

    def grant(self) -> Grant:
        return Grant.objects.create(extension=self.line, crm=self.crm, granted_at=NOW)

    def credential(
        self, *, user: User | None, key: str, email: str = "", state: str = "ok", **values
    ) -> Credential:
        made = Credential(
            crm=self.crm,
            user=user,
            email=email or "ada@harbortools.example",
            state=state,
            created_at=NOW,
            **values,
        )
        made.sealed = safe.seal(
            purpose="crm", secret=key, bound_to=made.owner_key, origins=self.crm.adapter().origins
        )
        made.save(force_insert=True)
        return made


@pytest.fixture(scope="session", autouse=True)
def vault_keys() -> None:
    from django.core.management import call_command

    call_command("vault_keys", "make", verbosity=0)
    keys._ring.cache_clear()


@pytest.fixture
def house(db, nutshell) -> House:
    Company.objects.update_or_create(pk=1, defaults={"country": "CH"})
    owner = User.objects.create(email="ada@harbortools.example", name="Ada Vance")
    colleague = User.objects.create(email="ben@harbortools.example", name="Ben Otis")
    pbx = Pbx.objects.create(kind="webhook", name="Office")
    line = Extension.objects.create(pbx=pbx, number="101", owner=owner)
    crm = Crm.objects.create(kind="nutshell", name="Practice", settings={"address": nutshell.url})
    return House(owner=owner, colleague=colleague, line=line, crm=crm)
