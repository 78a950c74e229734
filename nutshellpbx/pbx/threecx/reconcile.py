"""Calls that nobody heard are found in the PBX's own records afterwards, and told once. IO only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from nutshellpbx.faults import Fault, TryLater
from nutshellpbx.pbx.events import CallEvent
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.pbx.threecx import cdr, records, xapi
from nutshellpbx.pbx.threecx.cdrsource import Source
from nutshellpbx.pbx.threecx.connection import Connection
from nutshellpbx.pbx.threecx.records import Book, Record

LOG_EVERY_S, AFTER_A_BREAK_S = 60.0, 35.0
#: The log is read from so long before the last reading on: calls are logged after their end.
LOG_BACK = timedelta(hours=4)
#: After a refusal the log is asked again so much later: somebody may give the client the right.
DENIED_AGAIN_S = 3_600.0
#: An event in the ledger may be so much younger than the moment that is kept of the last one.
KEPT_EVERY = timedelta(seconds=6)
FARTHEST_BACK = timedelta(hours=24)


@dataclass(slots=True)
class Reconciling:
    """What one line keeps of records: where it reads them, what was told live, what was judged."""

    pbx: str
    open_cdr: Callable[[], Source] | None
    fields: tuple[str, ...]
    zone: str
    book: Book = field(default_factory=Book)
    #: Calls that began before this may have been told by an earlier listener, so they are left alone.
    since: datetime | None = None
    #: Whether the log may be read, once it was asked: the PBX's page tells it.
    fault: str = ""
    cdr_fault: str = ""
    _source: Source | None = None
    _rows: list[tuple[datetime, dict[str, str]]] = field(default_factory=list)
    _newest: str = ""
    _log_at: float = 0.0

    def begin(self, now: datetime) -> None:
        """Reckon from when on nobody else can have heard of a call."""
        if self.since is None:
            self.since = max(heard_until(self.pbx, now), now - FARTHEST_BACK)

    def soon(self) -> None:
        """Events may have been missed: look into the log as soon as it can have them."""
        self._newest = ""
        self._log_at = min(self._log_at, time.monotonic() + AFTER_A_BREAK_S)

    def from_log(self, line: Connection, now: datetime) -> list[CallEvent]:
        """Events of calls that the PBX logged and nobody heard; empty when it is not time to look."""
        if time.monotonic() < self._log_at:
            return []
        self._log_at = time.monotonic() + LOG_EVERY_S
        try:
            newest = xapi.newest_record(line)
            if newest and newest == self._newest:
                return []
            found = xapi.list_records(line, since=self._begin_of(now), until=now)
            # what is not ripe yet is read again although nothing newer comes
            is_ripe = all(record.ended_at <= now - records.RIPE_AFTER for record in found)
            self._newest, self.fault = newest if is_ripe else "", ""
        except TryLater:
            return []  # the events' own connection says so, and is tried again
        except Fault as fault:
            # without the right to the log calls are heard all the same
            self.fault, self._log_at = fault.title, time.monotonic() + DENIED_AGAIN_S
            return []
        return list(self._tell(found, now, ripe_after=records.RIPE_AFTER))

    def from_cdr(self, now: datetime, *, ahead_s: float = 0.0) -> list[CallEvent]:
        """Events of calls whose CDR lines have come and that nobody heard; raises TryLater, Denied."""
        if self.open_cdr is None:
            return []
        self._source = self._source or self.open_cdr()
        for raw in self._source.lines():
            row = cdr.read_line(cdr.decode(raw), self.fields)
            if row is not None:
                self._rows.append((now, row))
        ripe = [each for each in self._rows if now - each[0] >= records.RIPE_AFTER]
        if not ripe:
            return []
        self._rows = [each for each in self._rows if now - each[0] < records.RIPE_AFTER]
        zone = cdr.find_zone(self.zone)
        ahead = cdr.find_shift(ripe[0][1], ripe[0][0]) if zone is None else timedelta(seconds=ahead_s)
        found = cdr.records_of([row for _at, row in ripe], zone=zone or ZoneInfo("UTC"), ahead=ahead)
        # the lines came long enough ago, whatever their times say
        return list(self._tell(found, now, ripe_after=-FARTHEST_BACK))

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
        self._source = None

    def _begin_of(self, now: datetime) -> datetime:
        return max(self.since or now, now - LOG_BACK)

    def _tell(self, found: list[Record], now: datetime, *, ripe_after: timedelta) -> Iterator[CallEvent]:
        self.book.forget(now)
        for record in records.missed(self.book, found, now, ripe_after=ripe_after):
            if self.since is not None and record.began_at >= self.since:
                yield from records.events_of(record, pbx=self.pbx)


def heard_until(pbx: str, now: datetime) -> datetime:
    """Until when an earlier listener of this PBX may have heard calls; now where that is not known."""
    row = Pbx.objects.filter(pk=pbx).values_list("last_event_at", flat=True).first()
    return row.astimezone(UTC) + KEPT_EVERY if row is not None else now
