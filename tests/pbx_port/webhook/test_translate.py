"""From posted objects to call events: bounded, and wrong fields are named."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nutshellpbx.faults import Rejected
from nutshellpbx.pbx.connector import HookMessage, HookRequest, PbxConfig
from nutshellpbx.pbx.events import Cause, Direction, Kind, Via
from nutshellpbx.pbx.webhook.connector import WebhookConnector
from nutshellpbx.pbx.webhook.translate import event_of

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
RECORDINGS = Path(__file__).parents[2] / "recordings" / "webhook" / "1"


def read(**content: Any) -> Any:
    values = {"call": "c-1", "kind": "ringing", "extension": "101", **content}
    return event_of(pbx="p", content=values, raw_id="r", now=NOW)


def test_a_full_event_keeps_all_it_says() -> None:
    event = read(
        leg="l-1",
        at="2026-11-22T08:59:58.5Z",
        direction="inbound",
        number="+13125550142",
        name="Mara Lindqvist",
        dialled="+13125550100",
        via={"kind": "queue", "name": "Sales"},
        cause="busy",
        joins="c-0",
    )
    assert (event.kind, event.direction, event.via, event.cause) == (
        Kind.RINGING,
        Direction.INBOUND,
        Via.QUEUE,
        Cause.BUSY,
    )
    assert (event.leg, event.number, event.name, event.via_name, event.joins) == (
        "l-1",
        "+13125550142",
        "Mara Lindqvist",
        "Sales",
        "c-0",
    )
    assert event.at == datetime(2026, 11, 22, 8, 59, 58, 500_000, tzinfo=UTC)


def test_a_sender_that_names_only_the_extension_has_one_leg_for_it() -> None:
    assert read().leg == read(kind="answered").leg == "ext-101"


def test_an_end_without_leg_and_extension_is_about_the_whole_call() -> None:
    assert event_of(pbx="p", content={"call": "c", "kind": "ended"}, raw_id="r", now=NOW).leg == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("call", None),
        ("call", "x" * 121),
        ("call", {"a": 1}),
        ("number", "5" * 500),
        ("number", "+1312\n555"),
        ("number", "\x00"),
        ("direction", "sideways"),
        ("cause", "because"),
        ("at", "yesterday"),
        ("at", 17),
        ("via", "queue"),
        ("via.kind", {"kind": "tunnel"}),
        ("name", ["x"]),
        ("extension", "1" * 21),
    ],
)
def test_a_wrong_field_is_rejected_by_its_name(field: str, value: Any) -> None:
    with pytest.raises(Rejected) as caught:
        read(**{field.split(".")[0]: value})
    assert caught.value.detail == field


def test_a_name_is_cut_and_cleaned_but_never_a_reason_to_lose_the_call() -> None:
    event = read(name="<b>R\u0007</b>\n$(reboot)" + "x" * 500)
    assert event.name.startswith("<b>R </b> $(reboot)")
    assert len(event.name) <= 200


def test_a_clock_that_is_ahead_gets_our_time() -> None:
    assert read(at="2030-01-01T00:00:00Z").at == NOW + timedelta(minutes=5)


@given(
    st.dictionaries(
        st.sampled_from(["call", "kind", "leg", "number", "at", "via", "name"]),
        st.none() | st.text() | st.integers() | st.lists(st.text()),
    )
)
def test_no_object_breaks_the_translator(content: dict[str, Any]) -> None:
    connector = WebhookConnector(PbxConfig(id="p", name="n", kind="webhook", settings={}))
    try:
        _known, events, _fetches = connector.translate(None, HookMessage("r", content), NOW)
    except Rejected as fault:
        assert fault.detail
        return
    assert len(events) <= 1


def test_recorded_posts_are_understood_as_they_were_meant() -> None:
    connector = WebhookConnector(PbxConfig(id="p", name="n", kind="webhook", settings={}))
    heard = []
    for line in (RECORDINGS / "group-one-answers.jsonl").read_text().splitlines():
        for message in connector.read(HookRequest(headers={}, body=line.encode())):
            _known, events, _fetches = connector.translate(None, message, NOW)
            heard += [(event.kind.value, event.extension, str(event.cause or "")) for event in events]
    assert heard == [
        ("ringing", "101", ""),
        ("ringing", "102", ""),
        ("answered", "102", ""),
        ("ended", "101", "answered_elsewhere"),
        ("ended", "102", "hung_up"),
        ("ended", "", "hung_up"),
    ]


def test_an_event_without_an_id_is_named_by_all_that_it_says() -> None:
    connector = WebhookConnector(PbxConfig(id="p", name="n", kind="webhook", settings={}))
    first, second, third = (
        connector.read(HookRequest(headers={}, body=json.dumps(content).encode()))[0].raw_id
        for content in (
            {"call": "a", "kind": "ended"},
            {"kind": "ended", "call": "a"},
            {"call": "b", "kind": "ended"},
        )
    )
    assert first == second != third
