"""Extensions: whose line each is, which CRMs it may use, and who can't work yet and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.crm.models import Crm, Grant
from nutshellpbx.crm.rights import RightState, right_of
from nutshellpbx.dashboard.recording import named, record
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.desktop.models import Device
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Extension, User

PAGE_SIZE = 50

#: right -> state kind, icon, two words
SAID: dict[RightState, tuple[str, str, Any]] = {
    RightState.OK: ("ok", "circle-check", gettext_lazy("Ready")),
    RightState.CRM_OFF: ("idle", "ban", gettext_lazy("CRM is off")),
    RightState.NO_OWNER: ("warn", "user-round-x", gettext_lazy("No owner")),
    RightState.NO_GRANT: ("idle", "circle-minus", gettext_lazy("Not granted")),
    RightState.NO_KEY: ("warn", "key-round", gettext_lazy("No key yet")),
    RightState.KEY_REFUSED: ("warn", "key-round", gettext_lazy("Key refused")),
}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether an extension's owner can work, and what is missing first."""

    kind: str
    icon: str
    text: Any
    why: str = ""

    @property
    def is_waiting(self) -> bool:
        return self.kind == "warn"


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the grid."""

    extension: Extension
    cells: list[tuple[Crm, bool]]
    ready: Readiness


class NewExtension(forms.ModelForm):
    """An extension, as the phone system calls it."""

    pbx = forms.ModelChoiceField(Pbx.objects.all(), label=gettext_lazy("Phone system"), empty_label=None)
    owner = forms.ModelChoiceField(
        User.objects.filter(is_active=True),
        label=gettext_lazy("Owner"),
        required=False,
        empty_label=gettext_lazy("nobody yet"),
    )

    class Meta:
        model = Extension
        fields = ("pbx", "number", "name", "department", "owner")


@open_to(May.ADMIN)
@require_safe
def index(request: Visit) -> HttpResponse:
    """The grid, band by band: one band per phone system, one column per CRM."""
    show, text = request.GET.get("show", ""), request.GET.get("q", "").strip()[:80]
    rows = _matching(text)
    if show == "no_owner":
        rows = rows.filter(owner=None)
    elif show == "not_granted":
        rows = rows.filter(grants=None)
    crms = list(Crm.objects.all())
    seats = users_with_desktop()
    lines = [_line(extension, crms, seats) for extension in rows]
    waiting = [line for line in lines if line.ready.is_waiting]
    if show == "waiting":
        lines = waiting
    start = max(0, int(request.GET.get("from", "0")) if request.GET.get("from", "0").isdecimal() else 0)
    everything = Extension.objects.all()
    context = {
        "section": "extensions",
        "lines": lines[start : start + PAGE_SIZE],
        "shown_from": start + 1,
        "shown_to": min(start + PAGE_SIZE, len(lines)),
        "total": len(lines),
        "before": max(0, start - PAGE_SIZE) if start else None,
        "after": start + PAGE_SIZE if start + PAGE_SIZE < len(lines) else None,
        "crms": crms,
        "people": User.objects.filter(is_active=True),
        "show": show,
        "q": text,
        "counts": {
            "all": everything.count(),
            "no_owner": everything.filter(owner=None).count(),
            "not_granted": everything.filter(grants=None).count(),
        },
        "waiting_count": len(waiting) if show in {"", "waiting"} and not text else None,
    }
    return render(request, "dashboard/admin/extensions.html", context)


@open_to(May.ADMIN)
def add(request: Visit) -> HttpResponse:
    """Enter an extension."""
    seen = {name: request.GET[name][:40] for name in ("pbx", "number") if name in request.GET}
    form = NewExtension(request.POST or None, initial=seen)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            extension = form.save()
            record(
                request,
                "extension.added",
                named(extension),
                extension=extension.number,
                pbx=extension.pbx.name,
                owner=extension.owner.email if extension.owner else "",
            )
        messages.success(request, _("Extension %(number)s is entered.") % {"number": extension.number})
        return redirect("extensions")
    context = {"section": "extensions", "form": form}
    return render(request, "dashboard/admin/extension_add.html", context, status=422 if form.errors else 200)


@open_to(May.ADMIN)
@require_POST
def give_owner(request: Visit, extension_id: UUID) -> HttpResponse:
    """Say whose line it is; nobody is a value too. Calls that live now stay where they are."""
    extension = get_object_or_404(Extension, pk=extension_id)
    posted = forms.ModelChoiceField(User.objects.filter(is_active=True), required=False)
    before = extension.owner.email if extension.owner else ""
    try:
        extension.owner = posted.clean(request.POST.get("owner"))
    except forms.ValidationError:
        return HttpResponse(_("This user is not here any more. Reload the page."), status=422)
    after = extension.owner.email if extension.owner else ""
    with transaction.atomic():
        extension.save(update_fields=["owner"])
        changed = {"owner": [before, after]}
        record(request, "extension.owner", named(extension), extension=extension.number, changed=changed)
    return _answer(request, extension)


@open_to(May.ADMIN)
@require_POST
def grant(request: Visit, extension_id: UUID, crm_id: UUID) -> HttpResponse:
    """Grant or take away; counts from the next call."""
    extension, crm = get_object_or_404(Extension, pk=extension_id), get_object_or_404(Crm, pk=crm_id)
    with transaction.atomic():
        if request.POST.get("granted") == "on":
            Grant.objects.get_or_create(
                extension=extension,
                crm=crm,
                defaults={"granted_by": request.user, "granted_at": timezone.now()},
            )
        else:
            Grant.objects.filter(extension=extension, crm=crm).delete()
        is_granted = request.POST.get("granted") == "on"
        act = "extension.granted" if is_granted else "extension.ungranted"
        record(request, act, named(extension), extension=extension.number, crm=crm.name)
    return _answer(request, extension, crm=crm)


@open_to(May.ADMIN)
@require_POST
def remove(request: Visit, extension_id: UUID) -> HttpResponse:
    """Take an extension out; its past calls stay."""
    extension = get_object_or_404(Extension, pk=extension_id)
    with transaction.atomic():
        record(request, "extension.removed", named(extension), extension=extension.number)
        extension.delete()
    messages.success(request, _("Extension %(number)s is gone from here.") % {"number": extension.number})
    return redirect("extensions")


def users_with_desktop() -> set[UUID]:
    """Everybody who has a paired desktop."""
    return set(Device.objects.filter(revoked_at=None).values_list("user_id", flat=True))


def readiness_of(extension: Extension, seats: set[UUID]) -> Readiness:
    """The worst of what is missing for the CRMs that are granted; else the desktop; else ready."""
    rights = [right_of(extension=extension, crm=grant.crm_id) for grant in extension.grants.all()]
    if extension.owner is None and (rights or extension.last_call):  # type: ignore[attr-defined]
        return Readiness(*SAID[RightState.NO_OWNER])
    if not rights:
        return Readiness(*SAID[RightState.NO_GRANT])
    for right in rights:
        if not right.is_ok and right.state is not RightState.CRM_OFF:
            return Readiness(*SAID[right.state], right.title)
    if extension.owner_id not in seats:
        return Readiness("warn", "monitor", _("No desktop"), _("Calls are journaled, nothing opens"))
    return Readiness(*SAID[rights[0].state])


def _matching(text: str) -> QuerySet[Extension]:
    rows = (
        Extension.objects.select_related("pbx", "owner")
        .prefetch_related("grants")
        .annotate(last_call=Max("legs__started_at"))
        .order_by("pbx__name", "number")
    )
    if text:
        rows = rows.filter(
            Q(number__icontains=text) | Q(name__icontains=text) | Q(owner__name__icontains=text)
        )
    return rows


def _line(extension: Extension, crms: list[Crm], seats: set[UUID]) -> Line:
    granted = {grant.crm_id for grant in extension.grants.all()}
    return Line(extension, [(crm, crm.pk in granted) for crm in crms], readiness_of(extension, seats))


def _answer(request: Visit, extension: Extension, *, crm: Crm | None = None) -> HttpResponse:
    """The changed cell and the row's new state for htmx; the grid again for others."""
    if not request.htmx:
        messages.success(request, _("Saved."))
        return redirect("extensions")
    fresh = _matching("").get(pk=extension.pk)
    line = _line(fresh, list(Crm.objects.all()), users_with_desktop())
    context = {
        "line": line,
        "crm": crm,
        "is_granted": crm is not None and (crm, True) in line.cells,
        "people": User.objects.filter(is_active=True),
        "just_saved": True,
    }
    return render(request, "dashboard/admin/extension_changed.html", context)
