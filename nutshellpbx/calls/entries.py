"""A call's entries: the record that somebody chose or created is theirs too."""

from __future__ import annotations

from datetime import datetime

from nutshellpbx.calls.models import Call
from nutshellpbx.crm.adapter import Card
from nutshellpbx.crm.models import Crm
from nutshellpbx.journal import outbox
from nutshellpbx.journal.models import Entry
from nutshellpbx.people.models import User


def give_card(*, call: Call, crm: Crm, card: Card, by: User, now: datetime) -> None:
    """Let the call's entry go to this record, when there is one that we still write; raises outbox.TooLate
    when it kept moving on.
    """
    outbox.give_card(crm=crm, call_key=call.key, card=card, by=by, now=now)


def find_entry(*, call: Call, crm: Crm) -> Entry | None:
    """The call's entry in one CRM's journal."""
    return Entry.objects.filter(crm=crm, call_key=call.key).first()
