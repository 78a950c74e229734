"""The company's policies: ring groups, whose entry it is, never lists and quiet hours."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from nutshellpbx.calls import rules
from nutshellpbx.dashboard.admin import tryout
from nutshellpbx.dashboard.admin.policies_forms import (
    FIELDS,
    LISTS,
    PolicyForm,
    QuietHours,
    kept_hours,
    read_hours,
)
from nutshellpbx.dashboard.admin.policies_words import changes_in_words, rows_of
from nutshellpbx.dashboard.countries import country_choices
from nutshellpbx.dashboard.recording import changes, record, values_of
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.people.models import Company


@open_to(May.ADMIN)
def page(request: Visit) -> HttpResponse:
    """Save the policies, try them on calls first, or go on with a form that is not saved yet."""
    company = Company.get()
    if request.method != "POST":
        return _show(request, PolicyForm(instance=company), kept_hours(company.quiet_hours))
    before = values_of(company, FIELDS)
    form, hours = PolicyForm(request.POST, instance=company), read_hours(request.POST)
    do = request.POST.get("do", "save")
    if do == "more":
        return _show(request, form, hours.with_one_more(), at="more")
    if do.startswith("less-") and do[5:].isdecimal():
        return _show(request, form, hours.without(int(do[5:])), at="less")
    if not (form.is_valid() and hours.is_valid):
        return _show(request, form, hours, status=422)
    company.quiet_hours = hours.rows
    changed = changes(before, values_of(company, FIELDS))
    if do == "try":
        draft = tryout.Draft(
            book=rules.rulebook_now(company=company),
            changed=changes_in_words(changed),
            form_at=reverse("policies"),
        )
        return tryout.show(request, draft)
    if do == "edit":
        return _show(request, form, hours)
    with transaction.atomic():
        company.save(update_fields=FIELDS)
        if changed:
            record(request, "policy.changed", "company", changed=_brief(changed))
    messages.success(request, _("Saved. It counts from the next call."))
    return redirect("policies")


def _show(
    request: Visit, form: PolicyForm, hours: QuietHours, *, at: str = "", status: int = 200
) -> HttpResponse:
    company = Company.get()
    zone = rules.zone_of(user=None, company=company)
    context = {
        "section": "policies",
        "form": form,
        "hours": hours,
        "at": at,
        "zone": zone.key,
        "country": dict(country_choices()).get(company.country, company.country),
        "now_there": timezone.now().astimezone(zone),
        "rows": rows_of(rules.rulebook_now(company=company)),
    }
    return render(request, "dashboard/admin/policies.html", context, status=status)


def _brief(changed: dict[str, Any]) -> dict[str, Any]:
    """The changes for the audit book: of a list only what went and what came."""
    return {
        name: [[each for each in old if each not in new], [each for each in new if each not in old]]
        if name in LISTS
        else [old, new]
        for name, (old, new) in changed.items()
    }
