"""What can talk to Zammad, told to the whole server: the right desk, one note, the list of strange names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.utils import timezone

from nutshellpbx.calls.models import Call
from nutshellpbx.crm.models import Grant
from nutshellpbx.journal.models import Entry
from nutshellpbx.lab import phone_cti
from nutshellpbx.lab.phone_cti import CtiPhone
from nutshellpbx.pbx.config import keep_secret
from nutshellpbx.pbx.models import Pbx, Refusal
from nutshellpbx.pbx.zammad import mapping
from nutshellpbx.people import routing
from nutshellpbx.people.models import Extension
from nutshellpbx.redact import Secret
from tests.flow.conftest import BEN, Stage, until

TOKEN = "PhXp3Z/G63+QyJfcb1pVOnBKJWIbI"
DIALLED = "12125550160"


@pytest.fixture(scope="module")
def cloud(stage: Stage) -> Iterator[Pbx]:
    """A second phone system beside the office's own: 201 is Ada's line there, 202 is Ben's."""
    pbx = Pbx.objects.create(kind="zammad", name="Cloud telephony", is_practice=True)
    keep_secret(pbx=pbx, field="token", secret=Secret(TOKEN))
    for number, owner in (("201", stage.user()), ("202", stage.user(BEN))):
        line = Extension.objects.create(pbx=pbx, number=number, owner=owner)
        Grant.objects.create(extension=line, crm_id=stage.office.ids["crm"], granted_at=timezone.now())
    yield pbx
    pbx.delete()


@pytest.fixture
def phone_of(stage: Stage, cloud: Pbx) -> Callable[..., CtiPhone]:
    def make(form: str = "json", token: str = TOKEN) -> CtiPhone:
        address = f"{stage.office.public_url}/hooks/{cloud.pk}/events"
        return CtiPhone(address, token=token, form=form, pause_s=0.7)

    return make


def entry_of(uid: str) -> Entry:
    call = until(lambda: Call.objects.filter(uid=uid, ended_at__isnull=False).first())
    settled = {Entry.State.VERIFIED, Entry.State.PARKED, Entry.State.WAITING}
    until(lambda: Entry.objects.filter(call_key=call.key, state__in=settled).first(), timeout_s=30)
    return Entry.objects.get(call_key=call.key)


def test_an_answered_group_call_opens_the_customer_at_who_answered_and_leaves_one_note(
    stage: Stage, phone_of: Callable[..., CtiPhone]
) -> None:
    customer = stage.customer()
    phone = phone_of("json")
    uid = phone_cti.answered(
        phone=phone,
        number=customer["number"].removeprefix("+"),
        dialled=DIALLED,
        users=["Ada Vance", "Ben Ortiz"],
        answering="ben@harbortools.example",
    )
    assert [status for _said, status in phone.told] == [202, 202, 202]
    entry = entry_of(uid)
    assert (entry.extension_number, entry.user) == ("202", stage.user(BEN))
    (note,) = stage.notes_of(customer)
    assert "Answered incoming call" in note["body"] and "to Ben Ortiz (202)" in note["body"]
    assert "Ada Vance (201) rang" in note["body"] and "a colleague answered" in note["body"]
    until(lambda: stage.opened(stage.ben, customer) == 2)
    assert stage.opened(stage.ada, customer) == 0
    until(lambda: stage.said(stage.ada, f"✕ gone: {customer['name']}"))


def test_a_caller_who_gives_up_is_one_missed_call(stage: Stage, phone_of: Callable[..., CtiPhone]) -> None:
    customer = stage.customer()
    uid = phone_cti.given_up(
        phone=phone_of("form"), number=customer["number"], dialled=DIALLED, users=["Ada Vance"]
    )
    assert entry_of(uid).state == Entry.State.VERIFIED
    assert "Missed call" in stage.notes_of(customer)[0]["body"]
    assert stage.opened(stage.ada, customer) == 1


def test_an_outbound_call_is_the_callers_who_is_named(
    stage: Stage, phone_of: Callable[..., CtiPhone]
) -> None:
    customer = stage.customer()
    uid = phone_cti.outbound(
        phone=phone_of("multipart"), number=customer["number"], shown="12125550100", user="Ada Vance"
    )
    assert entry_of(uid).extension_number == "201"
    assert "Answered outgoing call" in stage.notes_of(customer)[0]["body"]
    until(lambda: stage.opened(stage.ada, customer) == 2)


def test_a_name_that_means_nobody_waits_in_the_list_and_counts_from_the_next_call_on(
    stage: Stage, cloud: Pbx, phone_of: Callable[..., CtiPhone]
) -> None:
    first, second = stage.customer(), stage.customer()
    phone = phone_of()
    uid = phone_cti.answered(phone=phone, number=first["number"], dialled=DIALLED, users=["Reception"])
    call = until(lambda: Call.objects.filter(uid=uid, ended_at__isnull=False).first())
    assert call.left_out == Call.LeftOut.NO_EXTENSION
    lines = routing.list_lines(pbx_id=str(cloud.pk))
    (waiting,) = mapping.list_unmapped(pbx=cloud, lines=lines)
    mapping.map_to(pbx=cloud, kind=waiting.kind, text=waiting.text, extension="201", now=timezone.now())
    assert mapping.list_unmapped(pbx=cloud, lines=lines) == []
    uid = phone_cti.answered(phone=phone, number=second["number"], dialled=DIALLED, users=["Reception"])
    assert entry_of(uid).extension_number == "201"
    assert stage.notes_of(first) == [] and len(stage.notes_of(second)) == 1


def test_a_wrong_token_is_refused_and_counted(
    stage: Stage, cloud: Pbx, phone_of: Callable[..., CtiPhone]
) -> None:
    for token in ("", "wrong"):
        assert phone_of(token=token).tell(event="newCall", callId="x", direction="in") == 401
    assert Refusal.objects.get(pbx=cloud, reason="not_proven").count == 2
    assert not Call.objects.filter(uid="x").exists()
