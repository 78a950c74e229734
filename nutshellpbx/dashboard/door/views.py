"""The first admin's page, the links that let somebody in once, and the way out of a forgotten password."""

from __future__ import annotations

from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from nutshellpbx.dashboard.account import note_door
from nutshellpbx.dashboard.door.forms import NewPassword, Welcome
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.faults import Rejected
from nutshellpbx.people.links import OneTimeLink, find_link, spend
from nutshellpbx.people.models import Company, User

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
Purpose = OneTimeLink.Purpose


@open_to(May.USER)
@require_safe
def start(request: Visit) -> HttpResponse:
    """The front door: admins and supervisors go to the company's pages, everybody else to their calls."""
    return redirect("home" if request.user.is_supervisor else "my_calls")


@open_to(May.ANYBODY)
@sensitive_post_parameters("password")
def welcome(request: HttpRequest, token: str) -> HttpResponse:
    """The first admin names the company and himself, and is signed in."""
    if find_link(token=token, purpose=Purpose.FIRST_ADMIN, now=timezone.now()) is None:
        return _spent(request)
    form = Welcome(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            with transaction.atomic():
                spend(token=token, purpose=Purpose.FIRST_ADMIN, now=timezone.now())
                company = Company.get()
                company.name, company.country = values["company"], values["country"]
                company.time_zone = values["time_zone"]
                company.save(update_fields=["name", "country", "time_zone"])
                admin = User.objects.create_user(
                    values["email"], values["password"], name=values["name"], role=User.Role.ADMIN
                )
                note_door("company.founded", admin, request, company=company.name)
        except Rejected:
            return _spent(request)
        _let_in(request, admin, "first link")
        return redirect("home")
    return render(request, "dashboard/door/welcome.html", {"form": form})


@open_to(May.ANYBODY)
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """Sign in without a password; the button spends the link, so that a preview in a mail does not."""
    link = find_link(token=token, purpose=Purpose.SIGN_IN, now=timezone.now())
    if link is None:
        return _spent(request)
    if request.method == "POST":
        try:
            link = spend(token=token, purpose=Purpose.SIGN_IN, now=timezone.now())
        except Rejected:
            return _spent(request)
        if link.user is None:
            return _spent(request)
        _let_in(request, link.user, "link")
        return redirect("start")
    return render(request, "dashboard/door/link.html", {"person": link.user})


@open_to(May.ANYBODY)
@sensitive_post_parameters("password")
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Choose a password and be signed in; the old password, if there was one, is void."""
    link = find_link(token=token, purpose=Purpose.INVITATION, now=timezone.now())
    if link is None or link.user is None:
        return _spent(request)
    form = NewPassword(request.POST or None, person=link.user)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                spend(token=token, purpose=Purpose.INVITATION, now=timezone.now())
                person = link.user
                person.set_password(form.cleaned_data["password"])
                person.save(update_fields=["password"])
                note_door("account.password_set", person, request, by="invitation")
        except Rejected:
            return _spent(request)
        _let_in(request, person, "invitation")
        return redirect("start")
    return render(request, "dashboard/door/invitation.html", {"form": form, "person": link.user})


@open_to(May.ANYBODY)
@require_safe
def forgotten(request: HttpRequest) -> HttpResponse:
    """Without mail nobody can reset a password by himself: the page says whom to ask."""
    return render(request, "dashboard/door/forgotten.html")


@open_to(May.ANYBODY)
@require_safe
def no_sign_up(request: HttpRequest) -> HttpResponse:
    """There is no sign-up: an admin invites."""
    return render(request, "dashboard/door/forgotten.html", {"wants_account": True}, status=404)


def _let_in(request: HttpRequest, person: User, way: str) -> None:
    with transaction.atomic():
        login(request, person, backend=BACKEND)
        note_door("account.signed_in", person, request, way=way)


def _spent(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/door/spent.html", status=410)
