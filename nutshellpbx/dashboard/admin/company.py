"""The company: its name and numbers, the defaults of every setting, and what is locked for everybody."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.dashboard.countries import country_choices
from nutshellpbx.dashboard.door.forms import zone_choices
from nutshellpbx.dashboard.effect import effect_of
from nutshellpbx.dashboard.recording import changes, record, values_of
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.dashboard.rows import ROWS, read_value, shown
from nutshellpbx.people.models import Company, Preferences, User
from nutshellpbx.people.preferences import company_defaults, locked_names

MOST_NUMBERS = 500


class Numbers(forms.CharField):
    """Phone numbers, one per line."""

    widget = forms.Textarea(attrs={"rows": 5, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:  # type: ignore[override]
        lines = [line.strip() for line in str(value or "").splitlines() if line.strip()]
        if len(lines) > MOST_NUMBERS:
            raise forms.ValidationError(_("At most %(n)s numbers.") % {"n": MOST_NUMBERS})
        for line in lines:
            if len(line) > 40 or not any(sign.isdecimal() for sign in line):
                raise forms.ValidationError(_("“%(line)s” is no phone number.") % {"line": line[:40]})
        return lines

    def validate(self, value: Any) -> None:
        return None

    def run_validators(self, value: Any) -> None:
        return None


class CompanyForm(forms.ModelForm):
    """What holds for everybody."""

    country = forms.ChoiceField(
        label=gettext_lazy("Country"),
        choices=country_choices,
        help_text=gettext_lazy("Numbers without a country code are read as numbers of this country."),
    )
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"), choices=zone_choices)
    own_numbers = Numbers(
        label=gettext_lazy("Your own numbers"),
        required=False,
        help_text=gettext_lazy("One per line. Calls from them are never looked up: it is one of you."),
    )

    class Meta:
        model = Company
        fields = (
            "name",
            "country",
            "time_zone",
            "own_numbers",
            "index_fresh_minutes",
        )
        labels = {"index_fresh_minutes": gettext_lazy("The index counts as fresh for (minutes)")}
        help_texts = {
            "index_fresh_minutes": gettext_lazy(
                "While the CRM can’t be asked, “not found” is said only if the index is not older than this."
            )
        }


@open_to(May.ADMIN)
def page(request: Visit) -> HttpResponse:
    """Name, country, clock and the company's own numbers."""
    company = Company.get()
    before = values_of(company, CompanyForm.Meta.fields)
    form = CompanyForm(request.POST or None, instance=company)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            if changed := changes(before, values_of(company, CompanyForm.Meta.fields)):
                record(request, "company.changed", "company", changed=changed)
        messages.success(request, _("Saved. It counts from the next call."))
        return redirect("company")
    context = {"section": "company", "form": form}
    return render(request, "dashboard/admin/company.html", context, status=422 if form.errors else 200)


@open_to(May.ADMIN)
@require_safe
def defaults(request: Visit) -> HttpResponse:
    """The same settings as on the user's page, each with a lock."""
    return render(request, "dashboard/admin/defaults.html", _context())


@open_to(May.ADMIN)
@require_POST
def change_default(request: Visit, name: str) -> HttpResponse:
    """Save one default; whoever has not chosen for himself follows it from the next call."""
    if name not in ROWS:
        raise Http404
    try:
        value = read_value(name, request.POST)
    except forms.ValidationError as error:
        if request.htmx:
            return render(request, "dashboard/parts/setting_refused.html", {"text": " ".join(error.messages)})
        messages.error(request, " ".join(error.messages))
        return redirect("defaults")
    with transaction.atomic():
        before = Preferences.objects.filter(user=None).values_list(name, flat=True).first()
        Preferences.objects.update_or_create(user=None, defaults={name: value})
        record(request, "setting.default_changed", "company", changed={name: [before, value]})
    return _saved(request)


@open_to(May.ADMIN)
@require_POST
def lock(request: Visit, name: str) -> HttpResponse:
    """Lock a setting for everybody, or let everybody choose again."""
    if name not in ROWS:
        raise Http404
    company = Company.get()
    locks = set(locked_names()) - {name}
    if request.POST.get("locked") == "on":
        locks.add(name)
    company.locks = sorted(locks)
    with transaction.atomic():
        company.save(update_fields=["locks"])
        record(request, "setting.locked" if name in locks else "setting.unlocked", "company", setting=name)
    return _saved(request)


def _saved(request: Visit) -> HttpResponse:
    if request.htmx:
        return render(request, "dashboard/self/setting_saved.html", _context())
    messages.success(request, _("Saved."))
    return redirect("defaults")


def _context() -> dict[str, Any]:
    values = company_defaults()
    return {
        "section": "defaults",
        "groups": list(shown(values, locked_names())),
        "effect": effect_of(values),
        "post_to": "default_setting",
        "for_company": True,
        "own_count": User.objects.filter(preferences__isnull=False).count(),
    }
