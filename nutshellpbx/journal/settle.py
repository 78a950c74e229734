"""What the writer commits around each thing that it does in a CRM: the intent before, the outcome after.

Every function is one short transaction, no IO in it. All of them are fenced: a worker that lost its claim
meanwhile changes nothing and gets `Lost`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from nutshellpbx.crm.adapter import Card, Ref
from nutshellpbx.crm.models import Credential
from nutshellpbx.faults import Fault, TryLater
from nutshellpbx.journal import boxsecret, outbox, points, writers
from nutshellpbx.journal.models import Attempt, Entry, Reason, Writer
from nutshellpbx.journal.states import Outcome, State
from nutshellpbx.redact import scrub

LOOK_AGAIN_S = 2.0  # between two searches that find nothing, and the first gap between two read-backs
FINDABLE_WITHIN = timedelta(minutes=10)  # how long a note is looked for, to learn the lag


class Lost(Exception):
    """Somebody else has the entry now: stop at once."""


def begin_intent(*, entry: Entry, writer: Writer, now: datetime) -> Attempt:
    """Commit that this entry is about to be sent by this writer; the text is the one that counts now.

    Raises Lost when the entry or the writer's turn is somebody else's meanwhile.
    """
    points.reach("before_intent")
    with transaction.atomic():
        if not writers.keep(writer=writer, now=now, lease_s=outbox.LEASE_S):
            raise Lost
        marker = boxsecret.marker_of(
            call_key=entry.call_key, crm_id=str(entry.crm_id), generation=entry.generation
        )
        _change(
            entry,
            to=State.INTENT,
            now=now,
            marker=marker,
            outcome=Outcome.UNKNOWN,  # from this commit on it may have been sent
            sent_at=now,
            first_sent_at=entry.first_sent_at or now,
            claimed_until=now + timedelta(seconds=outbox.LEASE_S),
            **outbox.NO_REASON,
        )
        entry.refresh_from_db(fields=["text"])
        asked = f"{entry.card_table} {entry.card_id}\n{entry.text}\n{marker}"
        attempt = open_attempt(entry=entry, kind=Attempt.Kind.WRITE, now=now, asked=asked)
        points.reach("inside_intent")
    points.reach("after_intent")
    return attempt


def settle_unsent(*, entry: Entry, attempt: Attempt, fault: TryLater, now: datetime) -> None:
    """It provably did not arrive: back to pending, tried again after a while."""
    with _settling():
        close_attempt(attempt, Attempt.Outcome.UNSENT, now=now, title=fault.title, answered=fault.detail)
        again = later(entry, fault=fault, now=now)
        _change(entry, to=State.PENDING, now=now, outcome=Outcome.UNSENT, **again)


def settle_refused(*, entry: Entry, attempt: Attempt, fault: Fault, reason: Reason, now: datetime) -> None:
    """The CRM said no, and wrote nothing: a person is needed."""
    with _settling():
        close_attempt(attempt, Attempt.Outcome.REFUSED, now=now, title=fault.title, answered=fault.detail)
        set_aside(entry=entry, reason=reason, fault=fault, now=now, outcome=Outcome.REFUSED)


def settle_unknown(*, entry: Entry, attempt: Attempt, fault: Fault, now: datetime) -> None:
    """No clear answer: it may stand there. Nothing is sent again before a search."""
    with _settling():
        close_attempt(attempt, Attempt.Outcome.UNKNOWN, now=now, title=fault.title, answered=fault.detail)
        _change(
            entry,
            to=State.UNKNOWN,
            now=now,
            reason_title=fault.title[:300],
            **outbox.unknown_fields(entry, now=now),
        )


def settle_written(*, entry: Entry, attempt: Attempt, ref: Ref, now: datetime) -> None:
    """The CRM answered with the note's id; the claim goes on, for the read-back.

    That holds also when the claim ran out and the entry became unknown meanwhile, unless somebody else took
    it: an id is the clearest answer there is.
    """
    with _settling():
        close_attempt(attempt, Attempt.Outcome.WRITTEN, now=now, answered=ref.id)
        if Entry.objects.filter(pk=entry.pk, state=State.UNKNOWN, attempt=entry.attempt).exists():
            entry.state = State.UNKNOWN
        _change(entry, to=State.WRITTEN, now=now, failures=0, not_before=now, **_ref_fields(ref, now=now))


def settle_verified(*, entry: Entry, attempt: Attempt, now: datetime) -> None:
    """Read back as it was written: done, or on to removing the note of the generation before."""
    with _settling():
        close_attempt(attempt, Attempt.Outcome.VERIFIED, now=now)
        after = State.REMOVING if entry.old_ref_id else State.VERIFIED
        # It stays due until its marker was looked for, which is how the CRM's lag is known.
        again = None if after == State.VERIFIED and entry.seen_at else now
        _change(entry, to=after, now=now, verified_at=now, failures=0, not_before=again, **outbox.NO_REASON)
    points.reach("after_verify")


def settle_found(*, entry: Entry, attempt: Attempt, refs: list[Ref], now: datetime) -> None:
    """An unclear outcome is clear: the marker stands in the CRM, so it is written."""
    with _settling():
        close_attempt(attempt, Attempt.Outcome.FOUND, now=now, answered=" ".join(ref.id for ref in refs))
        _change(
            entry,
            to=State.WRITTEN,
            now=now,
            failures=0,
            not_before=now,
            copies=len(refs),
            seen_at=now,
            **_ref_fields(refs[0], now=entry.sent_at or now),
        )
    points.reach("after_search_settle")


def settle_absent(*, entry: Entry, attempt: Attempt, now: datetime) -> None:
    """A search after the quiet period found nothing; the second one in a row makes it pending again."""
    count = entry.absent_count + 1
    with _settling():
        close_attempt(attempt, Attempt.Outcome.ABSENT, now=now)
        if count < 2:
            again = now + timedelta(seconds=LOOK_AGAIN_S)
            fields = {"absent_count": count, "not_before": again, **outbox.UNCLAIMED}
            _change(entry, to=State.UNKNOWN, now=now, **fields)
        else:
            _change(
                entry, to=State.PENDING, now=now, outcome=Outcome.UNSENT, not_before=now, **outbox.UNCLAIMED
            )
    points.reach("after_search_settle")


def settle_seen(
    *, entry: Entry, credential: Credential, attempt: Attempt, refs: list[Ref], now: datetime
) -> None:
    """A verified entry's marker was looked for: found (the lag is known now), or not yet."""
    written_at = entry.written_at or now
    with _settling():
        if refs:
            close_attempt(attempt, Attempt.Outcome.FOUND, now=now, answered=" ".join(ref.id for ref in refs))
            writers.learn_lag(credential=credential, lag=_lag_of(entry, now=now), now=now)
            fields = {"seen_at": now, "copies": len(refs), "not_before": None}
            return _change(entry, to=entry.state, now=now, **fields, **outbox.UNCLAIMED)
        close_attempt(attempt, Attempt.Outcome.ABSENT, now=now)
        waited = now - written_at
        again = now + max(timedelta(seconds=1), waited / 2) if waited < FINDABLE_WITHIN else None
        if again is None:
            writers.learn_blindness(credential=credential, now=now)
        return _change(entry, to=entry.state, now=now, unseen_at=now, not_before=again, **outbox.UNCLAIMED)


