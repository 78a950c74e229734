"""The outbox: what the rest of the house asks of the journal, each as one short transaction.

The row is the work; the bell only says "look now". Every change is a conditional update on the state and the
attempt number that were read, so whoever comes second changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from nutshellpbx import doorbell
from nutshellpbx.crm.adapter import Card, Page, Table
from nutshellpbx.crm.models import Crm
from nutshellpbx.journal import boxsecret, points, workers, writers
from nutshellpbx.journal.models import Entry, Reason, Writer
from nutshellpbx.journal.notetext import clean_line, clean_text
from nutshellpbx.journal.states import MAY_BE_DONE_BY_HAND, MoveNotAllowed, Outcome, State, check_move
from nutshellpbx.people.models import Extension, User

LEASE_S = 120.0  # how long a claim holds without a word; longer than everything that one step may take
TASK = "journal.deliver"

#: A parked entry with one of these is sent by itself once the cause is gone (`wake`).
HEALS_BY_ITSELF = (Reason.NO_OWNER, Reason.NO_GRANT, Reason.NO_KEY, Reason.KEY_REFUSED, Reason.CRM_OFF)
#: With one of these it is tried again by itself, now and then.
HEALS_WITH_TIME = (Reason.OUTCOME_UNKNOWN, Reason.KEY_CLOSED)
ASK_AGAIN_AFTER = timedelta(minutes=15)


#: Fields of an entry in common situations.
UNCLAIMED: dict[str, Any] = {"claimed_by": "", "claimed_at": None, "claimed_until": None}
NO_REASON: dict[str, Any] = {"reason": "", "reason_title": "", "next_step": "", "parked_at": None}
NOT_SENT: dict[str, Any] = {
    "marker": "",
    "outcome": Outcome.NEVER,
    "sent_at": None,
    "first_sent_at": None,
    "unknown_since": None,
    "absent_count": 0,
    "ref_id": "",
    "ref_page": None,
    "written_at": None,
    "verified_at": None,
    "seen_at": None,
    "unseen_at": None,
    "copies": 0,
}


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
    now: datetime,
) -> Entry:
    """Put one call's entry for one CRM into the outbox, in the caller's transaction; ring after its commit.

    A second time with the same CRM and call key makes no second entry: it amends the text while nothing was
    sent yet, and else changes nothing. Without a card the worker asks the CRM who it is.
    """
    points.reach("before_enqueue_commit")
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
    try:
        with transaction.atomic():
            entry.save(force_insert=True)
    except IntegrityError:
        entry = Entry.objects.get(crm=crm, call_key=call_key)
        _amend(entry, text=clean_text(text), now=now)
    _ring_on_commit(entry)
    return entry


def _amend(entry: Entry, *, text: str, now: datetime) -> None:
    unsent = Entry.objects.filter(pk=entry.pk, outcome=Outcome.NEVER)
    if unsent.filter(state__in=[State.WAITING, State.PENDING]).update(text=text, updated_at=now):
        entry.text = text


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


def due(*, now: datetime, limit: int = 100, besides: Iterable[str] = ()) -> list[str]:
    """The ids of the entries that somebody should look at now: unverified ones first, then the oldest.

    Leaves out what is claimed, and what belongs to a credential that is being written with or has to wait.
    """
    busy = Writer.objects.filter(Q(held_until__gt=now) | Q(not_before__gt=now)).values("credential_id")
    rows = (
        Entry.objects.filter(not_before__lte=now)
        .filter(Q(claimed_by="") | Q(claimed_until__lte=now))
        .exclude(state=State.INTENT)
        .exclude(credential__in=busy)
        .exclude(pk__in=list(besides))
        .order_by(F("verified_at").asc(nulls_first=True), "happened_at")
        .values_list("pk", flat=True)
    )
    return [str(key) for key in rows[:limit]]


def reap(*, now: datetime) -> int:
    """Free what a dead or stuck worker left; an entry with a committed intent becomes unknown. How many."""
    freed = 0
    for entry in Entry.objects.exclude(claimed_by=""):
        if not _is_abandoned(entry.claimed_by, entry.claimed_until, now):
            continue
        if entry.state == State.INTENT:
            freed += change(entry, to=State.UNKNOWN, now=now, **unknown_fields(entry, now=now))
        else:
            freed += change(entry, to=entry.state, now=now, **UNCLAIMED)
    for writer in Writer.objects.exclude(held_by=""):
        if _is_abandoned(writer.held_by, writer.held_until, now):
            Writer.objects.filter(pk=writer.pk, turn=writer.turn).update(held_by="", held_until=None)
    return freed


def move(*, entry: Entry, card: Card, by: User | None, now: datetime) -> Entry:
    """Let an entry belong to another record: at once while nothing was sent, else as soon as it is verified.

    The next generation is then written and verified there before the old note is removed. Raises TooLate.
    """
    fields = card_fields(card)
    if entry.card_id == card.id and entry.next_card is None:
        return entry
    never_sent = entry.outcome in {Outcome.NEVER, Outcome.UNSENT, Outcome.REFUSED}
    if never_sent and entry.state in {State.WAITING, State.PENDING, State.PARKED}:
        _by_hand(entry, to=State.PENDING, now=now, **fields, **afresh(now))
    elif entry.state == State.VERIFIED:
        start_move(entry, fields=fields, now=now)
    elif entry.state == State.DONE_BY_HAND:
        raise TooLate
    else:
        _changed_or_too_late(change(entry, to=entry.state, now=now, next_card=fields))
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
    """Begin the next generation of a verified entry at another record; raises TooLate."""
    _by_hand(
        entry,
        to=State.PENDING,
        now=now,
        generation=entry.generation + 1,
        old_ref_id=entry.ref_id,
        next_card=None,
        **fields,
        **NOT_SENT,
        **afresh(now),
    )


def retry(*, entry: Entry, by: User | None, now: datetime, looked: bool = False) -> Entry:
    """Send a parked or waiting entry again, as far as that is safe: what may be there is searched for first.

    `looked` is a person's word for having looked into the CRM and not found it; only then is a note whose
    outcome is unknown, or which has vanished, written anew. Raises MoveNotAllowed, TooLate.
    """
    if entry.state not in {State.WAITING, State.PENDING, State.PARKED}:
        raise MoveNotAllowed(f"{entry.state} cannot be sent again")
    again = afresh(now)
    anew = {**again, **NOT_SENT, "next_card": None, **(entry.next_card or {})}
    if entry.outcome in {Outcome.NEVER, Outcome.UNSENT, Outcome.REFUSED}:
        _by_hand(entry, to=State.PENDING, now=now, **again)
    elif looked and entry.state == State.PARKED and entry.reason == Reason.OUTCOME_UNKNOWN:
        _by_hand(entry, to=State.PENDING, now=now, **anew)
    elif looked and entry.state == State.PARKED and entry.reason == Reason.VANISHED:
        _by_hand(entry, to=State.PENDING, now=now, generation=entry.generation + 1, **anew)
    else:
        _by_hand(entry, to=state_to_resume(entry), now=now, absent_count=0, **again)
    _ring_on_commit(entry)
    return entry


def resume(*, entry: Entry, now: datetime) -> bool:
    """Take a parked entry up again by itself, from where it stood; False when somebody was faster."""
    return change(
        entry,
        to=state_to_resume(entry),
        now=now,
        absent_count=0,
        **afresh(now),
    )


def state_to_resume(entry: Entry) -> State:
    """Where a parked entry goes on: from what is known of its note, never from a guess."""
    if entry.outcome == Outcome.UNKNOWN:
        return State.UNKNOWN
    if entry.outcome == Outcome.WRITTEN:
        return State.REMOVING if entry.old_ref_id and entry.verified_at else State.WRITTEN
    return State.PENDING


def mark_done_by_hand(*, entry: Entry, by: User, now: datetime) -> Entry:
    """A person took it over; nothing is written any more. Raises MoveNotAllowed, TooLate."""
    _by_hand(entry, to=State.DONE_BY_HAND, now=now, done_by=by, not_before=None)
    return entry


def may_be_done_by_hand(entry: Entry) -> bool:
    """Whether `mark_done_by_hand` would be let through now."""
    return entry.state in MAY_BE_DONE_BY_HAND


def suspect_all(*, now: datetime) -> int:
    """After an old database was restored: what seems unsent may stand in the CRM. Search first. How many."""
    count = 0
    for entry in Entry.objects.filter(state=State.PENDING).exclude(card_id=""):
        count += change(
            entry,
            to=State.UNKNOWN,
            now=now,
            attempt=entry.attempt + 1,
            marker=boxsecret.marker_of(
                call_key=entry.call_key, crm_id=str(entry.crm_id), generation=entry.generation
            ),
            first_sent_at=entry.first_sent_at or entry.happened_at,
            **unknown_fields(entry, now=now),
        )
    return count


def change(entry: Entry, *, to: str, now: datetime, **fields: Any) -> bool:
    """Move an entry if it still stands as it was read; False when it does not. Raises MoveNotAllowed."""
    if to != entry.state:
        check_move(before=entry.state, after=to)
    fields = {"state": to, "updated_at": now, **fields}
    stands = Entry.objects.filter(pk=entry.pk, state=entry.state, attempt=entry.attempt)
    if not stands.update(**fields):
        return False
    for name, value in fields.items():
        setattr(entry, name, value)
    return True


def park(*, entry: Entry, reason: Reason, title: str, next_step: str, now: datetime, **fields: Any) -> bool:
    """Set an entry aside for a person, with the reason in words; False when somebody else has it."""
    return change(
        entry,
        to=State.PARKED,
        now=now,
        reason=reason,
        reason_title=title[:300],
        next_step=next_step[:500],
        parked_at=now,
        not_before=None,
        **UNCLAIMED,
        **fields,
    )


def afresh(now: datetime) -> dict[str, Any]:
    """What an entry holds that is begun anew: due at once, nothing held against it."""
    return {"not_before": now, "trying_since": now, "failures": 0, "crashes": 0, **NO_REASON}


def unknown_fields(entry: Entry, *, now: datetime) -> dict[str, Any]:
    """What an entry holds once nobody knows whether it was written: a search follows the quiet period."""
    return {
        "outcome": Outcome.UNKNOWN,
        "unknown_since": now,
        "absent_count": 0,
        "not_before": now + writers.quiet_period(crm_id=entry.crm_id),
        **UNCLAIMED,
    }


def page_fields(page: Page | None) -> dict[str, Any] | None:
    """A page in the form in which rows keep it."""
    if page is None:
        return None
    query = [list(pair) for pair in page.query]
    return {"origin": page.origin, "path": page.path, "query": query, "fragment": page.fragment}


def card_fields(card: Card) -> dict[str, Any]:
    return {
        "card_table": Table(card.table).value,
        "card_id": card.id,
        "card_name": clean_line(card.name),
        "card_page": page_fields(card.page),
    }


def _is_abandoned(name: str, until: datetime | None, now: datetime) -> bool:
    return until is None or until <= now or workers.is_dead(name)


def _by_hand(entry: Entry, *, to: str, now: datetime, **fields: Any) -> None:
    """Change an entry under a worker's hands, if need be: the new attempt number makes that worker stop."""
    _changed_or_too_late(change(entry, to=to, now=now, attempt=entry.attempt + 1, **UNCLAIMED, **fields))


def _changed_or_too_late(changed: bool) -> None:
    if not changed:
        raise TooLate


def _ring_on_commit(entry: Entry) -> None:
    transaction.on_commit(partial(_ring, str(entry.pk)))


def _ring(entry_id: str) -> None:
    points.reach("after_enqueue_commit")
    doorbell.ring(task=TASK, ids=[entry_id], queue="slow")
