"""The way in: the first admin, sign-in, links that work once."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.people.links import OneTimeLink, find_link, make_link, spend
from nutshellpbx.people.models import Company, User
from tests.dashboard.office import PASSWORD, make_user

Purpose = OneTimeLink.Purpose
WELCOME = {
    "company": "Tannhaven Office Supply",
    "country": "GB",
    "time_zone": "Europe/London",
    "name": "Ingrid Solvay",
    "email": "Ingrid@Tannhaven.example",
    "password": PASSWORD,
}


@pytest.fixture
def first_link(db) -> str:
    return reverse("welcome", args=[make_link(purpose=Purpose.FIRST_ADMIN, now=timezone.now())])


def test_first_admin_names_the_company_and_is_signed_in(first_link, client):
    assert client.get(first_link).status_code == 200
    answer = client.post(first_link, WELCOME)
    assert answer["Location"] == reverse("home")
    assert client.get(reverse("home")).status_code == 200
    admin = User.objects.get()
    assert (admin.email, admin.role) == ("ingrid@tannhaven.example", "admin")
    assert (Company.get().country, Company.get().time_zone) == ("GB", "Europe/London")
    assert admin.password.startswith("argon2$argon2id$")


def test_first_admin_s_link_works_once(first_link, client):
    client.post(first_link, WELCOME)
    again = client.post(first_link, WELCOME | {"email": "mallory@tannhaven.example"})
    assert again.status_code == 410
    assert User.objects.count() == 1


@pytest.mark.parametrize("password", ["short", "password1234", "1q2w3e4r5t6y", "tannhaven.example"])
def test_weak_passwords_are_refused_with_the_reason(password, first_link, client):
    answer = client.post(first_link, WELCOME | {"password": password})
    assert User.objects.count() == 0
    assert 'id="id_password-e"' in answer.content.decode()


def test_link_is_in_the_database_as_a_hash_only(db):
    token = make_link(purpose=Purpose.FIRST_ADMIN, now=timezone.now())
    row = OneTimeLink.objects.values().get()
    assert token not in str(row)


def test_command_prints_the_first_admin_s_link_and_no_second_admin_comes_by_it(client, db, capsys):
    call_command("first_admin_link")
    address = capsys.readouterr().out.strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/welcome/[\w-]{43}", address)
    make_user("Ingrid Solvay", role="admin")
    with pytest.raises(CommandError):
        call_command("first_admin_link")


def test_sign_in_link_is_spent_by_the_button_and_not_by_a_preview(client, db, capsys):
    person = make_user("Mara Lindqvist")
    call_command("sign_in_link", "--email", "MARA@tannhaven.example")
    address = capsys.readouterr().out.strip().removeprefix("http://127.0.0.1:8000")
    for _preview in range(3):
        assert client.get(address).status_code == 200
    assert client.post(address)["Location"] == reverse("start")
    assert client.get(reverse("my_calls")).status_code == 200
    client.logout()
    assert client.post(address).status_code == 410
    assert OneTimeLink.objects.get(user=person).used_at is not None


def test_links_are_good_for_their_purpose_time_and_person_only(db):
    person, now = make_user("Mara Lindqvist"), timezone.now()
    token = make_link(purpose=Purpose.SIGN_IN, user=person, now=now)
    assert find_link(token=token, purpose=Purpose.SIGN_IN, now=now) is not None
    assert find_link(token=token, purpose=Purpose.INVITATION, now=now) is None
    assert find_link(token=token, purpose=Purpose.SIGN_IN, now=now + timedelta(minutes=60)) is None
    User.objects.update(is_active=False)
    assert find_link(token=token, purpose=Purpose.SIGN_IN, now=now) is None


def test_newer_link_voids_the_older_one(db):
    person, now = make_user("Mara Lindqvist"), timezone.now()
    older = make_link(purpose=Purpose.SIGN_IN, user=person, now=now)
    newer = make_link(purpose=Purpose.SIGN_IN, user=person, now=now)
    assert find_link(token=older, purpose=Purpose.SIGN_IN, now=now) is None
    assert spend(token=newer, purpose=Purpose.SIGN_IN, now=now).user == person


def test_invited_user_chooses_a_password_and_signs_in_with_it(client, db):
    person = make_user("Mara Lindqvist")
    token = make_link(purpose=Purpose.INVITATION, user=person, now=timezone.now())
    address = reverse("invitation", args=[token])
    assert client.post(address, {"password": "mara"}).status_code == 200
    assert client.post(address, {"password": PASSWORD})["Location"] == reverse("start")
    client.post(reverse("account_logout"))
    answer = client.post(reverse("account_login"), {"login": "mara@tannhaven.example", "password": PASSWORD})
    assert answer.status_code == 302
    assert client.get(reverse("my_calls")).status_code == 200


def test_wrong_password_is_told_without_naming_which_was_wrong(client, db):
    make_user("Mara Lindqvist", password=PASSWORD)
    for email in ("mara@tannhaven.example", "nobody@tannhaven.example"):
        answer = client.post(reverse("account_login"), {"login": email, "password": "not this one at all"})
        assert answer.status_code == 200
        assert "not correct" in answer.content.decode()
    assert client.get(reverse("my_calls")).status_code == 302


def test_guessing_is_slowed_down(client, db):
    make_user("Mara Lindqvist", password=PASSWORD)
    wrong = {"login": "mara@tannhaven.example", "password": "not this one at all"}
    for _guess in range(12):
        client.post(reverse("account_login"), wrong)
    client.post(reverse("account_login"), wrong | {"password": PASSWORD})
    assert client.get(reverse("my_calls")).status_code == 302


def test_nobody_signs_up(client, db):
    assert client.get(reverse("account_signup")).status_code == 404
    client.post(reverse("account_signup"), {"email": "mallory@tannhaven.example", "password1": PASSWORD})
    assert User.objects.count() == 0


def test_sign_in_page_is_ours(client, db):
    body = client.get(reverse("account_login")).content.decode()
    assert "Your IT admin sends you a link" in body


def test_start_leads_everybody_to_his_own_page(client, db):
    for role, name in (("admin", "home"), ("supervisor", "home"), ("user", "my_calls")):
        client.force_login(make_user(f"{role} Somebody", role=role))
        assert client.get("/")["Location"] == reverse(name)


@pytest.mark.parametrize("password", [None, PASSWORD])
def test_password_is_chosen_or_changed_on_a_page_of_ours(password, client, db):
    person = make_user("Mara Lindqvist", password=password)
    client.force_login(person)
    new = {"oldpassword": PASSWORD, "password1": "seven quiet maples", "password2": "seven quiet maples"}
    page = client.get(reverse("account_change_password"), follow=True)
    assert "12 characters or more" in page.content.decode()
    client.post(page.request["PATH_INFO"], new)
    person.refresh_from_db()
    assert person.check_password("seven quiet maples")
