"""What has served its time is removed, a little at a go: stored posts, tickets, requests, orders to a PBX.

The calls themselves, their legs and steps stay: how long those are kept is for the company to say.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from nutshellpbx.calls.models import ContactRequest, Ticket
from nutshellpbx.pbx.models import Command, Received

#: At most so many rows of each kind go at once, so that nobody waits for it.
MOST = 200

UNDERSTOOD_LIFE = timedelta(days=7)
#: What was not understood is of use for longer: to whoever writes the missing part.
NOT_UNDERSTOOD_LIFE = timedelta(days=30)
TICKET_LIFE = timedelta(days=1)
COMMAND_LIFE = timedelta(days=7)
CONTACT_REQUEST_LIFE = timedelta(days=90)


def tidy(*, now: datetime) -> int:
    """Remove the oldest rows that are past their time, a step of it; how many. Nothing old: only looks."""
    return sum(_remove(old) for old in _old(now))


def _old(now: datetime) -> list[QuerySet[Any]]:
    taken, kept, failed = Received.State.TAKEN, Received.State.KEPT, Received.State.FAILED
    ended = [ContactRequest.State.DONE, ContactRequest.State.FAILED, ContactRequest.State.UNCLEAR]
    return [
        Received.objects.filter(state=taken, received_at__lt=now - UNDERSTOOD_LIFE),
        Received.objects.filter(state__in=[kept, failed], received_at__lt=now - NOT_UNDERSTOOD_LIFE),
        Ticket.objects.filter(expires_at__lt=now - TICKET_LIFE),
        Command.objects.filter(created_at__lt=now - COMMAND_LIFE),
        ContactRequest.objects.filter(state__in=ended, created_at__lt=now - CONTACT_REQUEST_LIFE),
    ]


def _remove(old: QuerySet[Any]) -> int:
    """Look first: a delete takes the database's one write lock even where it finds nothing."""
    ids = list(old.values_list("pk", flat=True)[:MOST])
    return old.model._default_manager.filter(pk__in=ids).delete()[0] if ids else 0
