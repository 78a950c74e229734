"""A browser that its user trusts for lookups: for 30 days it is led on from a number to a record, no more.

The cookie names the user and dies with a new password; it is no session, and opens none of the other pages.
"""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare

from nutshellpbx.people.models import User

LIFE_S: Final = 30 * 24 * 3600
SALT: Final = "nutshellpbx.dashboard.trusted"
#: Signs of the session's own hash: enough to notice a new password.
HASH_SIGNS: Final = 32


def cookie_name() -> str:
    """The cookie's name; over TLS one that no other host can set."""
    return "__Host-lookups" if settings.NUTSHELLPBX_TLS else "lookups"


def trust(response: HttpResponse, *, user: User) -> None:
    """Let this browser be led on to records of this user's for 30 days."""
    value = signing.TimestampSigner(salt=SALT).sign(f"{user.pk}.{_hash(user)}")
    response.set_cookie(
        cookie_name(),
        value,
        max_age=LIFE_S,
        httponly=True,
        secure=settings.NUTSHELLPBX_TLS,
        samesite="Lax",
    )


def distrust(response: HttpResponse) -> None:
    """Take the trust back here."""
    response.delete_cookie(cookie_name(), samesite="Lax")


def find_truster(request: HttpRequest) -> User | None:
    """Who trusted this browser within the last 30 days and may still sign in; None when nobody did."""
    value = request.COOKIES.get(cookie_name(), "")
    if not value:
        return None
    try:
        said = signing.TimestampSigner(salt=SALT).unsign(value, max_age=LIFE_S)
    except signing.BadSignature:
        return None
    pk, _dot, known = said.partition(".")
    user = User.objects.filter(pk=pk, is_active=True).first()
    return user if user is not None and constant_time_compare(known, _hash(user)) else None


def _hash(user: User) -> str:
    return user.get_session_auth_hash()[:HASH_SIGNS]
