"""The device token: in the system's key store where there is a real one, else in a file of mode 0600."""

from __future__ import annotations

import os
from contextlib import suppress
from gettext import gettext as _
from pathlib import Path

import keyring
import keyring.backend
import keyring.errors

from nutshellpbx.client.config import Places, Unusable, write_private

SERVICE = "nutshellpbx"
IN_SYSTEM = "system"
IN_FILE = "file"
#: Backends that keep nothing, or keep it as plain text under another name.
_NOT_REAL = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt")


def keep_token(places: Places, device: str, token: str) -> str:
    """Store a device's token; returns where: "system" or "file"."""
    if _has_system_store():
        try:
            keyring.set_password(SERVICE, device, token)
            if keyring.get_password(SERVICE, device) == token:
                return IN_SYSTEM
        except keyring.errors.KeyringError:
            pass  # locked or unreachable (a session without a desktop): the file it is
    write_private(places.token, token.encode())
    return IN_FILE


def get_token(places: Places, device: str, kept_in: str) -> str:
    """The token of a device; raises Unusable when it is gone or its store is locked."""
    if kept_in == IN_SYSTEM:
        try:
            token = keyring.get_password(SERVICE, device)
        except keyring.errors.KeyringError as error:
            raise Unusable(
                _("This system's key store is locked. Sign in to your desktop, then try again.")
            ) from error
    else:
        token = _read_file(places.token)
    if not token:
        raise Unusable(_("The key of this desktop is gone. Pair it again: nutshellpbx-client pair ADDRESS"))
    return token


def forget_token(places: Places, device: str, kept_in: str) -> None:
    """Delete the token; one that is gone already is no fault."""
    if kept_in == IN_SYSTEM:
        with suppress(
            keyring.errors.KeyringError
        ):  # gone already, or locked: the server has revoked it anyway
            keyring.delete_password(SERVICE, device)
    places.token.unlink(missing_ok=True)


def say_where(kept_in: str, places: Places) -> str:
    """Where the token is, for a person."""
    if kept_in == IN_SYSTEM:
        return _("this system's key store ({name})").format(name=keyring.get_keyring().name)
    return _("{file} (readable by you alone; this system offers no key store)").format(file=places.token)


def _has_system_store() -> bool:
    backend = keyring.get_keyring()
    parts = getattr(backend, "backends", [backend])  # a chain of several, or the one
    return any(not type(part).__module__.startswith(_NOT_REAL) for part in parts)


def _read_file(path: Path) -> str:
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise Unusable(_("{file} can't be read: {why}").format(file=path, why=error)) from error
