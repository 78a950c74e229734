"""The proof against the CRM itself: what it shows of a period's notes, compared with what we say.

Each run is one row. A crash leaves it open; the next run begins anew. What could not be asked is unanswered,
never missing. Only a worker can run it: it opens sign-ins.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connections, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from nutshellpbx.audit import book
from nutshellpbx.crm.models import Crm
from nutshellpbx.journal import proof, rows
from nutshellpbx.journal.comparing import Comparing, Found
from nutshellpbx.journal.models import Entry, Proving, Reason
from nutshellpbx.journal.states import State
from nutshellpbx.people.models import Company, User

logger = logging.getLogger(__name__)

Kind = Proving.Kind
#: since, until -> the calls that ended, and for each reason how many of them have no entry.
Count = Callable[..., tuple[int, Mapping[str, int]]]

PERIODS: Mapping[str, timedelta] = {
    Kind.HOURLY: timedelta(hours=24),
    Kind.NIGHTLY: timedelta(days=7),
    Kind.ASKED: timedelta(days=7),
}
EVERY = timedelta(hours=1)
NIGHT_BEGINS = 2  # o'clock, by the company's own clock
#: What is not through by then is unanswered; and an open row that is older was cut off.
RUN_AT_MOST_S = 900.0
CUT_OFF_AFTER = timedelta(seconds=2 * RUN_AT_MOST_S)
#: An ended run counts as news for so long.
NEWS_FOR = timedelta(days=8)
ACT = "proof.found_faults"
LISTED = 100


@dataclass(slots=True)
class Tally:
    """What a run found so far; the lists hold markers."""

    asked: int = 0
    unanswered: int = 0
    missing: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    @property
    def is_bad(self) -> bool:
        return bool(self.missing or self.double or self.foreign)


def ask_for(*, by: User, now: datetime) -> Proving:
    """Have a worker prove the last week as soon as it can; one that waits already is enough."""
    with transaction.atomic():
        waiting = Proving.objects.filter(kind=Kind.ASKED, ended_at=None, since=F("until")).first()
        if waiting is not None:
            return waiting
        # An empty period means: not begun yet.
        asked = Proving.objects.create(kind=Kind.ASKED, since=now, until=now, started_at=now)
        book.record(act="proof.asked", by=by, what=f"proving:{asked.pk}", now=now)
    return asked


def find_running(*, now: datetime) -> Proving | None:
    """The run that waits or is under way, if any."""
    return Proving.objects.filter(ended_at=None, started_at__gt=now - CUT_OFF_AFTER).first()


def find_last() -> Proving | None:
    """The newest run that came to its end."""
    return Proving.objects.exclude(ended_at=None).order_by("-ended_at").first()


def find_alarms(*, now: datetime) -> list[Proving]:
    """The newest run over a day and the newest over a week, where they found something that must not be."""
    ended = Proving.objects.filter(ended_at__gt=now - NEWS_FOR).order_by("-ended_at")
    newest = [ended.filter(kind=Kind.HOURLY).first(), ended.exclude(kind=Kind.HOURLY).first()]
    return [run for run in newest if run is not None and (run.missing or run.double or run.foreign)]


def findings_of(*, proving: Proving) -> Mapping[str, list[str]]:
    """The markers that a run found missing, double or foreign, at most 100 each; the book keeps them."""
    act = book.acts_of(what=f"proving:{proving.pk}").filter(act=ACT).first()
    if act is None:
        return {}
    return {name: [_shown(text) for text in texts] for name, texts in act.details.items()}


def run_if_due(*, now: datetime, count: Count) -> bool:
    """Begin a run in a thread of its own when it is time for one; False when it is not, or one is under way.

    For the sweeper of the slow worker: it never waits for the CRM.
    """
    if not _at_it.acquire(blocking=False):
        return False
    try:
        kind = find_due_kind(now=now)
        proving = begin(kind=kind, now=now) if kind else None
    except BaseException:
        _at_it.release()
        raise
    if proving is None:
        _at_it.release()
        return False
    threading.Thread(target=_run_here, args=(proving, count), name="proof", daemon=True).start()
    return True


def find_due_kind(*, now: datetime) -> str | None:
    """Which run is due: one that was asked for, else the night's, else the hour's; None when none is."""
    if Proving.objects.filter(kind=Kind.ASKED, ended_at=None, since=F("until")).exists():
        return Kind.ASKED
    # A box that has just begun has nothing to prove yet.
    if not Entry.objects.filter(created_at__lte=now - EVERY).exists():
        return None
    begun = dict.fromkeys((Kind.HOURLY, Kind.NIGHTLY), datetime.min.replace(tzinfo=now.tzinfo))
    for kind in begun:
        last = Proving.objects.filter(kind=kind).order_by("-started_at").first()
        if last is not None:
            begun[kind] = last.started_at
    if begun[Kind.NIGHTLY] < _night_of(now):
        return Kind.NIGHTLY
    return Kind.HOURLY if begun[Kind.HOURLY] <= now - EVERY else None


def begin(*, kind: str, now: datetime) -> Proving | None:
    """Open the row of a run; None while another one is under way."""
    with transaction.atomic():
        # The rows of the CRMs are the lock: on PostgreSQL several workers may look at once.
        list(Crm.objects.select_for_update().order_by("pk").values_list("pk", flat=True))
        under_way = Proving.objects.filter(ended_at=None, started_at__gt=now - CUT_OFF_AFTER)
        if under_way.exclude(kind=Kind.ASKED, since=F("until")).exists():
            return None
        asked = Proving.objects.filter(kind=Kind.ASKED, ended_at=None, since=F("until"))
        proving = asked.order_by("started_at").first() if kind == Kind.ASKED else None
        if kind == Kind.ASKED and proving is None:
            return None
        proving = proving or Proving(kind=kind)
        proving.since, proving.until, proving.started_at = now - PERIODS[kind], now, now
        proving.save()
    return proving


def run(
    *,
    proving: Proving,
    count: Count,
    clock: Callable[[], datetime] = timezone.now,
    rest: Callable[[float], object] = time.sleep,
) -> Proving:
    """Count, ask, compare, and close the row; `rest` pauses between two requests, for so many seconds."""
    since, until = proving.since, proving.until
    counted = proof.prove(since=since, until=until)
    calls, left_out = count(since=since, until=until)
    tally = Tally()
    deadline = time.monotonic() + RUN_AT_MOST_S
    for crm in Crm.objects.order_by("pk"):
        _prove_crm(crm, proving, tally, Comparing(crm, clock, rest, deadline))
    proving.calls, proving.left_out = calls, dict(left_out)
    proving.entries, proving.terms = counted.entries, dict(counted.terms)
    proving.asked, proving.unanswered = tally.asked, tally.unanswered
    proving.missing, proving.double = len(tally.missing), len(tally.double)
    proving.foreign = len(tally.foreign)
    proving.ended_at = clock()
    with transaction.atomic():
        proving.save()
        if tally.is_bad:
            found = {"missing": tally.missing, "double": tally.double, "foreign": tally.foreign}
            detail = {name: [_kept(text) for text in texts[:LISTED]] for name, texts in found.items()}
            what = f"proving:{proving.pk}"
            book.record(act=ACT, by=None, what=what, detail=detail, now=proving.ended_at)
    return proving


def _prove_crm(crm: Crm, proving: Proving, tally: Tally, comparing: Comparing) -> None:
    verified = proof.in_period(since=proving.since, until=proving.until).filter(crm=crm, state=State.VERIFIED)
    entries = list(verified.select_related("credential").order_by("happened_at"))
    tally.asked += len(entries)
    feed = comparing.read_feed(since=proving.since)
    absent: list[Entry] = []
    for entry in entries:
        copies = feed.copies_of(entry)
        if len(copies) > 1 and _note_copies(entry, len(copies)):
            tally.double.append(entry.marker)
        elif len(copies) == 1 and feed.is_whole and entry.copies > 1:
            _note_copies(entry, 1)
        if entry.ref_id in feed.ids_of(entry):
            continue
        found = comparing.look_at(entry)
        if found is Found.UNANSWERED:
            tally.unanswered += 1
        elif found is not Found.THERE:
            absent.append(entry)
    if absent:
        comparing.pause_before_second_look()
    for entry in absent:  # a second look: one wrong answer must not call a person
        found = comparing.look_at(entry)
        if found is Found.UNANSWERED:
            tally.unanswered += 1
        elif found is not Found.THERE and _set_aside(entry, found, comparing.clock()):
            tally.missing.append(entry.marker)
    tally.foreign += feed.find_foreign(since=proving.since)


def _note_copies(entry: Entry, copies: int) -> bool:
    """Keep how often the marker stands there; False when the entry has moved on since it was read."""
    stands = Entry.objects.filter(pk=entry.pk, state=State.VERIFIED, ref_id=entry.ref_id)
    stands = stands.filter(next_card__isnull=True)
    return bool(stands.update(copies=copies))


def _set_aside(entry: Entry, found: Found, now: datetime) -> bool:
    """Park an entry whose note is not there any more; False when it has moved on since it was read."""
    fresh = Entry.objects.filter(pk=entry.pk, state=State.VERIFIED, ref_id=entry.ref_id).first()
    if fresh is None:
        return False
    if found is Found.GONE:
        return rows.park(
            entry=fresh,
            reason=Reason.VANISHED,
            title=_("The proof did not find the note in the CRM any more."),
            next_step=_("Somebody may have deleted it. Send it again, or mark it as done by hand."),
            now=now,
        )
    return rows.park(
        entry=fresh,
        reason=Reason.ELSEWHERE,
        title=_("The proof found something else where the note should stand."),
        next_step=_("Open it in the CRM. Mark it as done by hand if it is right, or send it again."),
        now=now,
    )


def _night_of(now: datetime) -> datetime:
    """When the last night's run was due, by the company's clock."""
    local = now.astimezone(ZoneInfo(Company.get().time_zone or "UTC"))
    begins = local.replace(hour=NIGHT_BEGINS, minute=0, second=0, microsecond=0)
    return begins if begins <= local else begins - timedelta(days=1)


_at_it = threading.Lock()


def _run_here(proving: Proving, count: Count) -> None:
    try:
        run(proving=proving, count=count)
    except Exception:
        # the thread's outermost frame: the row stays open, which the next run and the page can tell
        logger.exception("the proof broke off")
    finally:
        connections.close_all()
        _at_it.release()


def _kept(marker: str) -> str:
    """A marker as the audit book keeps it: with hyphens its digits could be taken for a phone number."""
    return marker.replace("-", "·")


def _shown(text: Any) -> str:
    return str(text).replace("·", "-")
