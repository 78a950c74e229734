"""What the writer commits around each thing that it does in a CRM: the intent before, the outcome after.

Every function is one short transaction, no IO in it. All of them are fenced: a worker that lost its claim
meanwhile changes nothing and gets `Lost`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from nutshellpbx.crm.adapter import Card, Ref, SlowDown, WayAnswer
from nutshellpbx.crm.models import Credential
from nutshellpbx.faults import Fault, TryLater
from nutshellpbx.journal import boxsecret, breaker, clock, outbox, points, restored, rows, ways, writers
from nutshellpbx.journal.box import Hold
from nutshellpbx.journal.models import Attempt, Entry, Reason, Writer
from nutshellpbx.journal.states import Outcome, State
from nutshellpbx.redact import scrub

LOOK_AGAIN_S = 2.0  # between two searches that find nothing


class Lost(Exception):
    """Somebody else has the entry now: stop at once."""


def begin_intent(*, entry: Entry, writer: Writer, now: datetime) -> Attempt:
    """Commit that this entry is about to be sent by this writer; the text is the one that counts now.

    Raises Lost when the entry or the writer's turn is somebody else's meanwhile.
    """
    points.reach("before_intent")
    with transaction.atomic():
        now = clock.as_kept(now)
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
            credential_id=writer.credential_id,
            outcome=Outcome.UNKNOWN,  # from this commit on it may have been sent
            sent_at=now,
            first_sent_at=entry.first_sent_at or now,
            claimed_until=now + timedelta(seconds=outbox.LEASE_S),
            **rows.NO_REASON,
        )
        entry.refresh_from_db(fields=["text"])
        asked = f"{entry.card_table} {entry.card_id}\n{entry.text}\n{marker}"
        attempt = open_attempt(entry=entry, kind=Attempt.Kind.WRITE, now=now, asked=asked)
        points.reach("inside_intent")
    points.reach("after_intent")
    restored.note_reached(attempt.pk)
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
        now = clock.as_kept(now)
        close_attempt(attempt, Attempt.Outcome.UNKNOWN, now=now, title=fault.title, answered=fault.detail)
        _change(
            entry,
            to=State.UNKNOWN,
            now=now,
            failures=0,  # of searches, from now on
            reason_title=fault.title[:300],
            **rows.unknown_fields(crm_id=entry.crm_id, now=now),
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


def settle_verified(*, entry: Entry, attempt: Attempt, now: datetime, **more: Any) -> None:
    """Read back as it was written: done, or on to removing the note of the generation before."""
    with _settling():
        close_attempt(attempt, Attempt.Outcome.VERIFIED, now=now)
        after = State.REMOVING if entry.old_ref_id else State.VERIFIED
        # It stays due until its marker was looked for, which is how the CRM's lag is known.
        again = None if after == State.VERIFIED and entry.seen_at else now
        fields = {"verified_at": now, "failures": 0, "not_before": again, **rows.NO_REASON, **more}
        if after == State.VERIFIED:
            fields |= rows.UNCLAIMED
        _change(entry, to=after, now=now, **fields)
    points.reach("after_verify")


def settle_found(
    *, entry: Entry, attempt: Attempt, refs: list[Ref], now: datetime, heard: Sequence[WayAnswer] = ()
) -> None:
    """An unclear outcome is clear: the marker stands in the CRM, so it is written."""
    with _settling():
        ids = " ".join(ref.id for ref in refs)
        close_attempt(attempt, Attempt.Outcome.FOUND, now=now, answered=ids, heard=heard)
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


def settle_absent(*, entry: Entry, attempt: Attempt, now: datetime, heard: Sequence[WayAnswer] = ()) -> None:
    """A search after the quiet period found nothing; the second one in a row makes it pending again."""
    count = entry.absent_count + 1
    with _settling():
        close_attempt(attempt, Attempt.Outcome.ABSENT, now=now, heard=heard)
        if count < 2:
            again = now + timedelta(seconds=LOOK_AGAIN_S)
            fields = {"absent_count": count, "not_before": again, **rows.UNCLAIMED}
            _change(entry, to=State.UNKNOWN, now=now, **fields)
        else:
            _change(
                entry, to=State.PENDING, now=now, outcome=Outcome.UNSENT, not_before=now, **rows.UNCLAIMED
            )
    points.reach("after_search_settle")


def settle_removed(*, entry: Entry, attempt: Attempt, now: datetime) -> None:
    """The note of the generation before is gone: the entry has moved."""
    with _settling():
        close_attempt(attempt, Attempt.Outcome.REMOVED, now=now)
        again = None if entry.seen_at else now
        fields = {"old_ref_id": "", "failures": 0, "not_before": again, **rows.UNCLAIMED, **rows.NO_REASON}
        _change(entry, to=State.VERIFIED, now=now, **fields)


def try_later(
    *,
    entry: Entry,
    fault: TryLater,
    now: datetime,
    attempt: Attempt | None = None,
    heard: Sequence[WayAnswer] = (),
) -> None:
    """Nothing could be done now and nothing was sent: give the entry back and look again after a while."""
    with _settling():
        if attempt is not None:
            outcome = Attempt.Outcome.UNSENT
            close_attempt(attempt, outcome, now=now, title=fault.title, answered=fault.detail, heard=heard)
        _change(entry, to=entry.state, now=now, **later(entry, fault=fault, now=now))


def give_up(
    *,
    entry: Entry,
    reason: Reason,
    fault: Fault,
    now: datetime,
    attempt: Attempt | None = None,
    heard: Sequence[WayAnswer] = (),
) -> None:
    """Park after a step that sent nothing."""
    with _settling():
        if attempt is not None:
            outcome = Attempt.Outcome.REFUSED
            close_attempt(attempt, outcome, now=now, title=fault.title, answered=fault.detail, heard=heard)
        set_aside(entry=entry, reason=reason, fault=fault, now=now)


def release(*, entry: Entry, now: datetime, **fields: Any) -> None:
    """Give an entry back as it is."""
    points.reach("before_release")
    _change(entry, to=entry.state, now=now, **fields, **rows.UNCLAIMED)
    points.reach("after_release")


def note_credential(*, entry: Entry, credential: Credential, now: datetime) -> None:
    """Keep which sign-in an entry is written with. Raises Lost."""
    _change(entry, to=entry.state, now=now, credential=credential)


def wait_held(*, entry: Entry, credential: Credential, hold: Hold, now: datetime) -> None:
    """This box may not write for now: the entry stays as it is, and says why and what to do. Raises Lost."""
    fields = {"credential": credential, "reason": Reason.HELD} | rows.UNCLAIMED
    if entry.state == State.VERIFIED:
        return _change(entry, to=entry.state, now=now, **rows.UNCLAIMED)
    words = {"reason_title": hold.title[:300], "next_step": hold.next_step[:500]}
    return _change(entry, to=entry.state, now=now, **fields, **words)


def address(*, entry: Entry, card: Card, now: datetime) -> None:
    """An entry has its record; the claim goes on. Raises Lost."""
    _change(entry, to=State.PENDING, now=now, **rows.card_fields(card), **rows.afresh(now))


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
        **rows.UNCLAIMED,
    )


def set_aside(*, entry: Entry, reason: Reason, fault: Fault, now: datetime, **fields: Any) -> None:
    """Park with a fault's own words. Raises Lost."""
    parked = rows.park(
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
    attempt: Attempt,
    outcome: str,
    *,
    now: datetime,
    title: str = "",
    answered: str = "",
    heard: Sequence[WayAnswer] = (),
) -> None:
    """Say what came of an attempt; of a search also what each of its ways said."""
    attempt.outcome, attempt.ended_at = outcome, now
    attempt.title, attempt.answered = title[:300], _redacted(answered)
    names = ["outcome", "ended_at", "title", "answered"]
    if heard:
        attempt.ways = ways.kept(heard)
        names.append("ways")
        ways.learn(crm_id=attempt.entry.crm_id, answers=heard, now=now)
    attempt.save(update_fields=names)


