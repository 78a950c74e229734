"""Device tokens and poll secrets: made once, shown once, kept as hashes."""

from __future__ import annotations

import hashlib
import secrets
import zlib
from dataclasses import dataclass

from nutshellpbx import wire
from nutshellpbx.desktop.models import Device

RANDOM_HEX = 64
CHECKSUM_HEX = 8
LENGTH = len(wire.TOKEN_PREFIX) + RANDOM_HEX + CHECKSUM_HEX


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a token: where to look it up, and what to compare."""

    prefix: str
    hash: str


def make_token() -> str:
    """A new device token: `npbxd_`, 256 random bits in hexadecimal, and a checksum."""
    body = wire.TOKEN_PREFIX + secrets.token_hex(RANDOM_HEX // 2)
    return body + _checksum(body)


def find_fingerprint(token: str) -> Fingerprint | None:
    """What to look a token up by; None for a text that is no token: that costs no look into the database."""
    if len(token) != LENGTH or not token.isascii() or not token.startswith(wire.TOKEN_PREFIX):
        return None
    if not secrets.compare_digest(_checksum(token[:-CHECKSUM_HEX]), token[-CHECKSUM_HEX:]):
        return None
    start = len(wire.TOKEN_PREFIX)
    return Fingerprint(prefix=token[start : start + 8], hash=hash_of(token))


def find_bearer(header: str) -> str:
    """The token in an Authorization header's value, "" where there is none."""
    scheme, _blank, value = header.partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def find_device(kept: Fingerprint) -> Device | None:
    """The device that holds a token, while it is paired and its user may sign in; else None."""
    device = (
        Device.objects.filter(token_prefix=kept.prefix, revoked_at=None, user__is_active=True)
        .select_related("user")
        .first()
    )
    if device is None or not secrets.compare_digest(device.token_hash, kept.hash):
        return None
    return device


def hash_of(secret: str) -> str:
    """SHA-256 in hexadecimal; enough for a secret of 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
