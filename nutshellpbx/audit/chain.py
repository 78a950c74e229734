"""How one act hangs on the one before it: the canonical text of an act, and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

#: What the first act hangs on.
START = "0" * 64


def canonical(value: Mapping[str, Any]) -> str:
    """A mapping as the one JSON text that it always becomes: sorted names, no blanks, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(
    *,
    previous: str,
    number: int,
    at: datetime,
    act: str,
    by_id: str,
    by_email: str,
    what: str,
    detail: str,
) -> str:
    """The hash of an act, 64 hexadecimal digits: SHA-256 over the hash before it and its canonical text.

    `at` is aware; `detail` is the canonical text of the act's details.
    """
    own = canonical(
        {
            "number": number,
            "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
            "act": act,
            "by_id": by_id,
            "by_email": by_email,
            "what": what,
            "detail": detail,
        }
    )
    return hashlib.sha256(f"{previous}\n{own}".encode("ascii")).hexdigest()
