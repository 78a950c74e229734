"""Whatever somebody changes stands in the audit book, without any secret; and its page shows it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from nutshellpbx.audit import book, triggers
from nutshellpbx.audit.models import Act
from nutshellpbx.crm.models import Grant
from nutshellpbx.dashboard.acts import ACTS, GROUPS
from nutshellpbx.desktop.models import Pairing
from nutshellpbx.people.models import Extension, User
from nutshellpbx.vault import pairs
from tests.dashboard.conftest import signed_in
from tests.dashboard.office import PASSWORD, make_user

KEY = "0123456789abcdef0123456789abcdef01234567"


def only(act: str) -> Act:
    return Act.objects.get(act=act)


def test_grant_and_its_end_are_recorded(office, as_admin):
    line = Extension.objects.get(number="205")
    address = reverse("extension_grant", args=[line.pk, office.crm.pk])
    as_admin.post(address, {"granted": "on"})
    as_admin.post(address, {})
    assert only("extension.granted").by_email == office.admin.email
    assert only("extension.ungranted").details == {"extension": "205", "crm": "Nutshell Europe"}


def test_setting_is_recorded_with_before_and_after(office, as_admin, as_owner):
    as_admin.post(reverse("default_setting", args=["longer_than"]), {"longer_than": "5"})
    as_admin.post(reverse("default_setting", args=["longer_than"]), {"longer_than": "7"})
    changed = Act.objects.filter(act="setting.default_changed").first()
    assert changed.details["changed"] == {"longer_than": [5, 7]}
    as_owner.post(reverse("my_setting", args=["open_mode"]), {"open_mode": "never"})
    mine = only("setting.changed")
    assert (mine.by_email, mine.details["changed"]) == (office.owner.email, {"open_mode": [None, "never"]})
    as_owner.post(reverse("my_settings_reset"))
    assert only("setting.reset").by_id == str(office.owner.pk)
    as_admin.post(reverse("default_lock", args=["open_mode"]), {"locked": "on"})
    assert only("setting.locked").details == {"setting": "open_mode"}


def test_refused_setting_is_not_recorded(office, as_owner):
    as_owner.post(reverse("my_setting", args=["compare_digits"]), {"compare_digits": "7"})  # locked
    as_owner.post(reverse("my_setting", args=["longer_than"]), {"longer_than": "no number"})
    assert not Act.objects.filter(act="setting.changed").exists()


def test_entered_key_is_recorded_and_never_the_key(office, as_owner, as_admin, settings, tmp_path):
    settings.NUTSHELLPBX_KEYS_DIR, settings.NUTSHELLPBX_CREDENTIALS_DIR = tmp_path / "keys", ""
    pairs.make_missing()
    as_owner.post(reverse("my_crm_key_enter", args=[office.crm.pk]), {"key": KEY})
    as_admin.post(reverse("crm_key", args=[office.crm.pk]), {"key": KEY, "email": "office@tannhaven.example"})
    as_owner.post(reverse("my_crm_key_remove", args=[office.crm.pk]))
    assert Act.objects.filter(act="key.offered").count() == 2
    assert only("key.removed").by_email == office.owner.email
    assert not [act for act in Act.objects.all() if KEY in act.detail or KEY[:12] in act.detail]


def test_users_and_their_roles_are_recorded(office, as_admin):
    as_admin.post(
        reverse("user_add"), {"name": "Nadia Karim", "email": "nadia@tannhaven.example", "role": "user"}
    )
    nadia = User.objects.get(email="nadia@tannhaven.example")
    form = {"name": nadia.name, "email": nadia.email, "role": "supervisor", "is_active": "on"}
    as_admin.post(reverse("user", args=[nadia.pk]), form)
    as_admin.post(reverse("user", args=[nadia.pk]), form)  # nothing changed any more
    as_admin.post(reverse("user_link", args=[nadia.pk, "sign_in"]))
    assert only("user.invited").details["role"] == "user"
    assert only("user.changed").details["changed"] == {"role": ["user", "supervisor"]}
    assert {act.details["purpose"] for act in Act.objects.filter(act="user.linked")} == {
        "invitation",
        "sign_in",
    }


def test_company_phone_systems_and_crms_are_recorded(office, as_admin):
    as_admin.post(
        reverse("pbx", args=[office.pbx.pk]), {"name": "Main", "is_enabled": "on", "v-auth": "signed"}
    )
    assert only("pbx.changed").details["changed"]["name"] == ["Main office", "Main"]
    as_admin.post(reverse("extension_owner", args=[office.extension.pk]), {"owner": str(office.colleague.pk)})
    assert only("extension.owner").details["changed"] == {
        "owner": [office.owner.email, office.colleague.email]
    }
    as_admin.post(reverse("extension_remove", args=[office.extension.pk]))
    assert only("extension.removed").details == {"extension": "204"}


def test_desktop_s_way_in_and_out_is_recorded(office, as_owner):
    now = timezone.now()
    for code in ("KTMRQWXD", "KTMRQWXF"):
        Pairing.objects.create(
            code=code, poll_hash=code, name="Mara-Laptop", os="Windows 11", address="192.0.2.7",
            created_at=now, expires_at=now + timedelta(minutes=5),
        )  # fmt: skip
    as_owner.post(reverse("pair"), {"code": "KTMRQWXD", "approve": "1"})
    as_owner.post(reverse("pair"), {"code": "KTMRQWXF", "deny": "1"})
    as_owner.post(reverse("my_desktop_revoke", args=[office.device.pk]))
    assert only("desktop.approved").by_email == office.owner.email
    assert only("desktop.denied").details["name"] == "Mara-Laptop"
    assert only("desktop.revoked").what == f"device:{office.device.pk}"


def test_wrong_pairing_codes_still_count(office, as_owner):
    for _try in range(5):
        as_owner.post(reverse("pair"), {"code": "KTMRQWXX", "approve": "1"})
    answer = as_owner.post(reverse("pair"), {"code": "KTMRQWXX", "approve": "1"})
    assert "Too many wrong codes" in answer.content.decode()


def test_coming_going_and_failing_to_come_in_is_recorded(office, settings):
    person = make_user("Tomas Ferreira", password=PASSWORD)
    client = Client()
    address = reverse("account_login")
    client.post(address, {"login": person.email, "password": "wrong horse battery"})
    client.post(address, {"login": "my-password-by-mistake@x.example", "password": "wrong horse battery"})
    client.post(address, {"login": person.email, "password": PASSWORD})
    client.post(reverse("account_logout"))
    failed = list(Act.objects.filter(act="account.sign_in_failed").order_by("number"))
    assert [act.details["email"] for act in failed] == [person.email, "unknown"]
    assert (only("account.signed_in").by_email, only("account.signed_in").details["way"]) == (
        person.email,
        "password",
    )
    assert only("account.signed_out").by_email == person.email
    whole = " ".join(act.detail for act in Act.objects.all())
    assert PASSWORD not in whole
    assert "battery" not in whole
    assert "by-mistake" not in whole


def test_new_password_is_recorded(office):
    person = make_user("Tomas Ferreira", password=PASSWORD)
    client = signed_in(person)
    new = "amber lantern walnut"
    values = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    client.post(reverse("account_change_password"), values)
    assert only("account.password_set").by_email == person.email


def test_act_that_cannot_be_recorded_does_not_happen(office, as_admin, monkeypatch):
    def refuse(**_values):
        raise book.NotRecorded("full")

    monkeypatch.setattr(book, "record", refuse)
    line = Extension.objects.get(number="205")
    with pytest.raises(book.NotRecorded):
        as_admin.post(reverse("extension_grant", args=[line.pk, office.crm.pk]), {"granted": "on"})
    assert not Grant.objects.filter(extension=line, crm=office.crm).exists()


# --- its page ---------------------------------------------------------------------------------------


def make_acts(office, count: int) -> None:
    for place in range(count):
        by = office.admin if place % 2 else office.owner
        act = "setting.changed" if place % 3 else "desktop.renamed"
        book.record(act=act, by=by, what=f"thing:{place}", detail={"place": place}, now=timezone.now())


def test_book_s_page_shows_every_act_once(office, as_admin):
    make_acts(office, 120)
    seen, before = [], ""
    for _page in range(5):
        answer = as_admin.get(reverse("audit"), {"before": before})
        seen += [line.act.number for line in answer.context["lines"]]
        before = answer.context["older"]
        if not before:
            break
    assert seen == list(range(120, 0, -1))
    assert "The chain is whole" in answer.content.decode()


def test_filter_by_person_and_act(office, as_admin):
    make_acts(office, 30)
    lines = as_admin.get(reverse("audit"), {"by": str(office.owner.pk), "act": "desktop"}).context["lines"]
    assert lines
    assert {(line.act.by_email, line.act.act) for line in lines} == {(office.owner.email, "desktop.renamed")}
    assert not as_admin.get(reverse("audit"), {"by": "-"}).context["lines"]


def test_broken_chain_is_said_aloud(office, as_admin):
    make_acts(office, 5)
    with triggers.lifted(connection), connection.cursor() as cursor:
        cursor.execute("UPDATE audit_act SET by_email = 'eve@example.com' WHERE number = 3")
    body = as_admin.get(reverse("audit")).content.decode()
    assert "The chain is broken" in body
    assert "3: was changed" in body


def test_long_book_is_checked_on_request(office, as_admin, monkeypatch):
    monkeypatch.setattr("nutshellpbx.dashboard.admin.audit.CHECKED_AT_ONCE", 2)
    make_acts(office, 5)
    assert "Not checked just now" in as_admin.get(reverse("audit")).content.decode()
    assert "The chain is whole" in as_admin.get(reverse("audit"), {"check": "1"}).content.decode()


def test_book_is_for_admins(office, as_owner):
    supervisor = signed_in(make_user("Sofia Arandt", role=User.Role.SUPERVISOR))
    assert as_owner.get(reverse("audit")).status_code == 403
    assert supervisor.get(reverse("audit")).status_code == 403


def test_every_act_has_a_group() -> None:
    assert {act.partition(".")[0] for act in ACTS} == set(GROUPS)
