from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nutshellpbx.client import session
from nutshellpbx.client.session import Known, OpenPage, Refuse, ShowCard, TakeAway
from nutshellpbx.wire import Batch, Instruction, Outcome, Page, Result, Unreadable, Verb

NOW = 1_780_000_000.0
ORIGIN = "https://app.nutshell.com"
KNOWN = Known(origins=frozenset({ORIGIN}))


def at(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)


def order(verb: Verb = Verb.OPEN, **changes: Any) -> Instruction:
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "verb": verb,
        "call": "pbx:1",
        "subject": "leg",
        "title": "Maria Miller",
        "expires_at": at(NOW + 60),
        "page": Page(ORIGIN, "/person/23") if verb is Verb.OPEN else None,
    }
    return Instruction(**values | changes)


def batch(*instructions: Instruction | Unreadable, server_now: float = NOW, cursor: int = 1) -> Batch:
    return Batch(cursor=cursor, now=at(server_now), instructions=instructions)


def opened(actions: list[session.Action]) -> list[str]:
    return [action.address for action in actions if isinstance(action, OpenPage)]


def opened_instructions(actions: list[session.Action]) -> list[Instruction]:
    return [action.instruction for action in actions if isinstance(action, OpenPage)]


def outcomes(actions: list[session.Action]) -> list[Result]:
    return [action.outcome for action in actions if isinstance(action, Outcome)]


def test_a_page_is_opened_and_its_card_shown() -> None:
    known, actions = session.take_in(KNOWN, batch(order(), cursor=7), NOW)
    assert opened(actions) == ["https://app.nutshell.com/person/23"]
    assert any(isinstance(action, ShowCard) for action in actions)
    assert known.cursor == 7


def test_the_same_instruction_again_does_nothing() -> None:
    page = order()
    known, _actions = session.take_in(KNOWN, batch(page, page), NOW)
    known, actions = session.take_in(known, batch(page), NOW + 9)
    assert actions == []


def test_the_last_five_hundred_ids_are_remembered() -> None:
    first, known = order(Verb.CARD), KNOWN
    known, _actions = session.take_in(known, batch(first), NOW)
    for _one in range(499):
        known, _actions = session.take_in(known, batch(order(Verb.CARD)), NOW)
    assert first.id in known.seen and len(known.seen) == 500


def test_expiry_is_judged_by_the_servers_clock() -> None:
    page = order()
    an_hour_slow = session.take_in(KNOWN, batch(page), NOW - 3600)
    assert opened(an_hour_slow[1])
    _known, actions = session.take_in(KNOWN, batch(page, server_now=NOW + 61), NOW - 3600)
    assert opened(actions) == [] and outcomes(actions) == [Result.EXPIRED]


def three_pages() -> list[Instruction]:
    return [order(call=f"pbx:burst-{number}") for number in range(3)]


def test_a_page_waits_behind_three_others_and_a_withdrawal_meanwhile_cancels_it() -> None:
    fourth = order(call="pbx:4")
    known, actions = session.take_in(KNOWN, batch(*three_pages(), fourth), NOW)
    assert len(opened(actions)) == 3
    assert session.next_turn_s(known, NOW + 0.5) == 5.5
    assert opened(session.catch_up(known, NOW + 1)[1]) == []
    assert len(opened(session.catch_up(known, NOW + 6.1)[1])) == 1
    known, actions = session.take_in(known, batch(order(Verb.WITHDRAW, call="pbx:4")), NOW + 1)
    assert Result.WITHDRAWN in outcomes(actions)
    known, actions = session.catch_up(known, NOW + 7)
    assert actions == [] and session.next_turn_s(known, NOW + 7) is None


def test_the_next_call_rings_while_the_last_ones_record_opens_again_and_both_pages_come_at_once() -> None:
    _known, actions = session.take_in(KNOWN, batch(order(), order(call="pbx:2")), NOW)
    assert len(opened(actions)) == 2


def test_a_page_that_expires_while_it_waits_is_not_opened() -> None:
    late = order(call="pbx:4", expires_at=at(NOW + 1))
    known, _actions = session.take_in(KNOWN, batch(*three_pages(), late), NOW)
    _known, actions = session.catch_up(known, NOW + 6.5)
    assert opened(actions) == [] and outcomes(actions) == [Result.EXPIRED]


def test_at_most_twenty_pages_in_a_minute() -> None:
    known, count, results = KNOWN, 0, []
    for number in range(30):
        now = NOW + number * 2.0
        known, actions = session.take_in(known, batch(order(call=f"pbx:{number}"), server_now=NOW), now)
        count += len(opened(actions))
        results += outcomes(actions)
    assert count == 20 and results == [Result.TOO_MANY] * 10


