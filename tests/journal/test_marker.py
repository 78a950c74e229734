"""The marker: always the same, easy to tell from a mistyped one, and never forged by a caller's name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nutshellpbx.journal import marker
from nutshellpbx.journal.notetext import MAX_TEXT, clean_line, clean_text

SECRET = b"0123456789abcdef0123456789abcdef"


def make(call_key: str = "pbx/1/202611220900", crm_id: str = "crm", generation: int = 1) -> marker.Marker:
    return marker.make(secret=SECRET, call_key=call_key, crm_id=crm_id, generation=generation)


def test_marker_is_one_short_line_that_stays_the_same() -> None:
    assert str(make()) == str(make()) == "[npbx ET56-A17R-QXPK-F-1]"
    assert len(str(make(generation=marker.MAX_GENERATION))) <= marker.MAX_LENGTH


def test_marker_differs_by_call_crm_generation_and_box() -> None:
    other_box = marker.make(secret=b"x" * 32, call_key="pbx/1/202611220900", crm_id="crm", generation=1)
    all_of_them = {
        str(one) for one in (make(), make("pbx/2"), make(crm_id="other"), make(generation=2), other_box)
    }
    assert len(all_of_them) == 5
    # the parts cannot run into each other
    assert make("ab", "c") != make("a", "bc")


def test_marker_is_found_again_in_a_note() -> None:
    text = f"Inbound call\n<br />{str(make(generation=12)).lower()} and more"
    assert marker.find_markers(text) == [make(generation=12)]


@given(st.text(min_size=1), st.integers(1, marker.MAX_GENERATION), st.data())
def test_any_one_wrong_character_is_noticed(call_key: str, generation: int, data: st.DataObject) -> None:
    line = str(make(call_key, generation=generation))
    places = [at for at, letter in enumerate(line) if letter in marker.ALPHABET and 6 <= at < 20]
    place = data.draw(st.sampled_from(places))
    letter = data.draw(st.sampled_from([one for one in marker.ALPHABET if one != line[place]]))
    assert marker.find_markers(line[:place] + letter + line[place + 1 :]) == []


@given(st.text(min_size=1))
def test_two_swapped_characters_are_noticed(call_key: str) -> None:
    line = str(make(call_key))
    for place in (6, 7, 8, 11, 12, 13, 16, 17, 18):
        if line[place] != line[place + 1]:
            swapped = line[:place] + line[place + 1] + line[place] + line[place + 2 :]
            assert marker.find_markers(swapped) == []


def test_short_secret_and_wild_generation_are_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        marker.make(secret=b"short", call_key="a", crm_id="b", generation=1)
    for generation in (0, marker.MAX_GENERATION + 1):
        with pytest.raises(ValueError, match="does not fit"):
            make(generation=generation)


@given(st.text(max_size=300))
def test_no_text_of_a_stranger_carries_a_marker(text: str) -> None:
    forged = clean_text(f"{text}{make()}{text}[\u200bnpbx 7Q2K-9F4M-XD3B-1-1]")
    assert marker.find_markers(forged) == []
    assert "[npbx" not in forged.lower()


def test_text_keeps_what_people_wrote_and_loses_what_cannot_be_seen() -> None:
    hostile = "Müller \U0001f469\u200d\U0001f4bb\r\n\x00\x1b[31mred\x07\u202eevil\ud800\ttab\u2028next"
    assert clean_text(hostile) == "Müller \U0001f469\u200d\U0001f4bb\n[31mredevil tab\nnext"
    assert clean_line(hostile) == "Müller \U0001f469\u200d\U0001f4bb [31mred evil tab next"


def test_long_text_is_cut() -> None:
    assert len(clean_text("x" * 100_000)) == MAX_TEXT
    assert len(clean_line("x" * 100_000)) == 200
