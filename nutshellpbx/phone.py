"""Phone numbers as people and phone systems write them, read into one normal form.

Pure. `read` never raises: what cannot be read keeps its digits and has no E.164 form. Everything that comes
in is hostile: only the first MAX_INPUT characters are looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, shortnumberinfo

#: Longer inputs are cut before they are looked at; the longest number with all its decorations is far
#: shorter.
MAX_INPUT: Final = 200
#: A reversed key has always this many digits, so that it fits 64 bits and "ends with" is one range.
KEY_DIGITS: Final = 18
#: Fewer digits than this are never a caller (feature codes, menu keys).
SHORTEST: Final = 3

_SCHEME = re.compile(r"^\s*(?:tel|sip|sips|callto)\s*:", re.IGNORECASE)
_BRACKETED = re.compile(r"<([^<>]*\d[^<>]*)>")
_RUN = re.compile(r"[+(\[]*\d[\d\s()\[\]+.\-/\\_~*·•'’‐-―−]*")
_EXTENSION = re.compile(
    r"(?:;\s*ext\s*=|\b(?:ext(?:ension|n)?|durchwahl|dw|poste|interno|int|anexo|ramal|tlw|доб)\b\.?|"
    r"(?<=[\d\s)])x|#)\s*[:.=]?\s*(\d{1,8})(?!\d)",
    re.IGNORECASE,
)
_TRUNK_ZERO = re.compile(r"[(\[]\s*0\s*[)\]]")
_BETWEEN_NUMBERS = re.compile(r"[/\\;,|\n]|\s(?:or|oder|ou|und|and|o)\s", re.IGNORECASE)
#: What phone systems say instead of a number when the caller withheld it, folded to letters only.
_WITHHELD = re.compile(
    r"anonym(?:ous|e|o)?(?:caller)?|anonimo|unknown(?:number|caller)?|callerunknown|unbekannt|inconnu|"
    r"sconosciuto|private?(?:number)?|prive|restricted|withheld|(?:un|not)available|blocked(?:id)?|"
    r"no(?:ne|name|number|callerid|body)|hidden|suppressed|asserted|null|na|[pos]|asterisk|outofarea"
)
#: Dialled for help in many countries, whatever the company's own.
_EMERGENCY_EVERYWHERE: Final = frozenset({"112", "911", "999", "000"})


class NeverReason(StrEnum):
    """Why a caller's number is never looked up."""

    WITHHELD = "withheld"
    EMPTY = "empty"
    ALPHANUMERIC = "alphanumeric"
    EMERGENCY = "emergency"
    INTERNAL = "internal"
    TOO_SHORT = "too_short"
    OWN_NUMBER = "own_number"
    NEVER_LIST = "never_list"


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """One number: as it came, and what could be read from it.

    `e164` ("+13125550142") and `country` ("US") are empty where the number could not be read; `national`
    holds the digits as they are dialled inside the country; `digits` are the digits as presented, without
    extension.
    """

    raw: str
    e164: str = ""
    national: str = ""
    digits: str = ""
    extension: str = ""
    country: str = ""

    @property
    def match_digits(self) -> str:
        """The digits that are compared: those of the E.164 form, else those presented."""
        return self.e164[1:] if self.e164 else self.digits

    @property
    def match_key(self) -> int:
        """The compared digits from the last to the first as a 64-bit integer; 0 where there are none."""
        return key_of(self.match_digits)

    def shown(self) -> str:
        """The number for people: the international form, else the text as it came, fit to be shown."""
        if self.e164:
            return _international(self.e164)
        return " ".join(_cleaned(self.raw).split())[:40]

    def last(self, count: int) -> str:
        """The last `count` compared digits; fewer where there are fewer; all of them for 0."""
        return self.match_digits[-count:] if count else self.match_digits


def key_of(digits: str) -> int:
    """The digits reversed and filled up with zeros to KEY_DIGITS as an integer; of longer ones the end."""
    if not digits:
        return 0
    return int(digits[::-1][:KEY_DIGITS].ljust(KEY_DIGITS, "0"))


