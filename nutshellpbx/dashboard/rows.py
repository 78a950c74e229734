"""The settings in the order and with the names that users know, for the user's page and the company's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from nutshellpbx.people.models import Preferences
from nutshellpbx.people.preferences import Effective


@dataclass(frozen=True, slots=True)
class Row:
    """One setting: its name in Preferences, what it does, and its control (seg, number, select, switch)."""

    name: str
    text: Any
    control: str
    unit: Any = ""

    @property
    def field(self) -> Any:
        return Preferences._meta.get_field(self.name)

    @property
    def title(self) -> Any:
        return self.field.verbose_name

    @property
    def choices(self) -> list[tuple[str, Any]]:
        return list(self.field.choices or [])

    @property
    def largest(self) -> int:
        return {"longer_than": 20, "compare_digits": 18}.get(self.name, 0)


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that belong together, under one heading."""

    key: str
    title: Any
    rows: tuple[Row, ...]


GROUPS = (
    Group(
        "ring",
        _("When the phone rings"),
        (
            Row("open_mode", _("When the contact opens."), "seg"),
            Row(
                "longer_than",
                _("Keeps extensions and short codes out: this many digits or fewer open nothing."),
                "number",
                _("digits"),
            ),
            Row(
                "unknown",
                _("The form opens with the number filled in. Nothing is created unless you save it."),
                "select",
            ),
        ),
    ),
    Group(
        "who",
        _("Who is it?"),
        (
            Row("lookup", _("Which tables are searched, and in which order."), "select"),
            Row(
                "compare_digits",
                _(
                    "0 compares the whole number. 7 compares the last 7 digits,"
                    " which finds more and may find the wrong person."
                ),
                "number",
                _("digits"),
            ),
        ),
    ),
    Group(
        "after",
        _("After the call"),
        (
            Row(
                "journaling",
                _("A note with the call’s history is written to the contact or company."),
                "switch",
            ),
            Row("open_after", _("It opens again after the call, in a tab of its own."), "switch"),
        ),
    ),
)
ROWS = {row.name: row for group in GROUPS for row in group.rows}


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting with its value now, ready for the template."""

    row: Row
    value: Any
    is_locked: bool

    @property
    def is_on(self) -> bool:
        return bool(self.value)

    @property
    def lock_text(self) -> Any:
        if self.row.control == "switch":
            return _("Always on here") if self.value else _("Always off here")
        return _("Set by your admin")


def shown(values: Effective, locked: tuple[str, ...]) -> Iterator[tuple[Group, list[Shown]]]:
    """Every group with its settings as they stand."""
    for group in GROUPS:
        yield group, [Shown(row, getattr(values, row.name), row.name in locked) for row in group.rows]


def read_value(name: str, posted: Any) -> Any:
    """The value that a form posted for a setting; raises forms.ValidationError with words for people."""
    row = ROWS[name]
    if row.control == "switch":
        return posted.get(name) == "on"
    text = str(posted.get(name, "")).strip()
    if row.control == "number":
        number = forms.IntegerField(min_value=0, max_value=row.largest)
        return number.clean(text)
    return forms.ChoiceField(choices=row.choices).clean(text)
