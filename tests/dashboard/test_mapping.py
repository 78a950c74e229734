"""Whose line is it: names that a phone system sends wait for the admin, and a choice holds at once."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.audit.models import Act
from nutshellpbx.calls.models import Call
from nutshellpbx.pbx.models import Alias, Pbx
from nutshellpbx.vault import pairs
from tests.dashboard.office import Office, make_extension, make_pbx

NUMBER = "442079460812"


@pytest.fixture
def cloud(office: Office) -> Pbx:
    pbx = make_pbx("Cloud telephony", kind="zammad")
    make_extension(pbx, "301", "Mara", office.owner, office.crm)
    make_extension(pbx, "302", "Dele", office.colleague, office.crm)
    return pbx


@pytest.fixture
def web_keys(settings: Any, tmp_path: Path) -> None:
    """This process is the web process: it holds the web key, and no other."""
    settings.NUTSHELLPBX_KEYS_DIR = tmp_path / "keys"
    settings.NUTSHELLPBX_ROLE = "web"
    pairs.make_missing()


@pytest.fixture
def secret(web_keys: None, cloud: Pbx, as_admin: Client) -> str:
    shown = as_admin.post(reverse("pbx_secret", args=[cloud.pk])).content.decode()
    found = re.search(r'id="whole">([^<]+)<', shown)
    assert found
    return found[1].rpartition("/")[2]


def tell(pbx: Pbx, secret: str, **said: str) -> None:
    """One event, as the phone system posts it."""
    address = reverse("hook_with_token", args=[pbx.pk, secret])
    content = {"direction": "in", "from": NUMBER, "to": "442079460100", **said}
    answer = Client().post(address, json.dumps(content), content_type="application/json")
    assert answer.status_code == 202, answer.content


def rung(uid: str) -> list[tuple[str, str]]:
    """The phones of a call, and whose they are."""
    legs = Call.objects.get(uid=uid).legs.select_related("owner")
    return [(leg.number, leg.owner.name if leg.owner else "") for leg in legs]


def body_of(pbx: Pbx, client: Client) -> str:
    return client.get(reverse("pbx", args=[pbx.pk])).content.decode()


def test_the_secret_is_shown_once_as_part_of_the_address_with_what_to_enter_where(
    cloud: Pbx, secret: str, as_admin: Client
) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{40,}", secret), "no sign that an address would change"
    shown = as_admin.post(reverse("pbx_secret", args=[cloud.pk])).content.decode()
    assert f"/hooks/{cloud.pk}/events/" in shown
    for words in ("Zammad’s CTI address", "newCall", "answeringNumber", "Authorization: Bearer", "POST"):
        assert words in shown, words
    assert "webhook-signature" not in shown
    assert secret not in body_of(cloud, as_admin)


def test_a_name_that_means_nobody_waits_and_its_choice_holds_with_the_next_event(
    cloud: Pbx, secret: str, as_admin: Client
) -> None:
    tell(cloud, secret, event="newCall", callId="c1", user="Front desk")
    assert rung("c1") == [("Front desk", "")]
    body = body_of(cloud, as_admin)
    assert "1 name waits" in body and "Front desk" in body and "Belongs to …" in body
    assert "last heard" in body
    answer = as_admin.post(
        reverse("pbx_name", args=[cloud.pk]), {"kind": "user", "text": "Front desk", "extension": "302"}
    )
    assert answer.headers["Location"] == f"{reverse('pbx', args=[cloud.pk])}#names"
    tell(cloud, secret, event="newCall", callId="c2", user="front  DESK")
    assert rung("c2") == [("302", "Dele Okafor")]
    body = body_of(cloud, as_admin)
    assert "Belongs to …" not in body and "Dele Okafor" in body
    act = Act.objects.get(act="pbx.name_given")
    assert act.what == f"pbx:{cloud.pk}"


@pytest.mark.parametrize(
    ("kind", "typed", "event", "at"),
    [
        ("answering", "+44 20 7946 0155", {"answeringNumber": "442079460155"}, "301"),
        ("user", "Reception@Tannhaven.example", {"user": "reception@tannhaven.example"}, "301"),
        ("number", "020 7946", {"to": "0207946"}, "301"),
    ],
)
def test_each_kind_of_name_is_typed_in_and_understood(
    kind: str, typed: str, event: dict[str, str], at: str, cloud: Pbx, secret: str, as_admin: Client
) -> None:
    as_admin.post(reverse("pbx_name", args=[cloud.pk]), {"kind": kind, "text": typed, "extension": at})
    tell(cloud, secret, event="newCall", callId="c1", **event)
    assert rung("c1") == [("301", "Mara Lindqvist")]
    assert body_of(cloud, as_admin).count("Belongs to …") == 0


def test_a_choice_that_is_removed_waits_again_when_it_was_heard_and_is_gone_when_it_was_typed(
    cloud: Pbx, secret: str, as_admin: Client
) -> None:
    give, take = reverse("pbx_name", args=[cloud.pk]), reverse("pbx_name_remove", args=[cloud.pk])
    tell(cloud, secret, event="newCall", callId="c1", user="Front desk")
    Alias.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    as_admin.post(give, {"kind": "user", "text": "Front desk", "extension": "301"})
    as_admin.post(give, {"kind": "user", "text": "Typed", "extension": "301"})
    for alias in Alias.objects.all():
        as_admin.post(take, {"alias": alias.pk})
    assert [(alias.text, alias.extension) for alias in Alias.objects.all()] == [("Front desk", "")]
    tell(cloud, secret, event="newCall", callId="c2", user="Front desk")
    assert rung("c2") == [("Front desk", "")]
    as_admin.post(take, {"alias": Alias.objects.get().pk})
    assert "Front desk" not in body_of(cloud, as_admin).partition('id="names"')[2].partition("</section>")[0]
    assert Act.objects.filter(act="pbx.name_taken").count() == 3


@pytest.mark.parametrize(
    "posted",
    [
        {"kind": "user", "text": "Front desk", "extension": "999"},
        {"kind": "user", "text": "Front desk"},
        {"kind": "user", "text": "  ", "extension": "301"},
        {"kind": "colour", "text": "Front desk", "extension": "301"},
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(
    posted: dict[str, str], cloud: Pbx, as_admin: Client
) -> None:
    answer = as_admin.post(reverse("pbx_name", args=[cloud.pk]), posted, follow=True)
    assert "toast--bad" in answer.content.decode()
    assert not Alias.objects.exists() and not Act.objects.filter(act="pbx.name_given").exists()


@pytest.mark.parametrize("alias", ["", "7", "x", "9" * 40])
def test_a_name_that_is_gone_is_said_to_be_gone(alias: str, cloud: Pbx, as_admin: Client) -> None:
    answer = as_admin.post(reverse("pbx_name_remove", args=[cloud.pk]), {"alias": alias}, follow=True)
    assert "not on the list any more" in answer.content.decode()


def test_another_phone_system_s_names_cannot_be_touched(cloud: Pbx, as_admin: Client) -> None:
    other = make_pbx("Second cloud", kind="zammad")
    now = timezone.now()
    foreign = Alias.objects.create(pbx=other, kind="user", key="x", text="X", extension="1", seen_at=now)
    as_admin.post(reverse("pbx_name_remove", args=[cloud.pk]), {"alias": foreign.pk})
    assert Alias.objects.filter(pk=foreign.pk).exists()


def test_phone_systems_that_say_extensions_have_no_names(office: Office, as_admin: Client) -> None:
    assert "Whose line it is" not in body_of(office.pbx, as_admin)
    for name in ("pbx_name", "pbx_name_remove"):
        assert as_admin.post(reverse(name, args=[office.pbx.pk])).status_code == 404


def test_hostile_names_stay_text(cloud: Pbx, secret: str, as_admin: Client) -> None:
    tell(cloud, secret, event="newCall", callId="c1", user="<script>alert(1)</script>")
    assert "<script>alert(1)" not in body_of(cloud, as_admin)


def test_a_phone_system_without_extensions_says_what_to_do_first(as_admin: Client, office: Office) -> None:
    empty = make_pbx("Empty cloud", kind="zammad")
    now = timezone.now()
    Alias.objects.create(pbx=empty, kind="user", key="ada", text="Ada", seen_at=now)
    body = body_of(empty, as_admin)
    assert "Ada" in body and "Enter an extension" in body and "Belongs to …" not in body
