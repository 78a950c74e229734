from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from nutshellpbx import wire
from nutshellpbx.desktop import pairing
from nutshellpbx.desktop.models import Device
from tests.desktop.people import NOON, make_device, make_user, put

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def only_these_addresses(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.desktop.addresses"


def post(client: Client, path: str, parts: Any, *, secret: str = "") -> Any:
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    return client.post(f"/api/desktop/{path}", parts, content_type="application/json", headers=headers)


WISH = {"name": "Ann's PC", "os": "Linux 6", "client_version": "1.0"}
REPORT = {
    "client_version": "1.1",
    "os": "Linux 6",
    "browsers": [{"id": "firefox", "label": "Firefox"}],
    "confirmed_origins": ["https://app.nutshell.com"],
}


def test_a_desktop_pairs_reports_and_unpairs(client: Client) -> None:
    answer = post(client, "pairings", WISH)
    assert answer.status_code == 201
    started = wire.read_pairing_started(answer.content)
    assert started.approve_url.endswith(f"/desktops/pair?code={started.code}")
    assert post(client, "pairings/claim", {}, secret=started.poll_secret).status_code == 202
    pairing.approve(code=started.code, user=make_user(), now=timezone.now())
    answer = post(client, "pairings/claim", {}, secret=started.poll_secret)
    paired = wire.read_paired(answer.content)
    assert paired.user == "Ann" and paired.origins
    assert post(client, "pairings/claim", {}, secret=started.poll_secret).status_code == 410

    assert post(client, "report", REPORT, secret=paired.token).json()["origins"] == list(paired.origins)
    device = Device.objects.get()
    assert (device.client_version, device.browsers) == ("1.1", REPORT["browsers"])
    assert device.confirmed_origins == ["https://app.nutshell.com"]

    signed_in = {"authorization": f"Bearer {paired.token}"}
    assert client.get("/api/desktop/me", headers=signed_in).json()["user"] == "Ann"
    assert client.delete("/api/desktop/me", headers=signed_in).status_code == 204
    refused = client.get("/api/desktop/me", headers=signed_in)
    assert refused.status_code == 401 and refused["WWW-Authenticate"] == "Bearer"


def test_outcomes_are_noted(client: Client) -> None:
    user = make_user()
    _device, token = make_device(user)
    (row,) = put(user)
    told = wire.Outcome(id=str(row.uid), outcome=wire.Result.OPENED, at=NOON, took_ms=12)
    assert post(client, "outcomes", wire.outcomes_to([told]), secret=token).status_code == 204
    row.refresh_from_db()
    assert (row.outcome, row.took_ms) == ("opened", 12)


def test_a_browser_that_is_gone_is_no_longer_chosen(client: Client) -> None:
    device, token = make_device(make_user(), browser="opera")
    post(client, "report", REPORT, secret=token)
    device.refresh_from_db()
    assert device.browser == ""


@pytest.mark.parametrize(
    ("path", "parts", "field"),
    [
        ("pairings", {**WISH, "name": "x" * 81}, "name"),
        ("pairings", {**WISH, "name": ""}, "name"),
        ("pairings", {"name": "x"}, "os"),
        ("report", {**REPORT, "browsers": [{"id": "../x", "label": "x"}]}, "browsers"),
        ("report", {**REPORT, "confirmed_origins": ["x"] * 33}, "confirmed_origins"),
        ("outcomes", {"outcomes": [{"id": "x", "outcome": "opened", "at": "now", "took_ms": 1}]}, "outcomes"),
        ("outcomes", {"outcomes": "all"}, "outcomes"),
    ],
)
def test_what_does_not_keep_the_contract_is_refused_by_the_name_of_its_field(
    client: Client, path: str, parts: Any, field: str
) -> None:
    _device, token = make_device(make_user())
    answer = post(client, path, parts, secret=token)
    assert answer.status_code == 400
    assert field in answer.json()


@pytest.mark.parametrize("body", ["", "[]", "nonsense", "[" * 5000, '{"a":' + '"' + "x" * 70_000 + '"}'])
def test_what_is_not_a_short_json_object_is_refused(client: Client, body: str) -> None:
    answer = client.post("/api/desktop/pairings", body, content_type="application/json")
    assert answer.status_code == 400


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer npbxd_" + "0" * 72])
def test_only_a_paired_desktop_may_ask(client: Client, header: str) -> None:
    answer = client.get("/api/desktop/me", headers={"authorization": header} if header else {})
    assert answer.status_code == 401


def test_a_user_who_may_no_longer_sign_in_takes_the_desks_along(client: Client) -> None:
    user = make_user()
    _device, token = make_device(user)
    user.is_active = False
    user.save()
    assert client.get("/api/desktop/me", headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_an_address_that_asks_too_often_is_told_to_wait(client: Client) -> None:
    codes = [post(client, "pairings", WISH).status_code for _one in range(11)]
    assert codes == [201] * 10 + [429]
    assert post(client, "pairings", WISH)["Retry-After"] == "300"
