"""My calls: what rang or was dialled at my extensions, what my desk did, and where the note is."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.calls import actions
from nutshellpbx.calls.models import Call, Leg
from nutshellpbx.crm.models import Crm
from nutshellpbx.dashboard.admin.calls import FILTERS, list_context, page_context, take_choice
from nutshellpbx.dashboard.recording import named, record
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.people.models import User

PAGE_SIZE = 25


@open_to(May.USER)
@require_safe
def index(request: Visit) -> HttpResponse:
    """Newest first, day by day."""
    context = list_context(request, calls_of(request.user), page_size=PAGE_SIZE, user=request.user)
    context |= {
        "section": "my_calls",
        "filters": [pair for pair in FILTERS if pair[0] != "live"],
        "extensions": request.user.extensions.select_related("pbx"),
        "has_desktop": request.user.devices.filter(revoked_at=None).exists(),
    }
    return render(request, "dashboard/self/calls.html", context)


@open_to(May.USER)
@require_safe
def page(request: Visit, call_id: UUID) -> HttpResponse:
    """One of my calls, with everything that happened and why."""
    call = get_object_or_404(calls_of(request.user), pk=call_id)
    return render(request, "dashboard/self/call.html", page_context(call) | {"section": "my_calls"})


@open_to(May.USER)
@require_POST
def choose(request: Visit, call_id: UUID, crm_id: UUID) -> HttpResponse:
    """Say which of several records my caller was."""
    call = get_object_or_404(calls_of(request.user), pk=call_id)
    take_choice(request, call, get_object_or_404(Crm, pk=crm_id))
    return redirect("my_call", call.pk)


@open_to(May.USER)
@require_POST
def call_private(request: Visit, call_id: UUID) -> HttpResponse:
    """Keep this one call, while it lives, out of the journal."""
    call = get_object_or_404(calls_of(request.user), pk=call_id)
    try:
        with transaction.atomic():
            actions.call_private(call=call, user=request.user, now=timezone.now())
            record(request, "call.private", named(call))
    except actions.NotPossible:
        messages.error(request, _("The call is over; its note is made already."))
    else:
        messages.success(request, _("This call is private: no note, and its number is masked."))
    return redirect("my_call", call.pk)


def calls_of(user: User) -> QuerySet[Call]:
    """The calls in which an extension of this user had a part when they happened."""
    mine = Leg.objects.filter(call=OuterRef("pk"), owner=user)
    return Call.objects.select_related("pbx").filter(Exists(mine)).exclude(state=Call.State.JOINED)
