"""Reading phone numbers: every spelling seen in the wild, and whatever else may come."""

from __future__ import annotations

import timeit

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nutshellpbx import phone
from nutshellpbx.phone import NeverReason, PhoneNumber, key_of, key_range, never_matched, read, read_all

SAME = "+41445550199"
SPELLINGS = [
    ("+41445550199", "US"),
    ("+41 44 555 01 99", "CH"),
    ("+41 (0)44 555 01 99", "US"),
    ("+41(0)445550199", "CH"),
    ("0041 44 555 01 99", "US"),
    ("0041 (0) 44 555 01 99", "US"),
    ("011 41 44 555 01 99", "US"),
    ("41445550199", "CH"),
    ("41445550199", "US"),
    ("044 555 01 99", "CH"),
    ("044/555 01 99", "CH"),
    ("044.555.01.99", "CH"),
    ("(044) 555-01-99", "CH"),
    ("044\u00a0555\u202f01\u00a099", "CH"),
    ("044–555—01−99", "CH"),
    ("０４４ ５５５ ０１ ９９", "CH"),
    ("٠٤٤٥٥٥٠١٩٩", "CH"),
    ("tel:+41-44-555-01-99", "US"),
    ("tel:%2B41445550199;phone-context=x", "US"),
    ("sip:+41445550199@pbx.example;user=phone", "US"),
    ('"Mara" <sip:0445550199@10.0.0.1>', "CH"),
    ("044 555 01 99 x12", "CH"),
    ("044 555 01 99 ext. 12", "CH"),
    ("044 555 01 99 (office)", "CH"),
    ("Office: 044 555 01 99", "CH"),
    ("2nd line 044 555 01 99", "CH"),
    ("\x00\u202e044 555\t01 99\u200b", "CH"),
    ("+41 44 555 01 99 or +41 79 555 01 88", "US"),
]


@pytest.mark.parametrize(("raw", "country"), SPELLINGS)
def test_every_spelling_of_a_number_is_the_same_number(raw, country):
    number = read(raw, country=country)
    assert number.e164 == SAME
    assert number.national == "0445550199"
    assert number.country == "CH"
    assert number.shown() == "+41 44 555 01 99"


def test_an_extension_is_kept_apart():
    assert read("(312) 555-0142 x12", country="US").extension == "12"
    assert read("312-555-0142 Ext. 123", country="US").extension == "123"
    assert read("tel:+1-312-555-0142;ext=77", country="CH").extension == "77"
    assert read("312-555-0142", country="US").extension == ""


def test_two_numbers_in_one_field_are_both_read():
    numbers = read_all("044 555 01 99 / 079 555 01 88", country="CH")
    assert [number.e164 for number in numbers] == ["+41445550199", "+41795550188"]
    numbers = read_all("+1 312 555 0142; 415-555-0143", country="US")
    assert [number.e164 for number in numbers] == ["+13125550142", "+14155550143"]


def test_a_slash_inside_one_number_does_not_make_two():
    assert [number.e164 for number in read_all("0171/1234567", country="DE")] == ["+491711234567"]


def test_a_number_without_prefix_belongs_to_the_companys_country():
    assert read("312-555-0142", country="US").e164 == "+13125550142"
    assert read("020 7946 0018", country="GB").e164 == "+442079460018"


def test_an_italian_number_keeps_its_zero():
    assert read("+39 (0)6 6988 2345", country="US").e164 == read("06 6988 2345", country="IT").e164


