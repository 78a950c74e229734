"""An owner, a grant, a key, a CRM that answers: without one of them nothing opens, and the call page says
which.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from django.utils import timezone

from nutshellpbx.calls.models import Call, Pop, Step
from nutshellpbx.calls.words import sentence_of
from nutshellpbx.crm.models import Credential, Grant
from nutshellpbx.journal.models import Entry
from nutshellpbx.lab import phone_calls
from nutshellpbx.people.models import Company, Extension
from tests.flow.conftest import Stage, until


@pytest.fixture
def line(stage: Stage) -> Iterator[Extension]:
    """Ada's line, put back as it was."""
    line = Extension.objects.get(number="101")
    grant = Grant.objects.get(extension=line)
    yield line
    Extension.objects.filter(pk=line.pk).update(owner=stage.user())
    Grant.objects.get_or_create(extension=line, crm=grant.crm, defaults={"granted_at": timezone.now()})


def test_an_extension_without_owner_opens_nothing_and_says_so(stage: Stage, line: Extension) -> None:
    customer = stage.customer()
    Extension.objects.filter(pk=line.pk).update(owner=None)
    told = phone_calls.inbound_answered(system=stage.system, number=customer["number"], extension="101")[0]
    call = until(lambda: Call.objects.filter(uid=told.id, ended_at__isnull=False).first())
    assert "has no owner" in sentence_of(Step.objects.filter(call=call, what="no_owner")[0])
    assert stage.notes_of(customer) == []


def test_a_grant_taken_away_while_the_pop_is_queued_opens_nothing(stage: Stage, line: Extension) -> None:
    customer = stage.customer()
    worker = stage.office.process_id("worker-pop")
    os.kill(worker, signal.SIGSTOP)
    try:
        stage.system.tell(
            {"call": f"grant-{worker}", "kind": "ringing", "extension": "101", "number": customer["number"]}
        )
        Grant.objects.filter(extension=line).delete()
    finally:
        os.kill(worker, signal.SIGCONT)
    pop = until(
        lambda: Pop.objects.filter(leg__call__uid=f"grant-{worker}", settled_at__isnull=False).first()
    )
    assert (pop.state, pop.reason) == (Pop.State.NOTHING, "no_grant")
    assert stage.opened(stage.ada, customer) == 0
    stage.system.tell({"call": f"grant-{worker}", "kind": "ended"})


def test_without_a_key_nothing_opens_and_the_entry_waits_for_one(stage: Stage) -> None:
    customer = stage.customer()
    key = Credential.objects.filter(user=stage.user())
    key.update(state=Credential.State.REFUSED)
    told = phone_calls.inbound_answered(system=stage.system, number=customer["number"], extension="101")[0]
    entry = stage.entry_of(told)
    assert (entry.state, entry.reason) == (Entry.State.PARKED, "key_refused")
    assert stage.opened(stage.ada, customer) == 0
    key.update(state=Credential.State.OK)
    until(lambda: Entry.objects.get(pk=entry.pk).state == Entry.State.VERIFIED, timeout_s=60)
    assert len(stage.notes_of(customer)) == 1


def test_a_colleagues_answer_while_the_crm_is_slow_opens_no_page_at_the_other_desk(stage: Stage) -> None:
    Company.objects.filter(pk=1).update(group_policy="open")
    number = "+12125550177"
    stage.nutshell.misbehave({"kind": "delay", "seconds": 1.2})
    before = len(stage.ada.opened())
    call = {"call": "slow-1", "direction": "inbound", "number": number}
    stage.system.tell({**call, "kind": "ringing", "extension": "101"})
    stage.system.tell({**call, "kind": "ringing", "extension": "102"})
    stage.system.tell({**call, "kind": "answered", "extension": "102"})
    stage.system.tell({**call, "kind": "ended", "extension": "101", "cause": "answered_elsewhere"})
    until(lambda: not Pop.objects.filter(leg__call__uid="slow-1", settled_at__isnull=True).exists())
    assert Pop.objects.get(leg__call__uid="slow-1", leg__number="101").state == Pop.State.WITHDRAWN
    assert len(stage.ada.opened()) == before
    stage.system.tell({**call, "kind": "ended"})


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status_before", "status": 503},
        {"kind": "garbage"},
        {"kind": "reset_before"},
        {"kind": "delay", "seconds": 4},
    ],
)
def test_a_crm_that_cannot_be_asked_is_never_an_unknown_caller(
    stage: Stage, fault: dict[str, object]
) -> None:
    Company.objects.filter(pk=1).update(index_fresh_minutes=0)
    before = len(stage.ada.opened())
    stage.nutshell.misbehave(fault)
    told = phone_calls.inbound_answered(
        system=stage.slow_system, number="+12125550166", extension="101", ring_s=5, talk_s=0.5
    )[0]
    call = stage.call_of(told)
    until(lambda: Step.objects.filter(call=call, what="answer_unavailable").exists())
    until(lambda: stage.said(stage.ada, "We could not ask who this is."))
    assert len(stage.ada.opened()) == before
    key = until(lambda: Call.objects.get(pk=call.pk).key)
    entry = until(lambda: Entry.objects.filter(call_key=key).first())
    assert entry.state in {Entry.State.PENDING, Entry.State.WAITING}
