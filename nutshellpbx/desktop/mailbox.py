"""Instructions for desktops: put conditionally, withdrawn for good, given until they expire.

Whoever writes here locks the user's desks first (on SQLite the transaction itself is the lock), so that
putting and withdrawing follow one another, and a desk's numbers have no gaps that could be filled later.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from nutshellpbx import doorbell, wire
from nutshellpbx.desktop.models import CodeTry, Device, Instruction, Pairing, Withdrawal

#: A desk that asked within this time is there: a poll lasts 25 s and is noted once a minute.
PRESENT_S = 150
SEEN_EVERY = timedelta(minutes=1)
WITHDRAW_LIFE_S = 60
KEPT_DAYS = 30
PRUNE_ROWS = 200


def put(
    *,
    user_id: UUID,
    call_key: str,
    subject: str,
    phase: str,
    verb: wire.Verb | str,
    title: str,
    lines: Sequence[str],
    page: wire.Page | None,
    expires_at: datetime,
    still: Callable[[], bool],
    now: datetime,
) -> list[Instruction]:
    """Show something on a user's desks, unless it no longer counts; returns what was written.

    Its own transaction; `still()` is asked inside it, after the desks are locked, and must re-read the leg
    (without locking it). Nothing is written when the leg was withdrawn (while the call lives), when
    `expires_at` has passed, or when a page of this call and phase stands already; the same card again is
    written once. A page opens on the desk used last, its card shows on the others.
    """
    verb = wire.Verb(verb)
    if verb is wire.Verb.WITHDRAW or (verb is wire.Verb.OPEN) != (page is not None):
        raise ValueError("put shows a card, or opens a page")
    with transaction.atomic(durable=True):
        desks = _lock_desks(user_id)
        if not desks or expires_at <= now or _is_withdrawn(user_id, call_key, subject, phase) or not still():
            return []
        here = Instruction.objects.filter(device__in=desks, call_key=call_key, phase=phase)
        page_desk = None
        if verb is wire.Verb.OPEN:
            here.filter(stands=True, delivered_at=None, expires_at__lte=now).update(stands=False)
            if here.filter(verb=wire.Verb.OPEN, stands=True).exists():
                return []
            page_desk = _used_last(desks, now)
        written = []
        for desk in desks:
            opens = desk is page_desk
            body = {
                "verb": wire.Verb.OPEN if opens else wire.Verb.CARD,
                "title": wire.clean(title, most=200),
                "lines": tuple(wire.clean(line, most=300) for line in lines[:12]),
                "page": page if opens else None,
                "browser": desk.browser if opens else "",
            }
            row = _row(desk, call_key, subject, phase, body, now=now, expires_at=expires_at)
            if opens or not _shows_already(here, row, now):
                written.append(row)
        _write({desk.pk: desk for desk in desks}, written)
        if written:
            doorbell.wake_on_commit(device_ids=[row.device_id for row in written])
    return written


def withdraw(*, call_key: str, shown_to: Iterable[tuple[UUID, str]], now: datetime) -> list[Instruction]:
    """Take away what legs showed: pairs of a user and a leg; it wins over whatever comes later, and may be
    repeated.

    To be called inside the caller's transaction; a group of fifty costs as many questions as one desk.
    Concerns what is shown while the call lives, not the page after its end. What no desk has fetched is never
    given; desks that were given something are told, and those instructions are returned.
    """
    wanted = set(shown_to)
    if not wanted:
        return []
    with transaction.atomic():
        users, subjects = {user for user, _subject in wanted}, {subject for _user, subject in wanted}
        desks = {desk.pk: desk for desk in _lock_desks(*users)}
        here = Withdrawal.objects.filter(user_id__in=users, call_key=call_key, subject__in=subjects)
        fresh = wanted - set(here.values_list("user_id", "subject"))
        Withdrawal.objects.bulk_create(
            (Withdrawal(user_id=user, call_key=call_key, subject=subject, at=now) for user, subject in fresh),
            ignore_conflicts=True,
        )
        shown = [row for row in _shown_live(call_key, subjects) if (row.device.user_id, row.subject) in fresh]
        heard_since = now - timedelta(seconds=PRESENT_S)
        given = [row for row in shown if row.delivered_at or _was_heard(row.device, heard_since)]
        rows = Instruction.objects.filter(pk__in=[row.pk for row in shown])
        rows.exclude(pk__in=[row.pk for row in given]).update(stands=False)
        rows.filter(withdrawn_at=None).update(withdrawn_at=now)
        alive = {(row.device_id, row.subject) for row in given if row.expires_at > now}
        told = sorted(pair for pair in alive if pair[0] in desks)
        written = [
            _row(
                desks[desk_id],
                call_key,
                subject,
                Instruction.Phase.LIVE,
                {"verb": wire.Verb.WITHDRAW},
                now=now,
                expires_at=now + timedelta(seconds=WITHDRAW_LIFE_S),
            )
            for desk_id, subject in told
        ]
        _write(desks, written)
        if written:
            doorbell.wake_on_commit(device_ids={row.device_id for row in written})
    return written


def say_hello(*, device: Device, now: datetime) -> Instruction:
    """Show a card on one desk, so that the user sees that it listens."""
    with transaction.atomic():
        desk = Device.objects.select_for_update().get(pk=device.pk, revoked_at=None)
        row = _row(
            desk,
            f"hello:{uuid.uuid4()}",
            "",
            Instruction.Phase.LIVE,
            {"verb": wire.Verb.CARD, "title": _("This desktop is connected"), "lines": (desk.name,)},
            now=now,
            expires_at=now + timedelta(seconds=WITHDRAW_LIFE_S),
        )
        _write({desk.pk: desk}, [row])
        doorbell.wake_on_commit(device_ids=[desk.pk])
    return row


def alive(*, device: Device, after: int, now: datetime) -> list[Instruction]:
    """What a desk may still be given after a cursor, oldest first.

    The desk must have been noted as seen before (`note_seen`): a withdrawal then either comes first and
    takes the instruction out of this answer, or finds a desk that may be getting it just now, and tells it.
    """
    waiting = Instruction.objects.filter(
        device=device, cursor__gt=after, withdrawn_at=None, expires_at__gt=now
    )
    return list(waiting.order_by("cursor")[: wire.MAX_INSTRUCTIONS])


def note_seen(*, device: Device, cursor: int, idle_s: int | None, now: datetime) -> None:
    """Note that a desk asks, with which cursor, and how long nobody touched it; written once a minute."""
    if device.last_seen_at is not None and now - device.last_seen_at < SEEN_EVERY:
        return
    values: dict[str, Any] = {"last_seen_at": now, "acknowledged": max(device.acknowledged, cursor)}
    if idle_s is not None:
        values["last_used_at"] = now - timedelta(seconds=idle_s)
    Device.objects.filter(pk=device.pk).update(**values)


def note_given(*, rows: Sequence[Instruction], now: datetime) -> None:
    """Note that instructions went out to their desk; after they did, since the page must not wait for it."""
    if fresh := [row.pk for row in rows if row.delivered_at is None]:
        Instruction.objects.filter(pk__in=fresh, delivered_at=None).update(delivered_at=now)


def settle(*, device: Device, outcomes: Sequence[wire.Outcome], now: datetime) -> int:
    """Note what became of instructions on their desk; the first word counts; returns how many were news."""
    news = 0
    for line in outcomes:
        row = Instruction.objects.filter(device=device, uid=line.id, outcome="")
        values: dict[str, Any] = {
            "outcome": line.outcome,
            "outcome_at": min(line.at, now),
            "took_ms": line.took_ms,
        }
        if line.outcome is not wire.Result.OPENED:
            values["stands"] = False
        news += row.update(**values)
    return news


def revoke(*, device: Device, now: datetime) -> None:
    """Take a desktop's right away: its poll ends at once, what it had not fetched is withdrawn."""
    with transaction.atomic():
        Device.objects.filter(pk=device.pk, revoked_at=None).update(revoked_at=now)
        device.instructions.filter(delivered_at=None, withdrawn_at=None).update(
            withdrawn_at=now, stands=False
        )
        doorbell.wake_on_commit(device_ids=[device.pk])


