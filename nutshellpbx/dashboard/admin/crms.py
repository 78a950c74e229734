"""CRMs: the list, add one, its page with the company's key and how far the index is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_list_or_404, get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.crm import signin
from nutshellpbx.crm.adapter import ADAPTERS, Table, get_adapter_class
from nutshellpbx.crm.models import Credential, Crm, Sync
from nutshellpbx.dashboard.countries import country_choices
from nutshellpbx.dashboard.declared import Declared
from nutshellpbx.dashboard.keys import offer
from nutshellpbx.dashboard.recording import changes, named, record, values_of
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.dashboard.self.crm_key import Key
from nutshellpbx.faults import Fault

CHANGEABLE = ("name", "country", "new_contact_address", "is_enabled", "settings")
TABLES = {Table.CONTACTS: gettext_lazy("Contacts"), Table.ACCOUNTS: gettext_lazy("Accounts")}


def _countries() -> list[tuple[str, Any]]:
    return [("", gettext_lazy("The company’s country")), *country_choices()]


class Naming(forms.ModelForm):
    """What every CRM has here, whatever its kind."""

    country = forms.ChoiceField(
        label=gettext_lazy("Country"),
        choices=_countries,
        required=False,
        help_text=gettext_lazy(
            "The CRM’s numbers without a country code are read as numbers of this country."
        ),
    )

    class Meta:
        model = Crm
        fields = ("name", "country", "new_contact_address", "is_enabled")
        labels = {"name": gettext_lazy("Name here")}
        help_texts = {
            "new_contact_address": gettext_lazy(
                "Leave it empty and our own page asks for name and number. Else the address of the CRM’s own"
                " form; {number} and {name} are filled in."
            )
        }


class CompanyKey(Key):
    """The company's key, with the e-mail that it belongs to."""

    email = forms.EmailField(label=gettext_lazy("E-mail in the CRM"), max_length=254)
    field_order = ("email", "key")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one table has come into the index."""

    table: Any
    sync: Sync

    @property
    def is_running(self) -> bool:
        return self.sync.state == Sync.State.RUNNING


@open_to(May.ADMIN)
@require_safe
def index(request: Visit) -> HttpResponse:
    """All CRMs with the state of their index and keys."""
    live = Credential.objects.exclude(state=Credential.State.CANDIDATE)
    rows = [
        {
            "crm": crm,
            "kind": kind_label(crm.kind),
            "syncs": progress_of(crm),
            "keys": live.filter(crm=crm, user__isnull=False, state=Credential.State.OK).count(),
            "bad_keys": live.filter(crm=crm).exclude(state=Credential.State.OK).count(),
            "company_key": live.filter(crm=crm, user__isnull=True).first(),
            "grants": crm.grants.count(),
        }
        for crm in Crm.objects.all()
    ]
    return render(request, "dashboard/admin/crms.html", {"section": "crms", "rows": rows})


@open_to(May.ADMIN)
def add(request: Visit, kind: str = "") -> HttpResponse:
    """Choose the kind where there are several, then fill in what it asks for."""
    if not kind and len(ADAPTERS) == 1:
        return redirect("crm_add", next(iter(ADAPTERS)))
    if not kind:
        kinds = [(name, kind_label(name)) for name in ADAPTERS]
        return render(request, "dashboard/admin/crm_kinds.html", {"section": "crms", "kinds": kinds})
    if kind not in ADAPTERS:
        raise Http404
    posted = request.POST or None
    naming = Naming(posted, initial={"name": kind_label(kind)}, instance=Crm(kind=kind))
    declared = Declared(posted, declared=get_adapter_class(kind).fields)
    if posted and naming.is_valid() and declared.is_valid():
        crm = naming.save(commit=False)
        crm.settings = declared.settings
        if _is_usable(crm, declared):
            with transaction.atomic():
                crm.save()
                record(request, "crm.added", named(crm), name=crm.name, kind=kind, settings=crm.settings)
            messages.success(
                request, _("“%(name)s” is saved. Enter the company’s key now.") % {"name": crm.name}
            )
            return redirect("crm", crm.pk)
    context = {"section": "crms", "naming": naming, "declared": declared, "kind_label": kind_label(kind)}
    return render(request, "dashboard/admin/crm_add.html", context, status=422 if posted else 200)


@open_to(May.ADMIN)
def page(request: Visit, crm_id: UUID) -> HttpResponse:
    """One CRM: its form, the company's key, and the index."""
    crm = get_object_or_404(Crm, pk=crm_id)
    posted = request.POST or None
    before = values_of(crm, CHANGEABLE)
    naming = Naming(posted, instance=crm)
    declared = Declared(posted, declared=get_adapter_class(crm.kind).fields, settings=crm.settings)
    if posted and naming.is_valid() and declared.is_valid():
        naming.save(commit=False).settings = declared.settings
        if _is_usable(crm, declared):
            with transaction.atomic():
                crm.save()
                if changed := changes(before, values_of(crm, CHANGEABLE)):
                    record(request, "crm.changed", named(crm), name=crm.name, changed=changed)
            messages.success(request, _("Saved."))
            return redirect("crm", crm.pk)
    context = {"naming": naming, "declared": declared}
    return _page(request, crm, context, status=422 if posted else 200)


