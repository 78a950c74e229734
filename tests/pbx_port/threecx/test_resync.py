"""After a break: who left, who goes on, and ids that mean somebody else now."""

from __future__ import annotations

from datetime import timedelta

from nutshellpbx.pbx.events import Cause, Kind
from nutshellpbx.pbx.threecx.translate import nothing_known, resync, translate
from tests.pbx_port.threecx.telling import NOON, answer, hear_all, participant, remove, show, state_of

LATER = NOON + timedelta(seconds=40)


def test_what_went_on_before_us_is_heard_where_it_is() -> None:
    state = state_of(participant(), participant("102", 2, "Connected", callid=2)).state
    _known, events = resync(nothing_known("pbx"), state, NOON)
    assert [show(event) for event in events] == [
        "1 101-1 ringing inbound …0142",
        "2 102-2 answered unknown …0142",
    ]


def test_who_is_still_there_goes_on_without_a_new_ring() -> None:
    known, _events = hear_all([state_of(), answer(participant())])
    known, events = resync(known, state_of(participant()).state, LATER)
    assert events == []
    known, events = resync(known, state_of(participant(status="Connected")).state, LATER)
    assert [show(event) for event in events] == ["1 101-1 answered inbound …0142"]


def test_who_is_gone_left_for_a_reason_nobody_knows() -> None:
    known, _events = hear_all([state_of(), answer(participant(status="Connected"))])
    known, events = resync(known, state_of().state, LATER)
    assert [(event.leg, event.kind, event.cause) for event in events] == [
        ("101-1", Kind.ENDED, Cause.UNKNOWN),
        ("", Kind.ENDED, Cause.UNKNOWN),
    ]
    assert not known.calls


def test_ids_that_start_again_are_another_call() -> None:
    known, _events = hear_all([state_of(), answer(participant(status="Connected"))])
    known, events = resync(known, state_of(participant(party_caller_id="+13125550199")).state, LATER)
    assert [show(event) for event in events] == [
        "1 101-1 ended inbound …0142 unknown",
        "1 - ended inbound …0142 unknown",
        "1.2 101-1 ringing inbound …0199",
    ]


def test_a_talk_never_becomes_a_ring_again() -> None:
    known, _events = hear_all([state_of(), answer(participant(status="Connected"))])
    _known, events = resync(known, state_of(participant()).state, LATER)
    assert [event.call_uid for event in events] == ["1", "1", "1.2"]


def test_a_call_that_hung_up_just_before_the_break_is_over_as_it_was() -> None:
    known, _events = hear_all([state_of(), answer(participant(status="Connected")), remove("101/1")])
    _known, events = resync(known, state_of().state, LATER)
    assert [(event.cause, event.at) for event in events] == [(Cause.HUNG_UP, NOON)] * 2


def test_an_id_of_long_ago_is_used_as_it_is() -> None:
    known, _events = hear_all([state_of(), answer(participant())])
    known, _events = resync(known, None, NOON)
    _known, events, _fetches = translate(known, answer(participant()), NOON + timedelta(minutes=5))
    assert events[0].call_uid == "1"
