"""Bringing entries to their end: who is it, may we, say that we will, write, look, and never twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext as _

from nutshellpbx.crm import signin
from nutshellpbx.crm.models import Credential
from nutshellpbx.faults import Denied, Fault, Rejected
from nutshellpbx.journal import (
    addressee,
    box,
    breaker,
    clock,
    looks,
    outbox,
    points,
    restored,
    rows,
    settle,
    writers,
)
from nutshellpbx.journal.models import Entry, Reason
from nutshellpbx.journal.settle import Lost
from nutshellpbx.journal.states import Outcome, State
from nutshellpbx.journal.steps import STEPS, Clock, Desk, draft_of
from nutshellpbx.journal.writers import Turn

__all__ = ["deliver", "draft_of", "work_off"]

logger = logging.getLogger(__name__)

GIVE_UP_AFTER = timedelta(days=7)  # nothing was sent for so long
CRASHES_BEFORE_PARKING = 3
#: Entries that are claimed in one commit.
BATCH = 20


def deliver(*, entry_id: str, worker: str, clock: Callable[[], datetime] = clock.now) -> Entry | None:
    """Bring one entry as far as it goes now; None when there was nothing to do or somebody else is at it.

    `clock` gives aware UTC times; IO takes time, so a fixed one would lie.
    """
    entry = outbox.claim(entry_id=entry_id, worker=worker, now=clock())
    if entry is None:
        return None
    shift = _Shift(clock)
    try:
        shift.take_up(entry)
    finally:
        shift.close()
    return entry


def work_off(*, worker: str, at_most_s: float, clock: Callable[[], datetime] = clock.now) -> int:
    """Bring what is due as far as it goes, the oldest first, until nothing is left or the time is up.

    How many entries were taken up; each of them once.
    """
    end = time.monotonic() + at_most_s
    seen: list[str] = []
    shift = _Shift(clock)
    claimed: list[Entry] = []
    try:
        while time.monotonic() < end and (claimed := shift.take_some(worker=worker, besides=seen)):
            while claimed and time.monotonic() < end and not shift.is_resting(claimed[0]):
                seen.append(str(claimed[0].pk))
                shift.take_up(claimed.pop(0))
                if shift.is_to_begin_anew():
                    break
            outbox.put_back(claimed)
            claimed = []
    finally:
        outbox.put_back(claimed)
        shift.close()
    return len(seen)


class _Shift:
    """One worker's go at the outbox; it keeps its turn while the next entry needs the same credential."""

    def __init__(self, now: Clock) -> None:
        self._now = now
        self._turn: Turn | None = None
        self._resting: set[UUID] = set()  # credentials whose turn ended before their entries did

    def take_some(self, *, worker: str, besides: list[str]) -> list[Entry]:
        """Claim the next entries, also of the credential that is our own turn's."""
        mine = self._turn.credential.pk if self._turn is not None and not self._turn.is_over else None
        claimed = outbox.claim_due(
            worker=worker, now=self._now(), limit=BATCH, besides=besides, mine=mine, without=self._resting
        )
        to_look = [one for one in claimed if one.state == State.VERIFIED and one.next_card is None]
        outbox.put_back(to_look[1:])  # one of them looks for all
        return [one for one in claimed if one not in to_look] + to_look[:1]

    def is_resting(self, entry: Entry) -> bool:
        """Whether this entry's credential has had its turn, and now has to wait."""
        return entry.credential_id is not None and entry.credential_id in self._resting

    def is_to_begin_anew(self) -> bool:
        """Whether the CRM has just come back: older entries than those at hand are due again."""
        is_back = self._turn is not None and self._turn.is_back
        if self._turn is not None:
            self._turn.is_back = False
        return is_back

    def take_up(self, entry: Entry) -> None:
        """Bring a claimed entry as far as it goes; an error of our own is kept with it and raised."""
        try:
            self._take_up(entry)
        except Lost:
            logger.info("entry %s: somebody else has it now", entry.pk)
        except Exception:
            _set_crash_aside(entry, self._now())
            raise

    def close(self) -> None:
        """End the turn, after a last look for what it verified."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        try:
            looks.look(turn, clock=self._now)
        finally:
            if turn.is_over:
                self._resting.add(turn.credential.pk)
            turn.end(now=self._now())

    def _take_up(self, entry: Entry) -> None:
        clock.heed()
        if entry.state == State.VERIFIED and entry.next_card is not None:
            return outbox.start_move(entry, fields=entry.next_card, now=self._now())
        if _is_too_old(entry, self._now()):
            fault = Rejected(
                _("This could not be written for a week."), _("See how the CRM is, then send it again.")
            )
            return _stop(entry, Reason.TOO_OLD, fault, self._now())
        right = addressee.right_for(entry)
        if right.credential is None:
            refusal = Denied(right.title, right.next_step)
            return _stop(entry, addressee.REASONS[right.state], refusal, self._now())
        points.reach("after_rights")
        turn = self._turn_for(entry, right.credential)
        if turn is None:
            return None
        if entry.state in {State.PENDING, State.WAITING} and not entry.card_id:
            addressee.find_record(entry=entry, turn=turn, now=self._now())
            points.reach("after_lookup")
        if entry.state == State.VERIFIED:
            settle.release(entry=entry, now=self._now())
            turn.unseen += 1
        while entry.claimed_by and not turn.is_over and (step := STEPS.get(State(entry.state))):
            clock.heed()
            step(Desk(entry, turn, self._now))
        if entry.claimed_by:
            settle.release(entry=entry, now=self._now())
        looks.look_now_and_then(turn, clock=self._now)
        if turn.is_over:
            self.close()
        return None

    def _turn_for(self, entry: Entry, credential: Credential) -> Turn | None:
        """The turn of this credential, ours already or taken now; None: the entry waits, with the reason."""
        if self._turn is not None and self._turn.credential.pk == credential.pk and not self._turn.is_over:
            if entry.credential_id != credential.pk:
                settle.note_credential(entry=entry, credential=credential, now=self._now())
            return self._turn
        self.close()
        held = box.hold()
        if held is not None:
            settle.wait_held(entry=entry, credential=credential, hold=held, now=self._now())
            return None
        restored.check(now=self._now())
        if entry.credential_id != credential.pk:
            # Kept with the entry, so that it is not looked at again while this credential has to wait.
            settle.note_credential(entry=entry, credential=credential, now=self._now())
        writer = writers.take(
            credential=credential, worker=entry.claimed_by, now=self._now(), lease_s=outbox.LEASE_S
        )
        if writer is None:
            self._resting.add(credential.pk)
            settle.release(entry=entry, now=self._now())
            return None
        try:
            as_ = signin.open_sign_in(credential=credential)
            adapter = entry.crm.adapter()
        except Denied as fault:
            # Nothing was asked. Either the CRM's address was changed, which the credential itself says now,
            # or this box's vault is not in order.
            writers.give_back(writer=writer, now=self._now(), worked=None)
            reason = Reason.KEY_CLOSED if addressee.right_for(entry).is_ok else Reason.KEY_REFUSED
            _stop(entry, reason, fault, self._now())
            return None
        self._turn = Turn(writer, credential, adapter, as_, self._now)
        return self._turn


def _stop(entry: Entry, reason: Reason, fault: Fault, now: datetime) -> None:
    """Set an entry aside before anything was asked; one that is verified already stays what it is."""
    if entry.state == State.VERIFIED:
        return settle.release(entry=entry, now=now, not_before=None)
    return settle.give_up(entry=entry, reason=reason, fault=fault, now=now)


def _is_too_old(entry: Entry, now: datetime) -> bool:
    was_tried = entry.failures > 0 or entry.outcome == Outcome.UNSENT
    return entry.state == State.PENDING and was_tried and now - entry.trying_since > GIVE_UP_AFTER


def _set_crash_aside(entry: Entry, now: datetime) -> None:
    """An error of our own: what it left is taken up like a dead worker's, and set aside the third time."""
    crashes = entry.crashes + 1
    if entry.state == State.INTENT:
        fields = {"crashes": crashes, **rows.unknown_fields(crm_id=entry.crm_id, now=now)}
        rows.change(entry, to=State.UNKNOWN, now=now, **fields)
    elif crashes < CRASHES_BEFORE_PARKING:
        again = now + timedelta(seconds=breaker.back_off_s(entry.failures + crashes))
        rows.change(entry, to=entry.state, now=now, crashes=crashes, not_before=again, **rows.UNCLAIMED)
    elif entry.state == State.VERIFIED:
        rows.change(entry, to=entry.state, now=now, not_before=None, **rows.UNCLAIMED)
    else:
        rows.park(
            entry=entry,
            reason=Reason.FAULTY,
            title=_("An error in this program stopped it three times."),
            next_step=_("Send the log to your support, then try again."),
            now=now,
            crashes=crashes,
        )