@open_to(May.ADMIN)
@require_POST
@sensitive_post_parameters("key")
@sensitive_variables("form")
def enter_key(request: Visit, crm_id: UUID) -> HttpResponse:
    """Seal the company's key as a candidate; a worker checks it."""
    crm = get_object_or_404(Crm, pk=crm_id)
    form = CompanyKey(request.POST)
    if form.is_valid():
        try:
            with transaction.atomic():
                email = form.cleaned_data["email"]
                candidate = offer(crm=crm, user=None, email=email, key=form.cleaned_data["key"])
                record(request, "key.offered", named(crm), crm=crm.name, owner="company", email=email)
        except Fault as fault:
            form.add_error("key", f"{fault.title} {fault.next_step}")
        else:
            return redirect("crm_key_check", crm.pk, candidate.pk)
    return _page(request, crm, {"key_form": form}, status=422)


@open_to(May.ADMIN)
@require_safe
def check_key(request: Visit, crm_id: UUID, credential_id: UUID) -> HttpResponse:
    """How the check of the company's key stands."""
    crm = get_object_or_404(Crm, pk=crm_id)
    context = {
        "progress": signin.progress_of(credential_id=credential_id, user=None),
        "again": request.path,
        "done": _("Works. The index is filled with it, and users without a key of their own work with it."),
    }
    if request.htmx:
        return render(request, "dashboard/parts/key_check.html", context)
    return _page(request, crm, context)


@open_to(May.ADMIN)
@require_POST
def remove_key(request: Visit, crm_id: UUID) -> HttpResponse:
    """Forget the company's key."""
    with transaction.atomic():
        for credential in get_list_or_404(Credential, crm_id=crm_id, user=None):
            signin.delete_credential(credential=credential)
        record(request, "key.removed", f"crm:{crm_id}", owner="company")
    messages.success(request, _("The company’s key is gone from here."))
    return redirect("crm", crm_id)


@open_to(May.ADMIN)
@require_safe
def sync(request: Visit, crm_id: UUID) -> HttpResponse:
    """How far the index is, as a part of the page that looks again by itself."""
    crm = get_object_or_404(Crm, pk=crm_id)
    return render(request, "dashboard/admin/sync.html", {"crm": crm, "syncs": progress_of(crm)})


def kind_label(kind: str) -> str:
    """What people call this kind of CRM."""
    return _(get_adapter_class(kind).label) if kind in ADAPTERS else kind


def progress_of(crm: Crm) -> list[Progress]:
    """The tables of a CRM with how far each is, people first."""
    names = [str(table) for table in TABLES]
    rows = sorted(crm.syncs.all(), key=lambda row: names.index(row.table) if row.table in names else 9)
    return [Progress(TABLES.get(Table(row.table), row.table), row) for row in rows]


def _is_usable(crm: Crm, declared: Declared) -> bool:
    """Whether an adapter can be made of it; what is wrong stands under its field."""
    try:
        crm.adapter()
    except Fault as fault:
        declared.add_error(
            "address" if "address" in declared.fields else None, f"{fault.title}. {fault.next_step}"
        )
        return False
    return True


def _page(request: Visit, crm: Crm, extra: dict[str, Any], *, status: int = 200) -> HttpResponse:
    live = Credential.objects.filter(crm=crm).exclude(state=Credential.State.CANDIDATE)
    context = {
        "section": "crms",
        "crm": crm,
        "kind_label": kind_label(crm.kind),
        "naming": Naming(instance=crm),
        "declared": Declared(declared=get_adapter_class(crm.kind).fields, settings=crm.settings),
        "key_form": CompanyKey(initial={"email": request.user.email}),
        "company_key": live.filter(user__isnull=True).first(),
        "personal": live.filter(user__isnull=False).select_related("user").order_by("user__name"),
        "syncs": progress_of(crm),
        **extra,
    }
    return render(request, "dashboard/admin/crm.html", context, status=status)
