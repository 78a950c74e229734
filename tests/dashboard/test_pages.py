"""Every page stands, for whom it is meant, and hostile text stays text."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.dashboard.office import HOSTILE, make_pbx

ADMIN_PAGES = [
    "home",
    "home_live",
    "menu",
    "calls",
    "journal",
    "extensions",
    "extension_add",
    "users",
    "user_add",
    "pbxs",
    "pbx_kinds",
    "crms",
    "company",
    "defaults",
]
OWN_PAGES = ["my_calls", "my_settings", "my_crm_key", "my_desktops", "pair", "my_account"]


@pytest.mark.parametrize("name", ADMIN_PAGES)
def test_admin_sees_the_company_s_page(name, as_admin):
    assert as_admin.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", OWN_PAGES)
def test_user_sees_his_own_page(name, as_owner):
    assert as_owner.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", OWN_PAGES)
def test_somebody_new_sees_the_empty_page_and_its_first_step(name, as_stranger):
    assert as_stranger.get(reverse(name)).status_code == 200


def test_every_call_has_its_page_for_the_admin(office, as_admin):
    for call in office.calls.values():
        assert as_admin.get(reverse("call", args=[call.pk])).status_code == 200


def test_user_sees_his_calls_and_no_colleague_s(office, as_owner):
    body = as_owner.get(reverse("my_calls")).content.decode()
    assert "Priya Raman" in body
    for name, call in office.calls.items():
        status = as_owner.get(reverse("my_call", args=[call.pk])).status_code
        assert status == (404 if name == "colleague's" else 200), name


def test_caller_s_hostile_name_is_shown_as_text(office, as_admin, as_owner):
    call = office.calls["hostile"]
    for client, page in (
        (as_admin, reverse("calls")),
        (as_admin, reverse("call", args=[call.pk])),
        (as_admin, reverse("home")),
        (as_owner, reverse("my_calls")),
        (as_owner, reverse("my_call", args=[call.pk])),
    ):
        body = client.get(page).content.decode()
        assert HOSTILE not in body
        assert "<script>alert" not in body
        assert "<b>0800" not in body


def test_other_pages_by_id_stand(office, as_admin):
    phone_system = make_pbx("Door", kind="asterisk")
    for name, pk in (
        ("pbx", office.pbx.pk),
        ("pbx", phone_system.pk),
        ("crm", office.crm.pk),
        ("crm_sync", office.crm.pk),
        ("user", office.owner.pk),
    ):
        assert as_admin.get(reverse(name, args=[pk])).status_code == 200, name


@pytest.mark.parametrize("kind", ["webhook", "asterisk"])
def test_each_kind_of_phone_system_has_its_form(kind, as_admin):
    assert as_admin.get(reverse("pbx_add", args=[kind])).status_code == 200


def test_address_that_leads_nowhere_gets_a_page(as_owner):
    answer = as_owner.get("/nowhere")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()
