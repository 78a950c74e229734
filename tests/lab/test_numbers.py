from __future__ import annotations

import pytest

from nutshellpbx.lab.nutshell.numbers import format_number, read_number


@pytest.mark.parametrize(
    ("typed", "code", "number", "extension"),
    [
        ("312-555-0142", "1", "3125550142", None),
        ("(312) 555-0142", "1", "3125550142", None),
        ("+1 312 555 0142", "1", "3125550142", None),
        ("1 312 555 0142", "1", "3125550142", None),
        ("312.555.0142 Ext. 123", "1", "3125550142", "123"),
        ("312-555-0142 x7", "1", "3125550142", "7"),
        ("+216 717-555-0133", "216", "7175550133", None),
        ("+44 44 555 01 99", "44", "445550199", None),
        ("+41445550199", "41", "445550199", None),
        ("(+41) 44 555 01 99", "41", "445550199", None),
        ("３１２-５５５-０１４２", "1", "3125550142", None),
        ("717-555-0133", "1", "7175550133", None),
    ],
)
def test_a_typed_number_is_read_as_the_captures_show(
    typed: str, code: str, number: str, extension: str | None
) -> None:
    assert read_number(typed) == (code, number, extension)


def test_a_trunk_zero_in_brackets_stays_because_nobody_saw_it_go() -> None:
    assert read_number("+44 (0)20 7946 0018") == ("44", "02079460018", None)


def test_a_number_with_00_lands_in_the_default_country() -> None:
    assert read_number("0044 20 7946 0018") == ("1", "00442079460018", None)


def test_text_without_digits_is_kept_without_a_country() -> None:
    assert read_number(" ask at the front desk ") == ("", "ask at the front desk", None)


def test_numbers_of_country_1_are_shown_with_hyphens_and_others_bare() -> None:
    assert format_number("1", "3125550142") == "312-555-0142"
    assert format_number("216", "7175550133") == "7175550133"