def look_again(*, user_id: UUID) -> None:
    """End the polls of this user's desks on commit, so that a user who may no longer sign in is refused."""
    doorbell.wake_on_commit(device_ids=Device.objects.filter(user_id=user_id).values_list("pk", flat=True))


def prune(*, now: datetime) -> int:
    """Delete what nobody needs any more, a few rows at a time; returns how many, 0 when all is done."""
    old = now - timedelta(days=KEPT_DAYS)
    stale = now - timedelta(days=1)
    gone = 0
    for rows in (
        Instruction.objects.filter(created_at__lt=old),
        Withdrawal.objects.filter(at__lt=old),
        Pairing.objects.filter(expires_at__lt=stale),
        CodeTry.objects.filter(at__lt=stale),
    ):
        keys: list[Any] = list(rows.values_list("pk", flat=True)[:PRUNE_ROWS])
        if keys:  # asked each second: deleting nothing would still lock the database
            gone += rows.model._default_manager.filter(pk__in=keys).delete()[0]
    return gone


def _lock_desks(*user_ids: UUID) -> list[Device]:
    """The desks of these users, always in the same order, so that nobody waits for one who waits for him."""
    rows = Device.objects.select_for_update(of=("self",)).filter(
        user_id__in=user_ids, user__is_active=True, revoked_at=None
    )
    return list(rows.order_by("pk"))


