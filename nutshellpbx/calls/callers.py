"""The caller of a call as a number, and whether he is one that is never matched."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from nutshellpbx import phone
from nutshellpbx.calls.models import Call
from nutshellpbx.calls.policy import Policy
from nutshellpbx.people.models import Company, Extension

#: Reasons of a pop that a number may take away.
NO_NUMBER = ("never_matched", "too_short")


def country_of(*, call: Call, company: Company) -> str:
    """The country that numbers of this call are read with: the phone system's, else the company's."""
    return call.pbx.country or company.country


def caller_of(*, call: Call, company: Company) -> phone.PhoneNumber:
    """The outside party's number, normalised."""
    return phone.read(call.number, country=country_of(call=call, company=company))


def find_never_reason(*, call: Call, company: Company, policy: Policy) -> str:
    """Why this caller is never matched (PRODUCT rule 6); empty when he may be."""
    if call.is_private:
        return "private"
    extensions = frozenset(Extension.objects.filter(pbx_id=call.pbx_id).values_list("number", flat=True))
    return never_reason(
        caller_of(call=call, company=company),
        own_numbers=company.own_numbers,
        extensions=extensions,
        country=country_of(call=call, company=company),
        policy=policy,
    )


def never_reason(
    number: phone.PhoneNumber,
    *,
    own_numbers: Iterable[str],
    extensions: Collection[str],
    country: str,
    policy: Policy,
) -> str:
    """The same of a number alone: one of phone.NeverReason, or empty."""
    own = frozenset(phone.read(text, country=country) for text in own_numbers)
    reason = phone.never_matched(number, own_numbers=own, extensions=extensions, country=country)
    if reason is None and policy.never.has(number):
        reason = phone.NeverReason.NEVER_LIST
    return "" if reason is None else str(reason)


def presented_digits(number: str) -> int:
    """How many digits the PBX presented, without a plus: what "Caller ID length" counts."""
    return sum(1 for sign in number if sign.isdecimal())
