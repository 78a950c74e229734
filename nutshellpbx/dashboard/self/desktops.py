"""My desktops: pair one with its code, choose its browser, name it, take its right away."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.dashboard.recording import named, record
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.desktop import mailbox, pairing
from nutshellpbx.desktop.models import Device
from nutshellpbx.faults import Fault

#: A desktop asks at least every 25 s and its sign of life is written once a minute.
HEARD_WITHIN = timedelta(minutes=3)


class Code(forms.Form):
    """The code as a desktop shows it; blanks and lower case do not matter."""

    code = forms.CharField(
        label=gettext_lazy("Code on the desktop"),
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )


class Naming(forms.Form):
    """A desktop's name."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)


@open_to(May.USER)
@require_safe
def page(request: Visit) -> HttpResponse:
    """The paired desktops and how to pair another."""
    devices = list(request.user.devices.filter(revoked_at=None))
    heard_since = timezone.now() - HEARD_WITHIN
    rows = [(device, bool(device.last_seen_at and device.last_seen_at > heard_since)) for device in devices]
    return render(request, "dashboard/self/desktops.html", {"section": "my_desktops", "rows": rows})


@open_to(May.USER)
def pair(request: Visit) -> HttpResponse:
    """Enter the code, look at what asks to be let in, and decide."""
    form = Code(request.POST or None, initial={"code": request.GET.get("code", "")[:40]})
    found = None
    if request.method == "POST" and form.is_valid():
        code, user, now = form.cleaned_data["code"], request.user, timezone.now()
        try:
            if "approve" in request.POST:
                asked = pairing.approve(code=code, user=user, now=now)
                text = _("“%(name)s” is paired. It connects within seconds.") % {"name": asked.name}
                messages.success(request, text)
                return redirect("my_desktops")
            if "deny" in request.POST:
                pairing.deny(code=code, user=user, now=now)
                messages.success(request, _("Turned away. That desktop gets nothing."))
                return redirect("my_desktops")
            found = pairing.find_open(code, user=user, now=now)
            if found is None:
                text = _("No desktop waits under this code. Look at it again; it is good for five minutes.")
                form.add_error("code", text)
        except Fault as fault:
            form.add_error("code", f"{fault.title} {fault.next_step}")
    context = {"section": "my_desktops", "form": form, "found": found}
    return render(request, "dashboard/self/pair.html", context, status=422 if form.errors else 200)


@open_to(May.USER)
@require_POST
def choose_browser(request: Visit, device_id: UUID) -> HttpResponse:
    """Which of the browsers that this desktop reported opens pages there; empty is its default."""
    device = _device(request, device_id)
    browser = request.POST.get("browser", "")
    if browser and browser not in {known.get("id") for known in device.browsers}:
        return HttpResponse(_("This desktop has no such browser any more."), status=422)
    changed = {"browser": [device.browser, browser]}
    device.browser = browser
    with transaction.atomic():
        device.save(update_fields=["browser"])
        record(request, "desktop.browser", named(device), name=device.name, changed=changed)
    if request.htmx:
        return render(request, "dashboard/parts/saved.html")
    messages.success(request, _("Saved."))
    return redirect("my_desktops")


@open_to(May.USER)
@require_POST
def rename(request: Visit, device_id: UUID) -> HttpResponse:
    """Give a desktop another name."""
    device, form = _device(request, device_id), Naming(request.POST)
    if form.is_valid():
        changed = {"name": [device.name, form.cleaned_data["name"]]}
        device.name = form.cleaned_data["name"]
        with transaction.atomic():
            device.save(update_fields=["name"])
            record(request, "desktop.renamed", named(device), changed=changed)
        messages.success(request, _("It is called “%(name)s” now.") % {"name": device.name})
    else:
        messages.error(request, _("A desktop needs a name of 1 to 80 signs."))
    return redirect("my_desktops")


@open_to(May.USER)
@require_POST
def revoke(request: Visit, device_id: UUID) -> HttpResponse:
    """Take a desktop's right away, at once."""
    device = _device(request, device_id)
    with transaction.atomic():
        mailbox.revoke(device=device, now=timezone.now())
        record(request, "desktop.revoked", named(device), name=device.name)
    messages.success(request, _("“%(name)s” opens nothing any more.") % {"name": device.name})
    return redirect("my_desktops")


def _device(request: Visit, device_id: UUID) -> Device:
    """One of the user's own desktops; another person's is not found."""
    return get_object_or_404(Device, pk=device_id, user=request.user, revoked_at=None)
