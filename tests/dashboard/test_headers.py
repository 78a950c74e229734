"""What every answer says about itself."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.dashboard import errors
from nutshellpbx.people.links import OneTimeLink, make_link

PAGES = ("account_login", "home", "my_settings", "extensions")


@pytest.mark.parametrize("name", PAGES)
def test_policy_lets_nothing_in_from_elsewhere_and_nothing_inline(name, as_admin):
    policy = as_admin.get(reverse(name), follow=True)["Content-Security-Policy"]
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'none'"
    assert parts["base-uri"] == parts["frame-ancestors"] == "'none'"
    for name in ("script-src", "style-src", "connect-src", "font-src", "form-action"):
        assert parts[name] == "'self'", name
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_kept_by_no_cache_and_by_no_frame(name, as_admin):
    answer = as_admin.get(reverse(name), follow=True)
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert "camera=()" in answer["Permissions-Policy"]


def test_form_of_another_site_is_refused_in_words(office):
    client = Client(enforce_csrf_checks=True)
    client.force_login(office.owner)
    answer = client.post(reverse("my_setting", args=["open_mode"]), {"open_mode": "never"})
    assert answer.status_code == 403
    assert "open for too long" in answer.content.decode()


def test_error_pages_need_no_user_and_the_last_one_no_database(rf):
    request = rf.get("/")
    assert errors.bad_request(request).status_code == 400
    assert "Something broke on our side" in errors.broken(request).content.decode()


def test_page_for_others_says_so(as_owner):
    answer = as_owner.get(reverse("users"))
    assert answer.status_code == 403
    assert "This page is for others" in answer.content.decode()


def test_session_cookie_is_closed_to_scripts(client, office):
    link = make_link(purpose=OneTimeLink.Purpose.SIGN_IN, user=office.owner, now=timezone.now())
    cookie = client.post(reverse("sign_in_link", args=[link])).cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"] and cookie["samesite"] == "Lax"


def test_part_of_a_page_leads_htmx_to_the_sign_in_page(client, db):
    answer = client.get(reverse("home_live"), headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == reverse("account_login")
