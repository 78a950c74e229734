"""HTTP Basic as the CRM does it: an e-mail address of the instance and an API key, whose kind says the rest.

A key with impersonation acts as the user of that address; a plain API key takes any address (or the company's
domain) and acts under the key's own name; a key for forms is refused. Nobody has seen how REST refuses the
last one: here it is 403, because the pair is neither wrong nor missing.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass

from nutshellpbx.lab.nutshell.records import ApiKey, User, api_id
from nutshellpbx.lab.nutshell.store import COMPANY_DOMAIN, Store


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, and under which id the changes are recorded (``1-users`` or ``23-origins``)."""

    actor_id: str
    username: str
    user: User | None
    key: ApiKey

    @property
    def is_restricted(self) -> bool:
        """Whether the asker is shown only what he owns."""
        return self.user is not None and self.user.is_restricted

    def may_see(self, owner_id: str | None) -> bool:
        """Whether a record of this owner is shown to the asker."""
        return not self.is_restricted or (self.user is not None and owner_id == api_id(self.user.id, "users"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nobody was let in: 401 for a wrong or missing pair, 403 for a key that may not do this."""

    status: int
    username: str


def sign_in(*, store: Store, authorization: str | None) -> Actor | Refusal:
    """Read the Authorization header and find the one who asks."""
    username, secret = _read_basic(authorization)
    if not username:
        return Refusal(401, "")
    key = next((key for key in store.keys.values() if hmac.compare_digest(key.secret, secret)), None)
    user = find_user_by_email(store=store, email=username)
    known = user is not None or username.lower() == COMPANY_DOMAIN
    if key is None or key.is_revoked or not known or (user is not None and not user.is_enabled):
        return Refusal(401, username)
    if key.kind == "forms":
        return Refusal(403, username)
    if key.kind == "impersonation" and user is not None:
        return Actor(api_id(user.id, "users"), username, user, key)
    return Actor(api_id(key.id, "origins"), username, user, key)


def find_user_by_email(*, store: Store, email: str) -> User | None:
    """A user by one of the addresses, whatever the case of its letters, or None."""
    wanted = email.strip().lower()
    for user in store.users.values():
        if any(address.lower() == wanted for address in user.emails):
            return user
    return None


def _read_basic(authorization: str | None) -> tuple[str, str]:
    scheme, _, packed = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        username, colon, secret = base64.b64decode(packed, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    if not colon or not secret.isascii():
        return "", ""
    return username, secret


def username_of(authorization: str | None) -> str:
    """The name in an Authorization header, whether or not it may come in."""
    return _read_basic(authorization)[0]