def _lag_of(entry: Entry, *, now: datetime) -> timedelta:
    """How long the CRM's search needed to show a note: from the write to the look that found it.

    That look may itself have come late (a worker died, the CRM was away): then the look before it counts, and
    the gap that was planned after it.
    """
    written_at = entry.written_at or now
    in_vain = entry.unseen_at - written_at if entry.unseen_at else timedelta(0)
    return min(now - written_at, in_vain * 1.5 + timedelta(seconds=1))


def settle_removed(*, entry: Entry, attempt: Attempt, now: datetime) -> None:
    """The note of the generation before is gone: the entry has moved."""
    with _settling():
        close_attempt(attempt, Attempt.Outcome.REMOVED, now=now)
        _change(entry, to=State.VERIFIED, now=now, old_ref_id="", failures=0, not_before=now)


def settle_unseen(*, entry: Entry, attempt: Attempt, fault: Fault, now: datetime) -> None:
    """A verified entry's marker could not be looked for: nothing hangs on it."""
    with _settling():
        close_attempt(attempt, Attempt.Outcome.UNSENT, now=now, title=fault.title, answered=fault.detail)
        _change(entry, to=entry.state, now=now, not_before=None, **outbox.UNCLAIMED)


def try_later(*, entry: Entry, fault: TryLater, now: datetime, attempt: Attempt | None = None) -> None:
    """Nothing could be done now and nothing was sent: give the entry back and look again after a while."""
    with _settling():
        if attempt is not None:
            close_attempt(attempt, Attempt.Outcome.UNSENT, now=now, title=fault.title, answered=fault.detail)
        _change(entry, to=entry.state, now=now, **later(entry, fault=fault, now=now))


