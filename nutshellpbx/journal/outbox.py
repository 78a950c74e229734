"""The outbox: what the rest of the house asks of the journal, each as one short transaction.

The row is the work; the bell only says "look now". Every change is a conditional update on the state and the
attempt number that were read, so whoever comes second changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from nutshellpbx import doorbell
from nutshellpbx.audit import book
from nutshellpbx.crm.adapter import Card
from nutshellpbx.crm.models import Crm
from nutshellpbx.journal import clock, points, restored, workers
from nutshellpbx.journal.models import Entry, Reason, Writer
from nutshellpbx.journal.notetext import clean_line, clean_text
from nutshellpbx.journal.rows import NOT_SENT, UNCLAIMED, afresh, card_fields, change, unknown_fields
from nutshellpbx.journal.states import MAY_BE_DONE_BY_HAND, MoveNotAllowed, Outcome, State
from nutshellpbx.people.models import Extension, User

__all__ = [
    "ASK_AGAIN_AFTER",
    "HEALS_BY_ITSELF",
    "HEALS_WITH_TIME",
    "LEASE_S",
    "SEND_WITHIN_S",
    "TASK",
    "TooLate",
    "UNCLAIMED",
    "amend",
    "card_fields",
    "change",
    "claim",
    "claim_due",
    "due",
    "enqueue",
    "give_card",
    "mark_done_by_hand",
    "may_be_done_by_hand",
    "move",
    "put_back",
    "reap",
    "resume",
    "retry",
    "start_move",
    "state_to_resume",
]

LEASE_S = 120.0  # how long a claim holds without a word; longer than everything that one step may take
TASK = "journal.deliver"
#: Intent to first byte. A worker that was stopped for longer does not send: its lease may have run out.
SEND_WITHIN_S = 30.0

#: A parked entry with one of these is sent by itself once the cause is gone (`wake`).
HEALS_BY_ITSELF = (Reason.NO_OWNER, Reason.NO_GRANT, Reason.NO_KEY, Reason.KEY_REFUSED, Reason.CRM_OFF)
#: With one of these it is tried again by itself, now and then.
HEALS_WITH_TIME = (Reason.OUTCOME_UNKNOWN, Reason.KEY_CLOSED)
ASK_AGAIN_AFTER = timedelta(minutes=15)


class TooLate(Exception):
    """The entry has moved on since it was read; nothing was changed. Read it again."""


def enqueue(
    *,
    crm: Crm,
    call_key: str,
    user: User | None,
    extension: Extension | None,
    direction: str,
    number: str,
    name: str,
    card: Card | None,
    text: str,
    happened_at: datetime,
    now: datetime | None = None,
) -> Entry:
    """Put one call's entry for one CRM into the outbox, in the caller's transaction; ring after its commit.

    Its waiting times begin now, by the clock in whose terms the rows are kept; `now` is for another clock.
    A second time with the same CRM and call key makes no second entry: it amends the text while nothing was
    sent yet, and else changes nothing. Without a card the worker asks the CRM who it is.
    """
    points.reach("before_enqueue_commit")
    now = clock.kept_now() if now is None else now
    entry = Entry(
        crm=crm,
        call_key=call_key,
        user=user,
        extension=extension,
        extension_number=extension.number if extension else "",
        direction=direction,
        number=clean_line(number, limit=64),
        name=clean_line(name),
        text=clean_text(text),
        happened_at=happened_at,
        not_before=now,
        trying_since=now,
        created_at=now,
        updated_at=now,
        **(card_fields(card) if card else {}),
    )
    if restored.is_suspect(happened_at=happened_at):
        _begin_in_doubt(entry, now=now)
    try:
        with transaction.atomic():
            entry.save(force_insert=True)
    except IntegrityError:
        entry = Entry.objects.get(crm=crm, call_key=call_key)
        _amend_text(entry, text=clean_text(text), now=now)
    _ring_on_commit(entry)
    return entry


def _begin_in_doubt(entry: Entry, *, now: datetime) -> None:
    entry.state = State.UNKNOWN
    for name, value in restored.suspect_fields(entry, now=now).items():
        setattr(entry, name, value)


def _amend_text(entry: Entry, *, text: str, now: datetime) -> None:
    unsent = Entry.objects.filter(pk=entry.pk, outcome=Outcome.NEVER)
    if unsent.filter(state__in=[State.WAITING, State.PENDING]).update(text=text, updated_at=now):
        entry.text = text


def amend(
    *,
    entry: Entry,
    user: User | None,
    extension: Extension | None,
    text: str,
    card: Card | None,
    now: datetime,
) -> bool:
    """Put an unsent entry's owner and text right, a chosen record stays; False once it may be in the CRM."""
    if entry.outcome != Outcome.NEVER or entry.state not in {State.WAITING, State.PENDING, State.PARKED}:
        return False
    found = card_fields(card) if card and not entry.card_id else {}
    number = extension.number if extension else ""
    owner = {"user": user, "extension": extension, "extension_number": number, "credential": None}
    anew = {**UNCLAIMED, **owner, **found, "text": clean_text(text), "attempt": entry.attempt + 1}
    return change(entry, to=entry.state, now=now, **anew)