def _shown_live(call_key: str, subjects: Iterable[str]) -> Iterable[Instruction]:
    """What was put on any desk for these legs while the call lives, with its desk."""
    rows = Instruction.objects.filter(
        call_key=call_key, subject__in=subjects, phase=Instruction.Phase.LIVE
    ).exclude(verb=wire.Verb.WITHDRAW)
    return rows.select_related("device").order_by("pk")


def _was_heard(desk: Device, since: datetime) -> bool:
    return desk.last_seen_at is not None and desk.last_seen_at >= since


def _is_withdrawn(user_id: UUID, call_key: str, subject: str, phase: str) -> bool:
    if phase != Instruction.Phase.LIVE:
        return False
    return Withdrawal.objects.filter(user_id=user_id, call_key=call_key, subject=subject).exists()


def _used_last(desks: Sequence[Device], now: datetime) -> Device:
    """The desk to open a page on: one that listens now before one that does not, then the one used last."""
    heard_since = now - timedelta(seconds=PRESENT_S)

    def rank(desk: Device) -> tuple[bool, datetime, datetime]:
        seen_at = desk.last_seen_at or desk.created_at
        return seen_at >= heard_since, desk.last_used_at or desk.created_at, seen_at

    return max(desks, key=rank)


def _row(
    desk: Device,
    call_key: str,
    subject: str,
    phase: str,
    parts: dict[str, Any],
    *,
    now: datetime,
    expires_at: datetime,
) -> Instruction:
    uid = uuid.uuid4()
    sent = wire.Instruction(id=str(uid), call=call_key, subject=subject, expires_at=expires_at, **parts)
    return Instruction(
        device=desk,
        uid=uid,
        call_key=call_key,
        subject=subject,
        phase=phase,
        verb=sent.verb,
        body=wire.instruction_to(sent),
        stands=sent.verb is wire.Verb.OPEN,
        created_at=now,
        expires_at=expires_at,
    )


def _shows_already(rows: Any, row: Instruction, now: datetime) -> bool:
    """Whether the newest thing that this desk was told of the leg says the same."""
    newest = (
        rows.filter(Q(device=row.device, subject=row.subject, expires_at__gt=now)).order_by("-cursor").first()
    )
    said = ("verb", "title", "lines")
    return newest is not None and all(newest.body.get(name) == row.body[name] for name in said)


def _write(desks: Mapping[UUID, Device], rows: Sequence[Instruction]) -> None:
    """Number instructions and store them; the desks' rows are locked by the caller."""
    for row in rows:
        desk = desks[row.device_id]
        desk.cursor += 1
        row.cursor = desk.cursor
    Instruction.objects.bulk_create(rows)
    Device.objects.bulk_update({desks[row.device_id] for row in rows}, ["cursor"])
