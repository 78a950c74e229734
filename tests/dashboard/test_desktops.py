"""My desktops: pairing by code, browser, name, and the end of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.desktop.models import Pairing


@pytest.fixture
def pairing(db) -> Pairing:
    now = timezone.now()
    return Pairing.objects.create(
        code="KTMRQWXD",
        poll_hash="0" * 64,
        name="Mara-Laptop",
        os="Windows 11",
        created_at=now,
        expires_at=now + timedelta(minutes=5),
    )


def test_code_shows_what_asks_before_anything_is_let_in(pairing, office, as_owner):
    body = as_owner.post(reverse("pair"), {"code": "ktmr qwxd"}).content.decode()
    assert "Mara-Laptop" in body and "KTMR QWXD" in body
    pairing.refresh_from_db()
    assert pairing.state == "pending"


def test_address_that_the_desktop_shows_brings_its_code_along(pairing, office, as_owner):
    body = as_owner.get(f"{reverse('pair')}?code=KTMRQWXD").content.decode()
    assert 'value="KTMRQWXD"' in body


@pytest.mark.parametrize(("button", "state"), [("approve", "approved"), ("deny", "denied")])
def test_user_decides(button, state, pairing, office, as_owner):
    answer = as_owner.post(reverse("pair"), {"code": "KTMRQWXD", button: "1"})
    assert answer["Location"] == reverse("my_desktops")
    pairing.refresh_from_db()
    assert (pairing.state, pairing.user) == (state, office.owner)


def test_wrong_code_is_told_and_five_are_enough(pairing, office, as_owner):
    for _try in range(5):
        answer = as_owner.post(reverse("pair"), {"code": "ABCDEFGH"})
        assert answer.status_code == 422
    locked = as_owner.post(reverse("pair"), {"code": "KTMRQWXD", "approve": "1"}).content.decode()
    assert "Too many wrong codes" in locked
    pairing.refresh_from_db()
    assert pairing.state == "pending"


def test_browser_is_one_that_the_desktop_reported(office, as_owner):
    address = reverse("my_desktop_browser", args=[office.device.pk])
    assert as_owner.post(address, {"browser": "firefox"}, headers={"HX-Request": "true"}).status_code == 200
    office.device.refresh_from_db()
    assert office.device.browser == "firefox"
    assert as_owner.post(address, {"browser": "/bin/sh"}).status_code == 422
    as_owner.post(address, {"browser": ""})
    office.device.refresh_from_db()
    assert office.device.browser == ""


def test_desktop_s_right_is_taken_at_once(office, as_owner):
    as_owner.post(reverse("my_desktop_revoke", args=[office.device.pk]))
    office.device.refresh_from_db()
    assert office.device.revoked_at is not None
    assert "Mara-PC</h2>" not in as_owner.get(reverse("my_desktops")).content.decode()
