"""How the practice Nutshell reads a phone number that somebody typed as free text.

The rules are those captured from US instances: a number without ``+`` belongs to the default country 1, a
number with ``+`` to the code that the writer set apart. What nobody has seen (a trunk zero in brackets, a
``00`` prefix, two numbers in one field) is read literally, because that is the harder case for a caller
search: the zero stays, ``0044`` lands in country 1, two numbers grow together.
"""

from __future__ import annotations

import re
from typing import NamedTuple

DEFAULT_COUNTRY = "1"

# Country calling codes of two digits; 1 and 7 have one digit and every other code has three (ITU E.164). No
# code begins another, so the code that the writer set apart is the one that the plan finds.
_TWO_DIGIT_CODES = """
    20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82
    84 86 90 91 92 93 94 95 98"""
_TWO_DIGITS = frozenset(_TWO_DIGIT_CODES.split())
_EXTENSION = re.compile(r"[\s,;]*(?:\bext(?:ension)?\b\.?|\bx|#)\s*(\d{1,6})\s*$", re.IGNORECASE)
_MAY_HAVE_EXTENSION = re.compile("[xX#]")
_NOT_A_DIGIT = re.compile(r"\D+")
_PLUS = re.compile(r"[\s(]*[+\uff0b]")


class ReadNumber(NamedTuple):
    """What was understood of a typed number; without any digit, ``number`` is the text and the code empty."""

    country_code: str
    number: str
    extension: str | None


def read_number(text: str, *, default_country: str = DEFAULT_COUNTRY) -> ReadNumber:
    """Read one typed phone number into country code, national number and extension."""
    extension = None
    found = _EXTENSION.search(text) if _MAY_HAVE_EXTENSION.search(text) else None
    if found and digits_of(text[: found.start()]):
        extension = digits_of(found.group(1))
        text = text[: found.start()]
    digits = digits_of(text)
    if not digits:
        return ReadNumber("", text.strip(), extension)
    if _PLUS.match(text):
        code = _code_of(digits)
        return ReadNumber(code, digits[len(code) :], extension)
    if default_country == "1" and len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    return ReadNumber(default_country, digits, extension)


def digits_of(text: str) -> str:
    """Keep the digits of a text, full-width and other scripts' digits turned into ASCII."""
    digits = _NOT_A_DIGIT.sub("", text)
    return digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)


def format_number(country_code: str, number: str) -> str:
    """Write a national number as the CRM shows it: 3-3-4 with hyphens in country 1, bare digits elsewhere."""
    if country_code == "1" and len(number) == 10:
        return f"{number[:3]}-{number[3:6]}-{number[6:]}"
    return number


def _code_of(digits: str) -> str:
    if digits[0] in "17":
        return digits[0]
    if digits[:2] in _TWO_DIGITS:
        return digits[:2]
    return digits[:3]
