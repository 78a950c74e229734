"""The texts of notes: templates with places, checked, previewed, and the call's way in plain words."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError

from nutshellpbx.calls.notetexts import DEFAULTS, PLACES, Kind, check_template, kind_of, preview, write_note
from nutshellpbx.calls.texts import History, Part, legs_in_words

UTC_ZONE = ZoneInfo("UTC")


def part(number: str, *, rang: int = 0, answered: int | None = None, ended: int, **more: object) -> Part:
    talked = 0 if answered is None else ended - answered
    values: dict[str, object] = {
        "who": number,
        "extension": number,
        "rang_s": (ended if answered is None else answered) - rang,
        "talked_s": talked,
        "answered": answered is not None,
        "rang_at_s": rang,
        "answered_at_s": ended if answered is None else answered,
        "ended_at_s": ended,
    }
    return Part(**{**values, **more})  # type: ignore[arg-type]


def history(*parts: Part, **more: object) -> History:
    values: dict[str, object] = {
        "direction": "inbound",
        "number": "+1 312-555-0142",
        "name": "",
        "dialled": "",
        "started_at": datetime(2026, 3, 2, 14, 5, tzinfo=UTC),
        "agent": "Dora (104)",
        "talked_s": 151,
    }
    return History(parts=parts, **{**values, **more})  # type: ignore[arg-type]


QUEUE_THEN_TRANSFER = history(
    part("104", answered=12, ended=163, via="queue", via_name="sales", cause="transferred"),
    part("107", rang=163, answered=170, ended=415),
)


def test_the_way_of_a_call_is_told_in_order() -> None:
    told = "; ".join(legs_in_words(QUEUE_THEN_TRANSFER))
    assert told == "rang in the queue sales 12 s; 104 answered, 2:31; transferred to 107, 4:05"


def test_the_default_texts_are_those_of_3cx() -> None:
    assert preview("inbound", "").startswith(
        "March 2, 2026, 2:05 p.m.: Answered incoming call from +1 312-555-0142 to Dora Dean (104) (2:31)"
    )
    assert "Missed call from +1 312-555-0142 to Dora Dean (104)" in preview("missed", "")
    assert "Answered outgoing call from Dora Dean (104) to +1 312-555-0142 (2:31)" in preview("outbound", "")
    assert "Unanswered outgoing call from Dora Dean (104) to +1 312-555-0142" in preview("not_answered", "")


@pytest.mark.parametrize("kind", Kind)
def test_every_default_may_be_kept_as_it_is(kind: Kind) -> None:
    assert check_template(kind, str(DEFAULTS[kind])) == str(DEFAULTS[kind])


def test_the_companys_own_text_is_written_and_the_others_stay() -> None:
    texts = {"inbound": "[Agent] spoke with [Name], [Number]: [Duration]. [Legs]"}
    spoken = history(*QUEUE_THEN_TRANSFER.parts, name="Grace")
    assert write_note(spoken, zone=UTC_ZONE, texts=texts) == (
        "Dora (104) spoke with Grace, +1 312-555-0142: 2:31. "
        "rang in the queue sales 12 s; 104 answered, 2:31; transferred to 107, 4:05"
    )
    missed = history(part("104", ended=12))
    assert "Missed call" in write_note(missed, zone=UTC_ZONE, texts=texts)


def test_a_name_with_brackets_is_a_name_and_no_place() -> None:
    hostile = history(part("104", answered=1, ended=9), name="[Number] %(agent)s {0.__class__}")
    assert write_note(hostile, zone=UTC_ZONE, texts={"inbound": "[Name]"}) == hostile.name


@pytest.mark.parametrize(
    ("kind", "template", "why"),
    [
        ("missed", "[Duration]", "has no \\[Duration\\]"),
        ("inbound", "[Password]", "There is no \\[Password\\]"),
        ("inbound", "x" * 1001, "At most 1000 signs"),
        ("inbound", "a\x00b", "cannot be shown"),
    ],
)
def test_a_text_that_cannot_be_is_refused_with_the_reason(kind: str, template: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        preview(kind, template)


def test_every_place_is_filled() -> None:
    filled = preview("inbound", " ".join(f"[{name}]" for name in PLACES))
    assert "[" not in filled


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (history(part("104", ended=9)), Kind.MISSED),
        (history(part("104", ended=9), cause="voicemail"), Kind.VOICEMAIL),
        (history(part("104", ended=9), cause="forwarded"), Kind.FORWARDED),
        (history(part("104", answered=1, ended=9), direction="outbound"), Kind.OUTBOUND),
        (history(part("104", ended=9), direction="outbound"), Kind.NOT_ANSWERED),
    ],
)
def test_each_kind_of_call_has_its_text(told: History, kind: Kind) -> None:
    assert kind_of(told) is kind


def test_five_who_rang_in_vain_are_told_in_one_breath() -> None:
    group = [part(str(n), ended=20, via="group", via_name="600", cause="no_answer") for n in range(101, 106)]
    assert legs_in_words(history(*group)) == [
        "rang in the group 600 20 s",
        "101, 102, 103 and 2 more rang 20 s, not answered",
    ]


def test_a_persons_second_phone_is_not_a_colleague() -> None:
    phones = [
        part("106", ended=12, owner="flo", cause="answered_elsewhere"),
        part("107", answered=12, ended=42, owner="flo"),
    ]
    assert legs_in_words(history(*phones)) == ["107 answered, 0:30"]


def test_a_call_that_leaves_the_house_says_where_it_went() -> None:
    """A queue that nobody answers ends in the voicemail; another call goes on to an outside number."""
    queue = [part("104", ended=20, via="queue", via_name="sales", cause="no_answer")]
    assert legs_in_words(history(*queue, cause="voicemail"))[-1] == "sent to voicemail"
    forwarding = part("104", ended=1, cause="forwarded")
    assert legs_in_words(history(forwarding, cause="forwarded")) == [
        "104 forwards calls",
        "forwarded to an outside number",
    ]


def test_who_gave_a_call_away_that_nobody_here_took_is_told() -> None:
    given_away = part("104", answered=12, ended=163, cause="transferred")
    assert legs_in_words(history(given_away)) == ["104 answered, 2:31", "104 passed the call on"]
    in_vain = part("107", rang=163, ended=183, cause="no_answer")
    assert legs_in_words(history(given_away, in_vain)) == [
        "104 answered, 2:31",
        "107 rang 20 s, not answered",
    ]


def test_who_comes_to_a_call_without_being_rung_joins_it() -> None:
    host, guest = part("101", answered=5, ended=65), part("103", rang=25, answered=25, ended=55)
    assert legs_in_words(history(host, guest)) == ["101 answered, 1:00", "103 joined, 0:30"]


def test_several_who_were_busy_were_busy() -> None:
    busy = [part(number, ended=1, cause="busy") for number in ("101", "102")]
    assert legs_in_words(history(*busy)) == ["101, 102 were busy"]


def test_what_the_first_line_says_already_is_not_said_twice() -> None:
    alone = history(part("104", answered=12, ended=163))
    assert "104 answered" not in write_note(alone, zone=UTC_ZONE, texts={})
