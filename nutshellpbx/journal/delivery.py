"""Bringing an entry to its end: who is it, may we, say that we will, write, look, and never twice.

Each step does one thing in the CRM between two commits and holds no transaction over it. Whatever a step
leaves behind, alive or dead, is a state from which the next worker knows what to do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from nutshellpbx.crm import signin
from nutshellpbx.crm.adapter import Adapter, Draft, Ref, SignIn, SignInRefused, Table
from nutshellpbx.crm.models import Credential
from nutshellpbx.faults import Denied, Fault, Rejected, TryLater
from nutshellpbx.journal import addressee, outbox, points, settle, writers
from nutshellpbx.journal.models import Attempt, Entry, Reason, Writer
from nutshellpbx.journal.settle import Lost
from nutshellpbx.journal.states import State

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

SEARCHES_BEFORE_PARKING = 3  # in a row that did not answer
SEARCH_FROM = timedelta(seconds=60)  # before the first attempt: clocks differ
GIVE_UP_AFTER = timedelta(days=7)  # nothing was sent for so long
GONE_AFTER = timedelta(minutes=5)  # a written note that cannot be read back for so long is gone
CRASHES_BEFORE_PARKING = 3
#: Intent to first byte. A worker that was stopped for longer does not send: its lease may have run out.
SEND_WITHIN_S = outbox.LEASE_S / 4


@dataclass(slots=True)
class Desk:
    """What one delivery works with."""

    entry: Entry
    adapter: Adapter
    as_: SignIn
    credential: Credential
    writer: Writer
    clock: Clock
    worked: bool = True
    retry_after_s: float | None = None

    def failed(self, fault: Fault) -> None:
        """The CRM is away or wants peace: this credential's other entries wait as well."""
        self.worked = False
        self.retry_after_s = fault.retry_after_s if isinstance(fault, TryLater) else None


def deliver(*, entry_id: str, worker: str, clock: Clock = timezone.now) -> Entry | None:
    """Bring one entry as far as it goes now; None when there was nothing to do or somebody else is at it.

    `clock` gives aware UTC times; IO takes time, so a fixed one would lie.
    """
    entry = outbox.claim(entry_id=entry_id, worker=worker, now=clock())
    if entry is None:
        return None
    try:
        _deliver(entry, worker, clock)
    except Lost:
        logger.info("entry %s: somebody else has it now", entry.pk)
    except Exception:
        _set_crash_aside(entry, clock())
        raise
    return entry


def _deliver(entry: Entry, worker: str, clock: Clock) -> None:
    if entry.state == State.VERIFIED and entry.next_card is not None:
        return outbox.start_move(entry, fields=entry.next_card, now=clock())
    if _is_too_old(entry, clock()):
        fault = Rejected(
            _("This could not be written for a week."), _("See how the CRM is, then send it again.")
        )
        return _stop(entry, Reason.TOO_OLD, fault, clock())
    right = addressee.right_for(entry)
    if right.credential is None:
        refusal = Denied(right.title, right.next_step)
        return _stop(entry, addressee.REASONS[right.state], refusal, clock())
    points.reach("after_rights")
    if entry.state in {State.PENDING, State.WAITING} and not entry.card_id:
        addressee.find_record(entry=entry, credential=right.credential, now=clock())
        if not entry.card_id:
            return None
        points.reach("after_lookup")
    if entry.credential_id != right.credential.pk:
        # Kept with the entry, so that it is not looked at again while this credential has to wait.
        settle.note_credential(entry=entry, credential=right.credential, now=clock())
    writer = writers.take(credential=right.credential, worker=worker, now=clock(), lease_s=outbox.LEASE_S)
    if writer is None:
        return settle.release(entry=entry, now=clock())
    worked, retry_after_s = True, None
    try:
        as_ = signin.open_sign_in(credential=right.credential)
        desk = Desk(entry, entry.crm.adapter(), as_, right.credential, writer, clock)
        try:
            while entry.claimed_by and (step := STEPS.get(State(entry.state))):
                step(desk)
        finally:
            worked, retry_after_s = desk.worked, desk.retry_after_s
    except Denied as fault:
        # The sign-in could not be opened: nothing was asked. Either the CRM's address was changed, which the
        # credential itself says now, or this box's vault is not in order.
        reason = Reason.KEY_CLOSED if addressee.right_for(entry).is_ok else Reason.KEY_REFUSED
        _stop(entry, reason, fault, clock())
    finally:
        writers.give_back(writer=writer, now=clock(), worked=worked, retry_after_s=retry_after_s)
    return None