def key_range(ending: str) -> tuple[int, int]:
    """First and last key of all numbers that end with these digits (1 to KEY_DIGITS of them)."""
    start = ending[::-1][:KEY_DIGITS]
    return int(start.ljust(KEY_DIGITS, "0")), int(start.ljust(KEY_DIGITS, "9"))


def read(raw: str, *, country: str) -> PhoneNumber:
    """Read one number as it would be dialled in a country ("US"); of several, the first that can be read."""
    numbers = read_all(raw, country=country)
    return numbers[0] if numbers else PhoneNumber(raw=raw[:MAX_INPUT])


def read_all(raw: str, *, country: str) -> tuple[PhoneNumber, ...]:
    """Read every number of a text that may hold several; empty where there is not one digit."""
    return _read_all(raw[:MAX_INPUT], country.upper()[:2])


def is_valid(number: PhoneNumber) -> bool:
    """Whether the number lies in a range that its country really uses."""
    return bool(number.e164) and _is_assigned(number.e164)


def is_at_home(number: PhoneNumber, *, country: str) -> bool:
    """Whether the number is one in real use under this country's own prefix."""
    code = phonenumbers.country_code_for_region(country.upper()[:2])
    return bool(code) and number.e164.startswith(f"+{code}") and is_valid(number)


def never_matched(
    number: PhoneNumber,
    *,
    own_numbers: Collection[PhoneNumber] = (),
    never_numbers: Collection[PhoneNumber] = (),
    extensions: Collection[str] = (),
    country: str = "",
) -> NeverReason | None:
    """Why this caller is never looked up; None when it may be.

    `own_numbers` are the company's, `never_numbers` the admin's list, `extensions` the internal numbers;
    `country` adds that country's emergency numbers.
    """
    letters = "".join(sign for sign in _cleaned(number.raw).casefold() if sign.isalpha())
    if _WITHHELD.fullmatch(letters) and not number.e164:
        return NeverReason.WITHHELD
    if not number.digits:
        return NeverReason.ALPHANUMERIC if letters else NeverReason.EMPTY
    if number.digits in _EMERGENCY_EVERYWHERE or _is_emergency(number.digits, country or number.country):
        return NeverReason.EMERGENCY
    if number.digits in extensions:
        return NeverReason.INTERNAL
    if letters and not number.e164 and not _SCHEME.match(number.raw[:MAX_INPUT]):
        return NeverReason.ALPHANUMERIC
    if len(number.digits) < SHORTEST:
        return NeverReason.TOO_SHORT
    if any(number.match_digits == own.match_digits for own in own_numbers):
        return NeverReason.OWN_NUMBER
    if any(number.match_digits == never.match_digits for never in never_numbers):
        return NeverReason.NEVER_LIST
    return None


@lru_cache(maxsize=8192)
def _read_all(raw: str, country: str) -> tuple[PhoneNumber, ...]:
    text = _cleaned(raw)
    whole = _read_one(text, raw, country)
    if whole is None:
        return ()
    texts = _BETWEEN_NUMBERS.split(text)
    if len(texts) == 1:
        return (whole,)
    if whole.e164 and _is_assigned(whole.e164):
        return (whole, *_others(texts, raw, country, whole))
    parts = [_read_one(part, raw, country) for part in texts]
    readable = tuple(dict.fromkeys(part for part in parts if part is not None and part.e164))
    return readable or (whole,)


def _others(texts: list[str], raw: str, country: str, first: PhoneNumber) -> tuple[PhoneNumber, ...]:
    """The further numbers of a text whose first run alone already is a number ("… or 079 555 01 88")."""
    found: dict[str, PhoneNumber] = {}
    for part in texts:
        if sum(sign.isdigit() for sign in part) < 7:
            continue
        number = _read_one(part, raw, country)
        if number and number.e164 and number.e164 != first.e164 and _is_assigned(number.e164):
            found[number.e164] = number
    return tuple(found.values())


