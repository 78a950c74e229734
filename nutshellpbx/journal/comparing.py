"""What one CRM shows of our notes: its feed of everybody's notes, and single ones read by their id."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from nutshellpbx.crm import signin
from nutshellpbx.crm.adapter import Adapter, Ref, SignIn, SlowDown, WrittenNote
from nutshellpbx.crm.models import Credential, Crm
from nutshellpbx.faults import Fault
from nutshellpbx.journal import boxsecret, marker
from nutshellpbx.journal.models import Entry, Writer

#: Of the requests that a credential may send, the proof takes one in so many: the writer goes first.
ONE_IN = 4
REST_AT_LEAST_S, REST_AT_MOST_S = 0.25, 10.0
SECOND_LOOK_AFTER_S = 2.0
#: So many faults in a row: the CRM is left alone, the rest is unanswered.
FAULTS_AT_MOST = 3
#: The feed is asked from a little earlier: clocks differ.
EARLIER = timedelta(minutes=10)


class Found(StrEnum):
    """What reading one note by its id said."""

    THERE = "there"
    GONE = "gone"
    OTHER = "other"
    UNANSWERED = "unanswered"


@dataclass(slots=True)
class Feed:
    """The notes with a marker of our form that the CRM showed: code -> the ids of notes that carry it."""

    crm: Crm
    notes: dict[str, dict[str, str]] = field(default_factory=dict)  # code -> note id -> marker as written
    is_whole: bool = False

    def take_in(self, notes: Any) -> None:
        """Keep what a page shows; a note that it shows deleted counts as gone."""
        for note in notes:
            for found in marker.find_markers(note.text):
                ids = self.notes.setdefault(found.code, {})
                if note.deleted:
                    ids.pop(note.ref.id, None)
                else:
                    ids[note.ref.id] = str(found)

    def ids_of(self, entry: Entry) -> dict[str, str]:
        """The notes that carry this entry's code, of whatever generation."""
        return {id: text for code in _codes_of(entry) for id, text in self.notes.get(code, {}).items()}

    def copies_of(self, entry: Entry) -> set[str]:
        """The ids of the notes that stand for this entry; more than one is double."""
        return {entry.ref_id, *self.ids_of(entry)}

    def find_foreign(self, *, since: datetime) -> list[str]:
        """Markers that no entry here has: of a cloned box, or of this one before it was restored."""
        recent = Entry.objects.filter(crm=self.crm, happened_at__gte=since - EARLIER).exclude(marker="")
        known = {
            code for entry in [*_nameless(self.crm), *recent.only("marker")] for code in _codes_of(entry)
        }
        foreign = []
        for code, ids in self.notes.items():
            if not ids or code in known:
                continue
            text = next(iter(ids.values()))
            if not Entry.objects.filter(marker__startswith=text.rsplit("-", 2)[0]).exists():
                foreign.append(text)
        return foreign


class Comparing:
    """One CRM while it is being compared; no request goes out after the deadline (of time.monotonic)."""

    def __init__(
        self,
        crm: Crm,
        clock: Callable[[], datetime],
        rest: Callable[[float], object],
        deadline: float,
    ) -> None:
        self.crm, self.clock, self.rest, self.deadline = crm, clock, rest, deadline
        self._sign_ins: dict[Any, SignIn | None] = {}
        self._faults = 0
        self._rest_s = REST_AT_LEAST_S

    def read_feed(self, *, since: datetime) -> Feed:
        """Everybody's notes since then, as far as the CRM shows them; not whole when it does not."""
        feed = Feed(self.crm)
        as_ = self._sign_in_of(None)
        if as_ is None:
            return feed
        try:
            for page in self._adapter().notes_since(since - EARLIER, as_):
                feed.take_in(page)
                if time.monotonic() > self.deadline:
                    return feed
        except Fault:
            return feed
        feed.is_whole = True
        return feed

    def look_at(self, entry: Entry) -> Found:
        """Read an entry's note by its id."""
        if self._faults >= FAULTS_AT_MOST or time.monotonic() > self.deadline:
            return Found.UNANSWERED
        as_ = self._sign_in_of(entry)
        if as_ is None:
            return Found.UNANSWERED
        try:
            note = self._adapter().read(Ref(entry.ref_id), as_)
        except Fault as fault:
            self._faults += FAULTS_AT_MOST if isinstance(fault, SlowDown) else 1
            return Found.UNANSWERED
        self._faults = 0
        return _judge(note, entry)

    def pause_before_second_look(self) -> None:
        self.rest(SECOND_LOOK_AFTER_S)

    def _adapter(self) -> Adapter:
        """The CRM's adapter, which rests before each request as the budget of the sign-in demands."""
        adapter: Adapter = self.crm.adapter()
        adapter.before_request = self._rest
        return adapter

    def _rest(self) -> None:
        self.rest(self._rest_s)

    def _sign_in_of(self, entry: Entry | None) -> SignIn | None:
        """A sign-in to ask with: what the note was written with, else the company's, else another."""
        if not self.crm.is_enabled:
            return None
        usable = Credential.objects.filter(crm=self.crm, state=Credential.State.OK)
        resting = Writer.objects.filter(not_before__gt=self.clock()).values("credential")
        usable = usable.exclude(pk__in=resting).select_related("crm", "sealed")
        own = usable.filter(pk=entry.credential_id).first() if entry and entry.credential_id else None
        credential = own or usable.order_by("user_id").filter(user=None).first() or usable.first()
        if credential is None:
            return None
        writer = Writer.objects.filter(credential=credential).first()
        if writer is not None:
            self._rest_s = min(max(REST_AT_LEAST_S, ONE_IN / writer.rate), REST_AT_MOST_S)
        if credential.pk not in self._sign_ins:
            try:
                self._sign_ins[credential.pk] = signin.open_sign_in(credential=credential)
            except Fault:
                self._sign_ins[credential.pk] = None
        return self._sign_ins[credential.pk]


def _judge(note: WrittenNote | None, entry: Entry) -> Found:
    if note is None or note.deleted:
        return Found.GONE
    is_ours = entry.marker in note.text
    is_at_its_record = not note.parent_id or note.parent_id == entry.card_id
    return Found.THERE if is_ours and is_at_its_record else Found.OTHER


def _codes_of(entry: Entry) -> set[str]:
    """The entry's code, which is the same for all its generations."""
    text = entry.marker or boxsecret.marker_of(
        call_key=entry.call_key, crm_id=str(entry.crm_id), generation=1
    )
    return {found.code for found in marker.find_markers(text)}


def _nameless(crm: Crm) -> Any:
    """Entries whose marker is not in their row (now): they move, or an old database was restored."""
    return Entry.objects.filter(crm=crm, marker="").only("call_key", "crm_id", "marker").iterator()
