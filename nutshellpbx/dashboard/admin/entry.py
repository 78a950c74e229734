"""One entry: its story, what people did to it, and what may be done now; and the move to another record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Max
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from nutshellpbx import phone
from nutshellpbx.audit import book
from nutshellpbx.calls.models import Call
from nutshellpbx.crm.finding import find_record, find_records
from nutshellpbx.crm.models import Sync
from nutshellpbx.dashboard.acts import sentence_of
from nutshellpbx.dashboard.callshow.line import note_of, page_address
from nutshellpbx.dashboard.callshow.story import ATTEMPT_ICONS, ATTEMPT_TONES
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.journal import outbox, ways
from nutshellpbx.journal.models import Attempt, Entry, Reason
from nutshellpbx.journal.states import MoveNotAllowed, State
from nutshellpbx.people.models import Company

#: Only a person who has looked can say that a note is not there; then it may be written anew.
ASKS_TO_LOOK = (Reason.OUTCOME_UNKNOWN, Reason.VANISHED)
MAY_BE_SENT = (State.WAITING, State.PENDING, State.PARKED)
MOST_LINES = 200
#: kind and outcome of an attempt, in words
SAID: dict[tuple[str, str], Any] = {
    ("write", ""): gettext_lazy("Sent; the answer never came back to us"),
    ("write", "unsent"): gettext_lazy("It did not get through; nothing was written"),
    ("write", "refused"): gettext_lazy("The CRM refused the note"),
    ("write", "unknown"): gettext_lazy("Sent, but the answer was unclear"),
    ("write", "written"): gettext_lazy("Written"),
    ("search", ""): gettext_lazy("Looked for by its marker; cut off"),
    ("search", "unsent"): gettext_lazy("It could not be looked for"),
    ("search", "found"): gettext_lazy("Found by its marker"),
    ("search", "absent"): gettext_lazy("Looked for by its marker, not found"),
    ("search", "refused"): gettext_lazy("The CRM let nobody look"),
    ("read", ""): gettext_lazy("Being read back; cut off"),
    ("read", "verified"): gettext_lazy("Read back: it stands there as it was written"),
    ("read", "unsent"): gettext_lazy("It could not be read back yet"),
    ("read", "refused"): gettext_lazy("Read back: it does not stand there"),
    ("remove", ""): gettext_lazy("The old note was being removed; cut off"),
    ("remove", "removed"): gettext_lazy("The old note is gone"),
    ("remove", "unsent"): gettext_lazy("The old note could not be removed yet"),
    ("remove", "refused"): gettext_lazy("The old note may not be removed"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One line of an entry's story."""

    at: datetime
    icon: str
    what: str
    why: str = ""
    tone: str = ""
    part: str = "journal"
    took_ms: float | None = None
    raw: dict[str, str] = field(default_factory=dict)
    since: timedelta | None = None


@open_to(May.SUPERVISOR)
@require_safe
def page(request: Visit, entry_id: UUID) -> HttpResponse:
    """The entry with its story; `find` searches for another record, `to` is the one that was picked."""
    entry = get_object_or_404(Entry.objects.select_related("crm", "user", "done_by"), pk=entry_id)
    text = request.GET.get("find", "").strip()[:80]
    to = request.GET.get("to", "")[:120]
    picked = find_record(crm=entry.crm, record_id=to) if to else None
    country = entry.crm.country or Company.get().country
    context = {
        "section": "journal",
        "entry": entry,
        "note": note_of(entry),
        "call": Call.objects.filter(key=entry.call_key).first(),
        "caller": phone.read(entry.number, country=country).shown() or entry.number,
        "record_page": page_address({"page": entry.card_page}),
        "note_page": page_address({"page": entry.ref_page}),
        "story": story_of(entry),
        "means": means_of(entry),
        "may_move": may_move(entry),
        "find": text,
        "records": [card for card in find_records(crm=entry.crm, text=text) if card.id != entry.card_id],
        "picked": picked if picked is not None and picked.id != entry.card_id else None,
        "as_of": Sync.objects.filter(crm=entry.crm).aggregate(as_of=Max("as_of"))["as_of"],
    }
    return render(request, "dashboard/admin/entry.html", context)


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
    return _back(request, entry)


@open_to(May.SUPERVISOR)
@require_POST
def move(request: Visit, entry_id: UUID) -> HttpResponse:
    """Let the entry belong to the record that was picked."""
    entry = get_object_or_404(Entry, pk=entry_id)
    card = find_record(crm=entry.crm, record_id=request.POST.get("to", "")[:120])
    if card is None:
        messages.error(request, _("This record is not in the index any more. Search for it again."))
        return redirect("journal_entry", entry.pk)
    try:
        if not may_move(entry):
            raise outbox.TooLate
        outbox.move(entry=entry, card=card, by=request.user, now=timezone.now())
    except (outbox.TooLate, MoveNotAllowed):
        messages.error(request, _("It has moved on meanwhile. Look at it again."))
    else:
        messages.success(request, _("It belongs to %(name)s now; the note follows.") % {"name": card.name})
    return redirect("journal_entry", entry.pk)


def means_of(entry: Entry) -> list[str]:
    """What a person can do about an entry, the best first."""
    means = []
    if entry.state in MAY_BE_SENT:
        means = ["not-there"] if entry.state == State.PARKED and entry.reason in ASKS_TO_LOOK else []
        means.append("again")
    if outbox.may_be_done_by_hand(entry):
        means.append("by-hand")
    return means


def may_move(entry: Entry) -> bool:
    """Whether the entry can still be given to another record."""
    return entry.state != State.DONE_BY_HAND


def story_of(entry: Entry) -> list[Told]:
    """Everything that was tried and done for an entry, in its order."""
    made = Told(entry.created_at, "notebook-pen", _("The call is over, the entry is made"))
    lines = [made, *_tried(entry), *_done(entry)]
    lines.sort(key=lambda line: line.at)
    return [replace(line, since=line.at - lines[0].at) for line in lines]


def _tried(entry: Entry) -> Iterator[Told]:
    for attempt in entry.attempts.order_by("-started_at")[:MOST_LINES]:
        took = attempt.ended_at - attempt.started_at if attempt.ended_at else None
        said = SAID.get((attempt.kind, attempt.outcome))
        raw = {_("asked"): attempt.asked, _("answered"): attempt.answered, _("ways"): ways_of(attempt)}
        yield Told(
            at=attempt.started_at,
            icon=ATTEMPT_ICONS.get(attempt.kind, "notebook-pen"),
            what=str(said) if said else f"{attempt.get_kind_display()}: {attempt.get_outcome_display()}",
            why=attempt.title,
            tone=ATTEMPT_TONES.get(attempt.outcome, "warn"),
            took_ms=took.total_seconds() * 1000 if took else None,
            raw={name: text for name, text in raw.items() if text},
        )


def ways_of(attempt: Attempt) -> str:
    """Which ways of searching said what, in one line."""
    return "; ".join(ways.words_of(attempt))


def _done(entry: Entry) -> Iterator[Told]:
    for line in book.acts_of(what=f"entry:{entry.pk}")[:MOST_LINES]:
        who = line.by_email or _("this program")
        yield Told(line.at, "user-round", sentence_of(line), _("by %(who)s") % {"who": who}, "live", "person")


def _back(request: Visit, entry: Entry) -> HttpResponse:
    if request.POST.get("from") == "journal":
        return redirect("journal")
    return redirect(reverse("journal_entry", args=[entry.pk]))
