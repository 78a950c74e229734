"""Bringing the records of a CRM into the phone index, page by page, so that it can stop and go on anywhere.

One writer per CRM and table: a run is claimed by a conditional update and fenced by its number. Small
commits with pauses between them let a ringing call in. What was not seen is removed only after a run that
saw everything.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID
from zlib import crc32

from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from nutshellpbx.crm import index, signin
from nutshellpbx.crm.adapter import Adapter, Card, ContactPage, SignIn, Table
from nutshellpbx.crm.models import Credential, Crm, Sync
from nutshellpbx.faults import Denied, Fault, TryLater

#: Measured: larger commits or no pauses raise a ring's p99 from 6 to 430 ms.
ROWS_PER_COMMIT: Final = 200
PAUSE_S: Final = 0.05
#: A run that showed no sign of life for so long is somebody else's to take over.
ABANDONED_AFTER: Final = timedelta(minutes=2)
#: The next run starts after this, or after twenty times as long as the last one took.
REPEAT_AFTER: Final = timedelta(minutes=10)
REPEAT_FACTOR: Final = 20
TRY_AGAIN_AFTER: Final = timedelta(minutes=1)
TRY_AGAIN_DENIED_AFTER: Final = timedelta(minutes=15)
#: Records come and go while we read: a run may miss the CRM's own count by this much.
COUNT_TOLERANCE: Final = 0.01
COUNT_TOLERANCE_LEAST: Final = 5


class Overtaken(Exception):
    """Another worker claimed this table: stop without a word."""


@dataclass(slots=True)
class Seen:
    """Which records a run has seen, eight bytes each, so that 160,000 of them weigh a megabyte."""

    keys: array[int] = field(default_factory=lambda: array("q"))
    is_whole: bool = True

    def add(self, record_id: str) -> None:
        self.keys.append(_key_of(record_id))

    def sort(self) -> None:
        """Bring the keys in order; needed before `has`."""
        self.keys = array("q", sorted(set(self.keys)))

    def has(self, record_id: str) -> bool:
        key = _key_of(record_id)
        at = bisect_left(self.keys, key)
        return at < len(self.keys) and self.keys[at] == key

    def __len__(self) -> int:
        return len(self.keys)


def run_sync(
    *,
    crm_id: UUID | str,
    clock: Callable[[], datetime] = timezone.now,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Bring every table of a CRM up to date, from where the last run stopped.

    Never raises for a CRM that is away: the table's row says what was wrong and when it goes on.
    """
    crm = Crm.objects.filter(pk=crm_id, is_enabled=True).first()
    if crm is None:
        return
    try:
        tables = tuple(crm.adapter().tables)
    except Fault:
        tables = (Table.CONTACTS, Table.ACCOUNTS)
    for table in tables:
        sync = _claim(crm, table, clock())
        if sync is None:
            continue
        try:
            _bring_in(crm, sync, table, clock, pause)
        except Overtaken:
            return
        except Fault as fault:
            _stop(sync, fault, clock())
            return


def ask_for_sync(*, crm: Crm, now: datetime, is_anew: bool = False) -> None:
    """Have the next sync run now; `is_anew` forgets how far the last one came."""
    for table in (Table.CONTACTS, Table.ACCOUNTS):
        sync, _made = Sync.objects.get_or_create(crm=crm, table=table.value)
        waiting = Sync.objects.filter(pk=sync.pk).exclude(state=Sync.State.RUNNING)
        if is_anew:
            waiting.update(due_at=now, cursor="", seen=0)
        else:
            waiting.update(due_at=now)


def find_due(*, now: datetime) -> list[UUID]:
    """The CRMs that have a table to bring up to date, a sign-in to do it with, and no run on its way."""
    crms = Crm.objects.filter(is_enabled=True, credentials__state=Credential.State.OK).distinct().order_by()
    tables: dict[UUID, list[Sync]] = {crm_id: [] for crm_id in crms.values_list("pk", flat=True)}
    for sync in Sync.objects.filter(crm_id__in=tables):
        tables[sync.crm_id].append(sync)
    return [
        crm_id
        for crm_id, syncs in tables.items()
        if not any(_is_running(sync, now) for sync in syncs)
        and (not syncs or any(_is_due(sync, now) for sync in syncs))
    ]


def _is_running(sync: Sync, now: datetime) -> bool:
    return (
        sync.state == Sync.State.RUNNING
        and sync.beat_at is not None
        and sync.beat_at >= now - ABANDONED_AFTER
    )


def _is_due(sync: Sync, now: datetime) -> bool:
    return not _is_running(sync, now) and (
        sync.state == Sync.State.RUNNING or sync.due_at is None or sync.due_at <= now
    )


def _claim(crm: Crm, table: Table, now: datetime) -> Sync | None:
    """Take a table that is due; None when it is not, or another worker has it."""
    Sync.objects.get_or_create(crm=crm, table=table.value)
    if any(_is_running(other, now) for other in Sync.objects.filter(crm=crm).exclude(table=table.value)):
        return None
    free = Q(state=Sync.State.RUNNING, beat_at__lt=now - ABANDONED_AFTER) | (
        ~Q(state=Sync.State.RUNNING) & (Q(due_at__isnull=True) | Q(due_at__lte=now))
    )
    claimed = Sync.objects.filter(free, crm=crm, table=table.value).update(
        state=Sync.State.RUNNING, run=F("run") + 1, beat_at=now
    )
    if claimed != 1:
        return None
    sync = Sync.objects.get(crm=crm, table=table.value)
    if not sync.cursor:
        sync.started_at, sync.seen, sync.written, sync.removed = now, 0, 0, 0
        _keep(sync, started_at=now, seen=0, written=0, removed=0, expected=None)
    return sync


