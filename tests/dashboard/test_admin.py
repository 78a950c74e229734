"""What an admin does: extensions and grants, users and links, phone systems, the journal."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.crm.models import Crm, Grant
from nutshellpbx.journal.models import Entry
from nutshellpbx.pbx.models import Command
from nutshellpbx.people.links import OneTimeLink, find_link
from nutshellpbx.people.models import Extension, User
from tests.dashboard.office import make_pbx

HTMX = {"HX-Request": "true"}


def test_tick_grants_and_takes_away_and_the_row_says_what_is_missing(office, as_admin):
    line = Extension.objects.get(number="205")
    address = reverse("extension_grant", args=[line.pk, office.crm.pk])
    body = as_admin.post(address, {"granted": "on"}, headers=HTMX).content.decode()
    assert Grant.objects.filter(extension=line, crm=office.crm).exists()
    assert "Saved" in body and f'id="r-{line.pk}"' in body and "No desktop" in body
    as_admin.post(address, {}, headers=HTMX)
    assert not Grant.objects.filter(extension=line, crm=office.crm).exists()


def test_grant_twice_is_one_grant_and_names_who_granted(office, as_admin):
    line = Extension.objects.get(number="205")
    for _click in range(2):
        as_admin.post(reverse("extension_grant", args=[line.pk, office.crm.pk]), {"granted": "on"})
    assert Grant.objects.get(extension=line).granted_by == office.admin


def test_owner_is_given_and_taken(office, as_admin):
    line = Extension.objects.get(number="231")
    address = reverse("extension_owner", args=[line.pk])
    as_admin.post(address, {"owner": str(office.stranger.pk)}, headers=HTMX)
    line.refresh_from_db()
    assert line.owner == office.stranger
    as_admin.post(address, {"owner": ""})
    line.refresh_from_db()
    assert line.owner is None


def test_owner_who_is_gone_is_refused(office, as_admin):
    User.objects.filter(pk=office.stranger.pk).update(is_active=False)
    line = Extension.objects.get(number="231")
    answer = as_admin.post(
        reverse("extension_owner", args=[line.pk]), {"owner": str(office.stranger.pk)}, headers=HTMX
    )
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("show", "numbers"),
    [
        ("", {"204", "205", "209", "231"}),
        ("waiting", {"209", "231"}),
        ("no_owner", {"231"}),
        ("not_granted", {"205"}),
    ],
)
def test_grid_shows_who_can_t_work_yet(show, numbers, office, as_admin):
    page = as_admin.get(reverse("extensions"), {"show": show})
    assert {line.extension.number for line in page.context["lines"]} == numbers


def test_same_extension_twice_on_one_phone_system_is_refused_in_words(office, as_admin):
    answer = as_admin.post(reverse("extension_add"), {"pbx": str(office.pbx.pk), "number": "204"})
    assert answer.status_code == 422
    assert "has that extension already" in answer.content.decode()


def test_invited_user_gets_a_link_that_is_shown_once(office, as_admin):
    values = {"name": "Aiko Brennan", "email": "Aiko@tannhaven.example", "role": "user"}
    body = as_admin.post(reverse("user_add"), values).content.decode()
    person = User.objects.get(email="aiko@tannhaven.example")
    assert not person.has_usable_password()
    token = body.split("/invitation/")[1].split("<")[0]
    link = find_link(token=token, purpose=OneTimeLink.Purpose.INVITATION, now=timezone.now())
    assert link.user == person
    assert token not in as_admin.get(reverse("user", args=[person.pk])).content.decode()


def test_last_admin_stays_an_admin(office, as_admin):
    values = {"name": "Ingrid Solvay", "email": office.admin.email, "role": "user", "is_active": "on"}
    answer = as_admin.post(reverse("user", args=[office.admin.pk]), values)
    assert answer.status_code == 422
    office.admin.refresh_from_db()
    assert office.admin.is_admin


def test_user_who_is_switched_off_is_out_at_once(office, as_admin, as_owner):
    values = {"name": office.owner.name, "email": office.owner.email, "role": "user"}
    as_admin.post(reverse("user", args=[office.owner.pk]), values)
    assert as_owner.get(reverse("my_calls")).status_code == 302


def test_live_check_is_a_command_row_for_the_listener_and_its_result_is_shown(office, as_admin):
    pbx = make_pbx("Warehouse", kind="asterisk")
    started = as_admin.post(reverse("pbx_probe_start", args=[pbx.pk]), headers=HTMX).content.decode()
    command = Command.objects.get(pbx=pbx)
    assert (command.verb, command.state) == ("probe", "waiting")
    assert 'hx-trigger="load' in started
    command.state, command.result = (
        "failed",
        {
            "checks": [
                {"name": "Address", "ok": True, "text": "", "next_step": "", "took_ms": 12.0},
                {
                    "name": "Sign-in",
                    "ok": False,
                    "text": "Refused",
                    "next_step": "Enter the secret again.",
                    "took_ms": 3,
                },
            ],
            "facts": {},
        },
    )
    command.save()
    address = reverse("pbx_probe", args=[pbx.pk, command.pk])
    body = as_admin.get(address, headers=HTMX).content.decode()
    assert "Enter the secret again." in body and "12 ms" in body and "hx-trigger" not in body
    assert as_admin.get(address).status_code == 200


def test_live_check_says_when_no_listener_answers(office, as_admin):
    pbx = make_pbx("Warehouse", kind="asterisk")
    as_admin.post(reverse("pbx_probe_start", args=[pbx.pk]))
    command = Command.objects.get(pbx=pbx)
    Command.objects.update(expires_at=command.created_at)
    body = as_admin.get(reverse("pbx_probe", args=[pbx.pk, command.pk]), headers=HTMX).content.decode()
    assert "No listener answered" in body and "hx-trigger" not in body


def test_parked_entry_says_why_and_is_sent_again(office, as_admin):
    body = as_admin.get(reverse("journal")).content.decode()
    assert "the contact was deleted" in body
    entry = Entry.objects.get(state="parked")
    as_admin.post(reverse("journal_act", args=[entry.pk, "again"]))
    entry.refresh_from_db()
    assert entry.state != "parked"
    again = as_admin.post(reverse("journal_act", args=[entry.pk, "again"]), follow=True)
    assert again.status_code == 200


def test_entry_is_done_by_hand_and_names_who_did_it(office, as_admin):
    entry = Entry.objects.get(state="parked")
    as_admin.post(reverse("journal_act", args=[entry.pk, "by-hand"]))
    entry.refresh_from_db()
    assert (entry.state, entry.done_by) == ("done_by_hand", office.admin)


def test_home_says_what_needs_a_hand_and_where(office, as_admin):
    page = as_admin.get(reverse("home"))
    titles = [need.title for need in page.context["needs"].all]
    assert "1 journal entry waits for a person" in titles


def test_empty_house_begins_with_its_first_steps(as_admin, office):
    Entry.objects.all().delete()
    Crm.objects.all().delete()
    page = as_admin.get(reverse("home")).content.decode()
    assert "Connect your CRM" in page


def test_crm_with_an_address_that_cannot_be_used_is_refused_at_the_field(office, as_admin):
    values = {
        "name": "Other",
        "country": "",
        "new_contact_address": "",
        "is_enabled": "on",
        "v-address": "ftp://x",
    }
    answer = as_admin.post(reverse("crm_add", args=["nutshell"]), values)
    assert answer.status_code == 422
    assert 'id="id_v-address-e"' in answer.content.decode()
    assert not Crm.objects.filter(name="Other").exists()


def test_crm_is_saved_with_what_its_adapter_declares(office, as_admin):
    values = {"name": "Nutshell US", "country": "US", "new_contact_address": "", "is_enabled": "on"}
    answer = as_admin.post(
        reverse("crm_add", args=["nutshell"]), values | {"v-address": "https://app.nutshell.com"}
    )
    crm = Crm.objects.get(name="Nutshell US")
    assert answer["Location"] == reverse("crm", args=[crm.pk])
    assert crm.settings == {"address": "https://app.nutshell.com"}
