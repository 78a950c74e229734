"""Whether a caller is one of these records: the one place where two numbers are compared. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nutshellpbx.crm.adapter import Card, CardNumber, Table
from nutshellpbx.phone import PhoneNumber, is_at_home, is_valid, read, read_all

#: What a CRM from North America puts before a number that was entered without a prefix.
ADDED_PREFIX: Final = "+1"


class Form(StrEnum):
    """In which form the caller's number and the record's number are the same."""

    E164 = "e164"  # both could be read, and are the same number
    DIGITS = "digits"  # one could not be read; the digits as written are the same
    LAST_DIGITS = "last_digits"  # the user's "Maximum digit length to compare"


@dataclass(frozen=True, slots=True)
class Why:
    """Why a record was taken for the caller: its number as the CRM holds it, the form, what was compared."""

    raw: str
    label: str
    form: Form
    compared: str


@dataclass(frozen=True, slots=True)
class Match:
    """A record that the caller may be."""

    card: Card
    why: Why


def forms_of(number: CardNumber, *, country: str) -> tuple[PhoneNumber, ...]:
    """What a record's number may be dialled as; several when its field holds several.

    The CRM's own E.164 form counts. Only where its prefix is the one that a CRM adds by itself, and that
    makes no number in real use, the text as written is read too, as a number of the company's country.
    """
    theirs = read(number.e164, country=country) if number.e164 else None
    if theirs is None or not theirs.digits:
        return read_all(number.raw, country=country)
    if is_valid(theirs) or not number.e164.startswith(ADDED_PREFIX):
        return (theirs,)
    written = read_all(number.raw, country=country)
    return (
        theirs,
        *(each for each in written if is_at_home(each, country=country) and each.e164 != theirs.e164),
    )


def find_form(*, caller: PhoneNumber, other: PhoneNumber, compare_digits: int) -> Form | None:
    """In which form two numbers are the same, or None; 0 digits compare the whole normalised number."""
    if not caller.match_digits or not other.match_digits:
        return None
    if compare_digits:
        return Form.LAST_DIGITS if caller.last(compare_digits) == other.last(compare_digits) else None
    if caller.e164 and other.e164:
        return Form.E164 if caller.e164 == other.e164 else None
    return Form.DIGITS if caller.digits == other.digits else None


def find_matches(
    *,
    caller: PhoneNumber,
    cards: Iterable[Card],
    country: str,
    compare_digits: int,
    tables: Sequence[Table],
    owner: str = "",
) -> list[Match]:
    """The records that the caller may be, from the first table that knows the number, in the fixed order.

    `owner` is the CRM's id of the user who is asked for: his records come first.
    """
    matches: dict[tuple[Table, str], Match] = {}
    for card in cards:
        if card.table in tables and (card.table, card.id) not in matches:
            why = _find_why(caller, card, country, compare_digits)
            if why is not None:
                matches[(card.table, card.id)] = Match(card=card, why=why)
    for table in tables:
        of_table = [match for match in matches.values() if match.card.table == table]
        if of_table:
            return in_fixed_order(of_table, owner=owner)
    return []


def in_fixed_order(matches: Iterable[Match], *, owner: str) -> list[Match]:
    """Those that the user owns, then the last contacted, then by name: the same every time."""
    return sorted(
        matches,
        key=lambda match: (
            not (owner and match.card.owner == owner),
            -(match.card.last_contacted_at.timestamp() if match.card.last_contacted_at else 0.0),
            match.card.name.casefold(),
            match.card.id,
        ),
    )


def _find_why(caller: PhoneNumber, card: Card, country: str, compare_digits: int) -> Why | None:
    for number in card.numbers:
        for other in forms_of(number, country=country):
            form = find_form(caller=caller, other=other, compare_digits=compare_digits)
            if form is not None:
                compared = caller.last(compare_digits) if form is Form.LAST_DIGITS else caller.match_digits
                return Why(raw=number.raw, label=number.label, form=form, compared=compared)
    return None