def give_up(
    *, entry: Entry, reason: Reason, fault: Fault, now: datetime, attempt: Attempt | None = None
) -> None:
    """Park after a step that sent nothing."""
    with _settling():
        if attempt is not None:
            close_attempt(attempt, Attempt.Outcome.REFUSED, now=now, title=fault.title, answered=fault.detail)
        set_aside(entry=entry, reason=reason, fault=fault, now=now)


def release(*, entry: Entry, now: datetime, **fields: Any) -> None:
    """Give an entry back as it is."""
    points.reach("before_release")
    _change(entry, to=entry.state, now=now, **fields, **outbox.UNCLAIMED)
    points.reach("after_release")


def note_credential(*, entry: Entry, credential: Credential, now: datetime) -> None:
    """Keep which sign-in an entry is written with. Raises Lost."""
    _change(entry, to=entry.state, now=now, credential=credential)


def address(*, entry: Entry, card: Card, now: datetime) -> None:
    """An entry has its record; the claim goes on. Raises Lost."""
    _change(entry, to=State.PENDING, now=now, **outbox.card_fields(card), **outbox.afresh(now))


def wait_for_match(
    *, entry: Entry, reason: Reason, title: str, next_step: str, now: datetime, again: datetime | None
) -> None:
    """The record is not known: the entry keeps its key and its text, and is looked at again. Raises Lost."""
    _change(
        entry,
        to=State.WAITING,
        now=now,
        reason=reason,
        reason_title=title[:300],
        next_step=next_step[:500],
        not_before=again,
        **outbox.UNCLAIMED,
    )


def set_aside(*, entry: Entry, reason: Reason, fault: Fault, now: datetime, **fields: Any) -> None:
    """Park with a fault's own words. Raises Lost."""
    parked = outbox.park(
        entry=entry, reason=reason, title=fault.title, next_step=fault.next_step, now=now, **fields
    )
    if not parked:
        raise Lost


def open_attempt(*, entry: Entry, kind: str, now: datetime, asked: str = "") -> Attempt:
    """A row that says what is being tried; left open when the worker dies."""
    return Attempt.objects.create(
        entry=entry,
        number=entry.attempt,
        kind=kind,
        generation=entry.generation,
        credential_id=str(entry.credential_id or ""),
        started_at=now,
        asked=_redacted(asked),
    )


def close_attempt(
    attempt: Attempt, outcome: str, *, now: datetime, title: str = "", answered: str = ""
) -> None:
    attempt.outcome, attempt.ended_at = outcome, now
    attempt.title, attempt.answered = title[:300], _redacted(answered)
    attempt.save(update_fields=["outcome", "ended_at", "title", "answered"])


def later(entry: Entry, *, fault: TryLater, now: datetime) -> dict[str, Any]:
    """When an entry that could not be dealt with is tried again, and why, in fields."""
    failures = entry.failures + 1
    wait_s = writers.back_off_s(failures, fault.retry_after_s)
    return {
        "failures": failures,
        "not_before": now + timedelta(seconds=wait_s),
        "reason_title": fault.title[:300],
        "next_step": fault.next_step[:500],
        **outbox.UNCLAIMED,
    }


@contextmanager
def _settling() -> Iterator[None]:
    points.reach("before_settle")
    with transaction.atomic():
        yield
        points.reach("inside_settle")
    points.reach("after_settle")


def _change(entry: Entry, *, to: str, now: datetime, **fields: Any) -> None:
    if not outbox.change(entry, to=to, now=now, **fields):
        raise Lost


def _ref_fields(ref: Ref, *, now: datetime) -> dict[str, Any]:
    return {
        "ref_id": ref.id,
        "ref_page": outbox.page_fields(ref.page),
        "outcome": Outcome.WRITTEN,
        "written_at": now,
        "unknown_since": None,
        "absent_count": 0,
    }


def _redacted(text: str) -> str:
    return "\n".join(scrub(line) for line in text[:2000].splitlines())[:2000]
