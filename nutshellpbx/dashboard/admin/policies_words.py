"""Policies in words: what was changed, and what a line's rule lays down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from nutshellpbx.calls.linerules import CallRule
from nutshellpbx.calls.rules import LINE_SETTINGS, Rulebook
from nutshellpbx.crm.models import Crm
from nutshellpbx.dashboard.admin.policies_forms import CHOICES, LISTS, PolicyForm
from nutshellpbx.people.models import Company


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing that is changed: before and after, either of which may be empty."""

    title: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A line's rule as the list shows it."""

    rule: CallRule
    holds: list[str]
    is_first: bool
    is_last: bool


def rows_of(book: Rulebook) -> list[RuleRow]:
    """The rules of lines in their order, each with what it lays down."""
    names = {str(pk): name for pk, name in Crm.objects.values_list("pk", "name")}
    last = len(book.lines) - 1
    return [
        RuleRow(rule, holds_of(rule, crms, names=names), place == 0, place == last)
        for place, (rule, crms) in enumerate(book.lines)
    ]


def holds_of(rule: CallRule, crms: frozenset[str], *, names: Mapping[str, str] | None = None) -> list[str]:
    """What a rule lays down, one thing each: "Contact Open Mode: On answer"."""
    if names is None:
        names = {str(pk): name for pk, name in Crm.objects.values_list("pk", "name")}
    holds = []
    if crms:
        chosen = sorted(names.get(crm, crm) for crm in crms)
        holds.append(_("only %(crms)s") % {"crms": ", ".join(chosen)})
    for name in ("group_policy", *LINE_SETTINGS):
        value = getattr(rule, name)
        if value in (None, ""):
            continue
        if isinstance(value, bool):
            words = _("on") if value else _("off")
        else:
            words = str(getattr(rule, f"get_{name}_display")())
        title = str(CallRule._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
        holds.append(_("%(setting)s: %(value)s") % {"setting": title, "value": words})
    return holds


def rule_in_words(rule: CallRule, crms: frozenset[str]) -> str:
    """A whole rule in one line: its line, its phone system, what it lays down."""
    line = _("%(kind)s %(name)s") % {"kind": rule.get_kind_display(), "name": rule.match}
    where = [rule.pbx.name] if rule.pbx else []
    return "; ".join([line, *where, *holds_of(rule, crms)])


def changes_in_words(changed: Mapping[str, Sequence[Any]]) -> list[Changed]:
    """The company's changed values for people."""
    told = []
    for name, (old, new) in changed.items():
        if name in CHOICES:
            field = Company._meta.get_field(name)
            labels = dict(field.flatchoices)  # type: ignore[union-attr]
            told.append(Changed(str(field.verbose_name), str(labels[old]), str(labels[new])))  # type: ignore[union-attr]
        elif name in LISTS:
            gone = [each for each in old if each not in new]
            come = [each for each in new if each not in old]
            title = str(PolicyForm.base_fields[name].label)
            told.append(Changed(title, _some(gone), _some(come)))
        else:
            told.append(Changed(_("Quiet hours"), hours_in_words(old), hours_in_words(new)))
    return told


def hours_in_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """Quiet hours in one line: "Mon, Tue 18:00–08:00"."""
    told = []
    for row in rows:
        days = ", ".join(str(WEEKDAYS_ABBR[day]) for day in row["days"])
        told.append(f"{days} {row['from']}–{row['to']}")
    return "; ".join(told) or _("none")


def _some(numbers: Sequence[str], most: int = 5) -> str:
    text = ", ".join(numbers[:most])
    if (more := len(numbers) - most) > 0:
        text += ngettext(" and %(n)s more", " and %(n)s more", more) % {"n": more}
    return text
