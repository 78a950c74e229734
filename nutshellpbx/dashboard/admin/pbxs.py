"""Phone systems: the list, add one by its kind, its page, and the live check."""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q, Sum
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.dashboard.admin.mapping import names_of
from nutshellpbx.dashboard.countries import country_choices
from nutshellpbx.dashboard.declared import Declared
from nutshellpbx.dashboard.recording import changes, named, record, values_of
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.pbx.config import is_posted_to, keep_secret
from nutshellpbx.pbx.connector import CONNECTORS, get_connector_class
from nutshellpbx.pbx.models import Command, Pbx, Received
from nutshellpbx.redact import Secret

PROBE_LIFE = timedelta(seconds=30)
#: Kinds whose senders put the secret behind the address.
IN_ADDRESS = ("zammad",)
CHANGEABLE = ("name", "country", "is_enabled", "settings")


def _countries() -> list[tuple[str, Any]]:
    return [("", gettext_lazy("The company’s country")), *country_choices()]


class Naming(forms.ModelForm):
    """What every phone system has here, whatever its kind."""

    country = forms.ChoiceField(
        label=gettext_lazy("Country"),
        choices=_countries,
        required=False,
        help_text=gettext_lazy("Numbers without a country code are read as numbers of this country."),
    )

    class Meta:
        model = Pbx
        fields = ("name", "country", "is_enabled")
        labels = {"name": gettext_lazy("Name here"), "is_enabled": gettext_lazy("Listen to it")}


@open_to(May.ADMIN)
@require_safe
def index(request: Visit) -> HttpResponse:
    """All phone systems with their state."""
    pbxs = Pbx.objects.annotate(
        extension_count=Count("extensions", distinct=True),
        kept_count=Count("received", filter=~Q(received__state=Received.State.TAKEN), distinct=True),
    )
    context = {"section": "pbxs", "pbxs": [(pbx, kind_label(pbx.kind)) for pbx in pbxs]}
    return render(request, "dashboard/admin/pbxs.html", context)


@open_to(May.ADMIN)
@sensitive_post_parameters()
def add(request: Visit, kind: str = "") -> HttpResponse:
    """Choose the kind, then fill in what that kind asks for."""
    if not kind:
        kinds = [
            (name, _(get_connector_class(name).label), is_posted_to(name))
            for name in CONNECTORS
            if not makes_itself(name)
        ]
        return render(request, "dashboard/admin/pbx_kinds.html", {"section": "pbxs", "kinds": kinds})
    if kind not in CONNECTORS or makes_itself(kind):
        raise Http404
    posted = request.POST or None
    naming = Naming(posted, initial={"name": _(get_connector_class(kind).label)})
    declared = Declared(posted, declared=get_connector_class(kind).fields)
    if posted and naming.is_valid() and declared.is_valid():
        pbx = naming.save(commit=False)
        pbx.kind, pbx.settings = kind, declared.settings
        shown_once = ""
        with transaction.atomic():
            pbx.save()
            entered = declared.secrets
            for field in declared.declared:
                if field.is_secret and field.name not in entered and is_posted_to(kind):
                    shown_once = make_secret(kind)
                    entered[field.name] = Secret(shown_once)
            for name, secret in entered.items():
                keep_secret(pbx=pbx, field=name, secret=secret)
            record(request, "pbx.added", named(pbx), name=pbx.name, kind=kind, settings=pbx.settings)
        if has_template(kind):
            return redirect("pbx_template", pbx.pk)
        if is_posted_to(kind):
            return _once(request, pbx, shown_once)
        messages.success(request, _("“%(name)s” is saved. Run the live check now.") % {"name": pbx.name})
        return redirect("pbx", pbx.pk)
    context = {"section": "pbxs", "naming": naming, "declared": declared, "kind_label": kind_label(kind)}
    context["is_posted_to"] = is_posted_to(kind)
    return render(request, "dashboard/admin/pbx_add.html", context, status=422 if posted else 200)


@open_to(May.ADMIN)
@sensitive_post_parameters()
def page(request: Visit, pbx_id: UUID) -> HttpResponse:
    """One phone system: state, address to post to, what was refused or kept, and its form."""
    pbx = get_object_or_404(Pbx, pk=pbx_id)
    posted = request.POST or None
    before = values_of(pbx, CHANGEABLE)
    naming = Naming(posted, instance=pbx)
    declared = Declared(
        posted,
        declared=get_connector_class(pbx.kind).fields,
        settings=pbx.settings,
        kept=list(pbx.secrets.values_list("field", flat=True)),
    )
    if posted and naming.is_valid() and declared.is_valid():
        with transaction.atomic():
            naming.save(commit=False).settings = pbx.settings | declared.settings
            pbx.save(update_fields=["name", "country", "is_enabled", "settings"])
            for name, secret in declared.secrets.items():
                keep_secret(pbx=pbx, field=name, secret=secret)
            changed = changes(before, values_of(pbx, CHANGEABLE))
            if changed or declared.secrets:
                record(
                    request,
                    "pbx.changed",
                    named(pbx),
                    name=pbx.name,
                    changed=changed,
                    sealed_anew=sorted(declared.secrets),
                )
        messages.success(request, _("Saved."))
        return redirect("pbx", pbx.pk)
    context = _context(pbx) | {"naming": naming, "declared": declared}
    return render(request, "dashboard/admin/pbx.html", context, status=422 if posted else 200)


