"""My CRM key: written, checked live by a worker, never shown again."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_list_or_404, get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.crm import signin
from nutshellpbx.crm.models import Credential, Crm
from nutshellpbx.dashboard.keys import offer
from nutshellpbx.dashboard.recording import named, record
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.faults import Fault


class Key(forms.Form):
    """A key as it is pasted; the field is never filled in by us."""

    key = forms.CharField(
        label=gettext_lazy("API key"),
        max_length=300,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("In Nutshell: Setup, API keys, Add. Allow the API and nothing else."),
    )


@dataclass(frozen=True, slots=True)
class KeyCard:
    """One CRM on the page: the key in use, and whether the admin granted the CRM to an extension of mine."""

    crm: Crm
    form: Key
    in_use: Credential | None
    company_key: Credential | None
    is_granted: bool


@open_to(May.USER)
@require_safe
def page(request: Visit) -> HttpResponse:
    """Every CRM in use here with my key to it."""
    return _page(request)


@open_to(May.USER)
@require_POST
@sensitive_post_parameters("key")
@sensitive_variables("form")
def enter(request: Visit, crm_id: UUID) -> HttpResponse:
    """Seal an entered key as a candidate; a worker asks the CRM whose it is."""
    crm = get_object_or_404(Crm, pk=crm_id, is_enabled=True)
    form = Key(request.POST)
    if form.is_valid():
        try:
            with transaction.atomic():
                user = request.user
                candidate = offer(crm=crm, user=user, email=user.email, key=form.cleaned_data["key"])
                record(request, "key.offered", named(crm), crm=crm.name, owner=user.email)
        except Fault as fault:
            form.add_error("key", f"{fault.title} {fault.next_step}")
        else:
            return redirect("my_crm_key_check", candidate.pk)
    return _page(request, failed={crm.pk: form}, status=422)


@open_to(May.USER)
@require_safe
def check(request: Visit, credential_id: UUID) -> HttpResponse:
    """How the check of the entered key stands; a stranger's candidate is as good as none."""
    progress = signin.progress_of(credential_id=credential_id, user=request.user)
    context = {
        "progress": progress,
        "again": request.path,
        "done": _("Works. Saved and in use from your next call."),
    }
    if request.htmx:
        return render(request, "dashboard/parts/key_check.html", context)
    return _page(request, extra=context)


@open_to(May.USER)
@require_POST
def remove(request: Visit, crm_id: UUID) -> HttpResponse:
    """Forget my key to this CRM."""
    with transaction.atomic():
        for credential in get_list_or_404(Credential, crm_id=crm_id, user=request.user):
            signin.delete_credential(credential=credential)
        record(request, "key.removed", f"crm:{crm_id}", owner=request.user.email)
    messages.success(
        request, _("Your key is gone from here. It still exists in the CRM; delete it there as well.")
    )
    return redirect("my_crm_key")


def _page(
    request: Visit,
    *,
    failed: dict[UUID, Key] | None = None,
    extra: dict[str, object] | None = None,
    status: int = 200,
) -> HttpResponse:
    live = Credential.objects.exclude(state=Credential.State.CANDIDATE)
    mine = {row.crm_id: row for row in live.filter(user=request.user)}
    companys = {row.crm_id: row for row in live.filter(user=None)}
    granted = set(Crm.objects.filter(grants__extension__owner=request.user).values_list("pk", flat=True))
    cards = [
        KeyCard(
            crm=crm,
            form=(failed or {}).get(crm.pk) or Key(auto_id=f"{crm.pk}-%s"),
            in_use=mine.get(crm.pk),
            company_key=companys.get(crm.pk),
            is_granted=crm.pk in granted,
        )
        for crm in Crm.objects.filter(is_enabled=True)
    ]
    cards.sort(key=lambda card: not card.is_granted)
    context = {"section": "my_crm_key", "cards": cards, **(extra or {})}
    return render(request, "dashboard/self/crm_key.html", context, status=status)
