"""Whose line a name means: the admin's choices, exact matches, and the list of those that mean nobody yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nutshellpbx.calls import intake
from nutshellpbx.calls.models import Call, Leg
from nutshellpbx.pbx.config import bare_config, connector_of
from nutshellpbx.pbx.connector import HookRequest
from nutshellpbx.pbx.models import Alias, Pbx, Received
from nutshellpbx.pbx.zammad import mapping
from nutshellpbx.people import routing
from nutshellpbx.people.models import Extension, User

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def pbx() -> Pbx:
    row = Pbx.objects.create(kind="zammad", name="Cloud")
    ada = User.objects.create_user("ada@harbortools.example", name="Ada Vance")
    Extension.objects.create(pbx=row, number="101", owner=ada)
    Extension.objects.create(pbx=row, number="102", name="Warehouse")
    return row


def post(pbx: Pbx, body: str, *, now: datetime = NOW) -> intake.Taken:
    connector = connector_of(config=bare_config(pbx=pbx))
    messages = connector.read(HookRequest(headers={}, body=body.encode()))
    return intake.take_in_messages(pbx=pbx, connector=connector, messages=messages, now=now)


def ring(pbx: Pbx, **members: Any) -> intake.Taken:
    said = {"event": "newCall", "from": "13125550142", "to": "12125550160", "direction": "in", "callId": "c"}
    said |= {name.rstrip("_"): value for name, value in members.items()}
    return post(pbx, "&".join(f"{name}={value}" for name, value in said.items()))


def waiting(pbx: Pbx) -> list[tuple[str, str]]:
    aliases = mapping.list_unmapped(pbx=pbx, lines=routing.list_lines(pbx_id=str(pbx.pk)))
    return [(alias.kind, alias.text) for alias in aliases]


def test_a_call_for_an_owner_by_name_rings_at_his_extension_without_anybodys_choice(pbx: Pbx) -> None:
    assert ring(pbx, user="ada vance").taken == 1
    leg = Leg.objects.get()
    assert (leg.number, leg.owner and leg.owner.name, leg.state) == ("101", "Ada Vance", Leg.State.RINGING)
    assert waiting(pbx) == []


def test_the_legs_of_a_call_are_remembered_between_its_posts(pbx: Pbx) -> None:
    ring(pbx, **{"user[]": "Ada Vance&user[]=Warehouse"})
    ring(pbx, event="answer", answeringNumber="102")
    assert list(Leg.objects.order_by("number").values_list("number", "state", "cause")) == [
        ("101", "over", "answered_elsewhere"),
        ("102", "talking", ""),
    ]
    ring(pbx, event="hangup", cause="normalClearing")
    assert Call.objects.get().state == Call.State.ENDED


def test_a_name_that_means_nobody_is_listed_until_the_admin_says_whose_it_is(pbx: Pbx) -> None:
    ring(pbx, user="Eva Neu")
    assert waiting(pbx) == [("user", "Eva Neu")]
    assert Leg.objects.get().extension is None
    mapping.map_to(pbx=pbx, kind="user", text="Eva Neu", extension="102", now=NOW)
    assert waiting(pbx) == []
    assert [(alias.text, alias.extension) for alias in mapping.list_mapped(pbx=pbx)] == [("Eva Neu", "102")]
    ring(pbx, user="EVA NEU", callId="c-2")
    assert Leg.objects.get(call__uid="c-2").number == "102"


def test_a_choice_can_be_taken_back(pbx: Pbx) -> None:
    mapping.map_to(pbx=pbx, kind="number", text="+1 (212) 555-0160", extension="101", now=NOW)
    ring(pbx)
    assert Leg.objects.get().number == "101"
    mapping.map_to(pbx=pbx, kind="number", text="12125550160", extension="", now=NOW)
    assert waiting(pbx) == [("number", "+1 (212) 555-0160")]


def test_a_name_leaves_the_list_when_somebody_of_that_name_gets_a_line(pbx: Pbx) -> None:
    ring(pbx, user="Ben Ortiz")
    ben = User.objects.create_user("ben@harbortools.example", name="Ben Ortiz")
    Extension.objects.filter(number="102").update(owner=ben)
    assert waiting(pbx) == []


def test_a_choice_is_for_one_phone_system_alone(pbx: Pbx) -> None:
    other = Pbx.objects.create(kind="zammad", name="Other")
    mapping.map_to(pbx=other, kind="user", text="Eva Neu", extension="101", now=NOW)
    ring(pbx, user="Eva Neu")
    assert waiting(pbx) == [("user", "Eva Neu")]


@pytest.mark.parametrize(("kind", "text"), [("colour", "Eva"), ("user", "  "), ("user", "")])
def test_a_choice_about_nothing_is_refused(pbx: Pbx, kind: str, text: str) -> None:
    with pytest.raises(ValueError, match="."):
        mapping.map_to(pbx=pbx, kind=kind, text=text, extension="101", now=NOW)


def test_the_list_is_bounded_and_keeps_what_was_seen_last_and_every_choice(
    pbx: Pbx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "MOST_UNMAPPED", 3)
    mapping.map_to(pbx=pbx, kind="user", text="chosen", extension="101", now=NOW - timedelta(days=9))
    for count in range(6):
        names = [("user", f"u{count}", f"u{count}")]
        mapping.note_unmapped(pbx_id=pbx.pk, names=names, now=NOW + timedelta(seconds=count))
    assert waiting(pbx) == [("user", "u5"), ("user", "u4"), ("user", "u3")]
    assert Alias.objects.filter(text="chosen").exists()


def test_an_event_that_the_form_does_not_have_is_kept_and_counted(pbx: Pbx) -> None:
    assert ring(pbx, event="dtmf").kept == 1
    assert Received.objects.get().kind == "dtmf"
    assert not Call.objects.exists()


def test_the_same_post_again_changes_nothing(pbx: Pbx) -> None:
    ring(pbx, user="Ada Vance")
    assert ring(pbx, user="Ada Vance").repeated == 1
    assert Leg.objects.count() == 1
