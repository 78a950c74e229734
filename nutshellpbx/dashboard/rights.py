"""Who may see which page: every view declares it, and a test fails for a route that does not."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django_htmx.middleware import HtmxDetails

from nutshellpbx.dashboard.trusted import find_truster
from nutshellpbx.people.models import User

View = Callable[..., HttpResponse]


class Visit(HttpRequest):
    """A request as a guarded view gets it: by a signed-in user, and htmx says what it wants of it."""

    user: User
    htmx: HtmxDetails


class May(StrEnum):
    """The least that somebody must be to see a page."""

    ANYBODY = "anybody"
    TICKET = "ticket"  # whoever holds a single-use ticket for this one page
    TRUSTED = "trusted"  # a user, also in a browser that he trusted for lookups
    USER = "user"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


def open_to(who: May) -> Callable[[View], View]:
    """Declare who may see a view: others are led to the sign-in page, or told that they may not."""

    def declare(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if who is May.TRUSTED and not request.user.is_authenticated:
                # for this one answer: no session begins
                request.user = find_truster(request) or request.user
            if who not in {May.ANYBODY, May.TICKET}:
                if not request.user.is_authenticated:
                    return _to_sign_in(request)
                if not is_allowed(request.user, who):
                    raise PermissionDenied
            return view(request, *args, **kwargs)

        guarded.open_to = who  # type: ignore[attr-defined]
        return guarded

    return declare


def is_allowed(user: Any, who: May) -> bool:
    """Whether this signed-in person may see a page declared for `who`."""
    if not user.is_active:
        return False
    if who is May.ADMIN:
        return bool(user.is_admin)
    if who is May.SUPERVISOR:
        return bool(user.is_supervisor)
    return who in {May.USER, May.TRUSTED, May.ANYBODY}


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page; htmx is told to leave the page rather than to put the form into a corner of it."""
    if getattr(request, "htmx", False):
        answer = HttpResponse(status=204)
        answer["HX-Redirect"] = reverse("account_login")
        return answer
    return redirect_to_login(request.get_full_path())
