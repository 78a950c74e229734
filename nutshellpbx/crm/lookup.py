"""Who is this? The one public question to the CRMs; the answer is found, not found or could not be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from django.utils.translation import gettext as _

from nutshellpbx.crm import index, match, signin
from nutshellpbx.crm.adapter import Card, Table
from nutshellpbx.crm.match import Match, Why
from nutshellpbx.crm.models import ChosenCard, Credential, Crm, Sync
from nutshellpbx.faults import Fault
from nutshellpbx.people.models import Company, User
from nutshellpbx.phone import PhoneNumber

#: A live search that is not back by then is not waited for: the phone is ringing.
DEADLINE_S: Final = 1.5


class Source(StrEnum):
    """Where an answer comes from."""

    INDEX = "index"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Found:
    """Records that the caller may be, in the fixed order; `chosen` is what this user took the last time.

    `as_of` says how old the answer is: the last sync's time for the index.
    """

    matches: tuple[Match, ...]
    source: Source
    as_of: datetime
    chosen: Card | None = None

    @property
    def cards(self) -> tuple[Card, ...]:
        return tuple(found.card for found in self.matches)

    @property
    def why(self) -> Why:
        """Why the first record was taken for the caller."""
        return self.matches[0].why


@dataclass(frozen=True, slots=True)
class NotFound:
    """No record has this number; `as_of` is when that was true."""

    as_of: datetime
    source: Source


@dataclass(frozen=True, slots=True)
class Unavailable:
    """It could not be asked, and what we have is not complete or not fresh: nobody may say "not found"."""

    title: str
    next_step: str


class LooksUp(Protocol):
    """The settings of a user that a lookup follows."""

    @property
    def compare_digits(self) -> int: ...

    @property
    def tables(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class IndexAge:
    """How far the index can be trusted; `as_of` is None until the first sync of its tables is complete."""

    as_of: datetime | None
    is_fresh: bool


def find_caller(
    *,
    number: PhoneNumber,
    crm: Crm,
    user: User | None,
    credential: Credential | None,
    preferences: LooksUp,
    now: datetime,
    deadline_s: float = DEADLINE_S,
) -> Found | NotFound | Unavailable:
    """Ask the index, then (for a number that it does not know) the CRM itself, within the deadline.

    Never raises for a CRM that is away, slow or refuses. The number must have passed `phone.never_matched`.
    Without a credential only the index is asked. Only a worker may give one.
    """
    tables = tuple(Table(table) for table in preferences.tables)
    company = Company.get()
    age = index_age(crm=crm, tables=tables, now=now, company=company)
    owner = credential.who_id if credential is not None and credential.user_id else ""
    country = crm.country or company.country
    asking = _Asking(number, crm, user, tables, preferences.compare_digits, owner, country)
    found = _match(
        asking,
        index.find_indexed(
            crm_id=crm.pk, caller=number, compare_digits=preferences.compare_digits, tables=tables
        ),
    )
    if found:
        return _found(asking, found, Source.INDEX, age.as_of or now)
    try:
        cards = _ask_live(asking, credential, deadline_s)
    except Fault as fault:
        if credential is not None:
            signin.note_fault(credential=credential, fault=fault)
        if age.is_fresh and age.as_of is not None:
            return NotFound(as_of=age.as_of, source=Source.INDEX)
        return Unavailable(title=fault.title, next_step=fault.next_step)
    if cards is None:
        if age.is_fresh and age.as_of is not None:
            return NotFound(as_of=age.as_of, source=Source.INDEX)
        return Unavailable(
            title=_("%(crm)s cannot be asked without a key") % {"crm": crm.name},
            next_step=_("Enter an e-mail and API key under CRM key."),
        )
    found = _match(asking, cards)
    if found:
        return _found(asking, found, Source.LIVE, now)
    if preferences.compare_digits and age.as_of is None:
        # The live search knows whole numbers only: the last N digits were not asked anywhere.
        return Unavailable(
            title=_("Not all records of %(crm)s are here yet") % {"crm": crm.name},
            next_step=_("Nothing needs to be done: numbers are being fetched."),
        )
    return NotFound(as_of=now, source=Source.LIVE)


def index_age(*, crm: Crm, tables: Sequence[Table], now: datetime, company: Company) -> IndexAge:
    """How old the index of these tables is: as the oldest of them, counted from its sync's beginning."""
    complete = Sync.objects.filter(crm=crm, table__in=[table.value for table in tables])
    moments = [moment for moment in complete.values_list("as_of", flat=True) if moment is not None]
    if not moments or len(moments) < len(set(tables)):
        return IndexAge(as_of=None, is_fresh=False)
    as_of = min(moments)
    return IndexAge(as_of=as_of, is_fresh=now - as_of < timedelta(minutes=company.index_fresh_minutes))


def remember_choice(*, user: User, crm: Crm, number: PhoneNumber, card: Card, now: datetime) -> None:
    """Remember which record this user means by this number; the next call finds it first."""
    ChosenCard.objects.update_or_create(
        user=user,
        crm=crm,
        number_digits=number.match_digits[:32],
        defaults={"table": card.table.value, "record_id": card.id, "chosen_at": now},
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    """What one lookup is about."""

    number: PhoneNumber
    crm: Crm
    user: User | None
    tables: tuple[Table, ...]
    compare_digits: int
    owner: str
    country: str


def _match(asking: _Asking, cards: Sequence[Card]) -> list[Match]:
    if not cards:
        return []
    return match.find_matches(
        caller=asking.number,
        cards=cards,
        country=asking.country,
        compare_digits=asking.compare_digits,
        tables=asking.tables,
        owner=asking.owner,
    )


def _ask_live(asking: _Asking, credential: Credential | None, deadline_s: float) -> list[Card] | None:
    """The CRM's own answer; None when there is no sign-in to ask with."""
    if credential is None:
        return None
    return asking.crm.adapter().find(
        asking.number, asking.tables, signin.open_sign_in(credential=credential), deadline_s
    )


def _found(asking: _Asking, matches: list[Match], source: Source, as_of: datetime) -> Found:
    chosen = None
    if asking.user is not None and len(matches) > 1:
        choice = ChosenCard.objects.filter(
            user=asking.user, crm=asking.crm, number_digits=asking.number.match_digits[:32]
        ).first()
        if choice is not None:
            wanted = (choice.table, choice.record_id)
            chosen = next(
                (each.card for each in matches if (each.card.table.value, each.card.id) == wanted), None
            )
    return Found(matches=tuple(matches), source=source, as_of=as_of, chosen=chosen)
