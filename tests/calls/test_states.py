"""The states of a leg and of a call: tables and effects, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nutshellpbx.calls.effects import Close, Correct, Effect, Present, Withdraw
from nutshellpbx.calls.states import (
    LEGS,
    SPEAKS,
    WAITS,
    CallPicture,
    LegState,
    hear,
    limit_of,
    time_out,
)
from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def event(kind: Kind, leg: str = "", *, s: float = 0, **more: object) -> CallEvent:
    values = {
        "pbx": "p",
        "call_uid": "c",
        "kind": kind,
        "leg": leg,
        "extension": leg,
        "at": START + timedelta(seconds=s),
    }
    return CallEvent(**{**values, **more})  # type: ignore[arg-type]


def play(*events: CallEvent) -> tuple[CallPicture, list[Effect]]:
    call = CallPicture()
    effects: list[Effect] = []
    for one in events:
        call, new, _late = hear(call, one)
        effects += new
    return call, effects


def test_the_table_knows_every_state_and_kind() -> None:
    assert set(LEGS) == set(product(LegState, Kind))


def test_an_answered_call_shows_on_ring_and_answer_and_closes_once() -> None:
    call, effects = play(
        event(Kind.RINGING, "101"),
        event(Kind.ANSWERED, "101", s=4),
        event(Kind.ENDED, "101", s=64),
        event(Kind.ENDED, s=64),
    )
    assert effects == [Present("101", "ring"), Present("101", "answer"), Withdraw("101"), Close()]
    leg = call.legs[0]
    assert (leg.answered_at, leg.ended_at) == (START + timedelta(seconds=4), START + timedelta(seconds=64))
    assert not call.is_live


def test_a_colleagues_answer_takes_the_other_cards_away_at_once() -> None:
    _call, effects = play(
        event(Kind.RINGING, "101"), event(Kind.RINGING, "102"), event(Kind.ANSWERED, "102", s=3)
    )
    assert effects[2:] == [Withdraw("101"), Present("102", "answer")]


def test_a_ring_that_was_overtaken_by_a_colleagues_answer_shows_nothing() -> None:
    _call, effects = play(event(Kind.ANSWERED, "102", s=3), event(Kind.RINGING, "101", s=1))
    assert effects == [Present("102", "answer")]


def test_a_ring_after_the_end_of_its_leg_shows_nothing() -> None:
    call, effects = play(event(Kind.ENDED, "101", s=2), event(Kind.RINGING, "101", s=1))
    assert effects == [Withdraw("101")]
    assert call.legs[0].state is LegState.OVER


def test_a_call_that_a_menu_answered_first_still_rings_at_the_extension() -> None:
    _call, effects = play(event(Kind.ANSWERED, "menu"), event(Kind.RINGING, "101", s=9))
    assert effects[-1] == Present("101", "ring")


def test_the_end_of_the_call_ends_legs_that_were_forgotten() -> None:
    call, effects = play(event(Kind.RINGING, "101"), event(Kind.ENDED, s=9, cause=Cause.GAVE_UP))
    assert effects[-2:] == [Withdraw("101"), Close()]
    assert [leg.state for leg in call.legs] == [LegState.OVER]
    assert call.legs[0].cause == Cause.GAVE_UP


def test_an_internal_call_that_is_turned_outside_becomes_an_outside_call() -> None:
    call, _ = play(
        event(Kind.RINGING, "101", direction=Direction.INTERNAL),
        event(Kind.UPDATED, "101", direction=Direction.OUTBOUND, number="+13125550142"),
        event(Kind.UPDATED, "101", direction=Direction.INTERNAL),
    )
    assert call.direction is Direction.OUTBOUND


def test_empty_words_never_erase_what_is_known() -> None:
    call, _ = play(event(Kind.RINGING, "101", number="+13125550142", name="Ada"), event(Kind.ANSWERED, "101"))
    assert (call.number, call.name) == ("+13125550142", "Ada")


def test_a_silent_call_is_ended_when_its_time_is_over() -> None:
    ringing, _ = play(event(Kind.RINGING, "101"))
    assert time_out(ringing, START + timedelta(minutes=9)) == (ringing, [])
    ended, effects = time_out(ringing, START + timedelta(minutes=11))
    assert effects == [Withdraw("101"), Close()]
    assert ended.cause == Cause.NO_ANSWER


def test_a_call_whose_legs_are_all_over_ends_soon_as_of_its_last_word() -> None:
    over, _ = play(event(Kind.ANSWERED, "101"), event(Kind.ENDED, "101", s=30))
    ended, effects = time_out(over, START + timedelta(seconds=51))
    assert effects == [Close()]
    assert ended.ended_at == START + timedelta(seconds=30)


def test_a_call_between_two_phones_of_a_queue_goes_on() -> None:
    waiting, _ = play(event(Kind.RINGING, "101"), event(Kind.ENDED, "101", s=15, cause=Cause.NO_ANSWER))
    assert time_out(waiting, START + timedelta(minutes=10))[1] == []
    _call, effects, late = hear(waiting, event(Kind.RINGING, "102", s=600))
    assert (effects, late) == ([Present("102", "ring")], False)


def test_a_pause_is_only_a_pause_where_the_phone_system_always_tells_the_end() -> None:
    parked, _ = play(event(Kind.ANSWERED, "101"), event(Kind.ENDED, "101", s=30, cause=Cause.HUNG_UP))
    assert time_out(parked, START + timedelta(minutes=30), tells_end=True)[1] == []
    assert time_out(parked, START + timedelta(minutes=30))[1] == [Close()]


def test_a_consultation_between_colleagues_shows_nothing_until_one_takes_the_customer_over() -> None:
    outside: dict[str, Any] = {"direction": Direction.INBOUND, "number": "+13125550142"}
    inside: dict[str, Any] = {"direction": Direction.INTERNAL, "number": "101", "name": "Ada"}
    call, effects = play(
        event(Kind.ANSWERED, "101", **outside),
        event(Kind.RINGING, "102", s=10, **inside),
        event(Kind.ANSWERED, "102", s=12, **inside),
    )
    assert effects == [Present("101", "answer")]
    assert (call.number, call.name) == ("+13125550142", "")
    _call, effects, _late = hear(call, event(Kind.ANSWERED, "102", s=20, **outside))
    assert effects == [Present("102", "answer")]


def test_a_number_that_comes_later_is_shown_to_whoever_rings_or_speaks() -> None:
    call, _ = play(event(Kind.RINGING, "101"), event(Kind.ANSWERED, "102"))
    _call, effects, _late = hear(call, event(Kind.UPDATED, number="+13125550142"))
    assert effects == [Present("101", "ring"), Present("102", "answer")]


def test_an_internal_call_that_is_turned_outside_has_the_outside_partys_name_alone() -> None:
    call, _ = play(
        event(Kind.RINGING, "101", direction=Direction.INTERNAL, number="102", name="Ben"),
        event(Kind.UPDATED, "101", direction=Direction.OUTBOUND, number="+13125550142"),
    )
    assert (call.number, call.name) == ("+13125550142", "")


def test_a_leg_known_by_its_extension_may_ring_again_after_it_ended() -> None:
    call, effects = play(
        event(Kind.RINGING, "101"),
        event(Kind.ENDED, "101", s=15, cause=Cause.NO_ANSWER),
        event(Kind.RINGING, "101", s=60),
        event(Kind.ANSWERED, "101", s=64),
    )
    assert effects[-2:] == [Present("101#2", "ring"), Present("101#2", "answer")]
    assert [leg.answered_at is not None for leg in call.legs] == [False, True]


events = st.builds(
    lambda kind, leg, s, cause: event(kind, leg, s=s, cause=cause),
    st.sampled_from(Kind),
    st.sampled_from(["", "101", "102", "103"]),
    st.integers(-50, 500),
    st.sampled_from([None, *Cause]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(events, min_size=1, max_size=40))
def test_whatever_comes_every_call_ends_once_and_leaves_no_card(heard: list[CallEvent]) -> None:
    call, effects = play(*heard)
    call, last = time_out(call, START + timedelta(days=2))
    effects += last
    assert not call.is_live
    assert effects.count(Close()) == 1
    assert all(leg.state is LegState.OVER and leg.ended_at for leg in call.legs)
    shown = {effect.leg for effect in effects if isinstance(effect, Present)}
    for leg in shown:
        last_shown = max(
            place for place, effect in enumerate(effects) if isinstance(effect, Present) and effect.leg == leg
        )
        assert Withdraw(leg) in effects[last_shown:]


@given(st.lists(events, max_size=20))
def test_every_event_that_comes_twice_changes_nothing_the_second_time(heard: list[CallEvent]) -> None:
    call = CallPicture()
    for one in heard:
        call, _, _ = hear(call, one)
        again, effects, _ = hear(call, one)
        if one.kind in {Kind.HELD, Kind.RESUMED, Kind.ANSWERED}:
            continue  # hold, resume, hold again are three events: only ids tell repeats
        assert [effect for effect in effects if isinstance(effect, Present)] == []
        assert {leg.state for leg in again.legs} == {leg.state for leg in call.legs}


def test_a_silent_call_waits_as_long_as_its_state_allows() -> None:
    assert not SPEAKS & WAITS
    talking, _ = play(event(Kind.ANSWERED, "101"))
    ringing, _ = play(event(Kind.RINGING, "101"))
    over, _ = play(event(Kind.ENDED, "101", cause=Cause.HUNG_UP))
    assert limit_of(over) < limit_of(ringing) < limit_of(talking)


def test_an_end_that_overtakes_its_call_waits_for_it_and_shows_nothing() -> None:
    call, effects = play(
        event(Kind.ENDED, s=64, cause=Cause.HUNG_UP),
        event(Kind.RINGING, "101", number="+13125550142"),
        event(Kind.ENDED, s=64, cause=Cause.HUNG_UP),
        event(Kind.ANSWERED, "101", s=4),
        event(Kind.UPDATED, s=5, number="+13125550143"),
    )
    assert effects == []
    assert time_out(call, START + timedelta(seconds=80))[1] == []
    call, effects = time_out(call, START + timedelta(seconds=85))
    assert Close() in effects
    assert (call.number, call.ended_at) == ("+13125550143", START + timedelta(seconds=64))
    assert [(leg.answered_at, leg.ended_at) for leg in call.legs] == [
        (START + timedelta(seconds=4), START + timedelta(seconds=64))
    ]


def test_a_call_of_which_only_the_end_is_ever_heard_ends_soon() -> None:
    call, _effects = play(event(Kind.ENDED, s=10))
    assert time_out(call, START + timedelta(seconds=31), tells_end=True)[1] == [Close()]


def test_a_withheld_number_keeps_no_call_waiting() -> None:
    _call, effects = play(event(Kind.RINGING, "101"), event(Kind.ENDED, s=9))
    assert Close() in effects


def test_a_ring_that_is_heard_of_after_an_empty_call_was_closed_corrects_it() -> None:
    call, _effects = play(event(Kind.ENDED, s=10))
    call, _effects = time_out(call, START + timedelta(minutes=1))
    call, effects, _late = hear(call, event(Kind.RINGING, "101", s=2, number="+13125550142"))
    assert effects == [Correct()]
    assert (call.number, call.is_live, call.legs[0].state) == ("+13125550142", False, LegState.OVER)
    call, effects, _late = hear(call, event(Kind.ANSWERED, "101", s=4))
    assert (effects, call.legs[0].answered_at) == ([Correct()], START + timedelta(seconds=4))
    assert hear(call, event(Kind.RINGING, "102", s=2))[1] == []


def test_an_end_closes_at_once_where_the_phone_system_tells_all_in_order() -> None:
    assert hear(CallPicture(), event(Kind.ENDED), tells_end=True)[1] == [Close()]
