"""The audit book: who did what, newest first, and whether its chain is whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from nutshellpbx.audit import book
from nutshellpbx.audit.models import Act
from nutshellpbx.dashboard.acts import DETAILS, GROUPS, sentence_of
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.dashboard.rows import ROWS

PAGE_SIZE = 50
#: Walking a longer chain would keep the page waiting: it is checked when it is asked for.
CHECKED_AT_ONCE = 5_000
#: what -> the page where it can be looked at
PAGES = {"entry": "journal_entry", "user": "user", "crm": "crm", "pbx": "pbx", "call": "call"}


@dataclass(frozen=True, slots=True)
class Line:
    """One act, ready to be shown."""

    act: Act
    text: str
    address: str
    details: list[tuple[str, str]]


@open_to(May.ADMIN)
@require_safe
def index(request: Visit) -> HttpResponse:
    """Filter by person and by kind of act; the chain is checked along, a long one on request."""
    person, group = request.GET.get("by", "")[:40], request.GET.get("act", "")
    group = group if group in GROUPS else ""
    acts = Act.objects.all()
    if person:
        acts = acts.filter(by_id="" if person == "-" else person)
    if group:
        acts = acts.filter(act__startswith=f"{group}.")
    before = request.GET.get("before", "")
    if before.isdecimal():
        acts = acts.filter(number__lt=int(before))
    found = list(acts.order_by("-number")[: PAGE_SIZE + 1])
    count = Act.objects.count()
    is_checked = count <= CHECKED_AT_ONCE or "check" in request.GET
    chosen = {name: value for name, value in (("by", person), ("act", group)) if value}
    context = {
        "section": "audit",
        "lines": [line_of(act) for act in found[:PAGE_SIZE]],
        "older": str(found[PAGE_SIZE - 1].number) if len(found) > PAGE_SIZE else "",
        "is_first": not before,
        "query": urlencode(chosen),
        "by": person,
        "act": group,
        "people": _people(),
        "groups": sorted(GROUPS.items(), key=lambda pair: str(pair[1])),
        "count": count,
        "verdict": book.verify() if is_checked else None,
    }
    return render(request, "dashboard/admin/audit.html", context)


def line_of(act: Act) -> Line:
    """An act with its words, its page and its details as pairs."""
    details = [(str(DETAILS.get(name, name)), _plain(value)) for name, value in act.details.items()]
    return Line(act, sentence_of(act), _address_of(act.what), details)


def _people() -> list[tuple[str, str]]:
    """Everybody who stands in the book, by the e-mail that he had last."""
    rows = Act.objects.exclude(by_id="").order_by("by_id").values_list("by_id", "by_email").distinct()
    return sorted(dict(rows).items(), key=lambda pair: pair[1])


def _address_of(what: str) -> str:
    kind, _colon, key = what.partition(":")
    if kind not in PAGES:
        return ""
    try:
        return reverse(PAGES[kind], args=[UUID(key)])
    except (ValueError, NoReverseMatch):
        return ""


def _plain(value: Any) -> str:
    """A detail for people: a change as before → after, everything else as short text."""
    if isinstance(value, dict) and value and all(_is_change(each) for each in value.values()):
        rows = [(_title_of(name), *change) for name, change in value.items()]
        return "; ".join(f"{title}: {_short(old)} → {_short(new)}" for title, old, new in rows)
    return _short(value)


def _title_of(name: str) -> str:
    return str(ROWS[name].title) if name in ROWS else name


def _is_change(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:299] + "…"
