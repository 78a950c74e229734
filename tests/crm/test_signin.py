"""Keys: sealed by the web, checked by a worker, never sent anywhere else, never shown again."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from nutshellpbx.crm import signin, tasks
from nutshellpbx.crm.adapter import SignInRefused
from nutshellpbx.crm.models import CheckResult, Credential, Sync
from nutshellpbx.faults import Denied, Rejected
from nutshellpbx.vault.errors import NotHere, Tampered
from nutshellpbx.vault.models import Sealed
from tests.crm.conftest import NOW, House

MINE = "ada@harbortools.example"


def offer(house: House, *, key: str, email: str = MINE, user=None, now=NOW) -> Credential:
    return signin.offer_candidate(crm=house.crm, user=user or house.owner, email=email, secret=key, now=now)


def test_a_good_key_is_put_in_place_and_the_page_hears_whose_it_is(house: House, nutshell):
    candidate = offer(house, key=nutshell.key)
    assert signin.progress_of(credential_id=candidate.pk, user=house.owner).is_ok is None
    result = signin.check_candidate(credential_id=candidate.pk, now=NOW)
    assert result is not None and result.is_ok
    live = Credential.objects.get(pk=candidate.pk)
    assert (live.state, live.who_name, live.checked_at) == ("ok", "Ada Vance", NOW)
    assert live.hint == nutshell.key[-4:]
    assert signin.open_sign_in(credential=live).key.reveal() == nutshell.key
    progress = signin.progress_of(credential_id=candidate.pk, user=house.owner)
    assert (progress.is_ok, progress.who_name) == (True, "Ada Vance")


def test_a_wrong_key_is_deleted_and_the_user_is_told(house: House, nutshell, caplog):
    caplog.set_level(logging.DEBUG)
    wrong = "f" * 36 + "beef"
    candidate = offer(house, key=wrong)
    result = signin.check_candidate(credential_id=candidate.pk, now=NOW)
    assert result is not None and not result.is_ok
    assert result.title == "Nutshell refused this e-mail and key"
    assert result.next_step
    assert not Credential.objects.exists()
    assert not Sealed.objects.exists()
    assert wrong not in caplog.text
    assert all(wrong not in str(row) for row in CheckResult.objects.values_list())


def test_the_key_in_use_stays_until_a_new_one_has_proved_itself(house: House, nutshell):
    first = offer(house, key=nutshell.key)
    signin.check_candidate(credential_id=first.pk, now=NOW)
    bad = offer(house, key="wrong-key-wrong-key")
    assert Credential.objects.get(pk=first.pk).state == "ok"
    signin.check_candidate(credential_id=bad.pk, now=NOW)
    assert list(Credential.objects.values_list("pk", flat=True)) == [first.pk]
    good = offer(house, key=nutshell.key)
    signin.check_candidate(credential_id=good.pk, now=NOW)
    assert list(Credential.objects.values_list("pk", flat=True)) == [good.pk]
    assert Sealed.objects.count() == 1


def test_checking_twice_does_nothing_more(house: House, nutshell):
    candidate = offer(house, key=nutshell.key)
    signin.check_candidate(credential_id=candidate.pk, now=NOW)
    asked = nutshell.log()[-1]["n"]
    assert signin.check_candidate(credential_id=candidate.pk, now=NOW) is None
    assert nutshell.log()[-1]["n"] == asked
    assert Credential.objects.get().state == "ok"


def test_a_second_candidate_replaces_the_first(house: House, nutshell):
    first = offer(house, key=nutshell.key)
    second = offer(house, key=nutshell.key)
    assert list(Credential.objects.values_list("pk", flat=True)) == [second.pk]
    assert Sealed.objects.count() == 1
    assert signin.check_candidate(credential_id=first.pk, now=NOW) is None


def test_a_candidate_that_waited_too_long_is_deleted_unsent(house: House, nutshell):
    candidate = offer(house, key=nutshell.key)
    asked = len(nutshell.log())
    result = signin.check_candidate(credential_id=candidate.pk, now=NOW + timedelta(seconds=61))
    assert result is not None and not result.is_ok
    assert not Credential.objects.exists() and not Sealed.objects.exists()
    assert len(nutshell.log()) == asked


def test_results_go_after_a_minute(house: House, nutshell):
    candidate = offer(house, key="wrong-key-wrong-key")
    signin.check_candidate(credential_id=candidate.pk, now=NOW)
    other = offer(house, key="wrong-key-wrong-key")
    signin.check_candidate(credential_id=other.pk, now=NOW + timedelta(seconds=61))
    assert list(CheckResult.objects.values_list("credential_id", flat=True)) == [other.pk]


def test_a_result_is_shown_to_its_owner_only(house: House, nutshell):
    candidate = offer(house, key=nutshell.key)
    signin.check_candidate(credential_id=candidate.pk, now=NOW)
    assert signin.progress_of(credential_id=candidate.pk, user=house.colleague).is_ok is False


def test_a_crm_that_is_away_refuses_no_key_but_keeps_none(house: House, nutshell):
    candidate = offer(house, key=nutshell.key)
    nutshell.misbehave({"kind": "status_before", "status": 503})
    result = signin.check_candidate(credential_id=candidate.pk, now=NOW)
    assert result is not None and not result.is_ok
    assert "refused" not in result.title
    assert not Credential.objects.exists()


def test_the_companys_key_stands_beside_the_personal_ones(house: House, nutshell):
    mine = offer(house, key=nutshell.key)
    company = signin.offer_candidate(crm=house.crm, user=None, email=MINE, secret=nutshell.key, now=NOW)
    for candidate in (mine, company):
        signin.check_candidate(credential_id=candidate.pk, now=NOW)
    assert Credential.objects.filter(state="ok").count() == 2


@pytest.mark.parametrize(
    ("email", "key"),
    [
        ("nobody", "k" * 40),
        ("", "k" * 40),
        (MINE, ""),
        (MINE, "short"),
        (MINE, "k" * 5000),
        (MINE, "with blanks in it"),
        (MINE, "new\nline-new-line"),
        (MINE, "kéy-kéy-kéy"),
    ],
)
def test_what_cannot_be_a_sign_in_is_not_stored(house: House, email, key):
    with pytest.raises(Rejected) as rejected:
        offer(house, key=key, email=email)
    assert rejected.value.title and rejected.value.next_step
    assert not Credential.objects.exists() and not Sealed.objects.exists()


def test_a_changed_address_gets_no_byte_of_the_key(house: House, nutshell):
    credential = house.credential(user=house.owner, key=nutshell.key)
    elsewhere = "http://127.0.0.1:9"
    house.crm.__class__.objects.update(settings={"address": elsewhere})
    credential = Credential.objects.get(pk=credential.pk)
    with pytest.raises(Denied):
        signin.open_sign_in(credential=credential)
    credential.refresh_from_db()
    assert credential.state == "enter_again"
    assert credential.problem_title
    house.crm.__class__.objects.update(settings={"address": nutshell.url})
    with pytest.raises(Denied):
        signin.open_sign_in(credential=Credential.objects.get(pk=credential.pk))


def test_a_key_of_another_owner_cannot_be_pasted_in(house: House, nutshell):
    mine = house.credential(user=house.owner, key=nutshell.key)
    theirs = house.credential(user=house.colleague, key="c" * 40)
    Credential.objects.filter(pk=theirs.pk).update(sealed=Sealed.objects.create(**_copy(mine.sealed)))
    with pytest.raises(Tampered):
        signin.open_sign_in(credential=Credential.objects.get(pk=theirs.pk))


def test_the_web_process_cannot_open_a_key(house: House, nutshell, settings):
    credential = house.credential(user=house.owner, key=nutshell.key)
    settings.NUTSHELLPBX_ROLE = "web"
    with pytest.raises(NotHere):
        signin.open_sign_in(credential=credential)


def test_a_refused_key_pauses_that_credential_only(house: House, nutshell):
    mine = house.credential(user=house.owner, key=nutshell.key)
    theirs = house.credential(user=house.colleague, key=nutshell.key)
    signin.note_fault(
        credential=mine, fault=SignInRefused("Nutshell refused this e-mail and key", "Enter it")
    )
    assert Credential.objects.get(pk=mine.pk).state == "refused"
    assert Credential.objects.get(pk=theirs.pk).state == "ok"


def test_waiting_candidates_and_syncs_are_due_after_a_second(house: House, nutshell):
    candidate = offer(house, key=nutshell.key)
    assert tasks.due(NOW) == []
    later = NOW + timedelta(seconds=2)
    assert tasks.due(later) == [("crm.check_candidate", str(candidate.pk), "slow")]
    signin.check_candidate(credential_id=candidate.pk, now=later)
    assert tasks.due(later) == [("crm.sync", str(house.crm.pk), "slow")]


def test_a_sync_that_stopped_for_want_of_a_key_goes_on_with_a_new_one(house: House, nutshell):
    later = NOW + timedelta(minutes=15)
    Sync.objects.create(crm=house.crm, table="contacts", state="failed", due_at=later)
    Sync.objects.create(crm=house.crm, table="accounts", state="complete", due_at=later)
    signin.check_candidate(credential_id=offer(house, key=nutshell.key).pk, now=NOW)
    assert tasks.due(NOW) == [("crm.sync", str(house.crm.pk), "slow")]


def _copy(sealed: Sealed) -> dict[str, object]:
    names = (
        "purpose",
        "bound_to",
        "origins",
        "key_id",
        "version",
        "ciphertext",
        "hint",
        "created_at",
        "changed_at",
    )
    return {name: getattr(sealed, name) for name in names}
