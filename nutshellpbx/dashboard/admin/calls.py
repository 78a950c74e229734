"""All calls, and the page of one with everything that happened and why."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.calls import actions
from nutshellpbx.calls.models import Call
from nutshellpbx.calls.taping import tape
from nutshellpbx.crm.models import Crm
from nutshellpbx.dashboard.admin.ledger import PERIODS, period_of
from nutshellpbx.dashboard.callshow import line, story, times
from nutshellpbx.dashboard.recording import named, record
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.journal.outbox import TooLate
from nutshellpbx.people.models import Company, User

PAGE_SIZE = 50
FILTERS = (
    ("", gettext_lazy("All")),
    ("in", gettext_lazy("In")),
    ("out", gettext_lazy("Out")),
    ("missed", gettext_lazy("Missed")),
    ("unknown", gettext_lazy("Unknown")),
    ("live", gettext_lazy("Going on")),
)


@open_to(May.SUPERVISOR)
@require_safe
def index(request: Visit) -> HttpResponse:
    """Newest first; older pages by the moment that stands in the address."""
    calls = Call.objects.select_related("pbx").exclude(state=Call.State.JOINED)
    context = list_context(request, calls, page_size=PAGE_SIZE)
    return render(request, "dashboard/admin/calls.html", context | {"section": "calls", "filters": FILTERS})


@open_to(May.SUPERVISOR)
@require_safe
def page(request: Visit, call_id: UUID) -> HttpResponse:
    """One call."""
    call = get_object_or_404(Call.objects.select_related("pbx", "joined_into"), pk=call_id)
    return render(request, "dashboard/admin/call.html", page_context(call) | {"section": "calls"})


@open_to(May.SUPERVISOR)
@require_POST
def choose(request: Visit, call_id: UUID, crm_id: UUID) -> HttpResponse:
    """Say which of several records the caller was; the note follows."""
    call, crm = get_object_or_404(Call, pk=call_id), get_object_or_404(Crm, pk=crm_id)
    take_choice(request, call, crm)
    return redirect("call", call.pk)


@open_to(May.SUPERVISOR)
@require_POST
def trace(request: Visit, call_id: UUID) -> HttpResponse:
    """The call as a file without anybody's number or name; for `manage.py replay`."""
    over = Call.objects.select_related("pbx").filter(state=Call.State.ENDED)
    call = get_object_or_404(over, pk=call_id)
    with transaction.atomic():
        record(request, "call.traced", named(call))
        text = tape(call=call)
    answer = HttpResponse(text, content_type="application/jsonl; charset=utf-8")
    name = f"trace-{timezone.localtime(call.started_at):%Y-%m-%d-%H%M%S}-{call.pk.hex[:6]}.jsonl"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def take_choice(request: Visit, call: Call, crm: Crm) -> None:
    """Carry a choice out and say how it ended."""
    try:
        with transaction.atomic():
            card = actions.choose(
                call=call,
                crm=crm,
                user=request.user,
                card_id=request.POST.get("card", "")[:120],
                now=timezone.now(),
            )
            record(request, "call.chosen", named(call), crm=crm.name, record=card.id)
    except (actions.NotPossible, TooLate):
        messages.error(request, _("This record is not one of the call’s any more. Look at the page again."))
    else:
        text = _("The call belongs to %(name)s now; the note follows.") % {"name": card.name}
        messages.success(request, text)


def list_context(request: Visit, calls: Any, *, page_size: int, user: User | None = None) -> dict[str, Any]:
    """The rows of a page of calls with its filter, search and the way to older ones."""
    show, text = request.GET.get("show", ""), request.GET.get("q", "").strip()[:80]
    calls = line.filtered(calls, show=show, text=text)
    days = next((days for days, _label in PERIODS if str(days) == request.GET.get("days")), 0)
    if days:
        since, until = period_of(days)
        calls = calls.filter(started_at__gte=since, started_at__lt=until)
    before = request.GET.get("before", "")
    if before:
        calls = line.started_before(calls, before)
    found = list(calls.order_by("-started_at")[: page_size + 1])
    rows = line.lines_of(found[:page_size], user=user)
    older = rows[-1].call.started_at.isoformat() if len(found) > page_size else ""
    return {"lines": rows, "older": older, "is_first": not before, "show": show, "q": text, "days": days}


def page_context(call: Call) -> dict[str, Any]:
    """Everything that a call's page shows, for admins and for its own user."""
    now = timezone.now()
    row = line.lines_of([call])[0]
    entries = story.entries_of(call)
    return {
        "call": call,
        "line": row,
        "story": story.story_of(call),
        "lanes": story.lanes_of(call, now=now),
        "chains": times.times_of(call, now=now),
        "ticks": story.ticks_of(call, now=now),
        "why_cards": [] if call.is_private else story.why_cards(call),
        "entries": [(entry, line.note_of(entry)) for entry in entries],
        "country": call.pbx.country or Company.get().country,
        "is_live": call.state == Call.State.LIVE,
    }