def _write(desk: Desk) -> None:
    entry, clock = desk.entry, desk.clock
    begun = time.monotonic()
    attempt = settle.begin_intent(entry=entry, writer=desk.writer, now=clock())
    try:
        if time.monotonic() - begun > SEND_WITHIN_S:
            raise TryLater(_("This box stood still before the note was sent."))
        ref = desk.adapter.write(draft_of(entry), entry.marker, desk.as_)
        points.reach("after_send")
        if not ref.id:
            raise TryLater(_("The CRM took the note but did not say which it is."), may_have_happened=True)
    except TryLater as fault:
        desk.failed(fault)
        settled = settle.settle_unknown if fault.may_have_happened else settle.settle_unsent
        settled(entry=entry, attempt=attempt, fault=fault, now=clock())
    except Rejected as fault:
        settle.settle_refused(entry=entry, attempt=attempt, fault=fault, reason=Reason.REFUSED, now=clock())
    except Denied as fault:
        signin.note_fault(credential=desk.credential, fault=fault)
        settle.settle_refused(
            entry=entry, attempt=attempt, fault=fault, reason=_why_denied(fault), now=clock()
        )
    else:
        settle.settle_written(entry=entry, attempt=attempt, ref=ref, now=clock())


def _search(desk: Desk) -> None:
    """The quiet period is over: is it there? Only two searches that found nothing lead back to writing."""
    entry, clock = desk.entry, desk.clock
    truthful_at = (entry.unknown_since or clock()) + writers.quiet_period(crm_id=entry.crm_id)
    if clock() < truthful_at:
        return settle.release(entry=entry, now=clock(), not_before=truthful_at)
    if desk.writer.is_blind:
        return _nobody_can_tell(desk, None, Fault(_("This CRM's search does not show notes that are there.")))
    attempt = settle.open_attempt(entry=entry, kind=Attempt.Kind.SEARCH, now=clock(), asked=entry.marker)
    points.reach("before_search")
    try:
        refs = _find(desk)
        points.reach("after_search")
    except Denied as fault:
        signin.note_fault(credential=desk.credential, fault=fault)
        settle.give_up(entry=entry, reason=_why_denied(fault), fault=fault, now=clock(), attempt=attempt)
    except TryLater as fault:
        desk.failed(fault)
        if entry.failures + 1 >= SEARCHES_BEFORE_PARKING:
            return _nobody_can_tell(desk, attempt, fault)
        settle.try_later(entry=entry, fault=fault, now=clock(), attempt=attempt)
    except Rejected as fault:
        return _nobody_can_tell(desk, attempt, fault)
    else:
        if refs:
            settle.settle_found(entry=entry, attempt=attempt, refs=refs, now=clock())
        else:
            settle.settle_absent(entry=entry, attempt=attempt, now=clock())
    return None


def _read_back(desk: Desk) -> None:
    entry, clock = desk.entry, desk.clock
    attempt = settle.open_attempt(entry=entry, kind=Attempt.Kind.READ, now=clock(), asked=entry.ref_id)
    try:
        note = desk.adapter.read(Ref(entry.ref_id), desk.as_)
        points.reach("after_read")
    except TryLater as fault:
        desk.failed(fault)
        return settle.try_later(entry=entry, fault=fault, now=clock(), attempt=attempt)
    except Fault as fault:
        signin.note_fault(credential=desk.credential, fault=fault)
        reason = _why_denied(fault) if isinstance(fault, Denied) else Reason.VANISHED
        return settle.give_up(entry=entry, reason=reason, fault=fault, now=clock(), attempt=attempt)
    if note is None and clock() - (entry.written_at or clock()) <= GONE_AFTER:
        not_yet = TryLater(_("The CRM does not show the note yet."))
        return settle.try_later(entry=entry, fault=not_yet, now=clock(), attempt=attempt)
    if note is None or note.deleted:
        gone = Rejected(
            _("The CRM took the note, but it is not there any more."),
            _("Somebody may have deleted it. Send it again, or mark it as done by hand."),
        )
        return settle.give_up(entry=entry, reason=Reason.VANISHED, fault=gone, now=clock(), attempt=attempt)
    if entry.marker not in note.text or (note.parent_id and note.parent_id != entry.card_id):
        other = Rejected(
            _("The CRM shows something else where the note should stand."),
            _("Open it in the CRM. Mark it as done by hand if it is right, or send it again."),
        )
        return settle.give_up(entry=entry, reason=Reason.ELSEWHERE, fault=other, now=clock(), attempt=attempt)
    return settle.settle_verified(entry=entry, attempt=attempt, now=clock())


