"""What a 3CX's messages mean: event by event, late, twice, never, and in any order at all."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nutshellpbx.pbx.connector import Fetch
from nutshellpbx.pbx.events import MAX_ID, MAX_NUMBER, CallEvent, Kind
from nutshellpbx.pbx.threecx import protocol
from nutshellpbx.pbx.threecx.picture import Known, with_dial
from nutshellpbx.pbx.threecx.protocol import Message, Said
from nutshellpbx.pbx.threecx.translate import nothing_known, resync, translate
from tests.pbx_port.threecx.telling import (
    NOON,
    answer,
    hear_all,
    participant,
    read_recording,
    remove,
    show,
    state_of,
    upsert,
)


def told(*messages: Message, known: Known | None = None) -> list[str]:
    return [show(event) for event in hear_all([state_of(), *messages], known=known)[1]]


def test_an_event_only_says_where_to_look() -> None:
    _known, events, fetches = translate(nothing_known("pbx"), upsert("101/1", 0), NOON)
    assert (events, fetches) == ([], [Fetch("participant", "101/1")])


def test_an_attended_transfer_becomes_one_call_and_the_customer_goes_on_with_ben() -> None:
    for recording in ("attended_transfer", "attended_transfer_keeping_its_id"):
        _known, events = hear_all(read_recording(recording))
        assert [show(event) for event in events][-6:] == [
            "2 - joined internal …101 into 1",
            "1 102-3 updated inbound …0142",
            "1 102-3 answered inbound …0142",
            "1 101-1 ended inbound …0142 transferred",
            "1 102-3 ended inbound …0142 hung_up",
            "1 - ended inbound …0142 hung_up",
        ], recording


def test_who_rang_when_a_colleague_answered_is_told_so_even_if_that_word_comes_first() -> None:
    rings = [answer(participant(dn, number)) for dn, number in (("101", 1), ("102", 2))]
    known, _events = hear_all([state_of(), *rings])
    known, events, fetches = translate(known, remove("101/1"), NOON)
    assert (events, fetches) == ([], [Fetch("participant", "102/2")])
    _known, events, _fetches = translate(known, answer(participant("102", 2, "Connected")), NOON)
    assert [show(event) for event in events] == [
        "1 102-2 answered inbound …0142",
        "1 101-1 ended inbound …0142 answered_elsewhere",
    ]


def test_who_stops_ringing_while_the_others_go_on_was_not_answered() -> None:
    rings = [answer(participant(dn, number)) for dn, number in (("101", 1), ("102", 2))]
    assert told(*rings, remove("101/1"), answer(participant("102", 2)))[-1] == (
        "1 101-1 ended inbound …0142 no_answer"
    )


def test_of_many_that_ring_the_whole_state_is_asked_for_once_not_each() -> None:
    rings = [answer(participant(f"10{number}", number)) for number in range(1, 6)]
    known, _events = hear_all([state_of(), *rings])
    _known, _events2, fetches = translate(known, remove("101/1"), NOON)
    assert fetches == [Fetch("state")]


def test_a_call_is_over_a_moment_after_its_last_leg_and_only_if_nothing_lives() -> None:
    known, events = hear_all([state_of(), answer(participant()), remove("101/1")])
    assert [event.kind for event in events] == [Kind.RINGING, Kind.ENDED]
    assert events[-1].leg
    still, events, fetches = translate(known, state_of(participant("102", 2), settled="1"), NOON)
    assert [show(event) for event in events] == ["1 102-2 ringing inbound …0142"]
    assert fetches == []
    _over, events, _fetches = translate(known, state_of(settled="1"), NOON)
    assert [show(event) for event in events] == ["1 - ended inbound …0142 no_answer"]
    assert still.calls


def test_a_queues_caller_may_wait_between_two_phones() -> None:
    queued = participant(on_behalf_of_dn="800", on_behalf_of_type="Wqueue")
    known, _events = hear_all([state_of(), answer(queued), remove("101/1")])
    for _look in range(5):
        known, events, fetches = translate(known, state_of(settled="1"), NOON)
        assert (events, fetches) == ([], [Fetch("settled", "1")])
    assert "1" in known.calls


def test_a_gap_in_the_count_asks_for_the_whole_state() -> None:
    known, _events = hear_all([upsert("101/1", 4)])
    _known, _events2, fetches = translate(known, upsert("101/2", 6), NOON)
    assert Fetch("state") in fetches


def test_a_removal_that_comes_late_is_looked_into_before_it_is_believed() -> None:
    known, _events = hear_all([state_of(), upsert("101/1", 5), answer(participant())])
    known, events, fetches = translate(known, remove("101/1", 2), NOON)
    assert (events, fetches) == ([], [Fetch("participant", "101/1")])
    _known, events, _fetches = translate(known, answer(participant()), NOON)
    assert events == []


def test_two_customers_in_one_conference_stay_two_calls() -> None:
    other = participant("102", 2, "Connected", callid=2, party_caller_id="+13125550199")
    lines = told(
        answer(participant(status="Connected")),
        answer(other),
        answer({**other, "callid": 1}),
        remove("102/2"),
    )
    assert not [line for line in lines if "joined" in line]


def test_who_talks_when_seen_for_the_first_time_was_called() -> None:
    assert told(answer(participant(status="Connected"))) == ["1 101-1 answered inbound …0142"]


def test_a_number_we_were_asked_to_dial_is_no_caller() -> None:
    known = with_dial(nothing_known("pbx"), "101", "+1 312 555-0142")
    lines = told(answer(participant()), answer(participant(status="Connected")), known=known)
    assert lines == ["1 101-1 dialing outbound …0142", "1 101-1 answered outbound …0142"]


def test_the_caller_at_a_queues_own_place_shows_nothing_but_holds_the_call() -> None:
    known, events = hear_all([state_of(), answer(participant("800", 9)), answer(participant("101", 10))])
    assert {event.extension for event in events} == {"101"}
    known, events, fetches = translate(known, remove("101/10"), NOON)
    assert fetches == []
    assert [event.leg for event in events] == ["101-10"]


@pytest.mark.parametrize("name", ["Zoë <script>", "{{ x }}", "a" * 500, "\x00\r\n", "‮"])
def test_a_name_of_anything_is_text(name: str) -> None:
    _known, events = hear_all([answer(participant(party_caller_name=name))])
    assert events[0].name.isprintable() and len(events[0].name) <= 200


KEYS = st.tuples(st.sampled_from(["101", "102", "103", "800"]), st.integers(1, 4))
PARTICIPANTS = st.builds(
    lambda key, status, callid, number, referred, outside: participant(
        key[0],
        key[1],
        status,
        callid=callid,
        party_caller_id=number,
        referred_by_dn=referred,
        party_dn_type="Wexternalline" if outside else "Wextension",
        party_dn="10001" if outside else "102",
    ),
    KEYS,
    st.sampled_from(["Ringing", "Dialing", "Connected"]),
    st.integers(0, 3),
    st.sampled_from(["+13125550142", "+13125550199", "", "anonymous"]),
    st.sampled_from(["", "101", "102"]),
    st.booleans(),
)
STATES = st.lists(PARTICIPANTS, max_size=4)
MESSAGES = st.one_of(
    PARTICIPANTS.map(answer),
    KEYS.map(lambda key: answer(None, key=f"{key[0]}/{key[1]}")),
    st.builds(lambda key, number: remove(f"{key[0]}/{key[1]}", number), KEYS, st.integers(0, 9)),
    st.builds(lambda key, number: upsert(f"{key[0]}/{key[1]}", number), KEYS, st.integers(0, 9)),
    STATES.map(lambda found: state_of(*found)),
    st.builds(
        lambda found, uid: state_of(*found, settled=uid), STATES, st.sampled_from(["1", "2", "3", "1.2"])
    ),
    st.just(Message(Said.UNKNOWN, kind="?")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES | STATES, max_size=25))
def test_any_sequence_is_heard_and_all_is_over_when_nothing_is_left(said: list[Any]) -> None:
    known, events = nothing_known("pbx"), list[CallEvent]()
    for each in said:
        if isinstance(each, list):  # the connection broke: the whole state
            known, new = resync(known, state_of(*each).state, NOON)
        else:
            known, new, _fetches = translate(known, each, NOON)
        events += new
        assert {leg.call for leg in known.legs.values()} <= known.calls.keys()
    known, new = resync(known, None, NOON)
    events += new
    assert not known.calls and not known.legs
    check(events)


def check(events: list[CallEvent]) -> None:
    """Bounded, and each call that was heard of is over, once, unless it became another one's part."""
    assert all(0 < len(event.call_uid) <= MAX_ID and len(event.number) <= MAX_NUMBER for event in events)
    ends = Counter(event.call_uid for event in events if not event.leg and event.kind is Kind.ENDED)
    joined = {event.call_uid for event in events if event.kind is Kind.JOINED}
    assert all(count == 1 for count in ends.values()), ends
    assert {event.call_uid for event in events} <= ends.keys() | joined


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(protocol.Said)), max_size=3))
def test_messages_without_content_do_nothing(kinds: list[Said]) -> None:
    _known, events = hear_all(Message(kind, key="101/1") for kind in kinds)
    assert events == []