def test_a_withdrawal_in_the_same_answer_wins() -> None:
    _known, actions = session.take_in(KNOWN, batch(order(), order(Verb.WITHDRAW)), NOW)
    assert opened(actions) == []
    assert TakeAway("pbx:1", "leg") in actions


def test_a_withdrawal_concerns_its_leg_or_without_one_the_whole_call() -> None:
    for subject, count in (("other", 1), ("", 0), ("leg", 0)):
        _known, actions = session.take_in(KNOWN, batch(order(), order(Verb.WITHDRAW, subject=subject)), NOW)
        assert len(opened(actions)) == count


def test_what_is_not_understood_is_reported_and_the_rest_is_followed() -> None:
    odd = Unreadable(str(uuid.uuid4()), Result.NEWER_VERSION)
    known, actions = session.take_in(KNOWN, batch(odd, order()), NOW)
    assert Result.NEWER_VERSION in outcomes(actions) and len(opened(actions)) == 1
    assert session.take_in(known, batch(odd), NOW)[1] == []


def test_a_page_of_an_origin_that_nobody_confirmed_is_refused_and_its_card_still_shown() -> None:
    page = order(page=Page("https://other.example", "/x"))
    _known, actions = session.take_in(KNOWN, batch(page), NOW)
    assert opened(actions) == [] and outcomes(actions) == [Result.REFUSED_ORIGIN]
    assert any(isinstance(action, Refuse) for action in actions)
    assert any(isinstance(action, ShowCard) for action in actions)


def test_a_clock_that_was_set_back_does_not_close_the_door() -> None:
    known, _actions = session.take_in(KNOWN, batch(order(), server_now=NOW), NOW + 86_400)
    _known, actions = session.take_in(known, batch(order(call="pbx:2"), server_now=NOW), NOW)
    assert len(opened(actions)) == 1


ORDERS = st.builds(
    order,
    st.sampled_from(list(Verb)),
    call=st.sampled_from(["pbx:1", "pbx:2", "pbx:3"]),
    subject=st.sampled_from(["", "leg", "other"]),
    expires_at=st.integers(-5, 90).map(lambda seconds: at(NOW + seconds)),
)
STEPS = st.lists(
    st.tuples(
        st.floats(0, 5),
        st.lists(
            ORDERS | st.builds(Unreadable, st.uuids().map(str), st.sampled_from(list(Result))), max_size=4
        ),
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.floats(-1e6, 1e6))
def test_whatever_comes_pages_keep_their_distance_and_their_time(
    steps: list[tuple[float, list[Instruction | Unreadable]]], wrong_s: float
) -> None:
    known, server_now = KNOWN, NOW
    opens: list[tuple[float, Instruction]] = []
    arrived: dict[str, int] = {}
    withdrawn: list[tuple[int, Instruction]] = []
    ended: dict[str, int] = {}

    def note(actions: list[session.Action], now: float) -> None:
        for action in actions:
            if isinstance(action, OpenPage):
                opens.append((now, action.instruction))
                ended[action.instruction.id] = ended.get(action.instruction.id, 0) + 1
            elif isinstance(action, Outcome):
                ended[action.id] = ended.get(action.id, 0) + 1

    for step, (seconds, instructions) in enumerate(steps):
        server_now += seconds
        local = server_now + wrong_s
        known, actions = session.catch_up(replace(known), local)
        note(actions, server_now)
        for one in opened_instructions(actions):
            assert not [
                order
                for when, order in withdrawn
                if arrived[one.id] < when < step
                and order.call == one.call
                and order.subject in {"", one.subject}
            ]
        arrived |= {one.id: step for one in instructions}
        withdrawn += [
            (step, one) for one in instructions if isinstance(one, Instruction) and one.verb is Verb.WITHDRAW
        ]
        twice = batch(*instructions, *instructions, server_now=server_now)
        known, actions = session.take_in(known, twice, local)
        note(actions, server_now)
    times = [now for now, _instruction in opens]
    assert all(later - earlier >= 5.99 for earlier, later in zip(times, times[3:], strict=False))
    assert all(sum(now - 60 < other <= now for other in times) <= 20 for now in times)
    assert all(instruction.expires_at.timestamp() > now - 0.01 for now, instruction in opens)
    assert all(count == 1 for count in ended.values())
    waiting = {page.instruction.id for page in known.deferred}
    sent = {one.id for _seconds, instructions in steps for one in instructions}
    assert sent == set(ended) | waiting
