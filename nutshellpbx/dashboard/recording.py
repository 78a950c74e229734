"""What a page's act leaves in the audit book: called inside the act's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from nutshellpbx.audit import book
from nutshellpbx.people.models import User


def record(request: HttpRequest, act: str, what: str, **detail: Any) -> None:
    """Write down that whoever made this request did this; a person who is not signed in is nobody."""
    user = getattr(request, "user", None)
    by = user if isinstance(user, User) and user.is_authenticated else None
    book.record(act=act, by=by, what=what, detail=detail, now=timezone.now())


def named(row: Any) -> str:
    """A row as the book names it: "crm:<id>"."""
    return f"{row._meta.model_name}:{row.pk}"


def values_of(row: Any, names: Any) -> dict[str, Any]:
    """The values of a row's fields now, to be compared afterwards."""
    return {name: getattr(row, name) for name in names}


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What differs, by name: [before, after]."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: [before.get(name), after[name]] for name in names}
