"""A 3CX with our template, told to the whole server: the caller's name, and one note, with events too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from nutshellpbx.calls.models import Call
from nutshellpbx.crm.models import Grant
from nutshellpbx.journal.models import Entry
from nutshellpbx.lab import phone_calls
from nutshellpbx.lab.phone_calls import Telling
from nutshellpbx.lab.threecx_template.phone_system import TemplatePhoneSystem
from nutshellpbx.pbx.config import bare_config, connector_of, keep_secret
from nutshellpbx.pbx.models import Pbx, Refusal
from nutshellpbx.people.models import Extension
from nutshellpbx.redact import Secret
from tests.flow.conftest import BEN, Stage, until

KEY = "whsec_dGVtcGxhdGUtdGVtcGxhdGUtdGVtcGxhdGUtMDAwMDE="


def load(stage: Stage, pbx: Pbx, *, version: int = 20, key: str = KEY) -> TemplatePhoneSystem:
    """The practice phone system with the template that is made for it."""
    address = f"{stage.office.public_url}/hooks/{pbx.pk}"
    xml = connector_of(config=bare_config(pbx=pbx)).template(version=f"v{version}", address=address, key=key)
    return TemplatePhoneSystem(xml, version=version)


def make(stage: Stage, name: str, **settings: str) -> Pbx:
    pbx = Pbx.objects.create(kind="threecx_template", name=name, settings=settings, is_practice=True)
    keep_secret(pbx=pbx, field="key", secret=Secret(KEY))
    return pbx


@pytest.fixture(scope="module")
def alone(stage: Stage) -> Iterator[Pbx]:
    """A phone system that only its template connects: 301 is Ada's line there, 302 is Ben's."""
    pbx = make(stage, "3CX, template alone")
    for number, owner in (("301", stage.user()), ("302", stage.user(BEN))):
        line = Extension.objects.create(pbx=pbx, number=number, owner=owner)
        Grant.objects.create(extension=line, crm_id=stage.office.ids["crm"], granted_at=timezone.now())
    yield pbx
    pbx.delete()


@pytest.fixture(scope="module")
def beside(stage: Stage) -> Iterator[Pbx]:
    """The template of the phone system that is heard in real time, too."""
    office = Pbx.objects.get(kind="webhook")
    pbx = make(stage, "3CX, beside", same_as=str(office.pk))
    yield pbx
    pbx.delete()


def written(call: Call) -> Entry:
    settled = {Entry.State.VERIFIED, Entry.State.PARKED, Entry.State.WAITING}
    until(lambda: Entry.objects.filter(call_key=call.key, state__in=settled).first(), timeout_s=90)
    return Entry.objects.get(call_key=call.key)


def calls_of(customer: dict[str, Any]) -> list[Call]:
    return list(Call.objects.filter(e164=customer["number"], ended_at__isnull=False, state="ended"))


@pytest.mark.parametrize("version", [16, 20])
def test_the_caller_is_named_and_the_reported_call_leaves_one_note(
    version: int, stage: Stage, alone: Pbx
) -> None:
    customer = stage.customer()
    phone = load(stage, alone, version=version)
    contact = phone.ring(customer["number"])
    assert contact is not None, phone.log
    assert f"{contact['FirstName']} {contact['LastName']}".strip() == customer["name"]
    start = datetime.now(UTC) - timedelta(seconds=50)
    for _ in range(2):  # the second is a retry
        phone.report(
            call_type="Inbound",
            number=customer["number"],
            agent="301",
            start=start,
            talked=timedelta(seconds=40),
        )
    assert phone.log == []
    (call,) = until(lambda: calls_of(customer), timeout_s=60)
    entry = written(call)
    assert (entry.state, entry.user) == (Entry.State.VERIFIED, stage.user())
    (note,) = stage.notes_of(customer)
    assert "Answered incoming call" in note["body"]


def test_the_same_call_by_events_too_is_one_note(stage: Stage, beside: Pbx) -> None:
    customer = stage.customer()
    phone = load(stage, beside)
    phone.ring(customer["number"])
    start = datetime.now(UTC)
    (told,) = phone_calls.inbound_answered(system=stage.system, number=customer["number"], extension="101")
    phone.report(
        call_type="Inbound",
        number=customer["number"],
        agent="101",
        start=start,
        talked=datetime.now(UTC) - start,
        rang=timedelta(0),
    )
    assert phone.log == []
    entry = stage.entry_of(told)
    assert entry.state == Entry.State.VERIFIED
    assert Call.objects.filter(e164=customer["number"]).count() == 1
    assert len(stage.notes_of(customer)) == 1


def test_a_template_with_an_old_key_is_refused_and_the_phones_ring_on(stage: Stage, alone: Pbx) -> None:
    customer = stage.customer()
    phone = load(stage, alone, key="whsec_b2xk")
    assert phone.ring(customer["number"]) is None
    assert "HTTP 401" in phone.log[0]
    assert Refusal.objects.get(pbx=alone, reason="not_proven").count == 1
    assert load(stage, alone).ring(customer["number"]) is not None


@pytest.mark.parametrize("desk_first", [True, False])
def test_a_desk_s_own_ring_and_the_phone_system_s_events_are_one_call_one_page_and_one_note(
    desk_first: bool, stage: Stage
) -> None:
    customer = stage.customer()
    told = Telling(system=stage.system, story="desk", direction="inbound", number=customer["number"], name="")
    if desk_first:
        assert stage.ada.ring(number=customer["number"], name="Somebody") == 0
    told.say("ringing", extension="101")
    if not desk_first:
        assert stage.ada.ring(number=customer["number"], name="Somebody") == 0
    until(lambda: stage.opened(stage.ada, customer) == 1)
    told.say("ended", extension="101")
    told.say("ended", cause="gave_up")
    entry = stage.entry_of(told.call)
    assert entry.state == Entry.State.VERIFIED
    assert Call.objects.filter(e164=customer["number"]).count() == 1
    assert len(stage.notes_of(customer)) == 1
    assert stage.opened(stage.ada, customer) == 1
