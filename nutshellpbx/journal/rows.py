"""An entry's row: the one conditional update that changes it, and its fields in common situations.

Every change is conditional on the state and the attempt number that were read, so whoever comes second
changes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from nutshellpbx.crm.adapter import Card, Page, Table
from nutshellpbx.journal import lags
from nutshellpbx.journal.models import Entry, Reason
from nutshellpbx.journal.notetext import clean_line
from nutshellpbx.journal.states import Outcome, State, check_move

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


def unknown_fields(*, crm_id: UUID, now: datetime) -> dict[str, Any]:
    """What an entry holds once nobody knows whether it was written: a search follows the quiet period."""
    return {
        "outcome": Outcome.UNKNOWN,
        "unknown_since": now,
        "absent_count": 0,
        "not_before": now + lags.quiet_period(crm_id=crm_id),
        **UNCLAIMED,
    }


def page_fields(page: Page | None) -> dict[str, Any] | None:
    """A page in the form in which rows keep it."""
    if page is None:
        return None
    query = [list(pair) for pair in page.query]
    return {"origin": page.origin, "path": page.path, "query": query, "fragment": page.fragment}


def card_fields(card: Card) -> dict[str, Any]:
    """A record in the form in which rows keep it."""
    return {
        "card_table": Table(card.table).value,
        "card_id": card.id,
        "card_name": clean_line(card.name),
        "card_page": page_fields(card.page),
    }
