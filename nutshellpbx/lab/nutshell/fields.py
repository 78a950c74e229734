"""Which keys the lists of people and companies can be filtered and sorted by, and how to read the values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from nutshellpbx.lab.nutshell.errors import Invalid
from nutshellpbx.lab.nutshell.exchange import Request


class Field(NamedTuple):
    """One key of the catalogue that ``/list/fields`` shows."""

    type: str
    title: str
    is_filterable: bool
    is_sortable: bool
    format: str | None = None


_SHARED = {
    "id": Field("string", "ID", True, False),
    "name": Field("string", "Name", True, True),
    "phone": Field("string", "Phone", True, True),
    "email": Field("string", "Email", True, True),
    "address": Field("string", "Address", True, False),
    "createdTime": Field("string", "Created", True, True, "date-time"),
    "lastContactedTime": Field("string", "Last contacted", True, True, "date-time"),
    "owners": Field("relationship", "Assignee", True, False),
    "owner": Field("relationship", "Assignee", False, True),
    "creator": Field("relationship", "Creator", True, False),
    "tags": Field("relationship", "Tags", True, False),
    "territory": Field("relationship", "Territory", False, True),
    "industry": Field("relationship", "Industry", False, True),
    "accountType": Field("relationship", "Company type", True, True),
    "postalCode": Field("string", "Postal code", False, True),
}
FIELDS = {
    "contacts": _SHARED | {"accounts": Field("relationship", "Companies", True, True)},
    "accounts": _SHARED | {"contacts": Field("relationship", "People", True, False)},
}


def catalogue(table: str) -> dict[str, Any]:
    """The answer of ``/contacts/list/fields`` and its sibling."""
    properties = {}
    for key, field in FIELDS[table].items():
        properties[key] = {
            "type": field.type,
            "title": field.title,
            "description": None,
            "isFilterable": field.is_filterable,
            "isDisplayable": True,
            "isSortable": field.is_sortable,
            "isNullable": key not in ("id", "name"),
        }
        if field.format:
            properties[key]["format"] = field.format
    return {"properties": properties}


def read_filters(request: Request, *, table: str) -> dict[str, list[str]]:
    """The filters of a request by key; raises Invalid for a key that the catalogue does not offer."""
    filters: dict[str, list[str]] = {}
    for name, value in request.query:
        if not name.startswith("filter[") or not name.endswith("]"):
            continue
        key, _, part = name[len("filter[") : -1].partition("][")
        field = FIELDS[table].get(key)
        if field is None or not field.is_filterable:
            raise Invalid("Invalid filter", detail=f"Invalid filter: {key}")
        if key == "address" and part:
            value = f"{part}={value}"
        filters.setdefault(key, []).append(value)
    return filters


def read_sort(request: Request, *, table: str) -> tuple[str, bool]:
    """Key and direction of the wanted order, by name unless said; raises Invalid."""
    wanted = request.first("sort", "sort[]") or "name"
    key = wanted.removeprefix("-")
    field = FIELDS[table].get(key)
    if field is None or not field.is_sortable:
        raise Invalid("Invalid sort", detail=f"Invalid sort: {wanted}")
    return key, wanted.startswith("-")


def read_span(text: str) -> tuple[float, float]:
    """Two moments, written ``A TO B`` or ``A B``, in Unix seconds; raises Invalid."""
    parts = text.split(" TO ") if " TO " in text else text.split()
    if len(parts) != 2:
        raise Invalid("Invalid filter", detail=f"Invalid time range: {text}")
    return read_time(parts[0]), read_time(parts[1])


def read_time(text: str) -> float:
    """One moment, as Unix seconds or in ISO form (UTC unless it says otherwise); raises Invalid."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("Invalid filter", detail=f"Invalid time: {text}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


DEFAULT_PAGE = 100
LARGEST_PAGE = 10_000


def read_page(request: Request) -> tuple[int, int]:
    """Page number (from 0) and size; raises Invalid."""
    number = _whole(request.first("page[page]"), default=0, what="page number")
    if number < 0:
        raise Invalid("Invalid filter", detail=f"Invalid page number: {number}")
    size = _whole(request.first("page[limit]"), default=DEFAULT_PAGE, what="page limit")
    if not 1 <= size <= LARGEST_PAGE:
        raise Invalid("Invalid filter", detail=f"Invalid page limit: {size}")
    return number, size


def read_limit(request: Request, *, default: int) -> int:
    """The ``limit`` of the feeds and of activities; raises Invalid."""
    limit = _whole(request.first("limit"), default=default, what="limit")
    if not 1 <= limit <= LARGEST_PAGE:
        raise Invalid("Invalid filter", detail=f"Invalid limit: {limit}")
    return limit


def _whole(text: str | None, *, default: int, what: str) -> int:
    if text is None or text == "":
        return default
    try:
        return int(text)
    except ValueError:
        raise Invalid("Invalid filter", detail=f"Invalid {what}: {text}") from None