def _remove_old(desk: Desk) -> None:
    """The note of the generation before must go; asking twice does no harm: it is asked for by its id."""
    entry, clock = desk.entry, desk.clock
    attempt = settle.open_attempt(entry=entry, kind=Attempt.Kind.REMOVE, now=clock(), asked=entry.old_ref_id)
    points.reach("before_remove")
    try:
        old = desk.adapter.read(Ref(entry.old_ref_id), desk.as_)
        if old is not None and not old.deleted:
            desk.adapter.remove(Ref(entry.old_ref_id), desk.as_)
            points.reach("after_remove")
            old = desk.adapter.read(Ref(entry.old_ref_id), desk.as_)
        if old is not None and not old.deleted:
            raise TryLater(_("The CRM still shows the old note."))
    except TryLater as fault:
        desk.failed(fault)
        settle.try_later(entry=entry, fault=fault, now=clock(), attempt=attempt)
    except Fault as fault:
        words = Rejected(
            _("The note was moved, but the old one could not be removed: %(why)s") % {"why": fault.title},
            _("Remove it in the CRM, then send this again."),
        )
        settle.give_up(entry=entry, reason=Reason.MAY_NOT_REMOVE, fault=words, now=clock(), attempt=attempt)
    else:
        settle.settle_removed(entry=entry, attempt=attempt, now=clock())


def _look(desk: Desk) -> None:
    """A verified entry's marker is looked for: so the lag of the CRM's search is known, and any double."""
    entry, clock = desk.entry, desk.clock
    if entry.seen_at is not None:
        return settle.release(entry=entry, now=clock(), not_before=None)
    attempt = settle.open_attempt(entry=entry, kind=Attempt.Kind.SEARCH, now=clock(), asked=entry.marker)
    try:
        refs = _find(desk)
    except Fault as fault:
        return settle.settle_unseen(entry=entry, attempt=attempt, fault=fault, now=clock())
    settle.settle_seen(entry=entry, credential=desk.credential, attempt=attempt, refs=refs, now=clock())
    if entry.copies > 1:
        logger.error("entry %s: its marker stands in %s notes", entry.pk, entry.copies)
    return None


#: What to do for an entry by its state; the rest is for people.
STEPS: Mapping[State, Callable[[Desk], None]] = {
    State.PENDING: _write,
    State.UNKNOWN: _search,
    State.WRITTEN: _read_back,
    State.REMOVING: _remove_old,
    State.VERIFIED: _look,
}


def draft_of(entry: Entry) -> Draft:
    """What is to be written; the adapter adds the marker as the last line."""
    return Draft(
        card_id=entry.card_id, table=Table(entry.card_table), text=entry.text, happened_at=entry.happened_at
    )


def _find(desk: Desk) -> list[Ref]:
    entry = desk.entry
    since = (entry.first_sent_at or entry.happened_at) - SEARCH_FROM
    return desk.adapter.find_written(entry.marker, entry.card_id, since, desk.as_)


def _nobody_can_tell(desk: Desk, attempt: Attempt | None, fault: Fault) -> None:
    words = Rejected(
        _("Nobody can tell whether this note was written: %(why)s") % {"why": fault.title},
        _("We go on looking. If you find it in the CRM, mark it as done by hand; if not, send it again."),
    )
    settle.give_up(
        entry=desk.entry, reason=Reason.OUTCOME_UNKNOWN, fault=words, now=desk.clock(), attempt=attempt
    )


def _why_denied(fault: Fault) -> Reason:
    """A refused key heals the entry once another one is entered; what else is denied needs a person."""
    return Reason.KEY_REFUSED if isinstance(fault, SignInRefused) else Reason.REFUSED


def _stop(entry: Entry, reason: Reason, fault: Fault, now: datetime) -> None:
    """Set an entry aside before anything was asked; one that is verified already stays what it is."""
    if entry.state == State.VERIFIED:
        return settle.release(entry=entry, now=now, not_before=None)
    return settle.give_up(entry=entry, reason=reason, fault=fault, now=now)


def _is_too_old(entry: Entry, now: datetime) -> bool:
    return entry.state == State.PENDING and entry.failures > 0 and now - entry.trying_since > GIVE_UP_AFTER


def _set_crash_aside(entry: Entry, now: datetime) -> None:
    """An error of our own: what it left is taken up like a dead worker's, and set aside the third time."""
    crashes = entry.crashes + 1
    if entry.state == State.INTENT:
        fields = {"crashes": crashes, **outbox.unknown_fields(entry, now=now)}
        outbox.change(entry, to=State.UNKNOWN, now=now, **fields)
    elif crashes < CRASHES_BEFORE_PARKING:
        again = now + timedelta(seconds=writers.back_off_s(entry.failures + crashes))
        outbox.change(entry, to=entry.state, now=now, crashes=crashes, not_before=again, **outbox.UNCLAIMED)
    elif entry.state == State.VERIFIED:
        outbox.change(entry, to=entry.state, now=now, not_before=None, **outbox.UNCLAIMED)
    else:
        outbox.park(
            entry=entry,
            reason=Reason.FAULTY,
            title=_("An error in this program stopped it three times."),
            next_step=_("Send the log to your support, then try again."),
            now=now,
            crashes=crashes,
        )
