"""A 3CX beside the office's own phone system, heard by the real listener process: pages, notes, dialling, and
everything that breaks between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from nutshellpbx.calls import actions
from nutshellpbx.calls.models import Call, Leg
from nutshellpbx.crm.models import Grant
from nutshellpbx.journal.models import Entry
from nutshellpbx.lab.threecx.script import Player
from nutshellpbx.lab.threecx.server import CLIENT, KEY, ThreeCx
from nutshellpbx.pbx.config import keep_secret
from nutshellpbx.pbx.models import Command, Pbx
from nutshellpbx.people.models import Extension
from nutshellpbx.redact import Secret
from tests.flow.conftest import BEN, Stage, until

Play = Callable[..., None]


@pytest.fixture(scope="module")
def practice() -> Iterator[ThreeCx]:
    with ThreeCx() as pbx:
        yield pbx


@pytest.fixture(scope="module")
def cx(stage: Stage, practice: ThreeCx) -> Iterator[Pbx]:
    """101 is Ada's line there, 102 is Ben's; the listener has connected."""
    settings = {"address": practice.url, "client_id": CLIENT, "cdr": "off"}
    pbx = Pbx(kind="threecx", name="3CX", is_practice=True, settings=settings, is_enabled=False)
    pbx.save()
    keep_secret(pbx=pbx, field="secret", secret=Secret(KEY))
    for number, owner in (("101", stage.user()), ("102", stage.user(BEN))):
        line = Extension.objects.create(pbx=pbx, number=number, owner=owner)
        Grant.objects.create(extension=line, crm_id=stage.office.ids["crm"], granted_at=timezone.now())
    Pbx.objects.filter(pk=pbx.pk).update(is_enabled=True)
    until(lambda: Pbx.objects.filter(pk=pbx.pk, state=Pbx.State.CONNECTED).exists(), timeout_s=30)
    yield pbx
    pbx.delete()


@pytest.fixture
def play(practice: ThreeCx) -> Play:
    return lambda *lines: Player(practice.switch).play("\n".join(lines))


def talking(cx: Pbx, extension: str) -> Any:
    """The leg of an extension that talks now."""
    return until(lambda: Leg.objects.filter(call__pbx=cx, number=extension, state=Leg.State.TALKING).first())


def entry_of(call: Call) -> Entry:
    settled = {Entry.State.VERIFIED, Entry.State.PARKED, Entry.State.WAITING}
    return until(lambda: Entry.objects.filter(call_key=call.key, state__in=settled).first(), timeout_s=30)


def test_a_call_opens_the_customer_and_leaves_one_note_over_a_broken_socket_and_a_cut_token(
    stage: Stage, cx: Pbx, practice: ThreeCx, play: Play
) -> None:
    customer = stage.customer()
    play(f"in A {customer['number']} Somebody", "ring A 101")
    until(lambda: stage.opened(stage.ada, customer) == 1)
    practice.drop_sockets()
    play("answer A 101")
    call = talking(cx, "101").call
    sockets = practice.sockets_opened
    practice.expire_tokens()
    practice.wait_for_listener(sockets + 1)
    play("end A")
    entry = entry_of(call)
    assert (entry.extension_number, entry.user) == ("101", stage.user())
    (note,) = stage.notes_of(customer)
    assert "Answered incoming call" in note["body"]
    assert Call.objects.filter(pbx=cx, number=customer["number"]).count() == 1


def test_a_restart_whose_ids_begin_at_1_again_is_another_call_with_a_note_of_its_own(
    stage: Stage, cx: Pbx, practice: ThreeCx, play: Play
) -> None:
    first, second = stage.customer(), stage.customer()
    sockets = practice.sockets_opened
    practice.restart()
    practice.wait_for_listener(sockets + 1)
    play(f"in A {first['number']} First", "ring A 102")
    play("answer A 102")
    cut = talking(cx, "102").call
    practice.restart()
    play(f"in A {second['number']} Second", "ring A 102")
    play("answer A 102")
    until(lambda: Call.objects.filter(pk=cut.pk, ended_at__isnull=False).exists(), timeout_s=60)
    again = talking(cx, "102").call
    assert again.pk != cut.pk
    play("end A")
    assert entry_of(cut).pk != entry_of(again).pk
    assert len(stage.notes_of(first)) == len(stage.notes_of(second)) == 1


def test_events_that_come_twice_and_in_the_wrong_order_leave_one_note(
    stage: Stage, cx: Pbx, practice: ThreeCx, play: Play
) -> None:
    customer = stage.customer()
    practice.behaviour.repeats = 2
    play(f"in A {customer['number']} Somebody", "ring A 101 102 via 600")
    until(lambda: Leg.objects.filter(call__pbx=cx, state=Leg.State.RINGING).count() == 2)
    practice.behaviour.reorders = True
    play("answer A 102")
    practice.release()
    call = talking(cx, "102").call
    play("end A")
    practice.release()
    practice.behaviour.reorders, practice.behaviour.repeats = False, 1
    assert entry_of(call).extension_number == "102"
    (note,) = stage.notes_of(customer)
    assert "rang in the group 600" in note["body"] and "a colleague answered" in note["body"]


def test_a_number_is_dialled_by_the_listener_alone(stage: Stage, cx: Pbx, practice: ThreeCx) -> None:
    customer = stage.customer()
    given = practice.tokens_given
    line = Extension.objects.get(pbx=cx, number="101")
    command = actions.dial(extension=line, number=customer["number"], now=timezone.now())
    until(lambda: Command.objects.filter(pk=command.pk, state=Command.State.DONE).exists())
    assert practice.dialled[-1] == ("101", customer["number"])
    call = until(lambda: Call.objects.filter(pbx=cx, direction="outbound").first())
    practice.switch.end(f"dialled {len(practice.dialled)}")
    assert "Unanswered outgoing call" in entry_of(call).text
    assert practice.tokens_given == given


def test_a_key_that_is_wrong_is_told_and_never_keeps_the_others_from_being_heard(
    stage: Stage, cx: Pbx, practice: ThreeCx, play: Play
) -> None:
    settings = {"address": practice.url, "client_id": CLIENT, "cdr": "off"}
    wrong = Pbx.objects.create(kind="threecx", name="Wrong", settings=settings, is_enabled=False)
    keep_secret(pbx=wrong, field="secret", secret=Secret("not-the-key"))
    Pbx.objects.filter(pk=wrong.pk).update(is_enabled=True)
    denied = until(lambda: Pbx.objects.filter(pk=wrong.pk, state=Pbx.State.DENIED).first())
    assert "API key" in denied.state_text and "not-the-key" not in denied.state_text
    customer = stage.customer()
    play(f"in A {customer['number']} Somebody", "ring A 101")
    until(lambda: stage.opened(stage.ada, customer) == 1)
    play("end A")
    wrong.delete()