def claim(*, entry_id: str, worker: str, now: datetime) -> Entry | None:
    """Take an entry that is due for a worker, with a new attempt number; None when there is nothing to do or
    somebody else has it."""
    taken = (
        Entry.objects.filter(pk=entry_id, not_before__lte=now)
        .filter(Q(claimed_by="") | Q(claimed_until__lte=now))
        .exclude(state=State.INTENT)  # somebody died there: only `reap` leads out of it
        .update(
            claimed_by=worker,
            claimed_at=now,
            claimed_until=now + timedelta(seconds=LEASE_S),
            attempt=F("attempt") + 1,
        )
    )
    if not taken:
        return None
    entry = Entry.objects.select_related("crm", "user", "extension", "credential").get(pk=entry_id)
    points.reach("after_claim")
    return entry if entry.claimed_by == worker else None


def claim_due(
    *,
    worker: str,
    now: datetime,
    limit: int,
    besides: Iterable[str] = (),
    mine: UUID | None = None,
    without: Iterable[UUID] = (),
) -> list[Entry]:
    """Take the first entries that are due, in one commit; in the order of `due`.

    `mine` is the credential that this worker writes with already, `without` are credentials to leave alone.
    """
    with transaction.atomic():
        free = _due(now, mine=mine).exclude(pk__in=list(besides)).exclude(credential__in=list(without))
        waiting = free.select_for_update(skip_locked=True, of=("self",))
        keys = list(waiting.values_list("pk", flat=True)[:limit])
        if not keys:
            return []
        Entry.objects.filter(pk__in=keys).update(
            claimed_by=worker,
            claimed_at=now,
            claimed_until=now + timedelta(seconds=LEASE_S),
            attempt=F("attempt") + 1,
        )
        related = Entry.objects.select_related("crm", "user", "extension", "credential")
        claimed = related.in_bulk(keys)
    points.reach("after_claim")
    return [claimed[key] for key in keys]


def put_back(entries: Iterable[Entry]) -> None:
    """Give claimed entries back as they are, in one commit; others take them up, the oldest first."""
    mine = Q(pk__in=[])
    for entry in entries:
        mine |= Q(pk=entry.pk, attempt=entry.attempt, claimed_by=entry.claimed_by)
    if mine:
        points.reach("before_put_back")
        Entry.objects.filter(mine).update(**UNCLAIMED)
        points.reach("after_put_back")


def due(*, now: datetime, limit: int = 100, besides: Iterable[str] = ()) -> list[str]:
    """The ids of the entries that somebody should look at now: unverified ones first, then the oldest.

    Leaves out what is claimed, and what belongs to a credential that is being written with or has to wait.
    """
    waiting = _due(now).exclude(pk__in=list(besides))
    return [str(key) for key in waiting.values_list("pk", flat=True)[:limit]]


