"""A new key for a purpose, every secret moved on to it, the old key retired; all can be cut and resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import transaction

from nutshellpbx.faults import Denied, TryLater
from nutshellpbx.vault import keys, pairs, safe
from nutshellpbx.vault.models import Sealed

#: Rows per transaction, and the pause after it in which the others may write.
BATCH = 100
PAUSE_S = 0.05
#: A request that took the old key before the new one was made has stored its row by then.
GRACE_S = 60


class CannotRetire(Exception):
    """The old key is still needed; the text says why and what to do."""


@dataclass(slots=True)
class Rotation:
    """What a rotation did: the key that seals now, rows moved, rows that could not be opened."""

    key_id: str
    is_resumed: bool
    moved: int = 0
    left: list[Sealed] = field(default_factory=list)


def rotate(*, purpose: str, tell: Callable[[int], None] = lambda moved: None) -> Rotation:
    """Add a key for a purpose and seal every row again; finishes an earlier rotation that was cut short.

    `tell` hears the number of rows moved after each batch. Needs the private keys of the purpose. Rows that
    cannot be opened stay as they are and are named in the result. Raises `UnfitKey`.
    """
    newest = pairs.newest_pair(purpose).key_id
    is_resumed = Sealed.objects.filter(purpose=purpose).exclude(key_id=newest).exists()
    if not is_resumed:
        newest = pairs.add_pair(purpose).key_id
    rotation = Rotation(newest, is_resumed)
    ring = keys.owner_ring()
    while True:
        unopened = [sealed.pk for sealed in rotation.left]
        waiting = Sealed.objects.filter(purpose=purpose).exclude(key_id=newest).exclude(pk__in=unopened)
        moved, left = _move_batch(list(waiting.order_by("pk")[:BATCH]), ring)
        rotation.moved += moved
        rotation.left += left
        if moved == 0 and not left and not waiting.exists():
            return rotation
        tell(rotation.moved)
        time.sleep(PAUSE_S)


def _move_batch(rows: list[Sealed], ring: keys.Ring) -> tuple[int, list[Sealed]]:
    moved, left = 0, []
    with transaction.atomic():
        for sealed in rows:
            try:
                safe.seal_again(sealed, ring=ring)
            except TryLater:
                # Replaced by its owner at this moment, with the new key: nothing is left to do.
                continue
            except Denied:
                left.append(sealed)
            else:
                moved += 1
    return moved, left


def retire(*, purpose: str, now: float) -> list[str]:
    """Delete every key of a purpose but the newest; returns their ids. `now` is in seconds since 1970.

    Raises `CannotRetire` while a row needs an older key, or the newest key is younger than a minute.
    """
    newest = pairs.newest_pair(purpose)
    if now - newest.path.stat().st_mtime < GRACE_S:
        raise CannotRetire(f"The key {newest.key_id} is younger than a minute: try again then.")
    folder = keys.private_folder(keys.HOLDER[purpose])
    halves = keys.key_files(keys.public_folder(), "pub") + keys.key_files(folder, "key")
    old = sorted({half.key_id for half in halves if half.purpose == purpose and half.number < newest.number})
    _demand_unused(purpose, old)
    for key_id in old:
        pairs.remove_public(purpose, key_id)
    # Looked at again after the last moment in which somebody could have sealed with one of them.
    _demand_unused(purpose, old)
    for key_id in old:
        pairs.remove_private(purpose, key_id)
    return old


def _demand_unused(purpose: str, key_ids: list[str]) -> None:
    needed = Sealed.objects.filter(purpose=purpose, key_id__in=key_ids).count()
    if needed:
        raise CannotRetire(
            f"{needed} secrets of purpose “{purpose}” still need an older key:"
            f" run “manage.py vault_keys rotate --purpose {purpose}”, then “manage.py vault_doctor”."
        )
