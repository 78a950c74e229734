"""The stories of an office, told to the whole server as processes: what the desks saw, what stands in the
CRM.
"""

from __future__ import annotations

from nutshellpbx.calls.models import Call, Pop
from nutshellpbx.journal.models import Entry
from nutshellpbx.lab import phone_calls
from tests.flow.conftest import BEN, Stage, until


def test_an_answered_call_opens_the_customer_leaves_one_note_and_opens_him_once_more(stage: Stage) -> None:
    customer = stage.customer()
    told = phone_calls.inbound_answered(system=stage.slow_system, number=customer["number"], extension="101")[
        0
    ]
    entry = stage.entry_of(told)
    assert entry.state == Entry.State.VERIFIED
    notes = stage.notes_of(customer)
    assert len(notes) == 1
    assert "Answered incoming call" in notes[0]["body"]
    assert entry.marker in notes[0]["body"].splitlines()[-1]
    until(lambda: stage.opened(stage.ada, customer) == 2)
    assert stage.opened(stage.ben, customer) == 0


def test_a_caller_who_gives_up_is_one_missed_call_and_opens_nothing_afterwards(stage: Stage) -> None:
    customer = stage.customer()
    told = phone_calls.caller_gives_up(system=stage.slow_system, number=customer["number"], extension="101")[
        0
    ]
    assert stage.entry_of(told).state == Entry.State.VERIFIED
    assert "Missed call" in stage.notes_of(customer)[0]["body"]
    assert stage.opened(stage.ada, customer) == 1


def test_a_busy_line_is_one_missed_call(stage: Stage) -> None:
    customer = stage.customer()
    told = phone_calls.busy(system=stage.system, number=customer["number"], extension="101")[0]
    stage.entry_of(told)
    assert len(stage.notes_of(customer)) == 1


def test_of_two_ringing_desks_the_one_that_answers_gets_the_page_and_the_other_loses_its_card(
    stage: Stage,
) -> None:
    customer = stage.customer()
    told = phone_calls.two_ring_one_answers(
        system=stage.slow_system, number=customer["number"], extension="101", second="102"
    )[0]
    entry = stage.entry_of(told)
    winner, loser = (stage.ada, stage.ben) if told.answered_by == "101" else (stage.ben, stage.ada)
    until(lambda: stage.opened(winner, customer) == 2)
    assert stage.opened(loser, customer) == 0
    until(lambda: stage.said(loser, f"✕ gone: {customer['name']}"))
    assert len(stage.notes_of(customer)) == 1
    assert entry.extension_number == told.answered_by


def test_outbound_calls_are_matched_and_kept_too(stage: Stage) -> None:
    answered, not_answered = stage.customer(), stage.customer()
    first = phone_calls.outbound_answered(
        system=stage.slow_system, number=answered["number"], extension="101"
    )[0]
    second = phone_calls.outbound_not_answered(
        system=stage.slow_system, number=not_answered["number"], extension="101"
    )[0]
    stage.entry_of(first)
    stage.entry_of(second)
    assert "Answered outgoing call" in stage.notes_of(answered)[0]["body"]
    assert "Unanswered outgoing call" in stage.notes_of(not_answered)[0]["body"]
    until(lambda: stage.opened(stage.ada, answered) == 2)
    assert stage.opened(stage.ada, not_answered) == 1


def test_an_internal_call_shows_and_keeps_nothing(stage: Stage) -> None:
    told = phone_calls.internal(system=stage.system, extension="101", second="102")[0]
    call = until(lambda: Call.objects.filter(uid=told.id, ended_at__isnull=False).first())
    assert call.left_out == Call.LeftOut.INTERNAL
    assert not Pop.objects.filter(leg__call=call).exists()


def test_a_withheld_number_shows_and_keeps_nothing(stage: Stage) -> None:
    before = len(stage.ada.opened())
    told = phone_calls.withheld(system=stage.system, extension="101")[0]
    call = until(lambda: Call.objects.filter(uid=told.id, ended_at__isnull=False).first())
    assert call.left_out == Call.LeftOut.NEVER_LOG
    until(lambda: not Pop.objects.filter(leg__call=call, settled_at__isnull=True).exists())
    assert len(stage.ada.opened()) == before


def test_every_event_twice_is_one_page_and_one_note(stage: Stage) -> None:
    customer = stage.customer()
    told = phone_calls.events_twice(system=stage.slow_system, number=customer["number"], extension="101")[0]
    stage.entry_of(told)
    assert len(stage.notes_of(customer)) == 1
    until(lambda: stage.opened(stage.ada, customer) == 2)


def test_events_out_of_order_are_one_note(stage: Stage) -> None:
    customer = stage.customer()
    told = phone_calls.out_of_order(system=stage.system, number=customer["number"], extension="101")[0]
    stage.entry_of(told)
    assert len(stage.notes_of(customer)) == 1


def test_the_note_is_written_with_the_key_of_the_one_who_spoke(stage: Stage) -> None:
    customer = stage.customer()
    told = phone_calls.inbound_answered(system=stage.system, number=customer["number"], extension="102")[0]
    assert stage.entry_of(told).user == stage.user(BEN)
    posts = [
        entry
        for entry in stage.nutshell.requests()
        if entry["method"] == "POST" and entry["path"] == "/rest/notes"
    ]
    assert posts[-1]["user"] == BEN