def _due(now: datetime, *, mine: UUID | None = None) -> QuerySet[Entry]:
    writers = Writer.objects.filter(Q(held_until__gt=now) | Q(not_before__gt=now))
    busy = (writers if mine is None else writers.exclude(credential=mine)).values("credential_id")
    return (
        Entry.objects.filter(not_before__lte=now)
        .filter(Q(claimed_by="") | Q(claimed_until__lte=now))
        .exclude(state=State.INTENT)
        .exclude(credential__in=busy)
        .order_by(F("verified_at").asc(nulls_first=True), "happened_at")
    )


def reap(*, now: datetime) -> int:
    """Free what a dead or stuck worker left; an entry with a committed intent becomes unknown. How many."""
    freed = 0
    for entry in Entry.objects.exclude(claimed_by=""):
        if not _is_abandoned(entry.claimed_by, entry.claimed_until, now):
            continue
        if entry.state == State.INTENT:
            freed += _doubt_intent(entry, now)
        else:
            freed += change(entry, to=entry.state, now=now, **UNCLAIMED)
    for writer in Writer.objects.exclude(held_by=""):
        if _is_abandoned(writer.held_by, writer.held_until, now):
            Writer.objects.filter(pk=writer.pk, turn=writer.turn).update(held_by="", held_until=None)
    return freed


def _doubt_intent(entry: Entry, now: datetime) -> bool:
    """An intent whose worker is gone: from when on it can only be unclear, and not any more about to be sent.

    A worker that cannot be seen from here may still live, stopped before its first byte.
    """
    with transaction.atomic():
        now = clock.as_kept(now)
        certainly = workers.is_dead(entry.claimed_by)
        sent_by = now if certainly else now + timedelta(seconds=SEND_WITHIN_S)
        fields = unknown_fields(crm_id=entry.crm_id, now=sent_by)
        return change(entry, to=State.UNKNOWN, now=now, **fields)


def move(*, entry: Entry, card: Card, by: User | None, now: datetime) -> Entry:
    """Let an entry belong to another record: at once while nothing was sent, else as soon as it is verified.

    The next generation is then written and verified there before the old note is removed. Raises TooLate.
    """
    fields = card_fields(card)
    if entry.card_id == card.id and entry.next_card is None:
        return entry
    never_sent = entry.outcome in {Outcome.NEVER, Outcome.UNSENT, Outcome.REFUSED}
    detail = {"from": entry.card_id, "to": card.id}
    with transaction.atomic():
        if never_sent and entry.state in {State.WAITING, State.PENDING, State.PARKED}:
            _by_hand(entry, to=State.PENDING, now=now, **fields, **afresh(now))
        elif entry.state == State.VERIFIED:
            start_move(entry, fields=fields, now=now)
        elif entry.state == State.DONE_BY_HAND:
            raise TooLate
        else:
            _changed_or_too_late(change(entry, to=entry.state, now=now, next_card=fields))
        book.record(act="entry.moved", by=by, what=f"entry:{entry.pk}", detail=detail, now=now)
    _ring_on_commit(entry)
    return entry


def give_card(*, crm: Crm, call_key: str, card: Card, by: User | None, now: datetime) -> Entry | None:
    """Say to which record a call's entry belongs, if it has one already; see `move`."""
    for _try in range(3):  # a worker may settle it just now
        entry = Entry.objects.filter(crm=crm, call_key=call_key).exclude(state=State.DONE_BY_HAND).first()
        if entry is None:
            return None
        try:
            return move(entry=entry, card=card, by=by, now=now)
        except TooLate:
            continue
    raise TooLate


def start_move(entry: Entry, *, fields: dict[str, Any], now: datetime) -> None:
    """Begin the next generation of a verified entry at another record; raises TooLate.

    In a restored database that generation may stand there already: then it is searched for first.
    """
    anew = {
        "generation": entry.generation + 1,
        "old_ref_id": entry.ref_id,
        "next_card": None,
        **fields,
        **NOT_SENT,
        **afresh(now),
    }
    if not restored.is_suspect(happened_at=entry.happened_at):
        return _by_hand(entry, to=State.PENDING, now=now, **anew)
    entry.generation += 1
    doubts = restored.suspect_fields(entry, now=now)
    entry.generation -= 1
    return _by_hand(entry, to=State.UNKNOWN, now=now, **{**anew, **doubts})


