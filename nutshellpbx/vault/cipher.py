"""The sealed box: anybody with the public key can close it, only the private key opens it.

One box: version byte, ephemeral X25519 public key (32 bytes), nonce (12), AES-256-GCM ciphertext with its
tag. The AES key is HKDF-SHA256 over the shared secret, salted with both public keys. The context (what the
box is bound to) is authenticated, not stored.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = b"\x01"
_PUBLIC_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEAD_BYTES = len(_VERSION) + _PUBLIC_BYTES + _NONCE_BYTES


class NotOpened(Exception):
    """The box, the key or the context is not the one that it was closed with; nothing more can be said."""


def context_of(
    *, purpose: str, row: str, bound_to: str, version: int, key_id: str, origins: Iterable[str]
) -> bytes:
    """Everything a secret is bound to, as bytes; each part carries its length, so that none can slide."""
    parts = ["npbx1", purpose, row, bound_to, str(version), key_id, *sorted(origins)]
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def close_box(plain: bytes, *, public: X25519PublicKey, context: bytes) -> bytes:
    """Seal bytes for the holder of the private key."""
    ephemeral = X25519PrivateKey.generate()
    head = ephemeral.public_key().public_bytes_raw()
    nonce = os.urandom(_NONCE_BYTES)
    key = _derive(ephemeral.exchange(public), salt=head + public.public_bytes_raw())
    return _VERSION + head + nonce + AESGCM(key).encrypt(nonce, plain, context)


def open_box(box: bytes, *, private: X25519PrivateKey, context: bytes) -> bytes:
    """Return what was sealed; raises `NotOpened`, never returns anything else."""
    if len(box) < _HEAD_BYTES + _TAG_BYTES or box[:1] != _VERSION:
        raise NotOpened
    head = box[1 : 1 + _PUBLIC_BYTES]
    nonce = box[1 + _PUBLIC_BYTES : _HEAD_BYTES]
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(head))
        key = _derive(shared, salt=head + private.public_key().public_bytes_raw())
        return AESGCM(key).decrypt(nonce, box[_HEAD_BYTES:], context)
    # ValueError: a point of small order, which no honest box has.
    except (InvalidTag, ValueError) as error:
        raise NotOpened from error


def _derive(shared: bytes, *, salt: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=b"npbx1 sealed box").derive(shared)
