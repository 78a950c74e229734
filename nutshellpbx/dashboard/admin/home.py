"""Home: what is true now; what needs a hand; today in figures; every connection with its state."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from nutshellpbx.calls.models import Answer, Call
from nutshellpbx.crm.models import Crm
from nutshellpbx.dashboard.admin.crms import kind_label as crm_label
from nutshellpbx.dashboard.admin.crms import progress_of
from nutshellpbx.dashboard.admin.pbxs import kind_label as pbx_label
from nutshellpbx.dashboard.callshow.line import lines_of
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.dashboard.self.desktops import HEARD_WITHIN
from nutshellpbx.desktop.models import Device, Instruction
from nutshellpbx.journal import proof
from nutshellpbx.pbx.models import Pbx


@open_to(May.SUPERVISOR)
@require_safe
def page(request: Visit) -> HttpResponse:
    """The whole page."""
    return render(
        request, "dashboard/admin/home.html", _context() | {"section": "home", "now": timezone.now()}
    )


@open_to(May.SUPERVISOR)
@require_safe
def live(request: Visit) -> HttpResponse:
    """The values that change by themselves, each in its fixed place."""
    return render(request, "dashboard/admin/home_live.html", _context())


@open_to(May.USER)
@require_safe
def menu(request: Visit) -> HttpResponse:
    """The menu as a page, for narrow screens and without script."""
    return render(request, "dashboard/admin/menu.html", {"section": "menu"})


def _context() -> dict[str, Any]:
    now = timezone.localtime()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    calls = Call.objects.filter(started_at__gte=midnight).exclude(state=Call.State.JOINED)
    asked = Answer.objects.filter(call__in=calls)
    found = asked.filter(result=Answer.Result.FOUND).values("call").distinct().count()
    opened = Instruction.objects.filter(created_at__gte=midnight, verb="open", outcome="opened")
    counted = proof.prove(since=midnight, until=now + timedelta(minutes=1))
    ended = calls.filter(state=Call.State.ENDED)
    now_live = Call.objects.filter(state=Call.State.LIVE).select_related("pbx").order_by("-started_at")
    devices = Device.objects.filter(revoked_at=None)
    return {
        "calls_today": calls.count(),
        "missed_today": ended.filter(direction="inbound", answered_at=None).count(),
        "found_today": found,
        "unknown_today": asked.filter(result=Answer.Result.NOT_FOUND).values("call").distinct().count(),
        "opened_today": opened.count(),
        "desks_today": opened.values("device").distinct().count(),
        "counted": counted,
        "ended_today": ended.count(),
        "left_out_today": ended.exclude(left_out="").count(),
        "pbxs": [(pbx, pbx_label(pbx.kind)) for pbx in Pbx.objects.annotate(n=Count("extensions"))],
        "crms": [(crm, crm_label(crm.kind), progress_of(crm)) for crm in Crm.objects.all()],
        "desktop_count": devices.count(),
        "desktops_here": devices.filter(last_seen_at__gt=now - HEARD_WITHIN).count(),
        "live_calls": lines_of(list(now_live[:8])),
        "live_count": now_live.count(),
    }
