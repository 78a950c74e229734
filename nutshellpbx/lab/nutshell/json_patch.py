"""JSON Patch as the CRM has it: paths start ``/contacts/0/``, additions end in ``/-``, removals in ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nutshellpbx.lab.nutshell.errors import Invalid
from nutshellpbx.lab.nutshell.exchange import Request

MEDIA_TYPE = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Step:
    """One operation: on a field of the record, or on one of its links."""

    op: str
    field: str
    is_link: bool
    item: str
    value: Any


def is_patch(request: Request) -> bool:
    """Whether the request carries the media type that a PATCH must have."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE


def read_patch(request: Request, *, table: str) -> list[Step]:
    """The operations of a PATCH in their order; raises Invalid."""
    try:
        written = request.json
    except ValueError:
        raise Invalid("Invalid patch", detail="The body is not JSON.") from None
    if not isinstance(written, list) or not written:
        raise Invalid("Invalid patch", detail="A list of operations is required.")
    return [_read_step(operation, table=table) for operation in written]


def _read_step(operation: Any, *, table: str) -> Step:
    if not isinstance(operation, dict):
        raise Invalid("Invalid patch", detail="An operation must be an object.")
    op, path = operation.get("op"), str(operation.get("path", ""))
    parts = path.strip("/").split("/")
    if op not in ("add", "remove", "replace") or len(parts) < 3 or parts[0] != table or parts[1] != "0":
        raise Invalid("Invalid patch path", detail=f"Cannot {op} {path}")
    if op != "remove" and "value" not in operation:
        raise Invalid("Invalid patch", detail=f"No value for {path}")
    is_link = parts[2] == "links"
    rest = parts[3:] if is_link else parts[2:]
    if not rest or len(rest) > 2:
        raise Invalid("Invalid patch path", detail=f"Cannot {op} {path}")
    return Step(
        op=op,
        field=rest[0],
        is_link=is_link,
        item=rest[1] if len(rest) == 2 else "",
        value=operation.get("value"),
    )
