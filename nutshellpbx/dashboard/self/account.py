"""How the pages look to me: theme, contrast, language and clock."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from nutshellpbx.dashboard.door.forms import zone_choices
from nutshellpbx.dashboard.recording import changes, record, values_of
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.people.models import User


def _own_or_company_zone() -> list[tuple[str, object]]:
    return [("", gettext_lazy("The company’s time zone")), *zone_choices()]


class Look(forms.ModelForm):
    """Theme, contrast, time zone; the server writes them into each page."""

    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"), choices=_own_or_company_zone, required=False
    )

    class Meta:
        model = User
        fields = ("theme", "contrast", "time_zone")


@open_to(May.USER)
def page(request: Visit) -> HttpResponse:
    """See and change it."""
    before = values_of(request.user, Look.Meta.fields)
    form = Look(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            if changed := changes(before, values_of(request.user, Look.Meta.fields)):
                record(request, "account.look_changed", f"user:{request.user.pk}", changed=changed)
        messages.success(request, _("Saved."))
        return redirect("my_account")
    return render(request, "dashboard/self/account.html", {"section": "my_account", "form": form})
