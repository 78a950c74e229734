"""The caller of a call as a number, and whether he is one that is never matched."""

from __future__ import annotations

from nutshellpbx import phone
from nutshellpbx.calls.models import Call
from nutshellpbx.people.models import Company, Extension


def country_of(*, call: Call, company: Company) -> str:
    """The country that numbers of this call are read with: the phone system's, else the company's."""
    return call.pbx.country or company.country


def caller_of(*, call: Call, company: Company) -> phone.PhoneNumber:
    """The outside party's number, normalised."""
    return phone.read(call.number, country=country_of(call=call, company=company))


def find_never_reason(*, call: Call, company: Company) -> str:
    """Why this caller is never matched (PRODUCT rule 6); empty when he may be."""
    country = country_of(call=call, company=company)
    reason = phone.never_matched(
        caller_of(call=call, company=company),
        own_numbers=_numbers(company.own_numbers, country),
        never_numbers=_numbers(company.never_numbers, country),
        extensions=frozenset(Extension.objects.filter(pbx_id=call.pbx_id).values_list("number", flat=True)),
        country=country,
    )
    return "" if reason is None else str(reason)


def presented_digits(number: str) -> int:
    """How many digits the PBX presented, without a plus: what "Caller ID length" counts."""
    return sum(1 for sign in number if sign.isdecimal())


def _numbers(raw: list[str], country: str) -> frozenset[phone.PhoneNumber]:
    return frozenset(phone.read(text, country=country) for text in raw)