def _bring_in(
    crm: Crm, sync: Sync, table: Table, clock: Callable[[], datetime], pause: Callable[[float], None]
) -> None:
    adapter = crm.adapter()
    country = crm.config().country
    seen = Seen(is_whole=not sync.cursor)
    for page in _pages(crm, adapter, table, sync.cursor):
        for cards in _pieces(page.cards, ROWS_PER_COMMIT):
            written = index.put_cards(crm_id=crm.pk, cards=cards, country=country)
            if written:
                sync.written += written
                pause(PAUSE_S)
        for card in page.cards:
            seen.add(card.id)
        sync.seen += len(page.cards)
        sync.cursor = page.cursor
        sync.expected = page.total if page.total is not None else sync.expected
        _keep(
            sync,
            beat_at=clock(),
            cursor=sync.cursor,
            seen=sync.seen,
            expected=sync.expected,
            written=sync.written,
        )
    _check_count(crm, sync)
    removed = _remove_unseen(crm, table, seen, pause) if seen.is_whole else 0
    _complete(sync, seen, removed, clock())


def _pages(crm: Crm, adapter: Adapter, table: Table, cursor: str) -> Iterator[ContactPage]:
    """The pages of a table, with the first sign-in that the CRM takes: the company's, else anybody's."""
    refused: Fault | None = None
    live = Credential.objects.select_related("crm", "sealed").filter(crm=crm, state=Credential.State.OK)
    for credential in live.order_by(F("user").asc(nulls_first=True), "created_at")[:20]:
        try:
            as_: SignIn = signin.open_sign_in(credential=credential)
            for page in adapter.contacts(table, cursor, as_):
                cursor = page.cursor
                yield page
            return
        except Denied as fault:
            signin.note_fault(credential=credential, fault=fault)
            refused = fault
    raise refused or Denied(
        _("No key to read %(crm)s with") % {"crm": crm.name},
        _("Enter a company key, or have a user enter a personal one."),
    )


def _check_count(crm: Crm, sync: Sync) -> None:
    if sync.expected is None:
        return
    if abs(sync.expected - sync.seen) <= max(COUNT_TOLERANCE_LEAST, COUNT_TOLERANCE * sync.expected):
        return
    expected, seen = sync.expected, sync.seen
    sync.cursor, sync.seen = "", 0
    _keep(sync, cursor="", seen=0)
    raise TryLater(
        _("%(crm)s says %(expected)d records, %(seen)d came")
        % {"crm": crm.name, "expected": expected, "seen": seen},
        _("It is read again from the beginning; nothing was removed."),
    )


def _remove_unseen(crm: Crm, table: Table, seen: Seen, pause: Callable[[float], None]) -> int:
    seen.sort()
    gone = [
        row_id
        for row_id, record_id in index.find_record_ids(crm_id=crm.pk, table=table)
        if not seen.has(record_id)
    ]
    for start in range(0, len(gone), ROWS_PER_COMMIT):
        index.remove_cards(row_ids=gone[start : start + ROWS_PER_COMMIT])
        pause(PAUSE_S)
    return len(gone)


def _complete(sync: Sync, seen: Seen, removed: int, now: datetime) -> None:
    """The table is complete as of the run's beginning; a run that was interrupted is soon repeated whole."""
    started_at = sync.started_at or now
    took = now - started_at
    repeat_after = max(REPEAT_AFTER, took * REPEAT_FACTOR) if seen.is_whole else TRY_AGAIN_AFTER
    _keep(
        sync,
        state=Sync.State.COMPLETE,
        cursor="",
        beat_at=now,
        removed=removed,
        completed_at=now,
        as_of=started_at,
        due_at=now + repeat_after,
        failed_title="",
        failed_next_step="",
        failed_at=None,
    )


def _stop(sync: Sync, fault: Fault, now: datetime) -> None:
    wait = TRY_AGAIN_DENIED_AFTER if isinstance(fault, Denied) else TRY_AGAIN_AFTER
    if isinstance(fault, TryLater) and fault.retry_after_s:
        wait = max(wait, timedelta(seconds=min(fault.retry_after_s, 3600.0)))
    Sync.objects.filter(pk=sync.pk, run=sync.run).update(
        state=Sync.State.FAILED,
        failed_title=fault.title[:200],
        failed_next_step=fault.next_step[:300],
        failed_at=now,
        due_at=now + wait,
    )


def _keep(sync: Sync, **values: object) -> None:
    """Write to the claimed row, if it is still ours."""
    kept = Sync.objects.filter(pk=sync.pk, run=sync.run, state=Sync.State.RUNNING).update(**values)
    if kept != 1:
        raise Overtaken


def _pieces(cards: Sequence[Card], size: int) -> Iterator[list[Card]]:
    rest = iter(cards)
    while piece := list(islice(rest, size)):
        yield piece


def _key_of(record_id: str) -> int:
    number = record_id.partition("-")[0]
    return int(number) if number.isdecimal() and len(number) < 18 else crc32(record_id.encode())
