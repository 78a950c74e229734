"""The template's page: steps per version, a key of its own in each download, and nothing for others."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.audit.models import Act
from nutshellpbx.calls.models import Call
from nutshellpbx.crm import index
from nutshellpbx.crm.adapter import Card, CardNumber, Page, Table
from nutshellpbx.crm.models import ChosenCard, Grant
from nutshellpbx.dashboard import trusted
from nutshellpbx.lab.threecx_template.reading import find_faults, read
from nutshellpbx.pbx import config
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import User
from nutshellpbx.vault import pairs
from tests.dashboard.office import HOSTILE, make_pbx

pytestmark = pytest.mark.django_db(databases=["default", "index"])
NUMBER, SHARED, NOBODY = "+442079460812", "+442079460377", "+442079460999"
PAGE = "https://app.nutshell.com/person/23-contacts"


@pytest.fixture
def three(office, settings, tmp_path):
    settings.NUTSHELLPBX_KEYS_DIR, settings.NUTSHELLPBX_ROLE = tmp_path / "keys", "web"
    settings.NUTSHELLPBX_PUBLIC_URL = "https://pbx.tannhaven.example"
    pairs.make_missing()
    return make_pbx("3CX", kind="threecx_template")


@pytest.fixture
def indexed(office):
    for record, name, number in (
        ("23-contacts", "Priya Raman", NUMBER),
        ("31-contacts", "Ana Belmonte", SHARED),
        ("32-contacts", HOSTILE, SHARED),
    ):
        card = Card(
            Table.CONTACTS,
            record,
            name,
            numbers=(CardNumber(number, number, "work"),),
            page=Page("https://app.nutshell.com", f"/person/{record}"),
        )
        index.put_cards(crm_id=office.crm.pk, cards=[card], country="GB")
    return office


def asked_before(client: Client) -> Client:
    """A browser whose person would rather not be asked whether to trust it."""
    session = client.session
    session["lookups_asked"] = True
    session.save()
    return client


@pytest.mark.parametrize("version", ["v16", "v18", "v20"])
def test_each_version_has_its_steps_and_its_template(version, three, as_admin):
    body = as_admin.get(reverse("pbx_template", args=[three.pk]), {"version": version}).content.decode()
    assert f"nutshellpbx-3cx-{version}.xml" in body
    assert body.count('class="pic"') == 6
    assert ("ring --number %CallerNumber%" in body) == (version == "v16")
    answer = as_admin.post(reverse("pbx_template_download", args=[three.pk, version]))
    assert answer["Content-Disposition"] == f'attachment; filename="nutshellpbx-3cx-{version}.xml"'
    assert answer["Cache-Control"] == "no-store"
    template = read(answer.content)
    assert find_faults(template, version=int(version[1:])) == []
    assert template.defaults["BaseUrl"] == f"https://pbx.tannhaven.example/hooks/{three.pk}"
    key = config.open_config(pbx=three).secrets["key"].reveal()
    assert template.defaults["Key"] == key
    assert key not in as_admin.get(reverse("pbx_template", args=[three.pk])).content.decode()


def test_each_download_has_a_new_key_and_stands_in_the_audit_book_without_it(three, as_admin):
    keys = [
        read(as_admin.post(reverse("pbx_template_download", args=[three.pk, "v20"])).content).defaults["Key"]
        for _ in range(2)
    ]
    assert keys[0] != keys[1]
    acts = list(Act.objects.filter(act="pbx.template"))
    assert len(acts) == 2
    assert keys[1] not in str([act.detail for act in acts])


def test_adding_one_leads_to_its_template_and_networks_are_checked(three, office, as_admin):
    address = reverse("pbx_add", args=["threecx_template"])
    wrong = as_admin.post(address, {"name": "3CX two", "v-networks": "10.0.0.0/8, nonsense"})
    assert wrong.status_code == 422
    assert "nonsense" in wrong.content.decode()
    values = {
        "name": "3CX two",
        "is_enabled": "on",
        "v-networks": "10.0.0.0/8",
        "v-same_as": str(office.pbx.pk),
    }
    answer = as_admin.post(address, values)
    pbx = Pbx.objects.get(name="3CX two")
    assert answer["Location"] == reverse("pbx_template", args=[pbx.pk])
    assert pbx.settings == {"networks": "10.0.0.0/8", "same_as": str(office.pbx.pk)}
    assert as_admin.get(reverse("pbx", args=[pbx.pk])).status_code == 200


def test_a_desk_is_made_by_itself_alone_and_keeps_what_it_is(three, as_admin):
    assert as_admin.get(reverse("pbx_add", args=["desk"])).status_code == 404
    assert "/add/desk" not in as_admin.get(reverse("pbx_kinds")).content.decode()
    desk = make_pbx("Mara-PC", kind="desk")
    Pbx.objects.filter(pk=desk.pk).update(settings={"device": "d-1"})
    page = as_admin.get(reverse("pbx", args=[desk.pk])).content.decode()
    assert "/hooks/" not in page
    as_admin.post(reverse("pbx", args=[desk.pk]), {"name": "Mara’s desk", "is_enabled": "on"})
    desk.refresh_from_db()
    assert (desk.name, desk.settings) == ("Mara’s desk", {"device": "d-1"})


def test_a_phone_system_without_templates_and_unknown_versions_have_no_page(three, office, as_admin):
    assert as_admin.get(reverse("pbx_template", args=[office.pbx.pk])).status_code == 404
    assert as_admin.get(reverse("pbx_template", args=[three.pk]), {"version": "v9"}).status_code == 404
    assert as_admin.post(reverse("pbx_template_download", args=[three.pk, "v9"])).status_code == 404


def test_a_number_leads_on_to_its_record(indexed, as_owner):
    asked_before(as_owner)
    for text in (NUMBER, "02079460812", " 442079460812", "%2B442079460812"):
        answer = as_owner.get(f"/pop?n={text.replace('+', '%2B')}&name=Priya")
        assert (answer.status_code, answer.get("Location")) == (302, PAGE), text


def test_our_own_address_of_a_record_checks_the_right_and_goes_on(indexed, as_owner, as_stranger):
    address = reverse("open_record", args=[indexed.crm.pk, "contacts", "23-contacts"])
    assert asked_before(as_owner).get(address)["Location"] == PAGE
    assert as_stranger.get(address).status_code == 403
    gone = reverse("open_record", args=[indexed.crm.pk, "contacts", "77-contacts"])
    assert as_owner.get(gone).status_code == 404


def test_the_number_is_kept_through_a_sign_in(indexed, settings):
    browser = Client()
    answer = browser.get("/pop?n=%2B442079460812&name=Priya%20Raman")
    assert answer.status_code == 302
    indexed.owner.set_password("walnut harbour lantern")
    indexed.owner.save()
    form = {"login": indexed.owner.email, "password": "walnut harbour lantern"}
    answer = browser.post(answer["Location"], form)
    assert answer["Location"] == "/pop?n=%2B442079460812&name=Priya%20Raman"
    asked = browser.get(answer["Location"]).content.decode()
    assert "Trust this browser" in asked
    told = browser.post(
        reverse("pop_trust"), {"address": "/pop?n=%2B442079460812&name=Priya%20Raman", "answer": "no"}
    )
    assert "0;url=/pop?n=%2B442079460812" in told.content.decode()
    assert browser.get(answer["Location"])["Location"] == PAGE


def test_a_trusted_browser_is_led_on_for_30_days_and_opens_nothing_else(indexed, as_owner, monkeypatch):
    as_owner.post(reverse("pop_trust"), {"address": "/pop?n=1", "answer": "trust"})
    assert Act.objects.filter(act="browser.trusted").count() == 1
    cookie = as_owner.cookies[trusted.cookie_name()]
    assert cookie["httponly"] and cookie["max-age"] == 30 * 24 * 3600
    browser = Client()
    browser.cookies[trusted.cookie_name()] = cookie.value
    assert browser.get("/pop", {"n": NUMBER})["Location"] == PAGE
    for page in ("my_calls", "my_settings", "home"):
        assert browser.get(reverse(page)).status_code == 302
        assert "/sign-in" in browser.get(reverse(page))["Location"]
    assert "sessionid" not in browser.cookies
    monkeypatch.setattr(trusted, "LIFE_S", -1)
    assert "/sign-in" in browser.get("/pop", {"n": NUMBER})["Location"]


@pytest.mark.parametrize("change", ["password", "switched off", "forged"])
def test_trust_ends_with_a_new_password_and_with_the_person(change, indexed, as_owner):
    as_owner.post(reverse("pop_trust"), {"address": "/pop?n=1", "answer": "trust"})
    browser = Client()
    value = as_owner.cookies[trusted.cookie_name()].value
    if change == "password":
        indexed.owner.set_password("another long lantern")
        indexed.owner.save()
    elif change == "switched off":
        User.objects.filter(pk=indexed.owner.pk).update(is_active=False)
    else:
        value = value.replace(str(indexed.owner.pk), str(indexed.admin.pk))
    browser.cookies[trusted.cookie_name()] = value
    assert "/sign-in" in browser.get("/pop", {"n": NUMBER})["Location"]


def test_an_address_elsewhere_is_not_gone_on_to_after_the_question(as_owner, office):
    for address in ("https://evil.example/", "//evil.example", '/pop?n=1"><script>', "javascript:alert(1)"):
        body = as_owner.post(reverse("pop_trust"), {"address": address, "answer": "no"}).content.decode()
        assert "evil" not in body and "<script>" not in body and "javascript:" not in body


def test_several_records_are_a_choice_that_is_remembered(indexed, as_owner):
    asked_before(as_owner)
    indexed.calls["several"].delete()
    body = as_owner.get("/pop", {"n": SHARED, "name": HOSTILE}).content.decode()
    assert "Ana Belmonte" in body and "<script>" not in body
    card = f"{indexed.crm.pk}:31-contacts"
    body = as_owner.post(reverse("pop_number_choose"), {"n": SHARED, "card": card}).content.decode()
    assert "0;url=https://app.nutshell.com/person/31-contacts" in body
    assert ChosenCard.objects.get().record_id == "31-contacts"
    assert as_owner.get("/pop", {"n": SHARED})["Location"].endswith("/person/31-contacts")
    nonsense = as_owner.post(reverse("pop_number_choose"), {"n": SHARED, "card": "x:y"})
    assert nonsense.status_code == 302


def test_a_call_that_is_known_goes_on_to_its_own_page(indexed, as_owner):
    asked_before(as_owner)
    Call.objects.filter(pk=indexed.calls["several"].pk).update(started_at=timezone.now())
    answer = as_owner.get("/pop", {"n": SHARED})
    assert answer["Location"].startswith("/pop/")
    assert "Who is it?" in as_owner.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [
        ("", 404, "There is no number"),
        ("%CallerNumber%", 404, "There is no number"),
        ("Anonymous", 404, "There is no number"),
        ("204", 200, "never looked up"),
        (NOBODY, 200, "Nobody has this number"),
        (HOSTILE, 200, "never looked up"),
        ("7" * 5000, 200, "Nobody has this number"),
    ],
)
def test_every_other_number_has_its_clear_answer(number, status, words, indexed, as_owner):
    answer = asked_before(as_owner).get("/pop", {"n": number, "name": HOSTILE})
    body = answer.content.decode()
    assert answer.status_code == status, body
    assert words in body and "<script>" not in body


def test_without_a_grant_nothing_is_said_of_a_number(indexed, as_stranger):
    assert as_stranger.get("/pop", {"n": NUMBER}).status_code == 403
    assert "Priya" not in as_stranger.get("/pop", {"n": NUMBER}).content.decode()


def test_a_right_that_was_taken_away_counts_at_once(indexed, as_owner):
    asked_before(as_owner)
    Grant.objects.filter(extension=indexed.extension).delete()
    assert as_owner.get("/pop", {"n": NUMBER}).status_code == 403
