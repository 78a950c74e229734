"""An office with a 3CX that has our template loaded: the practice one, asking through Django's client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from nutshellpbx.crm import index
from nutshellpbx.crm.adapter import Card, CardNumber, Page, Table
from nutshellpbx.crm.models import Crm, Grant, Sync
from nutshellpbx.lab.threecx_template.phone_system import TemplatePhoneSystem
from nutshellpbx.pbx import config
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company, Extension, User
from nutshellpbx.redact import Secret
from nutshellpbx.vault import pairs

KEY = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
NUMBER = "+13125550142"
SHARED = "+13125550177"
ORIGIN = "https://app.nutshell.com"


@dataclass
class House:
    """What stands in the office, by name."""

    pbx: Pbx
    crm: Crm
    ada: User
    ben: User


@pytest.fixture
def house(db: None, settings: Any, tmp_path: Path) -> House:
    settings.NUTSHELLPBX_KEYS_DIR = tmp_path / "keys"
    settings.NUTSHELLPBX_ROLE = "web"
    pairs.make_missing()
    Company.objects.update_or_create(pk=1, defaults={"country": "US"})
    crm = Crm.objects.create(kind="nutshell", name="Nutshell", settings={"address": ORIGIN})
    pbx = Pbx.objects.create(kind="threecx_template", name="3CX")
    config.keep_secret(pbx=pbx, field="key", secret=Secret(KEY))
    people = []
    for number, name in (("101", "Ada Vance"), ("102", "Ben Ortiz")):
        user = User.objects.create_user(f"{name.split()[0].lower()}@harbor.example", name=name)
        line = Extension.objects.create(pbx=pbx, number=number, owner=user)
        Grant.objects.create(extension=line, crm=crm, granted_at=timezone.now())
        people.append(user)
    put(crm, "23-contacts", "Priya Raman", NUMBER, company="Quillmere Freight")
    put(crm, "31-contacts", "Ana Belmonte", SHARED)
    put(crm, "32-contacts", "Oskar Lindgren", SHARED)
    for table in ("contacts", "accounts"):
        Sync.objects.create(crm=crm, table=table, state="complete", as_of=timezone.now())
    return House(pbx, crm, *people)


def put(crm: Crm, record: str, name: str, number: str, *, company: str = "") -> None:
    card = Card(
        table=Table.CONTACTS,
        id=record,
        name=name,
        company=company,
        numbers=(CardNumber(raw=number, e164=number, label="work"),),
        page=Page(ORIGIN, f"/person/{record}"),
    )
    index.put_cards(crm_id=crm.pk, cards=[card], country="US")


class ThroughClient(TemplatePhoneSystem):
    """The practice phone system, asking through Django's client instead of a socket."""

    remote = "203.0.113.7"

    def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        answer = Client().generic(
            method,
            urlsplit(url).path,
            body,
            content_type=headers["Content-Type"],
            headers={name: value for name, value in headers.items() if name != "Content-Type"},
            REMOTE_ADDR=self.remote,
        )
        return answer.status_code, answer.content


@pytest.fixture
def system(house: House) -> Callable[..., ThroughClient]:
    """A phone system of a version with the template that is made for it."""

    def make(version: int = 20, *, key: str = KEY, **values: Any) -> ThroughClient:
        connector = config.connector_of(config=config.bare_config(pbx=house.pbx))
        xml = connector.template(
            version=f"v{version}", address=f"http://testserver/hooks/{house.pbx.pk}", key=key
        )
        return ThroughClient(xml, version=version, **values)

    return make


def seconds_ago(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(datetime.now(UTC).timestamp() - seconds), UTC)
