"""Whose line is it, when a phone system names people and numbers: the choices, and the names that wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from nutshellpbx.dashboard.recording import named, record
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.pbx.models import Alias, Pbx
from nutshellpbx.pbx.zammad import mapping
from nutshellpbx.people import routing
from nutshellpbx.people.models import Extension

#: Kinds of phone systems that name people and numbers instead of extensions.
KINDS = ("zammad",)
MOST_WAITING = 100


@dataclass(frozen=True, slots=True)
class Choice:
    """A name that means an extension, with that extension when it is entered here."""

    alias: Alias
    line: Extension | None


def names_of(pbx: Pbx) -> dict[str, Any]:
    """What the phone system's page shows of its names; empty for kinds that say extensions."""
    if pbx.kind not in KINDS:
        return {}
    lines = list(pbx.extensions.select_related("owner").order_by("number"))
    by_number = {line.number: line for line in lines}
    mapped = mapping.list_mapped(pbx=pbx)
    waiting = mapping.list_unmapped(pbx=pbx, lines=routing.list_lines(pbx_id=str(pbx.pk)))
    return {
        "takes_names": True,
        "lines": lines,
        "name_kinds": Alias.Kind.choices,
        "mapped": [Choice(alias, by_number.get(alias.extension)) for alias in mapped],
        "unmapped": waiting[:MOST_WAITING],
        "unmapped_count": len(waiting),
    }


@open_to(May.ADMIN)
@require_POST
def belongs_to(request: Visit, pbx_id: UUID) -> HttpResponse:
    """Say which extension a name means: from the list of those that wait, or typed in."""
    pbx = _pbx(pbx_id)
    line = pbx.extensions.filter(number=request.POST.get("extension", "")[:20]).first()
    text = " ".join(request.POST.get("text", "")[: mapping.MAX_TEXT].split())
    if line is None:
        messages.error(request, _("Choose an extension that is entered at this phone system."))
        return _to_names(pbx)
    try:
        with transaction.atomic():
            alias = mapping.map_to(
                pbx=pbx,
                kind=request.POST.get("kind", ""),
                text=text,
                extension=line.number,
                now=timezone.now(),
            )
            detail = {"name": alias.text, "kind": alias.kind, "extension": line.number}
            record(request, "pbx.name_given", named(pbx), **detail)
    except ValueError:
        messages.error(request, _("Enter the name or number as the phone system sends it."))
    else:
        text = _("“%(name)s” means extension %(number)s from the next event on.")
        messages.success(request, text % {"name": alias.text, "number": line.number})
    return _to_names(pbx)


@open_to(May.ADMIN)
@require_POST
def take_back(request: Visit, pbx_id: UUID) -> HttpResponse:
    """Let a name mean nobody again, or take one that waits off the list."""
    pbx = _pbx(pbx_id)
    alias = pbx.aliases.filter(pk=_number(request.POST.get("alias", ""))).first()
    if alias is None:
        messages.error(request, _("This name is not on the list any more."))
        return _to_names(pbx)
    with transaction.atomic():
        detail = {"name": alias.text, "kind": alias.kind, "was": alias.extension}
        record(request, "pbx.name_taken", named(pbx), **detail)
        if alias.extension:
            mapping.take_back(alias=alias)
        else:
            mapping.forget(alias=alias)
    messages.success(request, _("“%(name)s” means nobody now.") % {"name": alias.text})
    return _to_names(pbx)


def _pbx(pbx_id: UUID) -> Pbx:
    pbx = get_object_or_404(Pbx, pk=pbx_id)
    if pbx.kind not in KINDS:
        raise Http404
    return pbx


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _to_names(pbx: Pbx) -> HttpResponse:
    return redirect(f"{reverse('pbx', args=[pbx.pk])}#names")
