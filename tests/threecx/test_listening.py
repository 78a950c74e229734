"""The real connector at the practice 3CX: calls, and everything that goes wrong between the two."""

from __future__ import annotations

import pytest

from nutshellpbx.lab.threecx.server import ThreeCx
from nutshellpbx.pbx.connector import Order
from nutshellpbx.pbx.events import Cause, Kind
from nutshellpbx.pbx.threecx import listening
from tests.threecx.hearing import GRACE, hearing, listening_to, make_connector, play

ANSWERED = (
    "1 101-1 ringing inbound …0142",
    "1 101-1 answered inbound …0142",
    "1 101-1 ended inbound …0142 hung_up",
    "1 - ended inbound …0142 hung_up",
)


def test_a_call_is_heard_from_its_ring_to_its_end(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait_for(*ANSWERED[:1])
        play(pbx, "answer A 101")
        heard.wait_for(*ANSWERED[:2])
        play(pbx, "end A")
        heard.wait_for(*ANSWERED)
        epochs = {event.seq.split("-")[0] for event in heard.events}
        assert len(epochs) == 1 and [event.seq.split("-")[1] for event in heard.events] == list("1234")


def test_events_that_come_twice_and_three_times_tell_a_call_once(pbx: ThreeCx) -> None:
    pbx.behaviour.repeats = 3
    with hearing(pbx) as heard:
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait_for(*ANSWERED[:1])
        play(pbx, "answer A 101")
        heard.wait_for(*ANSWERED[:2])
        play(pbx, "end A")
        heard.wait_for(*ANSWERED)


def test_events_in_the_wrong_order_tell_what_is_true_now(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        pbx.behaviour.reorders = True
        play(pbx, f"in A {GRACE} Grace", "ring A 101 102 via 600", "answer A 101")
        pbx.release()
        heard.wait(lambda: "1 101-1 answered inbound …0142 via 600" in heard.lines)
        play(pbx, "end A")
        pbx.release()
        heard.wait_for_end()
        assert not [line for line in heard.lines if "102" in line and "answered inbound" in line]


def test_events_that_get_lost_are_found_by_the_gap_in_their_count(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait_for(*ANSWERED[:1])
        pbx.behaviour.loses_events = True
        play(pbx, "answer A 101")
        pbx.behaviour.loses_events = False
        play(pbx, "in B +13125550199 Second", "ring B 102")
        heard.wait(lambda: ANSWERED[1] in heard.lines)


def test_a_call_goes_on_over_a_dropped_socket(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait_for(*ANSWERED[:1])
        pbx.drop_sockets()
        play(pbx, "answer A 101")
        pbx.wait_for_listener(2)
        heard.wait_for(*ANSWERED[:2])
        play(pbx, "end A")
        heard.wait_for(*ANSWERED)
        assert {"1"} in heard.living


def test_a_call_that_ends_while_the_socket_is_down_ends_for_a_reason_nobody_knows(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait_for(*ANSWERED[:1])
        play(pbx, "answer A 101")
        heard.wait_for(*ANSWERED[:2])
        pbx.behaviour.loses_events = True
        play(pbx, "end A")
        pbx.drop_sockets()
        heard.wait_for_end()
        assert heard.events[-1].cause is Cause.UNKNOWN


def test_a_call_that_begins_while_the_socket_is_down_is_heard_where_it_is(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        pbx.behaviour.loses_events = True
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        pbx.behaviour.loses_events = False
        pbx.drop_sockets()
        heard.wait_for(*ANSWERED[:1])


def test_a_restart_whose_ids_begin_at_1_makes_new_calls(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait_for(*ANSWERED[:1])
        play(pbx, "answer A 101")
        heard.wait_for(*ANSWERED[:2])
        pbx.restart()
        play(pbx, "in A +13125550199 Second", "ring A 101")
        heard.wait(lambda: heard.lines[-1] == "1.2 101-1 ringing inbound …0199")
        assert heard.ends == 1
        play(pbx, "answer A 101", "end A")
        heard.wait_for_end(2)


def test_a_token_is_renewed_before_its_end_and_calls_go_on(pbx: ThreeCx) -> None:
    pbx.behaviour.expires_in, pbx.behaviour.token_life_s = 150, 2.0
    # told in seconds, but good for two only: what is refused is replaced
    with hearing(pbx) as heard:
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait_for(*ANSWERED[:1])
        pbx.expire_tokens()
        play(pbx, "answer A 101")
        heard.wait_for(*ANSWERED[:2])
        play(pbx, "end A")
        heard.wait_for(*ANSWERED)
        assert pbx.tokens_given >= 2
        assert {state for state, _text in heard.reports} == {"connected"}


def test_a_token_that_is_refused_in_mid_call_is_replaced_at_once(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait_for(*ANSWERED[:1])
        pbx.expire_tokens(cuts=False)
        play(pbx, "answer A 101")
        heard.wait_for(*ANSWERED[:2])
        pbx.wait_for_listener(2)
        heard.wait(lambda: len(heard.living) >= 2)  # the whole state was read over the new one
        play(pbx, "end A")
        heard.wait_for(*ANSWERED)
        assert pbx.tokens_given == 2


def test_one_token_is_enough_for_all_that_is_asked(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        play(pbx, f"in A {GRACE} Grace", "ring A 101 102 103", "answer A 102")
        heard.wait(lambda: any("102-2 answered" in line for line in heard.lines))
        play(pbx, "end A")
        heard.wait_for_end()
        assert make_connector(pbx.url).probe().ok
        play(pbx, "in B +13125550199 Second", "ring B 101")
        heard.wait(lambda: heard.events[-1].kind is Kind.RINGING)
        play(pbx, "end B")
        heard.wait_for_end(2)
        assert (pbx.tokens_given, pbx.sockets_opened) == (1, 1)


def test_a_pbx_with_a_problem_of_its_own_is_tried_again(pbx: ThreeCx) -> None:
    pbx.behaviour.failing = 4
    with listening_to(make_connector(pbx.url)) as heard:
        heard.wait(lambda: "connected" in [state for state, _text in heard.reports])
        assert heard.reports[0][0] == "away"
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait_for(*ANSWERED[:1])


def test_the_state_is_read_again_now_and_then(pbx: ThreeCx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "LOOK_AGAIN_S", 0.1)
    with hearing(pbx) as heard:
        pbx.behaviour.loses_events = True
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait_for(*ANSWERED[:1])
        play(pbx, "end A")
        heard.wait_for_end()
        assert pbx.sockets_opened == 1


def test_dialling_is_carried_out_by_the_listener_and_shows_as_an_outgoing_call(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        order = Order("dial", {"extension": "101", "number": "+1 312 555-0142"})
        heard.waiting_orders.append(("o1", order))
        heard.wait(lambda: heard.settled == [("o1", True, "")])
        heard.wait_for("1 101-1 dialing outbound …0142")
        assert pbx.dialled == [("101", "+13125550142")]
        pbx.switch.end("dialled 1")
        heard.wait_for_end()
        assert pbx.tokens_given == 1


def test_an_order_that_3cx_refuses_says_why(pbx: ThreeCx) -> None:
    pbx.behaviour.dial_fails = True
    with hearing(pbx) as heard:
        heard.waiting_orders.append(("o1", Order("dial", {"extension": "101", "number": "13125550142"})))
        heard.wait(lambda: heard.settled == [("o1", False, "Your phone was not picked up.")])


@pytest.mark.parametrize(
    "arguments",
    [
        {"extension": "101", "number": "1312\r\nX"},
        {"extension": "../xapi/v1/Users", "number": "13125550142"},
        {"extension": "101", "number": ""},
        {},
    ],
)
def test_what_cannot_be_dialled_safely_is_not_sent(pbx: ThreeCx, arguments: dict[str, str]) -> None:
    with hearing(pbx) as heard:
        heard.waiting_orders.append(("o1", Order("dial", arguments)))
        heard.wait(lambda: [(name, ok) for name, ok, _text in heard.settled] == [("o1", False)])
        assert not pbx.dialled


def test_a_leg_is_hung_up_at_the_pbx(pbx: ThreeCx) -> None:
    with hearing(pbx) as heard:
        play(pbx, f"in A {GRACE} Grace", "ring A 101")
        heard.wait_for(*ANSWERED[:1])
        heard.waiting_orders.append(("o1", Order("hang_up", {"leg": "101-1"})))
        heard.wait(lambda: heard.settled == [("o1", True, "")])
        heard.wait(lambda: heard.events[-1].kind is Kind.ENDED)
