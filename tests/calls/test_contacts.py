"""New contacts: created once per call, and never again when nobody can tell whether it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from nutshellpbx import doorbell
from nutshellpbx.calls import cards, contacts
from nutshellpbx.calls.decide import Show
from nutshellpbx.calls.models import Answer, Call, ContactRequest, Leg, Step
from nutshellpbx.crm import signin
from nutshellpbx.crm.models import Crm, Grant
from nutshellpbx.journal import outbox
from nutshellpbx.journal.models import Entry
from nutshellpbx.lab.nutshell.running import RunningNutshell, running_nutshell
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Extension, User
from nutshellpbx.vault import pairs

pytestmark = pytest.mark.django_db


@pytest.fixture
def nutshell(settings: Any, tmp_path: Any) -> Iterator[RunningNutshell]:
    settings.NUTSHELLPBX_PRIVATE_CRM_OK = True
    settings.NUTSHELLPBX_ROLE = "worker"
    settings.NUTSHELLPBX_KEYS_DIR = tmp_path / "keys"
    pairs.make_missing()
    with running_nutshell(contacts=20) as running:
        yield running


@pytest.fixture
def call(nutshell: RunningNutshell) -> Call:
    call_command("vault_keys", "make", verbosity=0)
    now = timezone.now()
    pbx = Pbx.objects.create(kind="webhook", name="Office")
    crm = Crm.objects.create(kind="nutshell", name="Nutshell", settings={"address": nutshell.url})
    ada = User.objects.create_user(nutshell.email, name="Ada")
    line = Extension.objects.create(pbx=pbx, number="101", owner=ada)
    Grant.objects.create(extension=line, crm=crm, granted_at=now)
    key = signin.offer_candidate(crm=crm, user=ada, email=nutshell.email, secret=nutshell.key, now=now)
    signin.check_candidate(credential_id=key.pk, now=now)
    call = Call.objects.create(
        pbx=pbx, uid="c", key="k", number="+12125550123", name="Rosa Hale", started_at=now, quiet_at=now
    )
    Leg.objects.create(call=call, uid="l", number="101", extension=line, owner=ada, started_at=now)
    return call


def ask_for(call: Call, name: str = "Rosa Hale") -> ContactRequest:
    return contacts.request(
        call=call, crm=Crm.objects.get(), user=User.objects.get(), name=name, email="", now=timezone.now()
    )


def created(nutshell: RunningNutshell) -> int:
    return sum(1 for entry in nutshell.log() if entry["method"] == "POST" and entry["handled"])


def test_a_new_contact_is_created_with_its_number_in_e164_and_becomes_the_calls_record(
    call: Call, nutshell: RunningNutshell
) -> None:
    wanted = contacts.create(request_id=str(ask_for(call).pk), now=timezone.now())
    assert wanted.state == ContactRequest.State.DONE
    card = cards.find_card(Answer.objects.get(call=call))
    assert card is not None
    assert (card.name, card.numbers[0].e164) == ("Rosa Hale", "+12125550123")


def test_asking_twice_creates_once(call: Call, nutshell: RunningNutshell) -> None:
    first, second = ask_for(call), ask_for(call, "Somebody Else")
    assert first.pk == second.pk
    for _ in range(2):
        contacts.create(request_id=str(first.pk), now=timezone.now())
    assert created(nutshell) == 1


def test_an_unclear_end_is_said_and_never_tried_again(call: Call, nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "reset_after", "method": "POST"})
    wanted = contacts.create(request_id=str(ask_for(call).pk), now=timezone.now())
    assert wanted.state == ContactRequest.State.UNCLEAR
    nutshell.behave()
    assert contacts.due(now=timezone.now() + timedelta(minutes=5)) == []
    contacts.create(request_id=str(ask_for(call).pk), now=timezone.now())
    assert created(nutshell) == 1


def test_what_provably_was_not_created_may_be_asked_for_again(call: Call, nutshell: RunningNutshell) -> None:
    nutshell.misbehave({"kind": "throttle", "method": "POST"})
    assert contacts.create(request_id=str(ask_for(call).pk), now=timezone.now()).state == "failed"
    nutshell.behave()
    assert contacts.create(request_id=str(ask_for(call).pk), now=timezone.now()).state == "done"


def test_a_worker_that_died_in_the_middle_leaves_an_unclear_request(call: Call) -> None:
    wanted = ask_for(call)
    long_ago = timezone.now() - timedelta(minutes=5)
    ContactRequest.objects.filter(pk=wanted.pk).update(state="doing", claimed_at=long_ago)
    assert contacts.abandon(now=timezone.now()) == 1
    assert ContactRequest.objects.get().state == ContactRequest.State.UNCLEAR


def test_who_creates_at_once_calls_no_other_worker(
    call: Call, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(doorbell, "ring", lambda **bell: rung.append(bell["task"]))
    with django_capture_on_commit_callbacks(execute=True):
        _answer, card, show, reason = contacts.create_at_once(
            call=call, crm=Crm.objects.get(), user=User.objects.get(), now=timezone.now(), answer=None
        )
    assert card is not None
    assert (card.name, show, reason) == ("Rosa Hale", Show.RECORD, "contact_created")
    assert "calls.create_contact" not in rung
    with django_capture_on_commit_callbacks(execute=True):
        ask_for(call)
    assert "calls.create_contact" in rung


def enter(call: Call) -> Entry:
    return outbox.enqueue(
        crm=Crm.objects.get(),
        call_key=call.key,
        user=User.objects.get(),
        extension=Extension.objects.get(),
        direction="inbound",
        number=call.number,
        name=call.name,
        card=None,
        text="Call",
        happened_at=timezone.now(),
        now=timezone.now(),
    )


def test_the_entry_of_the_call_goes_to_the_new_contact(call: Call) -> None:
    entry = enter(call)
    wanted = contacts.create(request_id=str(ask_for(call).pk), now=timezone.now())
    entry.refresh_from_db()
    assert entry.card_id == wanted.card["id"]


def test_an_entry_that_was_done_by_hand_leaves_the_new_contact_created(call: Call) -> None:
    outbox.mark_done_by_hand(entry=enter(call), by=User.objects.get(), now=timezone.now())
    contacts.create(request_id=str(ask_for(call).pk), now=timezone.now())
    assert ContactRequest.objects.get().state == ContactRequest.State.DONE
    assert Entry.objects.get().card_id == ""


def test_an_entry_that_moves_on_all_the_time_leaves_the_new_contact_created_and_says_so(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(**_: object) -> None:
        raise outbox.TooLate

    monkeypatch.setattr(outbox, "give_card", too_late)
    enter(call)
    contacts.create(request_id=str(ask_for(call).pk), now=timezone.now())
    assert ContactRequest.objects.get().state == ContactRequest.State.DONE
    assert Answer.objects.get().result == Answer.Result.FOUND
    assert set(Step.objects.values_list("what", flat=True)) >= {"contact_done", "entry_stays"}
