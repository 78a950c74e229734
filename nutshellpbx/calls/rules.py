"""The company's policies in force, out of the rows; and what an admin enters, checked before it is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from nutshellpbx import phone
from nutshellpbx.calls.linerules import CallRule
from nutshellpbx.calls.policy import (
    ANY,
    SHORTEST_PREFIX,
    EntryOwner,
    Hours,
    LineRule,
    NumberList,
    Policy,
    Quiet,
)
from nutshellpbx.people.models import Company, Preferences, User
from nutshellpbx.people.preferences import Effective

MOST_NUMBERS = 1000
MOST_HOURS = 50
#: So many bad lines of a list are named at once.
MOST_NAMED = 5
#: The settings that a line rule may lay down.
LINE_SETTINGS = ("open_mode", "unknown", "journaling", "open_after")


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What policies are made of: the company's row and the rows of its lines in their order, each with the
    ids of its CRMs; saved or not.
    """

    company: Company
    lines: tuple[tuple[CallRule, frozenset[str]], ...] = ()

    def policy(self, *, country: str, pbx_id: object = None) -> Policy:
        """The policies for calls of this PBX, with numbers read in this country."""
        lines = [
            line_rule(row, crms=crms, country=country)
            for row, crms in self.lines
            if row.pbx_id in (None, pbx_id)
        ]
        return policy_of(company=self.company, lines=lines, country=country)


def rulebook_now(*, company: Company | None = None) -> Rulebook:
    """The rules in force, out of the rows."""
    rows = CallRule.objects.prefetch_related("crms")
    lines = tuple((row, frozenset(str(crm.pk) for crm in row.crms.all())) for row in rows)
    return Rulebook(company or Company.get(), lines)


def policy_now(*, country: str, pbx_id: object = None, company: Company | None = None) -> Policy:
    """The policies that hold for calls of this PBX now, with numbers read in this country."""
    return rulebook_now(company=company).policy(country=country, pbx_id=pbx_id)


def policy_of(*, company: Company, lines: Sequence[LineRule], country: str) -> Policy:
    """The policies as this company row says them, saved or not: for the page that tries them out first."""
    return Policy(
        group_policy=company.group_policy,
        entry_owner=EntryOwner(company.entry_owner),
        quiet_shows=Quiet(company.quiet_shows),
        never=number_list(company.never_numbers, country=country),
        never_log=number_list(company.never_log_numbers, country=country),
        never_pop=number_list(company.never_pop_numbers, country=country),
        lines=tuple(lines),
    )


def number_list(raw: Iterable[str], *, country: str) -> NumberList:
    """A list of numbers as entered ("+1 312 555 0142"; with "*" at its end: all that begin so)."""
    return _number_list(tuple(raw), country)


@lru_cache(maxsize=32)  # asked at every ring, and a list may have a thousand lines
def _number_list(raw: tuple[str, ...], country: str) -> NumberList:
    exact, prefixes = set(), []
    for text in raw:
        if text.rstrip().endswith(ANY):
            prefixes.append(_prefix(text))
        elif digits := phone.read(text, country=country).match_digits:
            exact.add(digits)
    return NumberList(frozenset(exact), tuple(prefix for prefix in prefixes if prefix))


def read_numbers(lines: Iterable[str], *, country: str) -> list[str]:
    """What an admin entered for a never list, tidied: one line each in its international form, none twice,
    in the order of their digits. Raises ValidationError that names the bad lines.
    """
    tidy: dict[tuple[str, bool], str] = {}
    bad: list[str] = []
    for place, line in enumerate(lines, start=1):
        text = " ".join(line.split())
        if not text:
            continue
        if (read := _read_number(text, country)) is None:
            bad.append(
                _(
                    "Line %(line)s: “%(text)s” is no number. Write +1 312 555 0142,"
                    " or +1 312* for all that begin so."
                )
                % {"line": place, "text": text[:40]}
            )
        else:
            digits, shown = read
            tidy.setdefault((digits, text.endswith(ANY)), shown)
    if len(tidy) > MOST_NUMBERS:
        raise ValidationError(_("At most %(most)s numbers.") % {"most": MOST_NUMBERS})
    if len(bad) > MOST_NAMED:
        more = len(bad) - MOST_NAMED
        text = ngettext("and %(n)s more line.", "and %(n)s more lines.", more) % {"n": more}
        bad = [*bad[:MOST_NAMED], text]
    if bad:
        raise ValidationError(bad)
    return [tidy[key] for key in sorted(tidy)]


