"""Users: the list, invite one, role and access, and links to copy (this server sends no mail yet)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.crm.models import Credential
from nutshellpbx.dashboard.recording import changes, named, record, values_of
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.desktop import mailbox
from nutshellpbx.people.links import LIFE, OneTimeLink, make_link
from nutshellpbx.people.models import User

Purpose = OneTimeLink.Purpose
ROUTES = {Purpose.INVITATION: "invitation", Purpose.SIGN_IN: "sign_in_link"}


class Invited(forms.ModelForm):
    """A new user."""

    class Meta:
        model = User
        fields = ("name", "email", "role")
        help_texts = {"email": gettext_lazy("For signing in here, and for the user’s own CRM key.")}

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if User.objects.filter(email__iexact=email).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("Somebody has this e-mail here already."))
        return email


class Known(Invited):
    """A user who is here already."""

    class Meta:
        model = User
        fields = ("name", "email", "role", "is_active")
        help_texts = Invited.Meta.help_texts

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        stays_admin = values.get("role") == User.Role.ADMIN and values.get("is_active")
        others = User.objects.filter(role=User.Role.ADMIN, is_active=True).exclude(pk=self.instance.pk)
        if not stays_admin and not others.exists():
            raise forms.ValidationError(_("This is the only admin. Make somebody else an admin first."))
        return values


@open_to(May.ADMIN)
@require_safe
def index(request: Visit) -> HttpResponse:
    """Everybody, with extensions, desktops and keys in numbers."""
    users = User.objects.annotate(
        desktop_count=Count("devices", filter=Q(devices__revoked_at=None), distinct=True),
        good_keys=Count("credentials", filter=Q(credentials__state=Credential.State.OK), distinct=True),
        bad_keys=Count(
            "credentials",
            filter=~Q(credentials__state__in=[Credential.State.OK, Credential.State.CANDIDATE])
            & Q(credentials__isnull=False),
            distinct=True,
        ),
    ).prefetch_related("extensions")
    return render(request, "dashboard/admin/users.html", {"section": "users", "users": users})


@open_to(May.ADMIN)
def add(request: Visit) -> HttpResponse:
    """Make a user and show the invitation link, this one time."""
    form = Invited(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            person = form.save(commit=False)
            person.set_unusable_password()
            person.save()
            record(request, "user.invited", named(person), email=person.email, role=person.role)
        return _link(request, person, Purpose.INVITATION)
    context = {"section": "users", "form": form}
    return render(request, "dashboard/admin/user_add.html", context, status=422 if form.errors else 200)


@open_to(May.ADMIN)
def page(request: Visit, user_id: UUID) -> HttpResponse:
    """One user: name, e-mail, role, access; desktops and keys as facts."""
    person = get_object_or_404(User, pk=user_id)
    before = values_of(person, Known.Meta.fields)
    form = Known(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            if changed := changes(before, values_of(person, Known.Meta.fields)):
                record(request, "user.changed", named(person), email=person.email, changed=changed)
            mailbox.look_again(user_id=person.pk)
        messages.success(request, _("Saved."))
        return redirect("user", person.pk)
    if form.errors:
        person = User.objects.get(pk=user_id)
    context = {
        "section": "users",
        "person": person,
        "form": form,
        "devices": person.devices.filter(revoked_at=None),
        "extensions": person.extensions.select_related("pbx"),
        "keys": person.credentials.exclude(state=Credential.State.CANDIDATE).select_related("crm"),
    }
    return render(request, "dashboard/admin/user.html", context, status=422 if form.errors else 200)


@open_to(May.ADMIN)
@require_POST
def make(request: Visit, user_id: UUID, purpose: str) -> HttpResponse:
    """Make a link for this user and show it, this one time."""
    return _link(request, get_object_or_404(User, pk=user_id, is_active=True), Purpose(purpose))


def _link(request: Visit, person: User, purpose: Purpose) -> HttpResponse:
    """The page with the link to copy; it is an answer to a post and in no store."""
    now = timezone.now()
    with transaction.atomic():
        token = make_link(purpose=purpose, user=person, now=now)
        record(request, "user.linked", named(person), email=person.email, purpose=str(purpose))
    context = {
        "section": "users",
        "person": person,
        "address": settings.NUTSHELLPBX_PUBLIC_URL + reverse(ROUTES[purpose], args=[token]),
        "is_invitation": purpose == Purpose.INVITATION,
        "expires_at": now + LIFE[purpose],
    }
    return render(request, "dashboard/admin/user_link.html", context)
