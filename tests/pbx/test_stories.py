"""Every story of the lab, played on a real Asterisk with sipp's phones, as the connector hears it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from nutshellpbx.lab.asterisk.phones import Answers, Caller
from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.lab.asterisk.stories import DIRECT, STORIES, play
from nutshellpbx.pbx.asterisk.connector import AsteriskConnector
from nutshellpbx.pbx.connector import Order, PbxConfig, SeenExtension
from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind
from nutshellpbx.redact import Secret
from tests.pbx_port.asterisk.expected import EXPECTED
from tests.pbx_port.asterisk.telling import tell

PATIENCE_S = 20


class Ear:
    """The connector, listening in a thread; `events` is what it heard since the last `forget`."""

    def __init__(self, pbx: RealAsterisk) -> None:
        settings = {
            "host": "127.0.0.1",
            "port": str(pbx.ami_port),
            "username": pbx.ami_user,
            "context": "from-phones",
        }
        secrets = {"secret": Secret(pbx.ami_secret)}
        self.connector = AsteriskConnector(PbxConfig("pbx", "Practice", "asterisk", settings, secrets))
        self.events: list[CallEvent] = []
        self.states: list[str] = []
        self.settled: list[tuple[str, bool, str]] = []
        self.orders: list[tuple[str, Order]] = []
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Ear:
        self._thread.start()
        self.wait(lambda: self.states == ["connected"])
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)

    def forget(self) -> None:
        self.events.clear()

    def wait(self, is_so: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(is_so, timeout=PATIENCE_S), (tell(self.events), self.states)

    def wait_for(self, kind: Kind, *, leg: bool = True) -> CallEvent:
        """The first event of this kind, about a leg or about the call."""

        def found() -> list[CallEvent]:
            return [event for event in self.events if event.kind is kind and bool(event.leg) is leg]

        self.wait(lambda: bool(found()))
        return found()[0]

    def _listen(self) -> None:
        self.connector.listen(self._stop.is_set, self._take_in, self._report, self._take_orders, self._settle)

    def _take_in(self, event: CallEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def _report(self, state: str, text: str) -> None:
        with self._changed:
            self.states.append(state)
            self._changed.notify_all()

    def _take_orders(self) -> Iterator[tuple[str, Order]]:
        while self.orders:
            yield self.orders.pop(0)

    def _settle(self, order_id: str, ok: bool, text: str) -> None:
        with self._changed:
            self.settled.append((order_id, ok, text))
            self._changed.notify_all()


@pytest.fixture(scope="module")
def listening(real_asterisk: RealAsterisk) -> Iterator[Ear]:
    with Ear(real_asterisk) as ear:
        yield ear


@pytest.fixture
def ear(listening: Ear, real_asterisk: RealAsterisk) -> Iterator[Ear]:
    listening.forget()
    yield listening
    real_asterisk.hang_up_all()


@pytest.mark.parametrize("story", STORIES)
def test_story_comes_to_what_it_must(story: str, ear: Ear, real_asterisk: RealAsterisk) -> None:
    play(story, real_asterisk)
    ear.wait(lambda: tell(ear.events) == EXPECTED[story])


def test_clean_call_is_clean_for_the_caller_too(ear: Ear, real_asterisk: RealAsterisk) -> None:
    real_asterisk.set_phone("101", Answers())
    assert real_asterisk.call(DIRECT, Caller()).wait(PATIENCE_S) == 0
    ear.wait_for(Kind.ENDED, leg=False)


def test_probe_passes(real_asterisk: RealAsterisk, ear: Ear) -> None:
    probe = ear.connector.probe()
    assert probe.ok
    assert probe.facts["version"].startswith("22.")


def test_extensions_are_found_with_their_names(ear: Ear) -> None:
    found = ear.connector.extensions()
    assert [extension.number for extension in found] == ["101", "102", "103", "104", "105", "106"]
    assert found[0] == SeenExtension("101", "Ada Practice")


def test_dialling_from_the_desk_rings_the_own_phone_then_the_customers(
    ear: Ear, real_asterisk: RealAsterisk
) -> None:
    real_asterisk.set_phone("101", Answers())
    real_asterisk.set_phone("outside", Answers(talk_ms=500))
    ear.orders.append(("o1", Order("dial", {"extension": "101", "number": "1 312 555-0142"})))
    answered = ear.wait_for(Kind.ANSWERED)
    assert (answered.extension, answered.direction, answered.number) == (
        "101",
        Direction.OUTBOUND,
        "13125550142",
    )
    ear.wait(lambda: ("o1", True, "") in ear.settled)
    ear.wait_for(Kind.ENDED, leg=False)


def test_hanging_up_from_the_desk_ends_the_call(ear: Ear, real_asterisk: RealAsterisk) -> None:
    real_asterisk.set_phone("101", Answers())
    real_asterisk.call(DIRECT, Caller(talk_ms=60_000))
    leg = ear.wait_for(Kind.ANSWERED).leg
    ear.orders.append(("o2", Order("hang_up", {"leg": leg})))
    ear.wait_for(Kind.ENDED, leg=False)


def test_listener_that_joins_in_mid_call_sees_it_and_its_end(ear: Ear, real_asterisk: RealAsterisk) -> None:
    real_asterisk.set_phone("101", Answers())
    real_asterisk.call(DIRECT, Caller(talk_ms=2_000))
    first = ear.wait_for(Kind.ANSWERED)
    with Ear(real_asterisk) as late:
        seen = late.wait_for(Kind.ANSWERED)
        assert (seen.leg, seen.call_uid) == (first.leg, first.call_uid)
        assert (seen.direction, seen.number) == (Direction.INBOUND, "13125550142")
        assert late.wait_for(Kind.ENDED).cause is Cause.HUNG_UP


def test_pbx_that_is_killed_in_mid_call_ends_it_and_the_next_call_is_heard(
    ear: Ear, real_asterisk: RealAsterisk
) -> None:
    real_asterisk.set_phone("101", Answers())
    real_asterisk.call(DIRECT, Caller(talk_ms=60_000))
    ear.wait_for(Kind.ANSWERED)
    real_asterisk.stop(at_once=True)
    real_asterisk.start()
    assert ear.wait_for(Kind.ENDED, leg=False).cause is Cause.UNKNOWN
    assert ear.states[-2:] == ["away", "connected"]
    ear.forget()
    real_asterisk.hang_up_all()
    play("inbound_answered", real_asterisk)
    ear.wait(lambda: tell(ear.events) == EXPECTED["inbound_answered"])
