"""My settings: each change is saved at once and counts from the next call."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.dashboard.effect import effect_of
from nutshellpbx.dashboard.recording import record
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.dashboard.rows import ROWS, read_value, shown
from nutshellpbx.people.models import Preferences, User
from nutshellpbx.people.preferences import locked_names, preferences_of


@open_to(May.USER)
@require_safe
def page(request: Visit) -> HttpResponse:
    """The page with every setting, its lock where there is one, and what it all does in a sentence."""
    return render(request, "dashboard/self/settings.html", _context(request))


@open_to(May.USER)
@require_POST
def change(request: Visit, name: str) -> HttpResponse:
    """Save one setting; htmx gets the words "Saved" and the new sentence, others the page."""
    if name not in ROWS:
        raise Http404
    if name in locked_names():
        return _refuse(request, _("Your admin has set this for everybody."), status=403)
    try:
        value = read_value(name, request.POST)
    except forms.ValidationError as error:
        return _refuse(request, " ".join(error.messages), status=422)
    with transaction.atomic():
        before = Preferences.objects.filter(user=request.user).values_list(name, flat=True).first()
        Preferences.objects.update_or_create(user=request.user, defaults={name: value})
        record(request, "setting.changed", f"user:{request.user.pk}", changed={name: [before, value]})
    if request.htmx:
        return render(request, "dashboard/self/setting_saved.html", {**_context(request), "name": name})
    messages.success(request, _("Saved."))
    return redirect("my_settings")


@open_to(May.USER)
@require_POST
def follow_company(request: Visit) -> HttpResponse:
    """Forget what this user set: the company's defaults count again."""
    with transaction.atomic():
        Preferences.objects.filter(user=request.user).delete()
        record(request, "setting.reset", f"user:{request.user.pk}")
    messages.success(request, _("The company’s defaults count for you again."))
    return redirect("my_settings")


def _context(request: Visit) -> dict[str, Any]:
    values = preferences_of(user=request.user)
    locked = locked_names()
    return {
        "section": "my_settings",
        "groups": list(shown(values, locked)),
        "effect": effect_of(values),
        "devices": request.user.devices.filter(revoked_at=None),
        "has_locks": bool(locked),
        "has_own": Preferences.objects.filter(user=request.user).exists(),
        "admin": User.objects.filter(role=User.Role.ADMIN, is_active=True)
        .exclude(pk=str(request.user.pk))
        .first(),
        "post_to": "my_setting",
    }


def _refuse(request: Visit, text: str, *, status: int) -> HttpResponse:
    if request.htmx:
        return render(request, "dashboard/parts/setting_refused.html", {"text": text})
    messages.error(request, text)
    return render(request, "dashboard/self/settings.html", _context(request), status=status)
