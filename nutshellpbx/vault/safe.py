"""The verbs of the vault: seal, replace, open.

Whoever has the public key can seal; only the process whose role holds the private key can open. A secret is
bound to its purpose, row, owner, version, key and origins: moved, changed or pasted back, it is refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from nutshellpbx.faults import TryLater
from nutshellpbx.redact import Secret
from nutshellpbx.vault import keys
from nutshellpbx.vault.cipher import NotOpened, close_box, context_of, open_box
from nutshellpbx.vault.errors import OriginChanged, Tampered
from nutshellpbx.vault.models import Sealed

#: A text made by `encrypt_text` begins with this, followed by the row's id.
_TEXT_PREFIX = "npbx-sealed:"
_HINT_CHARACTERS = 4
_HINT_FROM_LENGTH = 12


def seal(*, purpose: str, secret: Secret | str, bound_to: str, origins: Iterable[str]) -> Sealed:
    """Seal a secret into a new row and return it; raises `NoKey` when no public key is there.

    `bound_to` names the owner and must be the same when it is opened. `origins` are the places that it may be
    sent to, as `scheme://host[:port]`; none for a secret that is never sent.
    """
    now = timezone.now()
    sealed = Sealed(
        id=uuid.uuid4(),
        purpose=Sealed.Purpose(purpose).value,
        bound_to=bound_to,
        origins=_sorted(origins),
        version=1,
        created_at=now,
        changed_at=now,
    )
    _fill(sealed, _secret(secret))
    sealed.save(force_insert=True)
    return sealed


def reseal(sealed: Sealed, *, secret: Secret | str, origins: Iterable[str]) -> Sealed:
    """Replace the secret in its row (version + 1, same owner and purpose); returns the row as it is now.

    Raises `TryLater` when somebody else replaced it since this row was read.
    """
    fresh = Sealed(
        id=sealed.pk,
        purpose=sealed.purpose,
        bound_to=sealed.bound_to,
        origins=_sorted(origins),
        version=sealed.version + 1,
        created_at=sealed.created_at,
        changed_at=timezone.now(),
    )
    _fill(fresh, _secret(secret))
    put_in_place(fresh, instead_of=sealed)
    return fresh


def open_sealed(
    sealed: Sealed, *, bound_to: str, origins: Iterable[str], ring: keys.Ring | None = None
) -> Secret:
    """Return the secret, if this process may have it and everything it was bound to still stands.

    `bound_to` and `origins` are what the caller knows from its own rows. Raises `NotHere`, `OriginChanged`,
    `WrongKey` or `Tampered`; never returns anything but what was sealed. `ring` is for the key commands.
    """
    ring = ring or keys.process_ring()
    private = ring.get_key(sealed.purpose, sealed.key_id)
    if not has_origins(sealed, origins):
        raise OriginChanged
    if sealed.bound_to != bound_to:
        raise Tampered
    try:
        plain = open_box(bytes(sealed.ciphertext), private=private, context=_context(sealed))
    except NotOpened:
        raise Tampered from None
    return Secret(plain.decode())


def has_origins(sealed: Sealed, origins: Iterable[str]) -> bool:
    """Whether a secret was sealed for exactly these origins; needs no key: a page can say “enter again”."""
    own = sealed.origins
    if not isinstance(own, list) or not all(isinstance(origin, str) for origin in own):
        return False
    return _sorted(own) == _sorted(origins)


def seal_again(sealed: Sealed, *, ring: keys.Ring) -> Sealed:
    """Move a secret on to the newest key of its purpose (version + 1), for a rotation; returns the row."""
    secret = open_sealed(sealed, bound_to=sealed.bound_to, origins=sealed.origins, ring=ring)
    return reseal(sealed, secret=secret, origins=sealed.origins)


def encrypt_text(*, purpose: str, bound_to: str, text: str) -> str:
    """Seal a text for a place that can only hold a text, and return what to store: a row's reference.

    The row takes part in rotation and in the doctor's visit; it is bound to `bound_to` like any other.
    """
    return _TEXT_PREFIX + str(seal(purpose=purpose, secret=text, bound_to=bound_to, origins=()).pk)


def decrypt_text(*, purpose: str, bound_to: str, text: str) -> str:
    """Return the text that `encrypt_text` sealed; raises like `open_sealed`, `Tampered` for another."""
    try:
        row = Sealed.objects.get(pk=uuid.UUID(text.removeprefix(_TEXT_PREFIX)), purpose=purpose)
    except (ValueError, Sealed.DoesNotExist):
        raise Tampered from None
    return open_sealed(row, bound_to=bound_to, origins=()).reveal()


def put_in_place(fresh: Sealed, *, instead_of: Sealed) -> None:
    """Write a row over the version that it was made from; raises `TryLater` when that one is gone."""
    with transaction.atomic():
        replaced = Sealed.objects.filter(
            pk=instead_of.pk, version=instead_of.version, key_id=instead_of.key_id
        ).update(
            origins=fresh.origins,
            key_id=fresh.key_id,
            version=fresh.version,
            ciphertext=fresh.ciphertext,
            hint=fresh.hint,
            changed_at=fresh.changed_at,
        )
    if replaced != 1:
        raise TryLater(
            _("Somebody else replaced this secret at the same moment."), _("Look at it and try again.")
        )


def _fill(sealed: Sealed, secret: Secret) -> None:
    sealed.key_id, public = keys.newest_public(sealed.purpose)
    plain = secret.reveal()
    sealed.ciphertext = close_box(plain.encode(), public=public, context=_context(sealed))
    sealed.hint = plain[-_HINT_CHARACTERS:] if len(plain) >= _HINT_FROM_LENGTH else ""


def _context(sealed: Sealed) -> bytes:
    return context_of(
        purpose=sealed.purpose,
        row=str(sealed.pk),
        bound_to=sealed.bound_to,
        version=sealed.version,
        key_id=sealed.key_id,
        origins=sealed.origins,
    )


def _secret(secret: Secret | str) -> Secret:
    return secret if isinstance(secret, Secret) else Secret(secret)


def _sorted(origins: Iterable[str]) -> list[str]:
    return sorted(set(origins))
