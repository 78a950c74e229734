"""What an admin enters of the policies: number lists, quiet hours, and the rule of one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from nutshellpbx.calls import rules
from nutshellpbx.calls.linerules import CallRule
from nutshellpbx.crm.models import Crm
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company

#: The company's values that this page changes; quiet hours have rows of their own.
CHOICES = ("group_policy", "entry_owner", "quiet_shows")
LISTS = ("never_numbers", "never_log_numbers", "never_pop_numbers")
FIELDS = (*CHOICES, *LISTS, "quiet_hours")


class NumberLines(forms.CharField):
    """Numbers and beginnings of numbers, one per line; `country` says how national ones are read."""

    widget = forms.Textarea(attrs={"rows": 7, "spellcheck": "false", "autocomplete": "off"})
    country = "US"

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        return rules.read_numbers(str(value or "").splitlines(), country=self.country)

    def validate(self, value: Any) -> None:
        return None

    def run_validators(self, value: Any) -> None:
        return None


class PolicyForm(forms.ModelForm):
    """What holds for every call, all but the quiet hours."""

    never_numbers = NumberLines(
        label=gettext_lazy("Leave alone"),
        required=False,
        help_text=gettext_lazy("Never looked up, shown or journaled: alarm lines, the fax, the door."),
    )
    never_log_numbers = NumberLines(
        label=gettext_lazy("Never journal"),
        required=False,
        help_text=gettext_lazy("The record opens, no note is written: a doctor, the workers’ council."),
    )
    never_pop_numbers = NumberLines(
        label=gettext_lazy("Never show"),
        required=False,
        help_text=gettext_lazy("Nothing opens, the note is written: the parcel service, a test line."),
    )

    class Meta:
        model = Company
        fields = (*CHOICES, *LISTS)
        widgets = dict.fromkeys(CHOICES, forms.RadioSelect(attrs={"class": "radio"}))

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        for name in LISTS:
            self.fields[name].country = self.instance.country  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stretch of quiet hours as it stands in the form, right or wrong."""

    days: frozenset[int] = frozenset()
    begin: str = ""
    end: str = ""
    error: str = ""

    @property
    def is_empty(self) -> bool:
        return not (self.days or self.begin or self.end)

    @property
    def ticks(self) -> list[tuple[int, Any, Any, bool]]:
        """Each weekday with its short and its full name, and whether it is chosen."""
        return [(day, WEEKDAYS_ABBR[day], WEEKDAYS[day], day in self.days) for day in range(7)]


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The stretches of the form, and what is kept of them once all are right."""

    stretches: tuple[Stretch, ...] = ()
    rows: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    @property
    def is_valid(self) -> bool:
        return not self.error and not any(stretch.error for stretch in self.stretches)

    def with_one_more(self) -> QuietHours:
        """The same with an empty stretch at the end."""
        return QuietHours((*self.stretches, Stretch()), self.rows, self.error)

    def without(self, place: int) -> QuietHours:
        """The same without one of the stretches."""
        left = tuple(stretch for at, stretch in enumerate(self.stretches) if at != place)
        return QuietHours(left, self.rows, self.error)


def kept_hours(rows: Sequence[Mapping[str, Any]]) -> QuietHours:
    """Quiet hours as they are kept, for the form."""
    return QuietHours(
        tuple(Stretch(frozenset(row["days"]), str(row["from"]), str(row["to"])) for row in rows)
    )


def read_hours(posted: Any) -> QuietHours:
    """The quiet hours of a posted form; a stretch with nothing in it is none."""
    count = posted.get("stretches", "0")
    count = min(int(count), rules.MOST_HOURS + 1) if count.isascii() and count.isdecimal() else 0
    stretches = [_checked(_read_stretch(posted, place)) for place in range(count)]
    entered = [stretch for stretch in stretches if not stretch.is_empty]
    if any(stretch.error for stretch in entered):
        return QuietHours(tuple(stretches))
    rows = [{"days": sorted(each.days), "from": each.begin, "to": each.end} for each in entered]
    try:
        kept = rules.read_hours(rows)
    except forms.ValidationError as refused:
        return QuietHours(tuple(stretches), error=" ".join(refused.messages))
    return QuietHours(tuple(stretches), kept)


def _read_stretch(posted: Any, place: int) -> Stretch:
    days = [day for day in posted.getlist(f"days-{place}") if day in {"0", "1", "2", "3", "4", "5", "6"}]
    begin, end = (posted.get(f"{name}-{place}", "").strip()[:8] for name in ("from", "to"))
    return Stretch(frozenset(map(int, days)), begin, end)


def _checked(stretch: Stretch) -> Stretch:
    if stretch.is_empty:
        return stretch
    error = ""
    if not stretch.days:
        error = _("Choose at least one weekday.")
    elif not (stretch.begin and stretch.end):
        error = _("Enter when it begins and when it ends, such as 18:00 and 08:00.")
    else:
        try:
            rules.read_hours([{"days": [0], "from": stretch.begin, "to": stretch.end}])
        except forms.ValidationError:
            error = _("Enter times such as 18:00.")
    return Stretch(stretch.days, stretch.begin, stretch.end, error)


ON_OFF = (("", gettext_lazy("As each user set it")), ("on", gettext_lazy("On")), ("off", gettext_lazy("Off")))


class OnOff(forms.TypedChoiceField):
    """On, off, or nothing laid down."""

    def __init__(self, **values: Any) -> None:
        super().__init__(choices=ON_OFF, required=False, empty_value=None, coerce=_is_on, **values)

    def prepare_value(self, value: Any) -> Any:
        return {True: "on", False: "off", None: ""}.get(value, value)


def _is_on(text: str) -> bool:
    return text == "on"


class LineForm(forms.ModelForm):
    """What holds for the calls of one queue, ring group or dialled number."""

    pbx = forms.ModelChoiceField(
        Pbx.objects.order_by("name"),
        label=gettext_lazy("Phone system"),
        required=False,
        empty_label=gettext_lazy("Every phone system"),
    )
    crms = forms.ModelMultipleChoiceField(
        Crm.objects.order_by("name"),
        label=gettext_lazy("Only these CRMs"),
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "check"}),
        help_text=gettext_lazy("None chosen: all that the extension is granted."),
    )
    journaling = OnOff(label=CallRule._meta.get_field("journaling").verbose_name)
    open_after = OnOff(label=CallRule._meta.get_field("open_after").verbose_name)

    class Meta:
        model = CallRule
        fields = (
            "kind",
            "match",
            "pbx",
            "crms",
            "group_policy",
            "open_mode",
            "unknown",
            "journaling",
            "open_after",
        )
        widgets = {"match": forms.TextInput(attrs={"list": "known", "autocomplete": "off"})}
        help_texts = {
            "match": gettext_lazy(
                "A queue or ring group by its name as the phone system says it; a number as it is dialled."
            )
        }

    def __init__(self, *args: Any, country: str, **values: Any) -> None:
        super().__init__(*args, **values)
        self._country = country
        self.fields["kind"].choices = CallRule.Kind.choices  # type: ignore[attr-defined]
        self._name_nothing("group_policy", _("As for the company"))
        self._name_nothing("open_mode", _("As each user set it"))
        self._name_nothing("unknown", _("As each user set it"))

    @property
    def line(self) -> tuple[CallRule, frozenset[str]]:
        """The row as entered, not saved, with the ids of its CRMs."""
        return self.instance, frozenset(str(crm.pk) for crm in self.cleaned_data["crms"])

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if values.get("kind") and values.get("match") and "pbx" in values:
            self._check_match(values)
        laid_down = (values.get(name) not in (None, "") for name in ("group_policy", *rules.LINE_SETTINGS))
        if not self.errors and not values.get("crms") and not any(laid_down):
            self.add_error(None, _("This rule changes nothing. Choose a CRM or a setting."))
        return values

    def _check_match(self, values: Mapping[str, Any]) -> None:
        row = CallRule(kind=values["kind"], match=values["match"].strip(), pbx=values["pbx"])
        own = self._key(row)
        if not own[-1]:
            text = _("“%(text)s” is no number. Write it as it is dialled, such as +1 312 555 0100.")
            self.add_error("match", text % {"text": row.match[:40]})
        others = CallRule.objects.select_related("pbx").exclude(pk=self.instance.pk)
        if any(self._key(other) == own for other in others):
            self.add_error("match", _("There is a rule for this line already."))

    def _key(self, row: CallRule) -> tuple[object, str, str]:
        """What makes two rows rules of the same line, however it was spelled."""
        if row.kind != CallRule.Kind.DIALLED:
            return row.pbx_id, row.kind, row.match.casefold()
        country = (row.pbx.country if row.pbx else "") or self._country
        return row.pbx_id, row.kind, rules.line_digits(row.match, country=country)

    def _name_nothing(self, name: str, words: str) -> None:
        choices = [choice for choice in self.fields[name].choices if choice[0]]  # type: ignore[attr-defined]
        self.fields[name].choices = [("", words), *choices]  # type: ignore[attr-defined]
