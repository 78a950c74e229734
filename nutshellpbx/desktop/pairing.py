"""Pairing a desktop: it shows a code, its signed-in user approves that code, it claims a token, once."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from nutshellpbx import wire
from nutshellpbx.audit import book
from nutshellpbx.desktop.models import CodeTry, Device, Pairing
from nutshellpbx.desktop.tokens import find_fingerprint, hash_of, make_token
from nutshellpbx.faults import Denied, Rejected, TryLater
from nutshellpbx.people.models import User

LIFE = timedelta(minutes=5)
INTERVAL_S = 2
#: An approved desktop has at least this long to fetch its token.
CLAIM_LIFE = timedelta(seconds=60)
MOST_PER_ADDRESS = 10
MOST_OPEN = 500
MOST_PER_USER = 3
MOST_TRIES = 5


def start(*, request: wire.PairingRequest, address: str | None, now: datetime) -> tuple[Pairing, str]:
    """Open a pairing for a desktop; returns it and the secret for the desktop's polls.

    Raises TryLater when this address has opened too many within five minutes, or too many stand open in all.
    """
    recent = Pairing.objects.filter(created_at__gt=now - LIFE)
    if recent.filter(address=address).count() >= MOST_PER_ADDRESS or recent.count() >= MOST_OPEN:
        raise TryLater(
            _("Too many desktops asked to be paired."),
            _("Wait five minutes, then start the pairing again."),
            retry_after_s=LIFE.total_seconds(),
        )
    Pairing.objects.filter(state=Pairing.State.PENDING, expires_at__lte=now).update(
        state=Pairing.State.EXPIRED
    )
    secret = secrets.token_urlsafe(32)
    while True:
        try:
            with transaction.atomic():
                pairing = Pairing.objects.create(
                    code="".join(secrets.choice(wire.CODE_ALPHABET) for _place in range(wire.CODE_LENGTH)),
                    poll_hash=hash_of(secret),
                    name=wire.clean(request.name, most=80) or "?",
                    os=wire.clean(request.os, most=80),
                    client_version=wire.clean(request.client_version, most=40),
                    address=address,
                    created_at=now,
                    expires_at=now + LIFE,
                )
        except IntegrityError:
            continue  # another open pairing has this very code
        return pairing, secret


def find_open(code: str, *, user: User | None = None, now: datetime | None = None) -> Pairing | None:
    """The pairing that waits under a code as a person typed it; None when there is none.

    With `user`, a wrong code counts as a try of that user; raises Denied after five within five minutes.
    """
    now = now or timezone.now()
    if user is not None:
        _count_tries(user, now)
    pairing = Pairing.objects.filter(
        code=_normal(code), state=Pairing.State.PENDING, expires_at__gt=now
    ).first()
    if pairing is None and user is not None:
        CodeTry.objects.create(user=user, at=now)
    return pairing


def approve(*, code: str, user: User, now: datetime) -> Pairing:
    """Let the desktop that shows this code in, for this user.

    Raises Rejected when no pairing waits under the code or three of the user's wait to be fetched already,
    Denied after five wrong codes. Of many approvals at once exactly one succeeds.
    """
    return _decide(code, user, Pairing.State.APPROVED, now)


def deny(*, code: str, user: User, now: datetime) -> Pairing:
    """Turn the desktop that shows this code away; raises as `approve` does."""
    return _decide(code, user, Pairing.State.DENIED, now)


def claim(*, poll_secret: str, now: datetime) -> tuple[Device, str] | None:
    """The paired device and its token, once; None while the approval is awaited.

    Raises Rejected when the pairing was denied, has expired, was fetched already, or never was.
    """
    pairing = Pairing.objects.filter(poll_hash=hash_of(poll_secret)).select_related("user").first()
    if pairing is None or pairing.state == Pairing.State.CLAIMED:
        raise Rejected(_("This pairing is over."), _("Start the pairing again on the desktop."))
    if pairing.state == Pairing.State.DENIED:
        raise Rejected(_("The pairing was turned down."), _("Start it again if that was a mistake."))
    if pairing.expires_at <= now:
        raise Rejected(_("Nobody approved the code in time."), _("Start the pairing again on the desktop."))
    if pairing.state == Pairing.State.PENDING:
        return None
    with transaction.atomic():
        # Columns of its own alone: a condition on another table would be judged before the row is locked.
        mine = Pairing.objects.filter(pk=pairing.pk, state=Pairing.State.APPROVED)
        user = pairing.user
        if mine.update(state=Pairing.State.CLAIMED) != 1 or user is None or not user.is_active:
            raise Rejected(_("This pairing is over."), _("Start the pairing again on the desktop."))
        device, token = _make_device(pairing, user, now)
        detail = {"name": device.name, "os": device.os, "pairing": str(pairing.pk)}
        book.record(act="desktop.paired", by=user, what=f"device:{device.pk}", detail=detail, now=now)
        return device, token


def _make_device(pairing: Pairing, user: User, now: datetime) -> tuple[Device, str]:
    while True:
        token = make_token()
        kept = find_fingerprint(token)
        if kept is None or Device.objects.filter(token_prefix=kept.prefix).exists():
            continue  # one prefix in four thousand million is taken
        device = Device.objects.create(
            user=user,
            name=pairing.name,
            os=pairing.os,
            client_version=pairing.client_version,
            token_prefix=kept.prefix,
            token_hash=kept.hash,
            last_used_at=now,
        )
        return device, token


def _decide(code: str, user: User, state: str, now: datetime) -> Pairing:
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # one decision of a user at a time: the limits hold
        _count_tries(user, now)
        waiting = Pairing.objects.filter(user=user, state=Pairing.State.APPROVED, expires_at__gt=now)
        if state == Pairing.State.APPROVED and waiting.count() >= MOST_PER_USER:
            raise Rejected(
                _("Three of your desktops are being paired already."),
                _("Wait a minute, then approve this one."),
            )
        pairing = Pairing.objects.filter(
            code=_normal(code), state=Pairing.State.PENDING, expires_at__gt=now
        ).first()
        if pairing is not None:
            until = max(pairing.expires_at, now + CLAIM_LIFE)
            mine = Pairing.objects.filter(pk=pairing.pk, state=Pairing.State.PENDING)
            if mine.update(state=state, user=user, expires_at=until) == 1:
                pairing.refresh_from_db()
                book.record(
                    act="desktop.approved" if state == Pairing.State.APPROVED else "desktop.denied",
                    by=user,
                    what=f"pairing:{pairing.pk}",
                    detail={"name": pairing.name, "os": pairing.os, "address": pairing.address},
                    now=now,
                )
                return pairing
        CodeTry.objects.create(user=user, at=now)
    raise Rejected(
        _("No desktop waits under this code."),
        _("Look at the code on the desktop; it is good for five minutes."),
    )


def _count_tries(user: User, now: datetime) -> None:
    if CodeTry.objects.filter(user=user, at__gt=now - LIFE).count() >= MOST_TRIES:
        raise Denied(
            _("Too many wrong codes."), _("Wait five minutes, then start the pairing again on the desktop.")
        )


def _normal(code: str) -> str:
    return "".join(character for character in code[:40].upper() if character in wire.CODE_ALPHABET)[:9]