@open_to(May.ADMIN)
@require_POST
def new_secret(request: Visit, pbx_id: UUID) -> HttpResponse:
    """Make a new secret for the sender; the old one is void at once."""
    pbx = get_object_or_404(Pbx, pk=pbx_id)
    if not is_posted_to(pbx.kind):
        raise Http404
    secret = make_secret(pbx.kind)
    with transaction.atomic():
        for field in get_connector_class(pbx.kind).fields:
            if field.is_secret:
                keep_secret(pbx=pbx, field=field.name, secret=Secret(secret))
        record(request, "pbx.secret", named(pbx), name=pbx.name)
    return _once(request, pbx, secret)


@open_to(May.ADMIN)
@require_POST
def probe(request: Visit, pbx_id: UUID) -> HttpResponse:
    """Ask the listener to try the phone system; the page looks for the result."""
    pbx, now = get_object_or_404(Pbx, pk=pbx_id), timezone.now()
    if is_posted_to(pbx.kind):
        raise Http404
    with transaction.atomic():
        command = Command.objects.create(pbx=pbx, verb="probe", created_at=now, expires_at=now + PROBE_LIFE)
        record(request, "pbx.probed", named(pbx), name=pbx.name)
    if request.htmx:
        return render(request, "dashboard/admin/probe.html", _probe_context(command))
    return redirect("pbx_probe", pbx.pk, command.pk)


@open_to(May.ADMIN)
@require_safe
def probe_result(request: Visit, pbx_id: UUID, command_id: UUID) -> HttpResponse:
    """How the live check stands; asked again by the page until it is over."""
    command = get_object_or_404(Command, pk=command_id, pbx_id=pbx_id, verb="probe")
    if request.htmx:
        return render(request, "dashboard/admin/probe.html", _probe_context(command))
    pbx = command.pbx
    declared = Declared(
        declared=get_connector_class(pbx.kind).fields,
        settings=pbx.settings,
        kept=list(pbx.secrets.values_list("field", flat=True)),
    )
    context = _context(pbx) | {"naming": Naming(instance=pbx), "declared": declared} | _probe_context(command)
    return render(request, "dashboard/admin/pbx.html", context)


def make_secret(kind: str) -> str:
    """A secret for a sender of this kind; what stands in an address holds no sign that addresses change."""
    return secrets.token_urlsafe(32) if kind in IN_ADDRESS else make_hook_secret()


def make_hook_secret() -> str:
    """A secret in the form of the Standard Webhooks scheme; good as a bearer token too."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def has_template(kind: str) -> bool:
    """Whether this kind of phone system loads a template that we write."""
    return hasattr(get_connector_class(kind), "template")


def makes_itself(kind: str) -> bool:
    """Whether rows of this kind come by themselves, never by a form."""
    return bool(getattr(get_connector_class(kind), "makes_itself", False))


def kind_label(kind: str) -> str:
    """What people call this kind of phone system."""
    return _(get_connector_class(kind).label) if kind in CONNECTORS else kind


def hook_address(pbx: Pbx) -> str:
    """Where the sender shall post to."""
    return settings.NUTSHELLPBX_PUBLIC_URL + reverse("hook", args=[pbx.pk])


def _once(request: Visit, pbx: Pbx, secret: str) -> HttpResponse:
    """The address and the secret, shown this one time: an answer to a post, kept in no store."""
    context = {"section": "pbxs", "pbx": pbx, "address": hook_address(pbx), "secret": secret}
    context["is_in_address"] = pbx.kind in IN_ADDRESS
    context["is_signed"] = pbx.settings.get("auth", "signed") == "signed"
    return render(request, "dashboard/admin/pbx_once.html", context)


def _context(pbx: Pbx) -> dict[str, Any]:
    posted_to = is_posted_to(pbx.kind)
    return {
        "section": "pbxs",
        "pbx": pbx,
        "kind_label": kind_label(pbx.kind),
        "is_posted_to": posted_to,
        "has_template": has_template(pbx.kind),
        "makes_itself": makes_itself(pbx.kind),
        "address": hook_address(pbx) if posted_to else "",
        "refusals": pbx.refusals.order_by("-last_at"),
        "refused_count": pbx.refusals.aggregate(n=Sum("count"))["n"] or 0,
        "kept": pbx.received.exclude(state=Received.State.TAKEN).order_by("-received_at")[:25],
        **names_of(pbx),
    }


def _probe_context(command: Command) -> dict[str, Any]:
    is_open = command.state in {Command.State.WAITING, Command.State.DOING}
    gave_up = is_open and command.expires_at < timezone.now()
    return {
        "command": command,
        "pbx": command.pbx,
        "is_open": is_open and not gave_up,
        "gave_up": gave_up,
        "checks": command.result.get("checks", []),
        "facts": command.result.get("facts", {}),
        "waited": timezone.now() - command.created_at,
    }