def later(entry: Entry, *, fault: TryLater, now: datetime) -> dict[str, Any]:
    """When an entry that could not be dealt with is tried again, and why, in fields."""
    if isinstance(fault, SlowDown):
        # Nothing is wrong with the entry: it stays due, and its credential rests.
        failures, wait_s = entry.failures, 0.0
    else:
        failures = entry.failures + 1
        wait_s = breaker.back_off_s(failures, fault.retry_after_s)
    return {
        "failures": failures,
        "not_before": now + timedelta(seconds=wait_s),
        "reason_title": fault.title[:300],
        "next_step": fault.next_step[:500],
        **rows.UNCLAIMED,
    }


@contextmanager
def _settling() -> Iterator[None]:
    points.reach("before_settle")
    with transaction.atomic():
        yield
        points.reach("inside_settle")
    points.reach("after_settle")


def _change(entry: Entry, *, to: str, now: datetime, **fields: Any) -> None:
    if not rows.change(entry, to=to, now=now, **fields):
        raise Lost


def _ref_fields(ref: Ref, *, now: datetime) -> dict[str, Any]:
    return {
        "ref_id": ref.id,
        "ref_page": rows.page_fields(ref.page),
        "outcome": Outcome.WRITTEN,
        "written_at": now,
        "unknown_since": None,
        "absent_count": 0,
    }


def _redacted(text: str) -> str:
    return "\n".join(scrub(line) for line in text[:2000].splitlines())[:2000]
