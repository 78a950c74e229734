"""From newCall, answer and hangup to legs: whose line a name means, and what an event says of the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nutshellpbx.faults import Rejected
from nutshellpbx.pbx.connector import HookRequest, PbxConfig, SeenExtension
from nutshellpbx.pbx.events import CallEvent, Direction, Via
from nutshellpbx.pbx.zammad.connector import ZammadConnector
from nutshellpbx.pbx.zammad.translate import Known, Name, NameKind, find_line, translate, unmapped_of

Post = tuple[str, dict[str, Any]]

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
RECORDINGS = Path(__file__).parents[2] / "recordings" / "zammad" / "6"
LINES = (
    SeenExtension("101", "Ada Vance", "ada@harbortools.example"),
    SeenExtension("102", "Ben Ortiz", "ben@harbortools.example"),
    SeenExtension("103", "Cyd Moe", "cyd@harbortools.example"),
)
KNOWN = Known(lines=LINES)


def tell(known: Known, event: str, **members: Any) -> tuple[Known, list[CallEvent]]:
    content = {
        "event": event,
        "from": "13125550142",
        "to": "12125550160",
        "direction": "in",
        "callId": "c-1",
        **{name.rstrip("_"): value for name, value in members.items()},
    }
    return translate(known, pbx="p", content=content, raw_id="r", now=NOW)


def told(known: Known, *posts: Post) -> list[str]:
    lines = []
    for event, members in posts:
        known, events = tell(known, event, **members)
        lines += [short(one) for one in events]
    return lines


def short(event: CallEvent) -> str:
    return " ".join(filter(None, (event.extension or "call", event.kind, str(event.cause or ""))))


def heard(recording: str, known: Known = KNOWN) -> list[CallEvent]:
    connector = ZammadConnector(PbxConfig(id="p", name="n", kind="zammad", settings={}))
    events: list[CallEvent] = []
    for line in (RECORDINGS / f"{recording}.txt").read_bytes().splitlines():
        for message in connector.read(HookRequest(headers={}, body=line)):
            known, new, _fetches = connector.translate(known, message, NOW)
            events += new
    return events


@pytest.mark.parametrize(
    ("recording", "expected"),
    [
        (
            "group-one-answers",
            [
                "101 ringing",
                "102 ringing",
                "102 answered",
                "101 ended answered_elsewhere",
                "call ended hung_up",
            ],
        ),
        ("outbound-answered", ["101 dialing", "101 answered", "call ended hung_up"]),
        ("caller-gives-up", ["call updated", "call ended gave_up"]),
        (
            "moved-to-a-colleague",
            [
                "101 ringing",
                "101 answered",
                "102 ringing",
                "101 ended transferred",
                "102 answered",
                "call ended hung_up",
            ],
        ),
        ("script-of-a-switch", ["101 ringing", "101 answered", "call ended hung_up"]),
    ],
)
def test_recorded_posts_are_understood_as_they_were_meant(recording: str, expected: list[str]) -> None:
    assert [short(event) for event in heard(recording)] == expected


def test_who_calls_whom_is_seen_from_the_company() -> None:
    inbound = heard("group-one-answers")[0]
    assert (inbound.direction, inbound.number, inbound.dialled, inbound.via) == (
        Direction.INBOUND,
        "13125550142",
        "12125550160",
        Via.GROUP,
    )
    outbound = heard("outbound-answered")[0]
    assert (outbound.direction, outbound.number, outbound.dialled) == (Direction.OUTBOUND, "13125550142", "")


def test_a_withheld_number_is_no_number() -> None:
    assert {event.number for event in heard("caller-gives-up")} == {""}


def test_a_colleague_who_calls_is_an_internal_call() -> None:
    _known, events = tell(KNOWN, "newCall", from_="102", user=["Ada Vance"])
    assert events[0].direction is Direction.INTERNAL


def test_a_queue_is_named() -> None:
    _known, events = tell(KNOWN, "newCall", user=["Ada Vance"], queue="Sales")
    assert (events[0].via, events[0].via_name) == (Via.QUEUE, "Sales")


@pytest.mark.parametrize(
    ("kind", "text", "line"),
    [
        (NameKind.USER, "Ada Vance", "101"),
        (NameKind.USER, "  ada   VANCE ", "101"),
        (NameKind.USER, "ben@harbortools.example", "102"),
        (NameKind.USER, "Ada", ""),
        (NameKind.USER, "Ada Vance-Moe", ""),
        (NameKind.ANSWERING, "102", "102"),
        (NameKind.ANSWERING, "sip:102@10.0.0.5", "102"),
        (NameKind.ANSWERING, "1102", ""),
        (NameKind.NUMBER, "12125550101", ""),
        (NameKind.NUMBER, "101", "101"),
        (NameKind.NUMBER, "Ada Vance", ""),
    ],
)
def test_only_an_exact_match_is_guessed(kind: NameKind, text: str, line: str) -> None:
    assert find_line(KNOWN, Name(kind, text)) == line


def test_of_two_people_with_one_name_nobody_is_guessed_and_one_with_two_lines_is_one() -> None:
    twin = SeenExtension("107", "Ada Vance", "other@harbortools.example")
    same = SeenExtension("1010", "Ada Vance", "ada@harbortools.example")
    ada = Name(NameKind.USER, "Ada Vance")
    assert find_line(Known(lines=(*LINES, twin)), ada) == ""
    assert find_line(Known(lines=(same, *LINES)), ada) == "101"


def test_what_the_admin_chose_goes_before_any_guess_and_counts_for_both_ways_to_name_a_person() -> None:
    known = replace(KNOWN, mapped={("user", "ada vance"): "103", ("number", "12125550160"): "102"})
    assert find_line(known, Name(NameKind.USER, "Ada Vance")) == "103"
    assert find_line(known, Name(NameKind.ANSWERING, "ada vance")) == "103"
    assert find_line(known, Name(NameKind.NUMBER, "+1 212-555-0160")) == "102"
    assert find_line(known, Name(NameKind.USER, "12125550160")) == ""


def test_a_dialled_number_rings_its_extension_where_nobody_else_is_named() -> None:
    known = replace(KNOWN, mapped={("number", "12125550160"): "102"})
    posts: tuple[Post, ...] = ("newCall", {}), ("answer", {}), ("hangup", {"cause": "normalClearing"})
    assert told(known, *posts) == ["102 ringing", "102 answered", "call ended hung_up"]


def test_an_answer_without_a_name_is_the_only_phone_that_rings() -> None:
    posts: tuple[Post, ...] = ("newCall", {"user": ["Ada Vance"]}), ("answer", {})
    assert told(KNOWN, *posts)[-1] == "101 answered"


def test_an_answer_by_nobody_knows_whom_takes_the_cards_of_all_away_and_names_none_of_them() -> None:
    posts: tuple[Post, ...] = ("newCall", {"user": ["Ada Vance", "Ben Ortiz"]}), ("answer", {})
    assert told(KNOWN, *posts)[2:] == [
        "call answered",
        "101 ended answered_elsewhere",
        "102 ended answered_elsewhere",
    ]


def test_a_strange_answering_number_is_not_taken_for_the_one_who_was_rung() -> None:
    posts: tuple[Post, ...] = (
        ("newCall", {"user": ["Ada Vance"]}),
        ("answer", {"answeringNumber": "+491711234567"}),
    )
    assert told(KNOWN, *posts)[1:] == ["+491711234567 answered", "101 ended answered_elsewhere"]


def test_a_name_that_means_nobody_yet_is_a_leg_of_its_own_and_listed() -> None:
    content = {"event": "newCall", "direction": "in", "callId": "c", "user": ["Ada Vance", "Eva Neu"]}
    assert unmapped_of(KNOWN, content) == (Name(NameKind.USER, "Eva Neu"),)
    assert told(KNOWN, ("newCall", {"user": ["Ada Vance", "Eva Neu"]})) == ["101 ringing", "Eva Neu ringing"]


def test_the_customers_number_is_never_listed_as_one_of_ours() -> None:
    for event in ("newCall", "answer", "hangup"):
        content = {"event": event, "direction": "out", "callId": "c", "to": "13125550142", "from": "101"}
        content["answeringNumber"] = "13125550142"
        assert unmapped_of(KNOWN, content) == ()


def test_a_voicemail_box_is_nobody() -> None:
    posts: tuple[Post, ...] = ("newCall", {"user": ["Ada Vance"]}), ("answer", {"user": "voicemail"})
    assert told(KNOWN, *posts)[-1] == "101 ended voicemail"


@pytest.mark.parametrize(
    ("word", "cause"),
    [("busy", "busy"), ("noAnswer", "no_answer"), ("notFound", "failed"), ("USER_BUSY", "busy")],
)
def test_one_phone_of_several_that_is_not_to_be_had_leaves_the_others_ringing(word: str, cause: str) -> None:
    posts: tuple[Post, ...] = (
        ("newCall", {"user": ["Ada Vance", "Ben Ortiz"]}),
        ("hangup", {"user": "Ada Vance", "cause": word}),
    )
    assert told(KNOWN, *posts)[2:] == [f"101 ended {cause}"]


def test_a_phone_that_stops_ringing_after_a_colleagues_answer_ends_no_call() -> None:
    posts: tuple[Post, ...] = (
        ("newCall", {"user": ["Ada Vance"]}),
        ("answer", {"answeringNumber": "101"}),
        ("newCall", {"user": ["Ben Ortiz"]}),
        ("hangup", {"user": "Ben Ortiz", "cause": "normalClearing"}),
        ("hangup", {"answeringNumber": "101", "cause": "normalClearing"}),
    )
    assert told(KNOWN, *posts)[-2:] == ["102 ended answered_elsewhere", "call ended hung_up"]


@pytest.mark.parametrize(
    ("word", "cause"),
    [("cancel", "gave_up"), ("forwarded", "forwarded"), ("", "unknown"), ("because", "unknown")],
)
def test_a_hangup_without_a_name_ends_the_call_for_all(word: str, cause: str) -> None:
    posts: tuple[Post, ...] = ("newCall", {"user": ["Ada Vance", "Ben Ortiz"]}), ("hangup", {"cause": word})
    assert told(KNOWN, *posts)[2:] == [f"call ended {cause}"]


def test_several_events_of_one_post_are_told_apart() -> None:
    _known, events = tell(KNOWN, "newCall", user=["Ada Vance", "Ben Ortiz"])
    assert [event.raw_id for event in events] == ["r", "r.1"]


def test_an_event_that_the_form_does_not_have_says_nothing() -> None:
    assert tell(KNOWN, "dtmf") == (KNOWN, [])


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("callId", ""),
        ("callId", "x" * 121),
        ("direction", "sideways"),
        ("direction", ""),
        ("from_", "5" * 65),
        ("from_", "1\x00"),
        ("user", ["a\nb"]),
        ("user", ["x" * 201]),
        ("answeringNumber", "9" * 121),
    ],
)
def test_a_wrong_member_is_rejected_by_its_name(member: str, value: Any) -> None:
    with pytest.raises(Rejected) as caught:
        tell(KNOWN, "newCall", **{member: value})
    assert caught.value.detail == member.rstrip("_")


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "event": st.sampled_from(["newCall", "answer", "hangup", "x"]),
                "direction": st.sampled_from(["in", "out"]),
                "callId": st.sampled_from(["a", "b"]),
            },
            optional={
                "user": st.lists(st.sampled_from(["Ada Vance", "Ben Ortiz", "Eva", "voicemail"]), max_size=3),
                "answeringNumber": st.sampled_from(["101", "102", "9", "Ada Vance"]),
                "from": st.text(max_size=8),
                "to": st.sampled_from(["103", "12125550160", ""]),
                "cause": st.text(max_size=12),
            },
        ),
        max_size=12,
    )
)
def test_no_sequence_breaks_the_translator_and_at_most_one_leg_talks(posts: list[dict[str, Any]]) -> None:
    known = KNOWN
    for content in posts:
        try:
            known, events = translate(known, pbx="p", content=content, raw_id="r", now=NOW)
        except Rejected as fault:
            assert fault.detail
            continue
        assert len({event.raw_id for event in events}) == len(events)
        for legs in known.calls.values():
            assert sum(leg.is_talking for leg in legs) <= 1
            assert len({leg.uid for leg in legs}) == len(legs)
