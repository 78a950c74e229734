"""Which ways of searching a CRM answer: kept per attempt for the ledger and per CRM for the admin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from nutshellpbx.crm.adapter import WayAnswer, WayOutcome
from nutshellpbx.journal.models import Attempt, Way
from nutshellpbx.redact import scrub

#: What each outcome is called in a sentence about a way.
WORDS = {
    WayOutcome.FOUND: gettext_noop("%(way)s: found it"),
    WayOutcome.ABSENT: gettext_noop("%(way)s: looked everywhere, it is not there"),
    WayOutcome.UNANSWERED: gettext_noop("%(way)s: gave no answer (%(reason)s)"),
}
#: The names of ways for people; a way that is not here goes by its own name.
NAMES = {
    "events": gettext_noop("Feed of events"),
    "record": gettext_noop("Notes of the record"),
    "newest notes": gettext_noop("Newest notes"),
}


def kept(answers: Sequence[WayAnswer]) -> list[dict[str, Any]]:
    """The answers in the form in which an attempt keeps them."""
    return [
        {"way": one.way, "outcome": one.outcome.value, "reason": scrub(one.reason)[:200]} for one in answers
    ]


def words_of(attempt: Attempt) -> list[str]:
    """What each way said in this attempt, a sentence each, for the ledger."""
    return [
        _(WORDS[WayOutcome(one["outcome"])])
        % {"way": _(NAMES.get(one["way"], one["way"])), "reason": one["reason"]}
        for one in attempt.ways
    ]


def learn(*, crm_id: UUID, answers: Sequence[WayAnswer], now: datetime) -> None:
    """Count what each way of this CRM said."""
    for one in answers:
        row, _made = Way.objects.get_or_create(
            crm_id=crm_id, way=one.way[:40], defaults={"at": now, "outcome": one.outcome.value}
        )
        answered = {} if one.outcome is WayOutcome.UNANSWERED else {"answered_at": now}
        Way.objects.filter(pk=row.pk).update(
            at=now,
            outcome=one.outcome.value,
            reason=scrub(one.reason)[:300],
            **{one.outcome.value: F(one.outcome.value) + 1},
            **answered,
        )
