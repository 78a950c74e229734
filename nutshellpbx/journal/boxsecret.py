"""This box's own secret for the markers: a key file beside the data, made once, kept by the backup."""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from nutshellpbx.journal import marker


def marker_of(*, call_key: str, crm_id: str, generation: int) -> str:
    """The marker of one call's entry in one CRM, as it stands in the note."""
    secret = _secret_in(Path(settings.NUTSHELLPBX_MARKER_KEY))
    return str(marker.make(secret=secret, call_key=call_key, crm_id=crm_id, generation=generation))


@lru_cache(maxsize=4)
def _secret_in(path: Path) -> bytes:
    """The secret in the file; made, readable by us alone, when there is none yet. Raises OSError."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(secrets.token_hex(32).encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first: its secret counts
        finally:
            draft.unlink()
    _sync(path.parent)  # or a power cut takes the name away after markers were made with what it names
    return path.read_bytes().strip()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
