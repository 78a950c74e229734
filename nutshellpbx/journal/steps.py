"""What is done in the CRM for one entry, step by step.

Each step does one thing in the CRM between two commits and holds no transaction over it. Whatever a step
leaves behind, alive or dead, is a state from which the next worker knows what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from nutshellpbx.crm import signin
from nutshellpbx.crm.adapter import Draft, Ref, SignInRefused, SlowDown, Table, WayAnswer
from nutshellpbx.faults import Denied, Fault, Rejected, TryLater
from nutshellpbx.journal import box, clock, lags, outbox, points, settle
from nutshellpbx.journal.models import Attempt, Entry, Reason
from nutshellpbx.journal.states import State
from nutshellpbx.journal.writers import Turn

Clock = Callable[[], datetime]

SEARCHES_BEFORE_PARKING = 3  # in a row that did not answer
SEARCH_FROM = timedelta(seconds=60)  # before the first attempt: clocks differ
GONE_AFTER = timedelta(minutes=5)  # a written note that cannot be read back for so long is gone


@dataclass(slots=True)
class Desk:
    """What one step works with."""

    entry: Entry
    turn: Turn
    clock: Clock
    heard: list[WayAnswer] = field(default_factory=list)


def _write(desk: Desk) -> None:
    entry, turn, now = desk.entry, desk.turn, desk.clock
    # Its read-back is paid for as well: what is written is checked at once.
    if turn.wait_s(requests=2, now=now()):
        return
    begun_s = clock.counter_s()
    attempt = settle.begin_intent(entry=entry, writer=turn.writer, now=now())
    if clock.counter_s() - begun_s > outbox.SEND_WITHIN_S:
        stood_still = TryLater(_("This box stood still before the note was sent."))
        return settle.settle_unsent(entry=entry, attempt=attempt, fault=stood_still, now=now())
    try:
        ref = turn.adapter.write(draft_of(entry), entry.marker, turn.as_)
        points.reach("after_send")
        if not ref.id:
            raise TryLater(_("The CRM took the note but did not say which it is."), may_have_happened=True)
    except TryLater as fault:
        turn.failed(fault, now=now())
        settled = settle.settle_unknown if fault.may_have_happened else settle.settle_unsent
        settled(entry=entry, attempt=attempt, fault=fault, now=now())
    except Rejected as fault:
        turn.went_well(now=now())
        settle.settle_refused(entry=entry, attempt=attempt, fault=fault, reason=Reason.REFUSED, now=now())
    except Denied as fault:
        signin.note_fault(credential=turn.credential, fault=fault)
        settle.settle_refused(entry=entry, attempt=attempt, fault=fault, reason=_why_denied(fault), now=now())
    else:
        turn.went_well(now=now())
        settle.settle_written(entry=entry, attempt=attempt, ref=ref, now=now())


def _search(desk: Desk) -> None:
    """The quiet period is over: is it there? Only two searches that found nothing lead back to writing."""
    entry, turn, now = desk.entry, desk.turn, desk.clock
    truthful_at = (entry.unknown_since or now()) + lags.quiet_period(crm_id=entry.crm_id)
    if now() < truthful_at:
        return settle.release(entry=entry, now=now(), not_before=truthful_at)
    if turn.writer.is_blind:
        return _nobody_can_tell(desk, None, Fault(_("This CRM's search does not show notes that are there.")))
    if turn.wait_s(requests=1, now=now()):
        return None
    attempt = settle.open_attempt(entry=entry, kind=Attempt.Kind.SEARCH, now=now(), asked=entry.marker)
    points.reach("before_search")
    since = (entry.first_sent_at or entry.happened_at) - SEARCH_FROM
    try:
        refs = turn.adapter.find_written(
            entry.marker, entry.card_id, since, turn.as_, heard=desk.heard.append
        )
        points.reach("after_search")
    except Denied as fault:
        signin.note_fault(credential=turn.credential, fault=fault)
        reason = _why_denied(fault)
        settle.give_up(entry=entry, reason=reason, fault=fault, now=now(), attempt=attempt, heard=desk.heard)
    except TryLater as fault:
        turn.failed(fault, now=now())
        if not isinstance(fault, SlowDown) and entry.failures + 1 >= SEARCHES_BEFORE_PARKING:
            return _nobody_can_tell(desk, attempt, fault)
        settle.try_later(entry=entry, fault=fault, now=now(), attempt=attempt, heard=desk.heard)
    except Rejected as fault:
        return _nobody_can_tell(desk, attempt, fault)
    else:
        turn.went_well(now=now())
        if len(refs) > 1:
            box.hold_for_double(marker=entry.marker, note_ids=[ref.id for ref in refs], now=now())
        if refs:
            settle.settle_found(entry=entry, attempt=attempt, refs=refs, now=now(), heard=desk.heard)
        else:
            settle.settle_absent(entry=entry, attempt=attempt, now=now(), heard=desk.heard)
    return None


def _read_back(desk: Desk) -> None:
    entry, turn, now = desk.entry, desk.turn, desk.clock
    if turn.wait_s(requests=1, now=now()):
        return None
    attempt = settle.open_attempt(entry=entry, kind=Attempt.Kind.READ, now=now(), asked=entry.ref_id)
    points.reach("before_read")
    try:
        note = turn.adapter.read(Ref(entry.ref_id), turn.as_)
        points.reach("after_read")
    except TryLater as fault:
        turn.failed(fault, now=now())
        return settle.try_later(entry=entry, fault=fault, now=now(), attempt=attempt)
    except Fault as fault:
        signin.note_fault(credential=turn.credential, fault=fault)
        reason = _why_denied(fault) if isinstance(fault, Denied) else Reason.VANISHED
        return settle.give_up(entry=entry, reason=reason, fault=fault, now=now(), attempt=attempt)
    turn.went_well(now=now())
    if note is None and now() - (entry.written_at or now()) <= GONE_AFTER:
        not_yet = TryLater(_("The CRM does not show the note yet."))
        return settle.try_later(entry=entry, fault=not_yet, now=now(), attempt=attempt)
    if note is None or note.deleted:
        gone = Rejected(
            _("The CRM took the note, but it is not there any more."),
            _("Somebody may have deleted it. Send it again, or mark it as done by hand."),
        )
        return settle.give_up(entry=entry, reason=Reason.VANISHED, fault=gone, now=now(), attempt=attempt)
    is_elsewhere = bool(note.parent_id and entry.card_id and note.parent_id != entry.card_id)
    if entry.marker not in note.text or is_elsewhere:
        other = Rejected(
            _("The CRM shows something else where the note should stand."),
            _("Open it in the CRM. Mark it as done by hand if it is right, or send it again."),
        )
        return settle.give_up(entry=entry, reason=Reason.ELSEWHERE, fault=other, now=now(), attempt=attempt)
    # One that was found without our knowing its record belongs where it stands.
    found_at = {} if entry.card_id else {"card_id": note.parent_id}
    settle.settle_verified(entry=entry, attempt=attempt, now=now(), **found_at)
    if entry.state == State.VERIFIED and entry.seen_at is None:
        turn.unseen += 1
    return None


def _remove_old(desk: Desk) -> None:
    """The note of the generation before must go; asking twice does no harm: it is asked for by its id."""
    entry, turn, now = desk.entry, desk.turn, desk.clock
    if turn.wait_s(requests=3, now=now()):
        return
    attempt = settle.open_attempt(entry=entry, kind=Attempt.Kind.REMOVE, now=now(), asked=entry.old_ref_id)
    points.reach("before_remove")
    try:
        old = turn.adapter.read(Ref(entry.old_ref_id), turn.as_)
        if old is not None and not old.deleted:
            points.reach("before_remove_request")
            turn.adapter.remove(Ref(entry.old_ref_id), turn.as_)
            points.reach("after_remove")
            old = turn.adapter.read(Ref(entry.old_ref_id), turn.as_)
        points.reach("after_remove_check")
        if old is not None and not old.deleted:
            raise TryLater(_("The CRM still shows the old note."))
    except TryLater as fault:
        turn.failed(fault, now=now())
        settle.try_later(entry=entry, fault=fault, now=now(), attempt=attempt)
    except Fault as fault:
        words = Rejected(
            _("The note was moved, but the old one could not be removed: %(why)s") % {"why": fault.title},
            _("Remove it in the CRM, then send this again."),
        )
        settle.give_up(entry=entry, reason=Reason.MAY_NOT_REMOVE, fault=words, now=now(), attempt=attempt)
    else:
        turn.went_well(now=now())
        settle.settle_removed(entry=entry, attempt=attempt, now=now())
        turn.unseen += entry.seen_at is None


#: What to do for an entry by its state; verified ones are looked for many at a time, the rest is for people.
STEPS: Mapping[State, Callable[[Desk], None]] = {
    State.PENDING: _write,
    State.UNKNOWN: _search,
    State.WRITTEN: _read_back,
    State.REMOVING: _remove_old,
}


def draft_of(entry: Entry) -> Draft:
    """What is to be written; the adapter adds the marker as the last line."""
    return Draft(
        card_id=entry.card_id, table=Table(entry.card_table), text=entry.text, happened_at=entry.happened_at
    )


def _nobody_can_tell(desk: Desk, attempt: Attempt | None, fault: Fault) -> None:
    words = Rejected(
        _("Nobody can tell whether this note was written: %(why)s") % {"why": fault.title},
        _("We go on looking. If you find it in the CRM, mark it as done by hand; if not, send it again."),
    )
    settle.give_up(
        entry=desk.entry,
        reason=Reason.OUTCOME_UNKNOWN,
        fault=words,
        now=desk.clock(),
        attempt=attempt,
        heard=desk.heard,
    )


def _why_denied(fault: Fault) -> Reason:
    """A refused key heals the entry once another one is entered; what else is denied needs a person."""
    return Reason.KEY_REFUSED if isinstance(fault, SignInRefused) else Reason.REFUSED
