"""A desk's own ring: one page from it alone, and only a word more where a phone system tells of the call."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from nutshellpbx.calls import flow
from nutshellpbx.calls.models import Call, Leg, Pop, Step
from nutshellpbx.crm.models import Crm, Grant
from nutshellpbx.desktop import tokens
from nutshellpbx.desktop.models import Device
from nutshellpbx.journal.models import Entry
from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company, Extension, User

pytestmark = pytest.mark.django_db(databases=["default", "index"])
NUMBER = "+13125550142"


class Office:
    """A person with a paired desktop, and a line of a phone system that is heard in real time."""

    def __init__(self) -> None:
        Company.objects.update_or_create(pk=1, defaults={"country": "US"})
        self.crm = Crm.objects.create(
            kind="nutshell", name="Nutshell", settings={"address": "https://app.nutshell.com"}
        )
        self.pbx = Pbx.objects.create(kind="webhook", name="Office")
        self.user = User.objects.create_user("ada@harbor.example", name="Ada Vance")
        line = Extension.objects.create(pbx=self.pbx, number="101", owner=self.user)
        Grant.objects.create(extension=line, crm=self.crm, granted_at=timezone.now())
        self.token = tokens.make_token()
        kept = tokens.find_fingerprint(self.token)
        assert kept is not None
        self.device = Device.objects.create(
            user=self.user, name="Ada-PC", token_prefix=kept.prefix, token_hash=kept.hash
        )

    def ring(self, number: str = NUMBER, name: str = "", *, raw: bytes | None = None, **more: Any) -> Any:
        content = {"id": str(uuid.uuid4()), "number": number, "name": name, **more}
        return Client().post(
            "/api/desktop/ring",
            data=json.dumps(content).encode() if raw is None else raw,
            content_type="application/json",
            headers={"authorization": f"Bearer {self.token}"},
        )

    def hear(self, kind: Kind, *, ago_s: float = 0, leg: str = "L1", uid: str = "c-1", **more: Any) -> None:
        values: dict[str, Any] = {
            "pbx": str(self.pbx.pk),
            "call_uid": uid,
            "kind": kind,
            "at": timezone.now() - timedelta(seconds=ago_s),
            "leg": leg,
            "extension": "101" if leg else "",
            "direction": Direction.INBOUND,
            "number": "13125550142",
            "raw_id": str(uuid.uuid4()),
            **more,
        }
        flow.take_in(event=CallEvent(**values), now=timezone.now())


@pytest.fixture
def office(db: None) -> Office:
    return Office()


def test_the_first_ring_makes_the_desk_with_one_line_of_its_user_and_no_right(office: Office) -> None:
    assert office.ring(name="Priya Raman").status_code == 202
    line = Extension.objects.get(pbx__kind="desk")
    assert (line.number, line.owner) == ("desk", office.user)
    assert not Pop.objects.exists()
    assert Step.objects.filter(what="no_grant").count() == 1
    call = Call.objects.get()
    assert (call.number, call.name, call.direction) == (NUMBER, "Priya Raman", "inbound")
    office.ring("+13125550199")
    assert Pbx.objects.filter(kind="desk").count() == 1


def test_with_a_grant_the_desk_s_ring_shows_the_caller(office: Office) -> None:
    office.ring("+13125550199")
    line = Extension.objects.get(pbx__kind="desk")
    Grant.objects.create(extension=line, crm=office.crm, granted_at=timezone.now())
    office.ring()
    assert Pop.objects.get().moment == "ring"


def test_after_the_phone_system_s_own_word_a_ring_only_confirms_the_call(office: Office) -> None:
    office.hear(Kind.RINGING, ago_s=4)
    office.ring()
    assert Call.objects.count() == Pop.objects.count() == 1
    assert Step.objects.get(what="confirmed").call == Call.objects.get()


@pytest.mark.parametrize("is_granted", [True, False])
def test_before_the_phone_system_s_own_word_the_call_is_taken_over_by_it(
    is_granted: bool, office: Office
) -> None:
    office.ring("+13125550199")
    if is_granted:
        line = Extension.objects.get(pbx__kind="desk")
        Grant.objects.create(extension=line, crm=office.crm, granted_at=timezone.now())
    office.ring()
    office.hear(Kind.RINGING, ago_s=-3)
    call = Call.objects.get(e164=NUMBER)
    leg = call.legs.get()
    assert (call.pbx, call.uid, leg.uid, leg.number) == (office.pbx, "c-1", "L1", "101")
    assert Pop.objects.filter(leg=leg, moment="ring").count() == 1
    office.hear(Kind.ANSWERED, ago_s=-5)
    office.hear(Kind.ENDED, ago_s=-60, leg="", cause=Cause.HUNG_UP)
    entry = Entry.objects.get()
    assert "Answered incoming call" in entry.text
    assert "101" in entry.text and "desk" not in entry.text


def test_another_number_another_person_and_another_time_are_other_calls(office: Office) -> None:
    office.hear(Kind.RINGING, ago_s=4)
    office.hear(Kind.ENDED, leg="", ago_s=1, cause=Cause.GAVE_UP)
    office.ring("+13125550199")
    Leg.objects.update(
        started_at=timezone.now() - timedelta(seconds=30), rang_at=timezone.now() - timedelta(seconds=30)
    )
    office.ring()
    assert Call.objects.count() == 3


def test_a_colleague_s_call_from_the_same_number_is_another_one(office: Office) -> None:
    ben = User.objects.create_user("ben@harbor.example", name="Ben Ortiz")
    Extension.objects.filter(number="101").update(owner=ben)
    office.hear(Kind.RINGING, ago_s=4)
    office.ring()
    assert Call.objects.count() == 2


def test_what_only_a_desk_saw_ring_is_not_called_missed_in_the_crm(office: Office) -> None:
    office.ring("+13125550199")
    line = Extension.objects.get(pbx__kind="desk")
    Grant.objects.create(extension=line, crm=office.crm, granted_at=timezone.now())
    office.ring()
    assert flow.end_silent_calls(now=timezone.now() + timedelta(minutes=11)) == 2
    assert not Entry.objects.exists()
    assert set(Call.objects.values_list("left_out", flat=True)) == {"no_extension"}


def test_the_same_ring_told_twice_is_one(office: Office) -> None:
    same = str(uuid.uuid4())
    assert office.ring(id=same).json() == {"taken": 1, "repeated": 0}
    assert office.ring(id=same).json() == {"taken": 0, "repeated": 1}
    assert Call.objects.count() == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"raw": b"{"}, 400),
        ({"raw": b"[]"}, 400),
        ({"number": "%CallerNumber%"}, 400),
        ({"number": "7" * 10_000}, 413),
        ({"number": "7" * 100}, 400),
        ({"id": "x"}, 400),
        ({"name": "<script>{{ x }}</script>"}, 202),
        ({"name": "x" * 3000}, 202),
    ],
)
def test_bad_input_has_a_clear_answer(more: dict[str, Any], code: int, office: Office) -> None:
    answer = office.ring(**more)
    assert answer.status_code == code
    assert "title" in answer.json() or code == 202


def test_a_desk_that_is_not_paired_any_more_may_not_ring(office: Office) -> None:
    Device.objects.update(revoked_at=timezone.now())
    assert office.ring().status_code == 401
    assert not Call.objects.exists()


def test_nobody_posts_to_a_desk_s_hook(office: Office, settings: Any, tmp_path: Any) -> None:
    office.ring()
    settings.NUTSHELLPBX_KEYS_DIR, settings.NUTSHELLPBX_ROLE = tmp_path / "keys", "web"
    desk = Pbx.objects.get(kind="desk")
    answer = Client().post(f"/hooks/{desk.pk}/events", data=b"{}", content_type="application/json")
    assert answer.status_code == 401


def test_a_desk_that_an_admin_switched_off_is_told_so(office: Office) -> None:
    office.ring()
    Pbx.objects.filter(kind="desk").update(is_enabled=False)
    assert office.ring().status_code == 409
