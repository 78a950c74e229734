"""How allauth is bent to this house: nobody signs up, an admin invites; who comes and goes is recorded."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from nutshellpbx.audit import book
from nutshellpbx.people.models import User


class InvitedOnly(DefaultAccountAdapter):
    """No open sign-up; and no flash messages, the pages say themselves what happened."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        return None

    def login(self, request: HttpRequest, user: Any) -> None:
        with transaction.atomic():
            super().login(request, user)
            note_door("account.signed_in", user, request, way="password")

    def logout(self, request: HttpRequest) -> None:
        user = request.user
        with transaction.atomic():
            if isinstance(user, User):
                note_door("account.signed_out", user, request)
            super().logout(request)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        # What was typed is kept only when it is somebody's e-mail here: it may be a password.
        email = str(credentials.get("email") or credentials.get("username") or "")
        person = User.objects.filter(email__iexact=email).first() if email else None
        note_door("account.sign_in_failed", None, request, email=person.email if person else "unknown")

    def set_password(self, user: Any, password: str) -> None:
        with transaction.atomic():
            super().set_password(user, password)
            note_door("account.password_set", user, None)


def note_door(act: str, person: User | None, request: HttpRequest | None, **detail: Any) -> None:
    """Record who came, went or failed to come in, and from where."""
    if request is not None:
        detail["address"] = address_of(request)
    what = f"user:{person.pk}" if person is not None else "account"
    book.record(act=act, by=person, what=what, detail=detail, now=timezone.now())


def address_of(request: HttpRequest) -> str:
    """The address that a request came from, as the proxy before us says it last."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
    return (forwarded or request.META.get("REMOTE_ADDR", ""))[:60]
