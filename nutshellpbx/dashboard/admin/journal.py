"""The journal: its equation in numbers, each term with its list, and what a person can do about an entry."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.calls.models import Call
from nutshellpbx.dashboard.callshow.line import note_of
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.journal import outbox, proof
from nutshellpbx.journal.models import Entry, Reason
from nutshellpbx.journal.states import MoveNotAllowed, State

PAGE_SIZE = 50
TERMS: dict[str, tuple[str, Any]] = {
    "verified": ("cok", gettext_lazy("Written and found again")),
    "on_the_way": ("c1", gettext_lazy("On their way")),
    "waiting": ("c4", gettext_lazy("Wait for a contact")),
    "parked": ("cbad", gettext_lazy("Need a person")),
    "done_by_hand": ("c3", gettext_lazy("Done by hand")),
}
PERIODS = ((1, gettext_lazy("Today")), (7, gettext_lazy("7 days")), (30, gettext_lazy("30 days")))
#: Only a person who has looked can say that a note is not there; then it may be written anew.
ASKS_TO_LOOK = (Reason.OUTCOME_UNKNOWN, Reason.VANISHED)


@open_to(May.SUPERVISOR)
@require_safe
def index(request: Visit) -> HttpResponse:
    """The equation of a period, what needs a person, and the ledger."""
    days = next((days for days, _label in PERIODS if str(days) == request.GET.get("days")), 7)
    since, until = _period(days)
    counted = proof.prove(since=since, until=until)
    term = request.GET.get("show", "") if request.GET.get("show") in TERMS else ""
    entries = (
        proof.list_term(term=term, since=since, until=until)
        if term
        else proof.in_period(since=since, until=until)
    )
    page = _page_of(entries, request.GET.get("before", ""))
    ended = _ended(since, until)
    context = {
        "section": "journal",
        "counted": counted,
        "terms": _terms(counted),
        "ended": ended.count(),
        "left_out": _left_out(ended),
        "needs_you": [(entry, _means(entry)) for entry in _parked()[:25]],
        "rows": [(entry, note_of(entry)) for entry in page[:PAGE_SIZE]],
        "older": page[PAGE_SIZE - 1].happened_at.isoformat() if len(page) > PAGE_SIZE else "",
        "periods": PERIODS,
        "days": days,
        "show": term,
    }
    return render(request, "dashboard/admin/journal.html", context)


@open_to(May.SUPERVISOR)
@require_POST
def act(request: Visit, entry_id: UUID, verb: str) -> HttpResponse:
    """Send an entry again, or say that it was done by hand."""
    entry, now = get_object_or_404(Entry, pk=entry_id), timezone.now()
    try:
        if verb == "by-hand":
            outbox.mark_done_by_hand(entry=entry, by=request.user, now=now)
            messages.success(request, _("Noted as done by hand. Nothing is written any more."))
        else:
            outbox.retry(entry=entry, by=request.user, now=now, looked=verb == "not-there")
            messages.success(request, _("It is on its way again."))
    except (outbox.TooLate, MoveNotAllowed):
        messages.error(request, _("It has moved on meanwhile. Look at it again."))
    return redirect("journal")


def _means(entry: Entry) -> list[str]:
    """What a person can do about a parked entry, the best first."""
    means = ["not-there"] if entry.reason in ASKS_TO_LOOK else []
    means.append("again")
    if outbox.may_be_done_by_hand(entry):
        means.append("by-hand")
    return means


def _parked() -> QuerySet[Entry]:
    return Entry.objects.filter(state=State.PARKED).select_related("crm", "user").order_by("-happened_at")


def _page_of(entries: QuerySet[Entry], before: str) -> list[Entry]:
    with suppress(ValueError):
        entries = entries.filter(happened_at__lt=datetime.fromisoformat(before))
    found = list(entries.select_related("crm", "user").order_by("-happened_at")[: PAGE_SIZE + 1])
    calls = dict(Call.objects.filter(key__in=[entry.call_key for entry in found]).values_list("key", "pk"))
    for entry in found:
        entry.call_id = calls.get(entry.call_key)  # type: ignore[attr-defined]
    return found


def _period(days: int) -> tuple[datetime, datetime]:
    """From midnight here, so many days back, until now."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=days - 1), timezone.now() + timedelta(minutes=1)


def _ended(since: datetime, until: datetime) -> QuerySet[Call]:
    return Call.objects.filter(started_at__gte=since, started_at__lt=until, state=Call.State.ENDED)


def _left_out(ended: QuerySet[Call]) -> list[tuple[str, int]]:
    """Why calls have no entry, with how many."""
    found = {}
    for reason, label in Call.LeftOut.choices:
        if count := ended.filter(left_out=reason).count():
            found[str(label)] = count
    return list(found.items())


def _terms(counted: proof.Proof) -> list[dict[str, Any]]:
    """The terms with their place in the bar, in percent, a gap of half a percent between them."""
    terms, x = [], 0.0
    for name, (css, label) in TERMS.items():
        count = counted.terms[name]
        width = count / counted.entries * 100 if counted.entries else 0.0
        terms.append({"name": name, "css": css, "label": label, "count": count, "x": f"{x:.2f}"})
        terms[-1]["width"] = f"{max(width - 0.5, 0.4):.2f}" if count else ""
        x += width
    return terms