def _read_one(text: str, raw: str, country: str) -> PhoneNumber | None:
    text = _without_scheme(text)
    extension = ""
    for match in _EXTENSION.finditer(text):
        if sum(sign.isdigit() for sign in text[: match.start()]) >= 5:
            extension = match.group(1)
            text = text[: match.start()]
            break
    runs = _RUN.findall(text)
    if not runs:
        return None
    run = max(runs, key=lambda found: sum(sign.isdigit() for sign in found))
    digits = "".join(sign for sign in run if sign.isdigit())
    parsed = _parse(run, digits, country)
    if parsed is None:
        return PhoneNumber(raw=raw, digits=digits, national=digits, extension=extension)
    e164 = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    national = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)
    return PhoneNumber(
        raw=raw,
        e164=e164,
        national="".join(sign for sign in national if sign.isdigit()),
        digits=digits,
        extension=extension,
        country=phonenumbers.region_code_for_number(parsed) or "",
    )


def _parse(run: str, digits: str, country: str) -> phonenumbers.PhoneNumber | None:
    """The first reading that is a number in real use; else the plain reading, if its length is possible."""
    possible: phonenumbers.PhoneNumber | None = None
    for spelling, region, is_guess in _spellings(run, digits, country):
        try:
            parsed = phonenumbers.parse(spelling, region)
        except NumberParseException:
            continue
        if phonenumbers.is_valid_number(parsed):
            return parsed
        reason = phonenumbers.is_possible_number_with_reason(parsed)
        if possible is None and not is_guess and reason == phonenumbers.ValidationResult.IS_POSSIBLE:
            possible = parsed
    return possible


def _spellings(run: str, digits: str, country: str) -> list[tuple[str, str | None, bool]]:
    """What the digits may mean, the likeliest first.

    Each is a text for the parser, a country (None: international) and whether it is a guess, which counts
    only when it leads to a number in real use.
    """
    bare = "".join(sign for sign in _TRUNK_ZERO.sub("", run) if sign.isdigit())
    if run.lstrip("([ ").startswith("+"):
        tries: list[tuple[str, str | None, bool]] = [(f"+{bare}", None, False)]
        if bare != digits:
            tries.append((f"+{digits}", None, True))
        if country:
            tries.append((digits, country, True))
        return tries
    tries = []
    if bare.startswith("00"):
        tries.append((f"+{bare[2:]}", None, False))
    if country:
        tries.append((digits, country, False))
    if bare.startswith("011"):
        tries.append((f"+{bare[3:]}", None, True))
    if not digits.startswith("0"):
        tries.append((f"+{bare}", None, True))
    return tries


@lru_cache(maxsize=8192)
def _is_assigned(e164: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(e164))
    except NumberParseException:
        return False


@lru_cache(maxsize=2048)
def _international(e164: str) -> str:
    try:
        return phonenumbers.format_number(phonenumbers.parse(e164), PhoneNumberFormat.INTERNATIONAL)
    except NumberParseException:
        return e164


def _is_emergency(digits: str, country: str) -> bool:
    return bool(country) and len(digits) <= 6 and shortnumberinfo.is_emergency_number(digits, country)


def _without_scheme(text: str) -> str:
    bracketed = _BRACKETED.search(text)
    if bracketed:
        text = bracketed.group(1)
    if _SCHEME.match(text):
        text = unquote(_SCHEME.sub("", text, count=1)).partition("@")[0]
        number, _, parameters = text.partition(";")
        extension = re.search(r"(?:^|;)\s*ext=(\d{1,8})", parameters, re.IGNORECASE)
        text = f"{number};ext={extension.group(1)}" if extension else number
    return text


def _cleaned(raw: str) -> str:
    """The text in plain characters: widths and digits of other scripts folded, the invisible removed."""
    signs = []
    for sign in unicodedata.normalize("NFKC", raw[:MAX_INPUT])[: 2 * MAX_INPUT]:
        decimal = unicodedata.decimal(sign, None)
        category = unicodedata.category(sign)
        if decimal is not None:
            signs.append(str(decimal))
        elif sign == "\n":
            signs.append(sign)
        elif category in ("Cc", "Zs", "Zl", "Zp"):
            signs.append(" ")
        elif category not in ("Cf", "Cs", "Cn", "Co"):
            signs.append(sign)
    return "".join(signs)
