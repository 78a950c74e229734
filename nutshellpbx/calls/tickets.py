"""Tickets: a desk opens one page of ours without meeting a sign-in page in mid-ring."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.core import signing
from django.db.models import Q

from nutshellpbx.calls.models import Call, Ticket
from nutshellpbx.crm.models import Crm
from nutshellpbx.desktop.models import Device
from nutshellpbx.people.models import User

LIFE_S = 60
#: How long the opened page may be used for its one choice.
PAGE_LIFE_S = 15 * 60
SALT = "nutshellpbx.calls.tickets"


class NoTicket(Exception):
    """The ticket is unknown, used or too old; a person signs in instead."""


def issue(*, purpose: str, user: User, call: Call, crm: Crm, now: datetime) -> tuple[Ticket, str]:
    """A ticket and its token; the token stands in the page's address alone, the database has its hash."""
    token = secrets.token_urlsafe(32)
    ticket = Ticket.objects.create(
        token_hash=_hash(token),
        purpose=purpose,
        user=user,
        call=call,
        crm=crm,
        expires_at=now + timedelta(seconds=LIFE_S),
    )
    return ticket, token


def bind(*, ticket: Ticket, device: Device) -> None:
    """Note for which desk the ticket was made."""
    Ticket.objects.filter(pk=ticket.pk).update(device=device)


def redeem(*, token: str, now: datetime) -> tuple[Ticket, str]:
    """Use a ticket up; returns it with the pass of its page (for the page's own posts). Raises NoTicket."""
    usable = Q(device__isnull=True) | Q(device__revoked_at__isnull=True)
    ticket = (
        Ticket.objects.select_related("user", "call__pbx", "crm", "device")
        .filter(
            usable, token_hash=_hash(token), used_at__isnull=True, expires_at__gt=now, user__is_active=True
        )
        .first()
    )
    if ticket is None or not Ticket.objects.filter(pk=ticket.pk, used_at__isnull=True).update(used_at=now):
        raise NoTicket
    return ticket, signing.TimestampSigner(salt=SALT).sign(str(ticket.pk))


def open_pass(*, page_pass: str) -> Ticket:
    """The ticket of a page that was opened by it; raises NoTicket when the pass is forged or too old."""
    try:
        pk = UUID(signing.TimestampSigner(salt=SALT).unsign(page_pass, max_age=PAGE_LIFE_S))
    except (signing.BadSignature, ValueError) as error:
        raise NoTicket from error
    ticket = (
        Ticket.objects.select_related("user", "call__pbx", "crm", "device")
        .filter(pk=pk, used_at__isnull=False, user__is_active=True)
        .first()
    )
    if ticket is None or (ticket.device is not None and ticket.device.revoked_at is not None):
        raise NoTicket
    return ticket


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
