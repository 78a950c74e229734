"""What a template posts is read in any spelling, bounded, and never half."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nutshellpbx.faults import Denied, Rejected
from nutshellpbx.pbx.events import Direction, Kind
from nutshellpbx.pbx.threecx_template import moments, protocol, translate

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
START = datetime(2026, 3, 2, 9, 15, 4, tzinfo=UTC)
REPORT = {
    "call_type": "Inbound",
    "number": "+13125550142",
    "agent": "101",
    "start": "2026-03-02T09:15:04Z",
    "end": "2026-03-02T09:17:40Z",
    "duration": "00:02:31",
}


def fields_of(content: Any) -> dict[str, str]:
    return protocol.read_fields(json.dumps(content).encode())


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T09:15:04Z",
        "2026-03-02T10:15:04+01:00",
        "2026-03-02 09:15:04",
        "3/2/2026 9:15:04 AM",
        "02.03.2026 09:15:04",
        "02/03/2026 09:15:04",
        "2026/03/02 09:15:04",
        "1772442904000",
        "1772442904",
        "/Date(1772442904000)/",
    ],
)
def test_a_date_is_read_in_iso_form_and_in_a_culture_s_own(text: str) -> None:
    assert moments.find_moment(text, now=NOW) == START


@pytest.mark.parametrize("text", ["", "soon", "0001-01-01T00:00:00+14:00", "31.02.2026 09:00:00", "9" * 14])
def test_a_date_that_no_call_of_today_has_is_none(text: str) -> None:
    assert moments.find_moment(text, now=NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:02:31", 151), ("151", 151), ("151.4", 151.4), ("1.00:00:00", 86_400)]
)
def test_a_duration_is_read_as_a_clock_or_in_seconds(text: str, seconds: float) -> None:
    assert moments.find_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("word", "direction", "is_answered"),
    [
        ("Inbound", "inbound", True),
        ("Missed", "inbound", False),
        ("Outbound", "outbound", True),
        ("Notanswered", "outbound", False),
        ("Unanswered", "outbound", False),
    ],
)
def test_each_type_of_call_is_told_as_it_went(word: str, direction: str, is_answered: bool) -> None:
    report = translate.report_of({**REPORT, "call_type": word}, NOW)
    assert (report.direction, report.is_answered) == (Direction(direction), is_answered)
    kinds = [event.kind for event in translate.events_of(report, pbx="p", raw_id="told-1")]
    assert (Kind.ANSWERED in kinds) == is_answered
    assert kinds[0] is Kind.ENDED  # nothing of a call that is over may ring a desk


def test_variables_that_were_never_set_are_empty() -> None:
    unset = {"number": "[Number]", "agent": "[Agent]", "name": "[Name]", "end": '[[End].ToString("s")]'}
    assert not any(fields_of(unset).values())


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (" 13125550142", "+13125550142"),
        ("0013125550142", "0013125550142"),
        (" (312) 555-0142 ", "(312) 555-0142"),
        ("Anonymous", ""),
        ("[Number]", ""),
    ],
)
def test_a_number_is_taken_in_any_spelling(raw: str, number: str) -> None:
    assert fields_of({"number": raw})["number"] == number


def test_a_form_is_read_like_json() -> None:
    assert protocol.read_fields(b"number=%2B1312&agent=101&name=Ann+Lee")["name"] == "Ann Lee"


def test_what_identifies_is_refused_when_it_is_too_long_what_is_shown_is_cut() -> None:
    assert len(fields_of({"name": "x" * 10_000})["name"]) == 200
    for name in ("number", "agent", "call_type", "start"):
        with pytest.raises(Rejected) as caught:
            fields_of({name: "7" * 10_000})
        assert caught.value.detail == name


def test_html_and_template_syntax_in_a_name_stay_text() -> None:
    for name in ("<script>alert(1)</script>", "{{ 7*7 }}", "${jndi:x}", "a [Number] b"):
        assert fields_of({"name": name})["name"] == name


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 5000, b'{"a":1'])
def test_a_body_that_cannot_be_read_is_refused_by_name(body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        protocol.read_fields(body)
    assert caught.value.detail == "body"


def test_only_the_key_and_the_networks_that_were_entered_are_let_in() -> None:
    protocol.check_key(headers={"authorization": "bearer abc"}, secret="abc")
    for header, secret in (("", "abc"), ("Bearer abd", "abc"), ("Basic abc", "abc"), ("Bearer ", "")):
        with pytest.raises(Denied):
            protocol.check_key(headers={"authorization": header}, secret=secret)
    protocol.check_network(remote="203.0.113.7", networks="")
    protocol.check_network(remote="::ffff:203.0.113.7", networks="10.0.0.0/8, 203.0.113.0/24")
    for remote in ("198.51.100.1", "", "nonsense"):
        with pytest.raises(Denied) as caught:
            protocol.check_network(remote=remote, networks="203.0.113.0/24")
        assert caught.value.detail == "wrong_network"


def test_the_same_report_in_another_spelling_is_known_again_and_the_next_call_is_not() -> None:
    first = translate.raw_id_of(REPORT, NOW)
    again = {**REPORT, "number": "+1 (312) 555-0142", "start": "3/2/2026 9:15:04 AM", "duration": "151"}
    assert translate.raw_id_of(again, NOW) == first
    assert translate.raw_id_of({**REPORT, "start": "2026-03-02T09:15:05Z"}, NOW) != first
    assert translate.raw_id_of({**REPORT, "agent": "102"}, NOW) != first


@given(st.dictionaries(st.sampled_from([*protocol.EXACT, *protocol.SHOWN]), st.text(max_size=80)))
def test_no_report_raises_anything_but_a_refusal(content: dict[str, str]) -> None:
    try:
        fields = fields_of(content)
        report = translate.report_of(fields, NOW)
    except Rejected as fault:
        assert fault.detail
        return
    for event in translate.events_of(report, pbx="p", raw_id=translate.raw_id_of(fields, NOW)):
        assert report.started_at <= event.at <= report.ended_at
        assert 0 < len(event.call_uid) <= 120
