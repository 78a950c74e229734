"""Several entries at once: sent again or marked as done by hand, and the ledger as a file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from nutshellpbx.dashboard.admin import ledger
from nutshellpbx.dashboard.admin.entry import MAY_BE_SENT
from nutshellpbx.dashboard.recording import record
from nutshellpbx.dashboard.rights import May, Visit, open_to
from nutshellpbx.journal import outbox
from nutshellpbx.journal.models import Entry
from nutshellpbx.journal.states import MoveNotAllowed, State

#: More at once would keep the page waiting; the message says how many are left.
MOST = 500
CHUNK = 500
#: What a spreadsheet would take for a formula begins with one of these.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
COLUMNS = (
    "happened_at",
    "crm",
    "direction",
    "number",
    "caller_name",
    "record_id",
    "record_name",
    "extension",
    "user",
    "state",
    "state_in_words",
    "reason",
    "reason_in_words",
    "marker",
    "generation",
    "tries",
    "note_id",
    "written_at",
    "verified_at",
    "copies",
    "done_by",
    "entry_id",
)


@open_to(May.SUPERVISOR)
@require_POST
def act(request: Visit) -> HttpResponse:
    """Do the same to every ticked entry, or to all that the filter lets through; each by itself."""
    wanted = ledger.read(request.POST)
    verb = request.POST.get("verb", "")
    chosen = _chosen(request, wanted)
    if verb not in {"again", "by-hand"} or chosen is None:
        messages.error(request, _("Nothing was ticked."))
        return redirect(f"{reverse('journal')}?{wanted.query()}")
    total = chosen.count()
    done, refused = 0, Counter[str]()
    for entry in chosen.order_by("happened_at", "pk")[:MOST]:
        if why := _do(entry, verb, request):
            refused[why] += 1
        else:
            done += 1
    _say(request, verb, done=done, refused=refused, left=max(0, total - MOST))
    return redirect(f"{reverse('journal')}?{wanted.query()}")


@open_to(May.SUPERVISOR)
@require_POST
def export(request: Visit) -> HttpResponse:
    """What the filter lets through as CSV, written while it is read."""
    wanted = ledger.read(request.POST)
    rows = wanted.entries()
    with transaction.atomic():
        filters = {name: value for name, value in wanted.fields() if value}
        record(request, "journal.exported", "journal", entries=rows.count(), filter=filters)
    language = translation.get_language() or "en"
    pieces = _pieces(rows, language)
    stream: Any = _in_turn(pieces) if isinstance(request, ASGIRequest) else pieces
    answer = StreamingHttpResponse(stream, content_type="text/csv; charset=utf-8")
    name = f"journal-{timezone.localtime():%Y-%m-%d-%H%M}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer  # type: ignore[return-value]


def _chosen(request: Visit, wanted: ledger.Wanted) -> QuerySet[Entry] | None:
    """The entries that were meant; None when none was."""
    rows = Entry.objects.select_related("crm", "user")
    if request.POST.get("all") == "on":
        return wanted.entries().select_related("crm", "user")
    keys = []
    for text in request.POST.getlist("entry")[:MOST]:
        try:
            keys.append(UUID(text))
        except ValueError:
            continue
    return rows.filter(pk__in=keys) if keys else None


def _do(entry: Entry, verb: str, request: Visit) -> str:
    """Carry it out for one entry; why not, or empty."""
    try:
        if verb == "by-hand":
            if not outbox.may_be_done_by_hand(entry):
                return _why_not(entry)
            outbox.mark_done_by_hand(entry=entry, by=request.user, now=timezone.now())
        else:
            if entry.state not in MAY_BE_SENT:
                return _why_not(entry)
            outbox.retry(entry=entry, by=request.user, now=timezone.now())
    except (outbox.TooLate, MoveNotAllowed):
        return _("moved on meanwhile")
    return ""


def _why_not(entry: Entry) -> str:
    words = {State.VERIFIED: _("written and found again"), State.DONE_BY_HAND: _("done by hand already")}
    return words.get(State(entry.state), _("being worked on just now"))


def _say(request: Visit, verb: str, *, done: int, refused: Counter[str], left: int) -> None:
    if verb == "by-hand":
        text = ngettext(
            "%(n)s entry is noted as done by hand.", "%(n)s entries are noted as done by hand.", done
        )
    else:
        text = ngettext("%(n)s entry is on its way again.", "%(n)s entries are on their way again.", done)
    parts = [text % {"n": done}]
    if refused:
        n = sum(refused.values())
        whys = ", ".join(f"{count} {why}" for why, count in refused.most_common())
        parts.append(
            ngettext("%(n)s was not: %(whys)s.", "%(n)s were not: %(whys)s.", n) % {"n": n, "whys": whys}
        )
    if left:
        parts.append(_("%(n)s more are left; do it again for them.") % {"n": left})
    (messages.success if done else messages.error)(request, " ".join(parts))


def _pieces(rows: QuerySet[Entry], language: str) -> Iterator[str]:
    """The file, piece by piece: a BOM for spreadsheets, the head, then the newest entries first."""
    yield "\ufeff" + _lines([COLUMNS])
    place: tuple[datetime, UUID] | None = None
    while True:
        part = rows
        if place is not None:
            at, pk = place
            part = rows.filter(Q(happened_at__lt=at) | Q(happened_at=at, pk__lt=pk))
        related = part.select_related("crm", "user", "done_by")
        found = list(related.order_by("-happened_at", "-pk")[:CHUNK])
        if not found:
            return
        with translation.override(language):
            yield _lines([_row(entry) for entry in found])
        place = found[-1].happened_at, found[-1].pk


async def _in_turn(pieces: Iterator[str]) -> AsyncIterator[str]:
    """The same for the asynchronous server, which would else gather the whole file first."""
    draw = sync_to_async(lambda: next(pieces, None))
    while (piece := await draw()) is not None:
        yield piece


def _row(entry: Entry) -> Sequence[str]:
    return [
        _iso(entry.happened_at),
        entry.crm.name,
        entry.direction,
        entry.number,
        entry.name,
        entry.card_id,
        entry.card_name,
        entry.extension_number,
        entry.user.email if entry.user else "",
        entry.state,
        str(entry.get_state_display()),
        entry.reason,
        entry.reason_title,
        entry.marker,
        str(entry.generation),
        str(entry.attempt),
        entry.ref_id,
        _iso(entry.written_at),
        _iso(entry.verified_at),
        str(entry.copies),
        entry.done_by.email if entry.done_by else "",
        str(entry.pk),
    ]


def _lines(rows: Sequence[Sequence[str]]) -> str:
    """Lines of RFC 4180, no cell of which a spreadsheet carries out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([[_harmless(cell) for cell in row] for row in rows])
    return text.getvalue()


def _harmless(cell: str) -> str:
    cell = cell.replace("\x00", "")
    return f"'{cell}" if cell.lstrip(" \u00a0").startswith(FORMULA) else cell


def _iso(at: datetime | None) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds") if at else ""
