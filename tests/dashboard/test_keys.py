"""CRM keys and other secrets: written, checked by a worker, never on a page."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.urls import reverse

from nutshellpbx import doorbell
from nutshellpbx.crm.models import CheckResult, Credential
from nutshellpbx.pbx.models import Pbx, PbxSecret
from nutshellpbx.vault.models import Sealed
from tests.dashboard.office import make_key, make_pbx

KEY = "abcdefghijklmnopqrstuvwxyz0123456789wxyz"


@pytest.fixture(autouse=True)
def vault_keys() -> None:
    call_command("vault_keys", "make", verbosity=0)


@pytest.fixture
def rung(monkeypatch) -> list[tuple[str, list[str]]]:
    """What the doorbell was rung for, instead of ringing."""
    calls: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(
        doorbell, "ring_on_commit", lambda *, task, ids, queue: calls.append((task, list(ids)))
    )
    return calls


def enter(client, office, key: str = KEY):
    return client.post(reverse("my_crm_key_enter", args=[office.crm.pk]), {"key": key})


def test_entered_key_is_a_sealed_candidate_and_a_worker_is_rung_for(office, as_owner, rung):
    answer = enter(as_owner, office)
    candidate = Credential.objects.get(state="candidate")
    assert (candidate.user, candidate.email) == (office.owner, office.owner.email)
    assert answer["Location"] == reverse("my_crm_key_check", args=[candidate.pk])
    assert rung == [("crm.check_candidate", [str(candidate.pk)])]
    assert KEY.encode() not in bytes(candidate.sealed.ciphertext)


def test_key_in_use_stays_until_the_new_one_has_proved_itself(office, as_owner, rung):
    enter(as_owner, office)
    assert Credential.objects.get(user=office.owner, state="ok").hint == "c41f"


def test_page_waits_for_the_worker_and_then_says_how_it_ended(office, as_owner, rung):
    check = enter(as_owner, office)["Location"]
    waiting = as_owner.get(check, headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="load' in waiting
    candidate = Credential.objects.get(state="candidate")
    CheckResult.objects.create(
        credential_id=candidate.pk,
        crm=office.crm,
        user=office.owner,
        is_ok=False,
        title="Nutshell refused this e-mail and key.",
        next_step="Copy it again.",
        checked_at=candidate.created_at,
        expires_at=candidate.created_at,
    )
    over = as_owner.get(check, headers={"HX-Request": "true"}).content.decode()
    assert "Nutshell refused this e-mail and key." in over
    assert "hx-trigger" not in over


def test_stranger_learns_nothing_of_another_s_check(office, as_owner, as_stranger, rung):
    check = enter(as_owner, office)["Location"]
    body = as_stranger.get(check, headers={"HX-Request": "true"}).content.decode()
    assert "live-check--busy" not in body and "live-check--bad" in body


def test_key_is_on_no_page_whatever_happens(office, as_owner, as_admin, rung):
    refused = enter(as_owner, office, key=KEY + " with blanks")
    assert refused.status_code == 422
    pages = [refused.content, as_owner.get(enter(as_owner, office)["Location"]).content]
    pages += [as_owner.get(reverse("my_crm_key")).content]
    pages += [
        as_admin.get(reverse(name, args=args)).content
        for name, args in (("crm", [office.crm.pk]), ("user", [office.owner.pk]), ("crms", []), ("home", []))
    ]
    assert not any(KEY[:20].encode() in page for page in pages)


def test_company_s_key_goes_the_same_way(office, as_admin, rung):
    address = reverse("crm_key", args=[office.crm.pk])
    answer = as_admin.post(address, {"email": "office@tannhaven.example", "key": KEY})
    candidate = Credential.objects.get(state="candidate")
    assert candidate.user is None
    assert answer["Location"] == reverse("crm_key_check", args=[office.crm.pk, candidate.pk])
    assert KEY not in as_admin.get(answer["Location"]).content.decode()


def test_removed_key_is_gone_from_the_vault_too(office, as_colleague, rung):
    make_key(office.crm, office.colleague)
    sealed = Sealed.objects.count()
    as_colleague.post(reverse("my_crm_key_remove", args=[office.crm.pk]))
    assert not Credential.objects.filter(user=office.colleague).exists()
    assert Sealed.objects.count() == sealed - 1


def test_webhook_s_address_and_secret_are_shown_once(office, as_admin):
    answer = as_admin.post(
        reverse("pbx_add", args=["webhook"]),
        {"name": "Front desk", "country": "", "is_enabled": "on", "v-auth": "signed", "v-secret": ""},
    )
    pbx = Pbx.objects.get(name="Front desk")
    body = answer.content.decode()
    assert f"/hooks/{pbx.pk}/events" in body
    secret = body.split('id="secret">')[1].split("<")[0]
    assert secret.startswith("whsec_")
    assert PbxSecret.objects.get(pbx=pbx).sealed.purpose == "web"
    later = as_admin.get(reverse("pbx", args=[pbx.pk])).content.decode()
    assert secret not in later and f"/hooks/{pbx.pk}/events" in later


def test_new_secret_replaces_the_old_one(office, as_admin):
    def made() -> str:
        body = as_admin.post(reverse("pbx_secret", args=[office.pbx.pk])).content.decode()
        return body.split('id="secret">')[1].split("<")[0]

    assert made() != made()
    assert PbxSecret.objects.filter(pbx=office.pbx).count() == 1


def test_saving_without_a_secret_keeps_the_one_that_is_sealed(office, as_admin):
    as_admin.post(reverse("pbx_secret", args=[office.pbx.pk]))
    before = PbxSecret.objects.get(pbx=office.pbx).sealed_id
    values = {"name": "Renamed", "country": "", "is_enabled": "on", "v-auth": "bearer", "v-secret": ""}
    assert as_admin.post(reverse("pbx", args=[office.pbx.pk]), values).status_code == 302
    office.pbx.refresh_from_db()
    assert (office.pbx.name, office.pbx.settings["auth"]) == ("Renamed", "bearer")
    assert PbxSecret.objects.get(pbx=office.pbx).sealed_id == before


def test_second_phone_system_with_the_same_name_is_refused_at_the_field(office, as_admin):
    make_pbx("Front desk")
    values = {"name": "Front desk", "country": "", "is_enabled": "on", "v-auth": "signed"}
    answer = as_admin.post(reverse("pbx_add", args=["webhook"]), values)
    assert answer.status_code == 422
    assert 'id="id_name-e"' in answer.content.decode()
