"""What a listener that begins anew is told of the calls that live, and that nothing heard is lost."""

from __future__ import annotations

import pytest

from nutshellpbx.pbx.asterisk import listening
from nutshellpbx.pbx.asterisk.connector import AsteriskConnector
from nutshellpbx.pbx.events import CallEvent, Kind
from tests.pbx_port.asterisk.messages import inbound_ringing
from tests.pbx_port.asterisk.scripted import ScriptedManager
from tests.pbx_port.asterisk.test_listening import RINGING_CALL, Listener, listening_to, make_connector

PATIENCE_LOOKS = 2_000


class Stopped(Exception):
    """Whoever takes events in is broken."""


def hear_until(connector: AsteriskConnector, listener: Listener, live: list[set[str]], *, looks: int) -> None:
    """Listen until the whole state was told so often."""
    waits = iter(range(PATIENCE_LOOKS))

    def stop() -> bool:
        return len(live) >= looks or next(waits, None) is None

    connector.listen(stop, listener.events.append, listener._report, None, None, live.append)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(listening, "WAIT_S", 0.02)
    monkeypatch.setattr(listening, "LOOK_AGAIN_S", 0.1)


def test_live_calls_are_told_by_the_id_that_their_events_carry_after_those_events() -> None:
    with ScriptedManager() as pbx:
        pbx.state = RINGING_CALL
        connector = make_connector(pbx.port)
        listener = Listener(connector)
        live: list[tuple[set[str], int]] = []
        waits = iter(range(PATIENCE_LOOKS))
        connector.listen(
            lambda: bool(live) or next(waits, None) is None,
            listener.events.append,
            listener._report,
            snapshot=lambda uids: live.append((uids, len(listener.events))),
        )
    assert live == [({"100.1"}, 1)]
    assert {event.call_uid for event in listener.events} == {"100.1"}


def test_phone_system_without_calls_says_so_each_time_it_is_looked_at() -> None:
    with ScriptedManager() as pbx:
        connector = make_connector(pbx.port)
        live: list[set[str]] = []
        hear_until(connector, Listener(connector), live, looks=2)
        assert pbx.connections == 1
    assert live == [set(), set()]


def test_event_that_was_not_taken_in_is_told_again_by_the_next_listening() -> None:
    with ScriptedManager() as pbx:
        pbx.meanwhile = inbound_ringing()
        connector = make_connector(pbx.port)
        listener = Listener(connector)

        def refuse(_event: CallEvent) -> None:
            raise Stopped

        with pytest.raises(Stopped):
            connector.listen(lambda: False, refuse, listener._report)
        pbx.meanwhile, pbx.state = [], RINGING_CALL
        live: list[set[str]] = []
        hear_until(connector, listener, live, looks=1)
    assert [event.kind for event in listener.events] == [Kind.RINGING]


def test_phone_that_began_to_ring_during_an_outage_is_seen_although_its_channel_was_known() -> None:
    with ScriptedManager() as pbx:
        before = inbound_ringing()
        dialled = next(place for place, said in enumerate(before) if said.event == "DialBegin")
        connector = make_connector(pbx.port)
        with listening_to(connector) as heard:
            heard.wait_until("connected")
            pbx.say(*before[:dialled])
            pbx.state = RINGING_CALL
            pbx.drop()
            heard.wait_for_kinds(Kind.RINGING)


def test_end_that_was_not_taken_in_is_told_again_by_the_next_listening() -> None:
    with ScriptedManager() as pbx:
        pbx.state = RINGING_CALL
        connector = make_connector(pbx.port)
        listener = Listener(connector)

        def take_in(event: CallEvent) -> None:
            if event.kind is Kind.ENDED:
                raise Stopped
            listener.events.append(event)
            pbx.state = []

        with pytest.raises(Stopped):
            connector.listen(lambda: False, take_in, listener._report)
        live: list[set[str]] = []
        hear_until(connector, listener, live, looks=1)
    assert [event.kind for event in listener.events] == [Kind.RINGING, Kind.ENDED, Kind.ENDED]