def retry(*, entry: Entry, by: User | None, now: datetime, looked: bool = False) -> Entry:
    """Send a parked or waiting entry again, as far as that is safe: what may be there is searched for first.

    `looked` is a person's word for having looked into the CRM and not found it; only then is a note whose
    outcome is unknown, or which has vanished, written anew. Raises MoveNotAllowed, TooLate.
    """
    if entry.state not in {State.WAITING, State.PENDING, State.PARKED}:
        raise MoveNotAllowed(f"{entry.state} cannot be sent again")
    again = afresh(now)
    anew = {**again, **NOT_SENT, "next_card": None, **(entry.next_card or {})}
    detail = {"was": entry.state, "reason": entry.reason, "looked": looked}
    with transaction.atomic():
        if entry.outcome in {Outcome.NEVER, Outcome.UNSENT, Outcome.REFUSED}:
            _by_hand(entry, to=State.PENDING, now=now, **again)
        elif looked and entry.state == State.PARKED and entry.reason == Reason.OUTCOME_UNKNOWN:
            _by_hand(entry, to=State.PENDING, now=now, **anew)
        elif looked and entry.state == State.PARKED and entry.reason == Reason.VANISHED:
            _by_hand(entry, to=State.PENDING, now=now, generation=entry.generation + 1, **anew)
        else:
            _by_hand(entry, to=state_to_resume(entry), now=now, absent_count=0, **again)
        book.record(act="entry.sent_again", by=by, what=f"entry:{entry.pk}", detail=detail, now=now)
    _ring_on_commit(entry)
    return entry


def resume(*, entry: Entry, now: datetime) -> bool:
    """Take a parked entry up again by itself, from where it stood; False when somebody was faster."""
    return change(entry, to=state_to_resume(entry), now=now, absent_count=0, **afresh(now))


def state_to_resume(entry: Entry) -> State:
    """Where a parked entry goes on: from what is known of its note, never from a guess."""
    if entry.outcome == Outcome.UNKNOWN:
        return State.UNKNOWN
    if entry.outcome == Outcome.WRITTEN:
        return State.REMOVING if entry.old_ref_id and entry.verified_at else State.WRITTEN
    return State.PENDING


def mark_done_by_hand(*, entry: Entry, by: User, now: datetime) -> Entry:
    """A person took it over; nothing is written any more. Raises MoveNotAllowed, TooLate."""
    detail = {"was": entry.state, "reason": entry.reason}
    with transaction.atomic():
        _by_hand(entry, to=State.DONE_BY_HAND, now=now, done_by=by, not_before=None)
        book.record(act="entry.done_by_hand", by=by, what=f"entry:{entry.pk}", detail=detail, now=now)
    return entry


def may_be_done_by_hand(entry: Entry) -> bool:
    """Whether `mark_done_by_hand` would be let through now."""
    return entry.state in MAY_BE_DONE_BY_HAND


def _is_abandoned(name: str, until: datetime | None, now: datetime) -> bool:
    return until is None or until <= now or workers.is_dead(name)


def _by_hand(entry: Entry, *, to: str, now: datetime, **fields: Any) -> None:
    """Change an entry under a worker's hands, if need be: the new attempt number makes that worker stop."""
    fields = {**UNCLAIMED, **fields, "attempt": entry.attempt + 1}
    _changed_or_too_late(change(entry, to=to, now=now, **fields))


def _changed_or_too_late(changed: bool) -> None:
    if not changed:
        raise TooLate


def _ring_on_commit(entry: Entry) -> None:
    transaction.on_commit(partial(_ring, str(entry.pk)))


def _ring(entry_id: str) -> None:
    points.reach("after_enqueue_commit")
    doorbell.ring(task=TASK, ids=[entry_id], queue="slow")
