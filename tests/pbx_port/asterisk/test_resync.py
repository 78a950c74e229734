from __future__ import annotations

from nutshellpbx.pbx.asterisk.picture import Lines
from nutshellpbx.pbx.asterisk.translate import nothing_known, resync
from nutshellpbx.pbx.events import Cause, Direction, Kind
from tests.pbx_port.asterisk.messages import (
    PHONE,
    TRUNK,
    inbound_ringing,
    inbound_talking,
    make_hangup,
    make_listed,
)
from tests.pbx_port.asterisk.telling import NOON, hear_all

RINGING_CALL = [
    make_listed(TRUNK, "100.1", "Ring", Application="Dial", ApplicationData="PJSIP/101,20"),
    make_listed(PHONE, "100.2", "Ringing", Application="AppDial", ConnectedLineNum="13125550142"),
]
TALKING_CALL = [
    make_listed(TRUNK, "100.1", "Up", Application="Dial", BridgeId="b1"),
    make_listed(PHONE, "100.2", "Up", Application="AppDial", ConnectedLineNum="13125550142", BridgeId="b1"),
]


def test_call_that_vanished_meanwhile_ends_with_cause_unknown() -> None:
    known, _ = hear_all(inbound_talking())
    known, events = resync(known, [], NOON)
    assert [(event.kind, event.leg, event.cause) for event in events] == [
        (Kind.ENDED, "100.2", Cause.UNKNOWN),
        (Kind.ENDED, "", Cause.UNKNOWN),
    ]
    assert not known.channels


def test_call_still_ringing_does_not_ring_anew() -> None:
    known, _ = hear_all(inbound_ringing())
    assert resync(known, RINGING_CALL, NOON)[1] == []


def test_call_answered_meanwhile_is_told_answered() -> None:
    known, _ = hear_all(inbound_ringing())
    _, events = resync(known, TALKING_CALL, NOON)
    assert [(event.kind, event.leg, event.number) for event in events] == [
        (Kind.ANSWERED, "100.2", "13125550142")
    ]


def test_colleague_who_rang_and_is_gone_ends_while_the_call_goes_on() -> None:
    known, _ = hear_all(inbound_ringing())
    _, events = resync(known, RINGING_CALL[:1], NOON)
    assert [(event.kind, event.leg) for event in events] == [(Kind.ENDED, "100.2")]


def test_call_that_began_meanwhile_enters_while_it_rings() -> None:
    _, (ringing,) = resync(nothing_known("pbx", Lines()), RINGING_CALL, NOON)
    assert (ringing.kind, ringing.extension, ringing.direction) == (Kind.RINGING, "101", Direction.INBOUND)
    assert (ringing.number, ringing.name) == ("13125550142", "Grace Customer")


def test_call_that_began_meanwhile_enters_while_they_talk_and_ends_later() -> None:
    known, (answered,) = resync(nothing_known("pbx", Lines()), TALKING_CALL, NOON)
    assert (answered.kind, answered.direction, answered.number) == (
        Kind.ANSWERED,
        Direction.INBOUND,
        "13125550142",
    )
    known, events = hear_all([make_hangup("100.2"), make_hangup("100.1")], known=known)
    assert [event.kind for event in events] == [Kind.ENDED, Kind.ENDED]
    assert not known.channels


def test_outbound_call_that_began_meanwhile_is_seen_as_outbound() -> None:
    listed = [
        make_listed(PHONE, "100.1", "Up", Application="Dial", BridgeId="b1", CallerIDNum="101"),
        make_listed(TRUNK, "100.2", "Up", Application="AppDial", BridgeId="b1", Exten=""),
    ]
    _, (answered,) = resync(nothing_known("pbx", Lines()), listed, NOON)
    assert (answered.extension, answered.direction, answered.number) == (
        "101",
        Direction.OUTBOUND,
        "13125550142",
    )


def test_parked_callers_do_not_talk_with_each_other() -> None:
    listed = [
        make_listed(TRUNK, "100.1", "Up", Application="Park", BridgeId="lot"),
        make_listed(PHONE, "100.2", "Up", Application="Park", BridgeId="lot", Linkedid="100.2"),
    ]
    assert resync(nothing_known("pbx", Lines()), listed, NOON)[1] == []


def test_same_state_read_twice_tells_nothing_new() -> None:
    known, _ = resync(nothing_known("pbx", Lines()), TALKING_CALL, NOON)
    assert resync(known, TALKING_CALL, NOON)[1] == []
