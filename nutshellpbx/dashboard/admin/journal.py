"""The journal: its equation in numbers, each term with its list, the last proof, and the ledger."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx.calls.counting import UNACCOUNTED, count_calls
from nutshellpbx.calls.models import Call
from nutshellpbx.dashboard.admin import ledger
from nutshellpbx.dashboard.admin.entry import means_of
from nutshellpbx.dashboard.admin.proofwords import last_said, left_out_of
from nutshellpbx.dashboard.callshow.line import note_of
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.journal import proof, proving
from nutshellpbx.journal.models import Entry
from nutshellpbx.journal.states import State

TERMS: dict[str, tuple[str, Any]] = {
    "verified": ("cok", gettext_lazy("Written and found again")),
    "on_the_way": ("c1", gettext_lazy("On their way")),
    "waiting": ("c4", gettext_lazy("Wait for a contact")),
    "parked": ("cbad", gettext_lazy("Need a person")),
    "done_by_hand": ("c3", gettext_lazy("Done by hand")),
}
MOST_NEEDS = 10


@open_to(May.SUPERVISOR)
@require_safe
def index(request: Visit) -> HttpResponse:
    """The equation of a period, what needs a person, and the ledger."""
    wanted = ledger.read(request.GET)
    since, until = wanted.period
    counted = proof.prove(since=since, until=until)
    calls, left_out = count_calls(since=since, until=until)
    reasons = {code: count for code, count in left_out.items() if code != UNACCOUNTED}
    page, older = ledger.page_of(wanted.entries(), request.GET.get("before", ""))
    _find_calls(page)
    parked = Entry.objects.filter(state=State.PARKED).select_related("crm", "user")
    context = {
        "section": "journal",
        "wanted": wanted,
        "counted": counted,
        "terms": _terms(counted),
        "calls": calls,
        "with_entry": calls - sum(left_out.values()),
        "unaccounted": left_out.get(UNACCOUNTED, 0),
        "left_out_count": sum(reasons.values()),
        "left_out": left_out_of(reasons),
        "proof": last_said(now=timezone.now()),
        "needs_you": [
            (entry, means_of(entry), note_of(entry)) for entry in parked.order_by("-happened_at")[:MOST_NEEDS]
        ],
        "parked_count": parked.count(),
        "rows": [(entry, note_of(entry)) for entry in page],
        "found_count": wanted.entries().count() if wanted.is_filtered else counted.entries,
        "older": older,
        "is_first": not request.GET.get("before"),
        "periods": [(days, label, wanted.query(days=days)) for days, label in ledger.PERIODS],
        **ledger.choices(),
    }
    return render(request, "dashboard/admin/journal.html", context)


@open_to(May.SUPERVISOR)
@require_POST
def prove(request: Visit) -> HttpResponse:
    """Have a worker compare the last week with the CRM, now."""
    proving.ask_for(by=request.user, now=timezone.now())
    messages.success(request, _("The proof begins within seconds. It asks the CRM for the last 7 days."))
    return redirect("journal")


@open_to(May.SUPERVISOR)
@require_safe
def proof_state(request: Visit) -> HttpResponse:
    """What the last proof said, as a part of the page that looks again while one is under way."""
    return render(request, "dashboard/admin/journal_proof.html", {"proof": last_said(now=timezone.now())})


def _find_calls(entries: list[Entry]) -> None:
    calls = dict(Call.objects.filter(key__in=[entry.call_key for entry in entries]).values_list("key", "pk"))
    for entry in entries:
        entry.call_id = calls.get(entry.call_key)  # type: ignore[attr-defined]


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
