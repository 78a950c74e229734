from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from nutshellpbx.faults import Denied
from nutshellpbx.pbx.asterisk import listening
from nutshellpbx.pbx.asterisk.connector import AsteriskConnector
from nutshellpbx.pbx.asterisk.listening import pause_before
from nutshellpbx.pbx.connector import Order, PbxConfig
from nutshellpbx.pbx.events import CallEvent, Cause, Kind
from nutshellpbx.redact import Secret
from tests.pbx_port.asterisk.messages import (
    PHONE,
    TRUNK,
    inbound_ringing,
    inbound_talking,
    make_hangup,
    make_listed,
    make_message,
)
from tests.pbx_port.asterisk.scripted import ScriptedManager

RINGING_CALL = [
    make_listed(TRUNK, "100.1", "Ring", Application="Dial"),
    make_listed(PHONE, "100.2", "Ringing", Application="AppDial"),
]


def make_connector(port: int, *, secret: str = "right", **settings: str) -> AsteriskConnector:
    values = {"host": "127.0.0.1", "port": str(port), "username": "nutshellpbx", **settings}
    return AsteriskConnector(PbxConfig("pbx", "Office", "asterisk", values, {"secret": Secret(secret)}))


@dataclass
class Listener:
    """What a listening connector told, and ways to wait for it."""

    connector: AsteriskConnector
    events: list[CallEvent] = field(default_factory=list)
    reports: list[tuple[str, str]] = field(default_factory=list)
    settled: list[tuple[str, bool, str]] = field(default_factory=list)
    waiting_orders: list[tuple[str, Order]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    stop: threading.Event = field(default_factory=threading.Event)
    raised: list[BaseException] = field(default_factory=list)

    def run(self) -> None:
        try:
            self.connector.listen(
                self.stop.is_set, self._put(self.events), self._report, self._orders, self._settle
            )
        except Denied as fault:
            self.raised.append(fault)

    def wait(self, is_so: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(is_so, timeout=10), (self.events, self.reports, self.settled)

    def wait_for_kinds(self, *kinds: Kind) -> None:
        self.wait(lambda: [event.kind for event in self.events] == list(kinds))

    def wait_until(self, state: str, *, count: int = 1) -> None:
        self.wait(lambda: [said for said, _ in self.reports].count(state) >= count)

    def _put(self, into: list[CallEvent]) -> Callable[[CallEvent], None]:
        def put(event: CallEvent) -> None:
            with self.changed:
                into.append(event)
                self.changed.notify_all()

        return put

    def _report(self, state: str, text: str) -> None:
        with self.changed:
            self.reports.append((state, text))
            self.changed.notify_all()

    def _orders(self) -> Iterator[tuple[str, Order]]:
        while self.waiting_orders:
            yield self.waiting_orders.pop(0)

    def _settle(self, order_id: str, ok: bool, text: str) -> None:
        with self.changed:
            self.settled.append((order_id, ok, text))
            self.changed.notify_all()


@contextmanager
def listening_to(connector: AsteriskConnector) -> Iterator[Listener]:
    listener = Listener(connector)
    thread = threading.Thread(target=listener.run, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.stop.set()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(listening, "ORDERS_EVERY_S", 0.02)
    monkeypatch.setattr(listening, "WAIT_S", 0.02)


@pytest.mark.parametrize("offers_challenge", [True, False])
@pytest.mark.parametrize("drip", [True, False])
def test_call_is_heard_whatever_the_sign_in_and_the_pieces(offers_challenge: bool, drip: bool) -> None:
    with ScriptedManager(offers_challenge=offers_challenge, drip=drip) as pbx:
        with listening_to(make_connector(pbx.port)) as heard:
            heard.wait_until("connected")
            pbx.say(*inbound_talking(), make_hangup("100.2"), make_hangup("100.1"))
            heard.wait_for_kinds(Kind.RINGING, Kind.ANSWERED, Kind.ENDED, Kind.ENDED)
        login = pbx.wait_for("Login")
        assert (login.find("Secret") is None) is offers_challenge


def test_events_are_numbered_by_connection_and_order() -> None:
    with ScriptedManager() as pbx, listening_to(make_connector(pbx.port)) as heard:
        heard.wait_until("connected")
        pbx.say(*inbound_talking())
        heard.wait_for_kinds(Kind.RINGING, Kind.ANSWERED)
        pbx.drop()
        heard.wait_for_kinds(Kind.RINGING, Kind.ANSWERED, Kind.ENDED, Kind.ENDED)
        epochs, numbers = zip(*(event.seq.split("-") for event in heard.events), strict=True)
        assert numbers == ("1", "2", "1", "2")
        assert int(epochs[0]) == int(epochs[1]) < int(epochs[2]) == int(epochs[3])


def test_refused_sign_in_is_told_to_a_person_and_not_tried_again() -> None:
    with ScriptedManager() as pbx, listening_to(make_connector(pbx.port, secret="wrong")) as heard:
        heard.wait(lambda: bool(heard.raised) or len(heard.reports) > 1)
        heard.wait_until("denied")
        assert pbx.connections == 1
        assert all("wrong" not in text for _, text in heard.reports)


def test_call_that_ends_during_an_outage_ends_with_cause_unknown() -> None:
    with ScriptedManager() as pbx, listening_to(make_connector(pbx.port)) as heard:
        heard.wait_until("connected")
        pbx.say(*inbound_ringing())
        heard.wait_for_kinds(Kind.RINGING)
        pbx.drop()
        heard.wait_until("connected", count=2)
        heard.wait_for_kinds(Kind.RINGING, Kind.ENDED, Kind.ENDED)
        assert {event.cause for event in heard.events[1:]} == {Cause.UNKNOWN}
        assert [state for state, _ in heard.reports] == ["connected", "away", "connected"]


def test_call_that_outlives_an_outage_goes_on_without_a_new_ring() -> None:
    with ScriptedManager() as pbx, listening_to(make_connector(pbx.port)) as heard:
        heard.wait_until("connected")
        pbx.say(*inbound_ringing())
        heard.wait_for_kinds(Kind.RINGING)
        pbx.state = RINGING_CALL
        pbx.drop()
        heard.wait_until("connected", count=2)
        pbx.say(*inbound_talking()[-3:], make_hangup("100.2"), make_hangup("100.1"))
        heard.wait_for_kinds(Kind.RINGING, Kind.ANSWERED, Kind.ENDED, Kind.ENDED)
        assert {event.leg for event in heard.events} == {"100.2", ""}


def test_call_that_began_before_us_is_seen() -> None:
    with ScriptedManager() as pbx:
        pbx.state = RINGING_CALL
        with listening_to(make_connector(pbx.port)) as heard:
            heard.wait_for_kinds(Kind.RINGING)
            assert heard.events[0].number == "13125550142"


def test_what_happens_while_the_state_is_read_is_heard_after_it() -> None:
    with ScriptedManager() as pbx:
        pbx.meanwhile = inbound_ringing()
        with listening_to(make_connector(pbx.port)) as heard:
            heard.wait_for_kinds(Kind.RINGING)


def test_user_who_may_only_read_calls_is_enough() -> None:
    with ScriptedManager(refused=["CoreShowChannels", "Filter"]) as pbx:
        pbx.state = RINGING_CALL
        with listening_to(make_connector(pbx.port)) as heard:
            heard.wait_for_kinds(Kind.RINGING)
        pbx.wait_for("Status")


def test_without_any_right_to_the_state_live_events_are_still_heard() -> None:
    refused = ["CoreShowChannels", "Status", "Filter"]
    with ScriptedManager(refused=refused) as pbx, listening_to(make_connector(pbx.port)) as heard:
        heard.wait_until("connected")
        pbx.say(*inbound_ringing())
        heard.wait_for_kinds(Kind.RINGING)
        pbx.drop()
        heard.wait_for_kinds(Kind.RINGING, Kind.ENDED, Kind.ENDED)


def test_pbx_that_is_away_is_tried_for_ever_and_told_once() -> None:
    with ScriptedManager(hangs_up=True) as pbx, listening_to(make_connector(pbx.port)) as heard:
        with pbx.changed:
            assert pbx.changed.wait_for(lambda: pbx.connections >= 5, timeout=10)
        assert [state for state, _ in heard.reports] == ["away"]


def test_silent_pbx_is_pinged_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PING_AFTER_S", 0.1)
    monkeypatch.setattr(listening, "GIVE_UP_AFTER_S", 0.4)
    with ScriptedManager() as pbx, listening_to(make_connector(pbx.port)) as heard:
        heard.wait_until("connected")
        pbx.wait_for("Ping", count=2)
        assert pbx.connections == 1
        pbx.ignored.add("Ping")
        heard.wait_until("connected", count=2)
        assert "silent" in heard.reports[1][1]


def test_state_is_read_again_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call whose end got lost does not live for ever."""
    monkeypatch.setattr(listening, "LOOK_AGAIN_S", 0.1)
    with ScriptedManager() as pbx:
        pbx.state = RINGING_CALL
        with listening_to(make_connector(pbx.port)) as heard:
            heard.wait_for_kinds(Kind.RINGING)
            pbx.state = []
            heard.wait_for_kinds(Kind.RINGING, Kind.ENDED, Kind.ENDED)
            assert pbx.connections == 1


def test_dialling_rings_the_own_phone_first_and_tells_how_it_ended() -> None:
    with ScriptedManager() as pbx, listening_to(make_connector(pbx.port, context="from-office")) as heard:
        heard.wait_until("connected")
        heard.waiting_orders.append(("o1", Order("dial", {"extension": "101", "number": "+1 312 555-0142"})))
        asked = pbx.wait_for("Originate")
        wanted = {"Channel": "PJSIP/101", "Exten": "+13125550142", "Context": "from-office", "Async": "true"}
        assert {key: asked.find(key) for key in wanted} == wanted
        assert heard.settled == []
        pbx.say(make_message("OriginateResponse", ActionID=asked.action_id, Response="Failure", Reason="5"))
        heard.wait(lambda: heard.settled == [("o1", False, "Your phone is busy.")])


@pytest.mark.parametrize(
    "arguments",
    [
        {"extension": "101", "number": "13125550142\r\nAction: Command"},
        {"extension": "101/n&PJSIP/trunk", "number": "13125550142"},
        {"extension": "101", "number": ""},
        {"extension": "101", "number": "${SHELL(id)}"},
        {},
    ],
)
def test_what_cannot_be_dialled_safely_is_not_sent(arguments: dict[str, str]) -> None:
    with ScriptedManager() as pbx, listening_to(make_connector(pbx.port)) as heard:
        heard.wait_until("connected")
        heard.waiting_orders.append(("o1", Order("dial", arguments)))
        heard.wait(lambda: [(name, ok) for name, ok, _ in heard.settled] == [("o1", False)])
        assert not [action for action in pbx.actions if action.find("Action") == "Originate"]


def test_hanging_up_a_leg_hangs_up_its_channel() -> None:
    with ScriptedManager() as pbx, listening_to(make_connector(pbx.port)) as heard:
        heard.wait_until("connected")
        pbx.say(*inbound_talking())
        heard.wait_for_kinds(Kind.RINGING, Kind.ANSWERED)
        heard.waiting_orders.append(("o1", Order("hang_up", {"leg": "100.2"})))
        assert pbx.wait_for("Hangup").find("Channel") == PHONE


def test_order_fails_when_the_connection_breaks() -> None:
    with ScriptedManager() as pbx, listening_to(make_connector(pbx.port)) as heard:
        heard.wait_until("connected")
        heard.waiting_orders.append(("o1", Order("dial", {"extension": "101", "number": "13125550142"})))
        pbx.wait_for("Originate")
        pbx.drop()
        heard.wait(lambda: [(name, ok) for name, ok, _ in heard.settled] == [("o1", False)])


def test_pauses_grow_are_spread_and_have_an_end() -> None:
    longest = [pause_before(attempt, 1.0) for attempt in range(1, 30)]
    assert longest == sorted(longest)
    assert longest[-1] == listening.LONGEST_PAUSE_S
    assert pause_before(5, 0.0) == 0.0
