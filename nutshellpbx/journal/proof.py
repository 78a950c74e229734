"""The proof in numbers: entries = verified + on the way + waiting + parked + done by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from nutshellpbx.journal.models import Entry
from nutshellpbx.journal.states import AT_WORK, State

#: Each term of the equation, and which entries it counts. Every state stands in exactly one of them.
TERMS: Mapping[str, tuple[State, ...]] = {
    "verified": (State.VERIFIED,),
    "on_the_way": AT_WORK,
    "waiting": (State.WAITING,),
    "parked": (State.PARKED,),
    "done_by_hand": (State.DONE_BY_HAND,),
}


@dataclass(frozen=True, slots=True)
class Proof:
    """The entries of a period by term; `double` counts those whose marker was seen in more than one note."""

    entries: int
    terms: Mapping[str, int]
    double: int

    @property
    def adds_up(self) -> bool:
        return self.entries == sum(self.terms.values())


def prove(*, since: datetime, until: datetime) -> Proof:
    """The numbers for calls that happened from `since` until before `until`, read in one query."""
    counts = {name: Count("pk", filter=Q(state__in=states)) for name, states in TERMS.items()}
    row = in_period(since=since, until=until).aggregate(
        entries=Count("pk"), double=Count("pk", filter=Q(copies__gt=1)), **counts
    )
    return Proof(entries=row["entries"], terms={name: row[name] for name in TERMS}, double=row["double"])


def list_term(*, term: str, since: datetime, until: datetime) -> QuerySet[Entry]:
    """The entries that a term counts; raises KeyError for an unknown term."""
    return in_period(since=since, until=until).filter(state__in=TERMS[term])


def in_period(*, since: datetime, until: datetime) -> QuerySet[Entry]:
    """The entries of calls that happened in a period."""
    return Entry.objects.filter(happened_at__gte=since, happened_at__lt=until)
