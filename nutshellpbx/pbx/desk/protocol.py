"""What a desktop posts when its telephone program rings: a number, a name and an id of its own. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from nutshellpbx.faults import Rejected
from nutshellpbx.pbx.events import MAX_NAME, MAX_NUMBER

#: What a telephone program passes on when it knows nothing: the placeholder itself.
PLACEHOLDER = re.compile(r"%\w*%|\[\w*\]")
ID = re.compile(r"[A-Za-z0-9-]{8,60}")


def read_ring(body: bytes) -> dict[str, str]:
    """id, number and name of a ring; raises `Rejected` whose detail is the bad field's name."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected("The post is not JSON.", "Send one JSON object.", detail="body") from error
    if not isinstance(content, dict):
        raise Rejected("The post is not a JSON object.", "Send one JSON object.", detail="body")
    own = content.get("id")
    if not isinstance(own, str) or not ID.fullmatch(own):
        raise Rejected("id is missing or wrong.", "Update the desktop client.", detail="id")
    number = _text(content, "number").strip()
    if len(number) > MAX_NUMBER or not number.isprintable():
        raise Rejected("number cannot be read.", f"Send at most {MAX_NUMBER} characters.", detail="number")
    name = "".join(sign if sign.isprintable() else " " for sign in _text(content, "name")[:MAX_NAME])
    if not number:
        raise Rejected("number is missing.", "Pass the caller's number on.", detail="number")
    return {"id": own, "number": number, "name": name.strip()}


def _text(content: dict[str, Any], name: str) -> str:
    value = content.get(name, "")
    if not isinstance(value, str):
        raise Rejected(f"{name} must be text.", "Send text.", detail=name)
    return "" if PLACEHOLDER.fullmatch(value.strip()) else value