@pytest.mark.parametrize("raw", ["101", "555-0142", "0123", "*97", "12", "9" * 40, "+102079460018"])
def test_what_is_no_whole_number_has_no_e164_form_but_its_digits(raw):
    number = read(raw, country="US")
    assert number.e164 == ""
    assert number.digits == "".join(sign for sign in raw if sign.isdigit())


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", NeverReason.EMPTY),
        ("  \x00", NeverReason.EMPTY),
        ("<unknown>", NeverReason.WITHHELD),
        ("Anonymous", NeverReason.WITHHELD),
        ("anonymous@anonymous.invalid", NeverReason.ALPHANUMERIC),
        ("Restricted", NeverReason.WITHHELD),
        ("Private Number", NeverReason.WITHHELD),
        ("s", NeverReason.WITHHELD),
        ("AMAZON", NeverReason.ALPHANUMERIC),
        ("ACME24", NeverReason.ALPHANUMERIC),
        ("'; DROP TABLE calls;--", NeverReason.ALPHANUMERIC),
        ("$(reboot)", NeverReason.ALPHANUMERIC),
        ("112", NeverReason.EMERGENCY),
        ("911", NeverReason.EMERGENCY),
        ("144", NeverReason.EMERGENCY),
        ("101", NeverReason.INTERNAL),
        ("7", NeverReason.TOO_SHORT),
        ("044 555 01 00", NeverReason.OWN_NUMBER),
        ("+41 79 555 09 99", NeverReason.NEVER_LIST),
        ("+41 44 555 01 99", None),
        ("tel:0445550199", None),
        ("4711", None),
    ],
)
def test_who_is_never_looked_up(raw, reason):
    own = [read("+41445550100", country="CH")]
    never = [read("0795550999", country="CH")]
    found = never_matched(
        read(raw, country="CH"), own_numbers=own, never_numbers=never, extensions={"101"}, country="CH"
    )
    assert found == reason


def test_numbers_that_end_alike_lie_in_one_range():
    first, last = key_range("550142")
    inside = ["13125550142", "550142", "4155550142"]
    outside = ["13125550143", "1550141", "50142", "5501420"]
    assert all(first <= key_of(digits) <= last for digits in inside)
    assert not any(first <= key_of(digits) <= last for digits in outside)


def test_a_key_fits_64_bits_whatever_comes():
    assert 0 <= key_of("9" * 400) < 2**63
    assert key_of("") == 0


@given(st.text(max_size=400), st.sampled_from(["US", "CH", "DE", "IT", "", "ZZ", "x\x00"]))
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_without_an_error(raw, country):
    for number in (read(raw, country=country), *read_all(raw, country=country)):
        assert len(number.raw) <= phone.MAX_INPUT
        assert 0 <= number.match_key < 2**63
        assert number.shown().isprintable()
        assert number.e164 == "" or (number.e164.startswith("+") and number.e164[1:].isascii())
        assert number.digits == "" or (number.digits.isascii() and number.digits.isdigit())
        never_matched(number, country=country)


@given(st.text(alphabet="+0123456789()-./ x#\u00a0,;\n extORtel:", max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_likeness_of_a_number_is_read_without_an_error(raw):
    number = read(raw, country="CH")
    assert read(number.e164, country="US").e164 == number.e164 if number.e164 else True


@given(st.text(alphabet="0123456789", min_size=1, max_size=18), st.integers(min_value=1, max_value=18))
def test_range_and_key_agree_with_the_end_of_the_digits(digits, count):
    first, last = key_range(digits[-count:])
    assert first <= key_of(digits) <= last


@pytest.mark.parametrize("country", ["US", "CH", "DE", "GB", "FR", "IT", "BR", "IN", "JP", "AU", "MX", "ZA"])
def test_example_numbers_of_many_countries_come_back_from_each_form(country):
    for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
        example = phonenumbers.example_number_for_type(country, kind)
        e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        for form in (
            phonenumbers.PhoneNumberFormat.NATIONAL,
            phonenumbers.PhoneNumberFormat.INTERNATIONAL,
            phonenumbers.PhoneNumberFormat.RFC3966,
        ):
            assert read(phonenumbers.format_number(example, form), country=country).e164 == e164


def test_an_endless_text_costs_no_time():
    taken = min(timeit.repeat(lambda: read("9(" * 500_000, country="US"), number=1, repeat=3))
    assert taken < 0.1


def test_a_number_without_digits_has_nothing_to_compare():
    assert PhoneNumber(raw="").match_key == 0
    assert PhoneNumber(raw="").last(9) == ""
