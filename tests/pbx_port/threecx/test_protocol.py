"""What comes over the wire is read, whatever it is; nothing foreign gets past it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nutshellpbx.pbx.events import MAX_NAME, MAX_NUMBER, Via
from nutshellpbx.pbx.threecx import doubts, protocol
from nutshellpbx.pbx.threecx.protocol import Said, Status
from tests.pbx_port.threecx.telling import participant

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=12,
)
FIELDS = [*participant(), "devices", "participants", "type"]
OBJECTS = st.dictionaries(st.sampled_from(FIELDS), ANYTHING | st.sampled_from(["Ringing", "101", 7]))


def frame(kind: object = 0, entity: object = "/callcontrol/101/participants/7", sequence: object = 3) -> str:
    event = {"event_type": kind, "entity": entity, "attached_data": None}
    return json.dumps({"sequence": sequence, "event": event})


def test_an_upsert_and_a_removal_name_their_participant() -> None:
    assert protocol.read_event(frame()) == protocol.Message(Said.UPSERT, key="101/7", sequence=3)
    assert protocol.read_event(frame(1)).said is Said.REMOVE


@pytest.mark.parametrize("kind", [2, 3, 4, 5])
def test_kinds_that_tell_nothing_of_a_call_are_quiet(kind: int) -> None:
    assert protocol.read_event(frame(kind)).said is Said.QUIET


@pytest.mark.parametrize("kind", [None, True, -1, 6, "0", [], {}])
def test_a_kind_that_nobody_knows_is_counted(kind: object) -> None:
    assert protocol.read_event(frame(kind)).said is Said.UNKNOWN


@pytest.mark.parametrize(
    "entity",
    [
        "/callcontrol/101/devices/sip:101",
        "/callcontrol/101",
        "/callcontrol/101/participants/../../xapi/v1/Users",
        "/callcontrol/101/participants/7/drop",
        "/callcontrol/1?x=/participants/7",
        "/callcontrol//participants/7",
        "/callcontrol/../participants/7",
        "http://elsewhere/callcontrol/101/participants/7",
        None,
        7,
    ],
)
def test_an_entity_that_is_no_participants_path_is_never_asked_for(entity: object) -> None:
    assert protocol.read_event(frame(0, entity)).said is Said.QUIET


def test_answers_of_the_socket_are_no_events() -> None:
    assert protocol.read_event('{"RequestID": "1", "StatusCode": 200}').said is Said.QUIET


@settings(deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=300) | ANYTHING.map(lambda any_: json.dumps(any_)))
def test_a_frame_of_anything_is_read_without_raising(raw: bytes | str) -> None:
    assert protocol.read_event(raw).said in set(Said)


def test_a_frame_that_nests_too_deep_is_unknown() -> None:
    assert protocol.read_event("[" * 200_000).said is Said.UNKNOWN


@settings(deadline=None)
@given(ANYTHING | OBJECTS)
def test_a_participant_of_anything_is_bounded_or_none(content: object) -> None:
    found = protocol.read_participant(content, dn="101")
    if found is not None:
        assert protocol.DN.fullmatch(found.dn) and protocol.ID.fullmatch(found.id)
        assert len(found.party_name) <= MAX_NAME and len(found.party_number) <= MAX_NUMBER
        assert found.party_name.isprintable()


@settings(deadline=None)
@given(ANYTHING | st.lists(OBJECTS, max_size=4))
def test_a_state_of_anything_is_read_without_raising(content: object) -> None:
    assert protocol.read_state(content).state is not None


def test_a_participant_is_read_with_all_that_counts() -> None:
    found = protocol.read_participant(
        participant(number=1234, status="Connected", callid=77, on_behalf_of_dn="800")
    )
    assert found is not None
    assert (found.key, found.status, found.callid) == ("101/1234", Status.CONNECTED, "77")
    assert (found.party_number, found.behalf_of) == ("+13125550142", "800")


def test_an_answer_about_somebody_else_counts_as_gone() -> None:
    assert protocol.read_answer("101/7", participant(number=8)).participant is None


@pytest.mark.parametrize(
    ("told", "seconds"),
    [(60, 3600), (1, 60), (120, 7200), (3600, 3600), (121, 121), ("60", 3600), (None, 600), (0, 600)],
)
def test_a_tokens_life_is_minutes_or_seconds(told: object, seconds: float) -> None:
    assert doubts.life_s(told) == seconds


@settings(deadline=None)
@given(ANYTHING)
def test_a_tokens_life_of_anything_is_positive_and_has_an_end(told: object) -> None:
    assert 0 < doubts.life_s(told) < 10_000_000


@pytest.mark.parametrize(
    ("kind", "is_outside", "is_extension", "way"),
    [
        ("Wexternalline", True, False, None),
        ("WExternalLine", True, False, None),
        ("externalline", True, False, None),
        ("Wextension", False, True, None),
        ("", False, True, None),
        ("Wqueue", False, False, Via.QUEUE),
        ("Wringgroup", False, False, Via.GROUP),
        ("Wivr", False, False, Via.MENU),
        ("Wroutepoint", False, False, None),
    ],
)
def test_types_of_a_dn_are_told_apart_whatever_their_spelling(
    kind: str, is_outside: bool, is_extension: bool, way: Via | None
) -> None:
    assert doubts.is_outside(kind) is is_outside
    assert doubts.is_extension(kind) is is_extension
    assert doubts.find_way(kind) is way


@pytest.mark.parametrize(
    ("text", "number"),
    [("anonymous", ""), (" Restricted ", ""), ("sip:+1312@x", "+1312"), ("0031201234567", "0031201234567")],
)
def test_a_withheld_number_is_none(text: str, number: str) -> None:
    assert doubts.number_of(text) == number