def _read_number(text: str, country: str) -> tuple[str, str] | None:
    """The compared digits of a line and how it is kept; None for what is no number, or more than one."""
    if len(text) > 40 or ANY in text[:-1] or any(sign.isalpha() for sign in text):
        return None  # letters: "Door 12" would become the number 12
    if text.endswith(ANY):
        digits = _prefix(text)
        return (digits, text) if len(digits) >= SHORTEST_PREFIX else None
    numbers = phone.read_all(text, country=country)
    if len(numbers) != 1 or not numbers[0].match_digits:
        return None
    return numbers[0].match_digits, numbers[0].shown() if numbers[0].e164 else text


def read_hours(rows: object) -> list[dict[str, Any]]:
    """Quiet hours as entered, in the form in which they are kept; raises ValidationError."""
    if not isinstance(rows, list) or len(rows) > MOST_HOURS:
        raise ValidationError(_("Quiet hours are a list of at most %(most)s.") % {"most": MOST_HOURS})
    kept = []
    for row in rows:
        try:
            days = sorted({int(day) for day in row["days"]})
            begin, end = time.fromisoformat(row["from"]), time.fromisoformat(row["to"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValidationError(_("Quiet hours need weekdays, a beginning and an end.")) from error
        if not days or not set(days) <= set(range(7)) or begin.tzinfo or end.tzinfo:
            raise ValidationError(_("Quiet hours need weekdays, a beginning and an end."))
        kept.append({"days": days, "from": f"{begin:%H:%M}", "to": f"{end:%H:%M}"})
    return kept


def hours_of(*, user: User | None, company: Company) -> tuple[Hours, ...]:
    """The quiet hours of a user: the own ones, even an empty list, else the company's."""
    rows = None
    if user is not None:
        rows = Preferences.objects.filter(user=user).values_list("quiet_hours", flat=True).first()
    return hours_from(company.quiet_hours if rows is None else rows)


def hours_from(rows: Sequence[dict[str, Any]]) -> tuple[Hours, ...]:
    """Kept quiet hours as the policy knows them."""
    return tuple(
        Hours(frozenset(row["days"]), time.fromisoformat(row["from"]), time.fromisoformat(row["to"]))
        for row in rows
    )


def quiet_now(*, policy: Policy, user: User, company: Company, now: datetime) -> Quiet:
    """What may be shown to this user at this moment, by the clock on his wall."""
    hours = hours_of(user=user, company=company)
    return policy.is_quiet(hours, now.astimezone(zone_of(user=user, company=company))) if hours else Quiet.NO


def zone_of(*, user: User | None, company: Company) -> ZoneInfo:
    """The user's own time zone, else the company's, else UTC."""
    for name in (user.time_zone if user else "", company.time_zone):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            continue  # empty, or no longer a zone: the next best clock
    return ZoneInfo("UTC")


def over(settings: Effective, rule: LineRule | None) -> Effective:
    """A user's settings with what a line rule lays down for this call."""
    return replace(settings, **rule.settings) if rule and rule.settings else settings  # type: ignore[arg-type]


def line_digits(dialled: str, *, country: str) -> str:
    """A dialled number in the form that line rules compare."""
    return phone.read(dialled, country=country).match_digits if dialled else ""


def line_rule(row: CallRule, *, crms: frozenset[str], country: str) -> LineRule:
    """A row as the policy knows it; `crms` are the ids of its CRMs (none: all that are granted count)."""
    is_number = row.kind == CallRule.Kind.DIALLED
    laid_down = {name: getattr(row, name) for name in LINE_SETTINGS}
    return LineRule(
        kind=row.kind,
        match=line_digits(row.match, country=country) if is_number else row.match,
        crms=crms or None,
        group_policy=row.group_policy,
        settings={name: value for name, value in laid_down.items() if value not in (None, "")},
    )


def _prefix(text: str) -> str:
    """The compared digits that a number must begin with; only international forms say which those are."""
    digits = "".join(sign for sign in text if sign.isascii() and sign.isdecimal())
    if text.strip().startswith("+"):
        return digits
    return digits[2:] if digits.startswith("00") else ""
