from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nutshellpbx.faults import Rejected
from nutshellpbx.pbx.asterisk.protocol import (
    MAX_LINE,
    MAX_LINES,
    Message,
    Reader,
    answer_challenge,
    write_action,
)
from tests.pbx_port.asterisk.telling import read_messages, read_recording

GREETING = b"Asterisk Call Manager/11.0.0\r\n"


def read(raw: bytes) -> list[Message]:
    return Reader().feed(raw)


@pytest.mark.parametrize("story", ["inbound_answered_unfiltered", "foreign_name", "pick_up"])
def test_recorded_stream_reads_the_same_one_byte_at_a_time(story: str) -> None:
    raw = read_recording(story)
    whole = read_messages(raw)
    assert len(whole) > 5
    assert read_messages(raw, pieces=1) == whole


def test_nothing_of_a_recorded_message_is_lost() -> None:
    raw = read_recording("inbound_answered_unfiltered").removeprefix(GREETING)
    written = b"".join(
        b"".join(f"{key}: {value}\r\n".encode() for key, value in message.fields) + b"\r\n"
        for message in read(raw)
    )
    assert written == raw


@pytest.mark.parametrize("cut", range(1, len(GREETING)))
def test_greeting_may_come_in_any_pieces(cut: int) -> None:
    reader = Reader()
    assert reader.feed(GREETING[:cut]) == []
    messages = reader.feed(GREETING[cut:] + b"Event: FullyBooted\r\n\r\n")
    assert reader.greeting == "Asterisk Call Manager/11.0.0"
    assert [message.event for message in messages] == ["FullyBooted"]


def test_repeated_keys_are_all_kept_in_order() -> None:
    (message,) = read(b"Response: Success\r\nOutput: one\r\nOutput: two\r\nOutput: \r\n\r\n")
    assert message.find_all("Output") == ["one", "two", ""]
    assert message.find("Output") == "one"


def test_an_absent_field_is_not_an_empty_one() -> None:
    (message,) = read(b"Event: Newchannel\r\nAccountCode: \r\n\r\n")
    assert message.find("AccountCode") == ""
    assert message.find("Linkedid") is None


def test_value_may_hold_colons_and_inner_spaces() -> None:
    (message,) = read(b"AppData: PJSIP/101:x,20 \r\nCallerIDName:  Two Spaces\r\nBare:x\r\n\r\n")
    assert message.find("AppData") == "PJSIP/101:x,20 "
    assert message.find("CallerIDName") == " Two Spaces"
    assert message.find("Bare") == "x"


def test_bad_bytes_are_seen_and_do_not_stop_the_stream() -> None:
    first, second = read(b"Event: Newchannel\r\nCallerIDName: Zo\xeb \xff\r\n\r\nEvent: Hangup\r\n\r\n")
    assert first.find("CallerIDName") == "Zo\ufffd \ufffd"
    assert second.event == "Hangup"


def test_line_without_a_colon_is_kept() -> None:
    (message,) = read(b"Event: Odd\r\nno colon here\r\n\r\n")
    assert message.fields == (("Event", "Odd"), ("", "no colon here"))


def test_too_long_a_line_is_cut_and_the_next_message_is_whole() -> None:
    reader = Reader()
    raw = b"Event: Long\r\nX: " + b"a" * (3 * MAX_LINE) + b"\r\n\r\nEvent: Next\r\n\r\n"
    messages = [
        message for start in range(0, len(raw), 100) for message in reader.feed(raw[start : start + 100])
    ]
    assert [message.event for message in messages] == ["Long", "Next"]
    assert [message.cut for message in messages] == [True, False]
    assert len(messages[0].find("X") or "") == MAX_LINE - len("X: ")
    assert reader.cut_lines == 1


def test_line_of_exactly_the_limit_is_whole() -> None:
    (message,) = read(b"X: " + b"a" * (MAX_LINE - 3) + b"\r\n\r\n")
    assert not message.cut
    assert len(message.find("X") or "") == MAX_LINE - 3


def test_message_of_too_many_lines_is_cut_and_says_so() -> None:
    first, second = read(b"Variable: x\r\n" * (MAX_LINES + 7) + b"\r\nEvent: Next\r\n\r\n")
    assert first.cut
    assert len(first.fields) == MAX_LINES
    assert (second.event, second.cut) == ("Next", False)


def test_endless_line_takes_no_memory() -> None:
    reader = Reader()
    for _ in range(200):
        assert reader.feed(b"a" * 65_536) == []
        assert reader.waiting_bytes <= MAX_LINE + 1


def test_blank_lines_between_messages_are_no_messages() -> None:
    assert [message.event for message in read(b"\r\n\r\nEvent: A\r\n\r\n\r\n\r\nEvent: B\r\n\r\n")] == [
        "A",
        "B",
    ]


@given(raw=st.binary(max_size=600), cuts=st.lists(st.integers(0, 600), max_size=12))
def test_pieces_make_no_difference_whatever_comes(raw: bytes, cuts: list[int]) -> None:
    whole = Reader(max_line=50, max_lines=5)
    expected = whole.feed(raw)
    reader = Reader(max_line=50, max_lines=5)
    places = [0, *sorted(cuts), len(raw)]
    messages = [
        message
        for start, end in zip(places, places[1:], strict=False)
        for message in reader.feed(raw[start:end])
    ]
    assert messages == expected
    assert (reader.greeting, reader.cut_lines) == (whole.greeting, whole.cut_lines)


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)


@given(fields=st.dictionaries(st.from_regex(r"[A-Za-z]{1,12}", fullmatch=True), WORDS, max_size=8))
def test_written_action_reads_back_as_it_was(fields: dict[str, str]) -> None:
    (message,) = read(write_action("Originate", fields, action_id="a-1"))
    assert message.fields == (("Action", "Originate"), ("ActionID", "a-1"), *fields.items())


@pytest.mark.parametrize("bad", ["101\r\nAction: Command", "x\n", "nul\0"])
def test_value_that_would_break_out_of_its_line_is_not_sent(bad: str) -> None:
    with pytest.raises(Rejected):
        write_action("Originate", {"Exten": bad})
    with pytest.raises(Rejected):
        write_action("Originate", {bad: "x"})
    with pytest.raises(Rejected):
        write_action(bad, {})


def test_challenge_is_answered_with_its_md5() -> None:
    # printf 123456789secret | md5sum
    assert answer_challenge("123456789", "secret") == "7ccde16e862dfe7681297713e9e9cadb"
