"""What a phone system is told when it asks who calls: from the phone index alone, so that no ring waits.

What it may learn is what the lines of this phone system may: a CRM that none of them has a grant for is not
asked. A record's address is one of our own and stays the same, since phone systems know a contact by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from django.conf import settings
from django.utils.translation import gettext as _

from nutshellpbx import phone
from nutshellpbx.calls import callers, contacts, rules, told
from nutshellpbx.calls.models import Call, ContactRequest, Leg
from nutshellpbx.crm import finding, lookup
from nutshellpbx.crm.adapter import Card, Table
from nutshellpbx.crm.models import Crm, Grant
from nutshellpbx.pbx.asking import Contact, Question
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Company, Extension, User
from nutshellpbx.people.preferences import company_defaults, preferences_of

#: Names that are shown where several records share a number.
MOST_NAMES: Final = 3
#: A contact that was created here this long ago is known by its e-mail; the index has it by its number.
CREATED_LIFE: Final = timedelta(days=30)
#: Between a CRM's id and a record's in the id that a phone system is given.
BETWEEN: Final = ":"


@dataclass(frozen=True, slots=True)
class Told:
    """An answer: found, not_found, not_asked (nobody may say "not found"), never, or asked (for a new)."""

    state: str
    contacts: Sequence[Contact] = ()


def answer(*, pbx: Pbx, question: Question, now: datetime) -> Told:
    """Answer one question of a phone system; KeyError for one that we do not know."""
    return ANSWERS[question.what](told.home_of(pbx), question, now)


def record_url(*, crm: Crm, card: Card) -> str:
    """Our own address of a record: the same for as long as the record is."""
    return f"{settings.NUTSHELLPBX_PUBLIC_URL}/open/{crm.pk}/{card.table.value}/{card.id}"


def number_url(*, number: str, name: str = "") -> str:
    """Our own address of a number: leads on to its record, or to the choice among several."""
    query = {"n": number} | ({"name": name} if name else {})
    return f"{settings.NUTSHELLPBX_PUBLIC_URL}/pop?{urlencode(query)}"


def find_matches(
    *, crms: Sequence[Crm], number: phone.PhoneNumber, user: User | None, now: datetime
) -> tuple[str, list[tuple[Crm, Card]]]:
    """The state of the answer and the records of these CRMs that have the number, those of one CRM together.

    A user's own choice of before comes first and alone.
    """
    preferences = company_defaults() if user is None else preferences_of(user=user)
    found: list[tuple[Crm, Card]] = []
    states = set()
    for crm in crms:
        result = lookup.find_caller(
            number=number, crm=crm, user=user, credential=None, preferences=preferences, now=now
        )
        match result:
            case lookup.Found():
                states.add("found")
                cards = (result.chosen,) if result.chosen else result.cards
                found += [(crm, card) for card in cards]
            case lookup.NotFound():
                states.add("not_found")
            case lookup.Unavailable():
                states.add("not_asked")
    for state in ("found", "not_asked"):
        if state in states:
            return state, found
    return ("not_found" if states else "not_asked"), found


def never(*, pbx: Pbx, number: phone.PhoneNumber, company: Company) -> str:
    """Why this number is never looked up for this phone system; empty when it may be."""
    country = pbx.country or company.country
    return callers.never_reason(
        number,
        own_numbers=company.own_numbers,
        extensions=frozenset(Extension.objects.filter(pbx=pbx).values_list("number", flat=True)),
        country=country,
        policy=rules.policy_of(company=company, lines=(), country=country),
    )


def _by_number(pbx: Pbx, question: Question, now: datetime) -> Told:
    company = Company.get()
    number = phone.read(question.number, country=pbx.country or company.country)
    if never(pbx=pbx, number=number, company=company):
        return Told("never")
    state, found = find_matches(crms=_crms_of(pbx), number=number, user=None, now=now)
    if not found:
        return Told(state)
    shown = number.e164 or question.number
    if len(found) == 1:
        return Told(state, [_contact(*found[0], phone_number=shown)])
    names = ", ".join(card.name for _crm, card in found[:MOST_NAMES])
    more = " …" if len(found) > MOST_NAMES else ""
    several = Contact(
        id=f"number{BETWEEN}{number.match_digits}",
        type="several",
        name=_("%(count)s records: %(names)s") % {"count": len(found), "names": f"{names}{more}"},
        url=number_url(number=shown),
        phone=shown,
        is_company=True,
    )
    return Told(state, [several])


def _by_email(pbx: Pbx, question: Question, now: datetime) -> Told:
    """The index holds no e-mail: only what was created here lately is known by it."""
    if not question.email:
        return Told("never")
    crms = {crm.pk: crm for crm in _crms_of(pbx)}
    made = ContactRequest.objects.filter(
        crm__in=crms,
        email__iexact=question.email,
        state=ContactRequest.State.DONE,
        created_at__gt=now - CREATED_LIFE,
    ).order_by("-created_at")
    for wanted in made[:1]:
        card = finding.find_record(crm=crms[wanted.crm_id], record_id=wanted.card.get("id", ""))
        if card is not None:
            return Told("found", [_contact(crms[wanted.crm_id], card, email=question.email)])
    return Told("not_asked")


def _by_text(pbx: Pbx, question: Question, now: datetime) -> Told:
    found = [
        _contact(crm, card)
        for crm in _crms_of(pbx)
        for card in finding.find_records(crm=crm, text=question.text)
    ]
    return Told("found" if found else "not_found", found)


def _create(pbx: Pbx, question: Question, now: datetime) -> Told:
    """Create it with the sign-in of the one who speaks with this number; where nobody is known to, the
    answer's address leads its reader to the same form.
    """
    number = phone.read(question.number, country=pbx.country or Company.get().country)
    if not number.digits:
        return Told("never")
    speaking = Leg.objects.filter(
        call__state=Call.State.LIVE,
        call__pbx=pbx,
        call__e164=number.e164,
        state__in=[Leg.State.TALKING, Leg.State.HELD],
        owner__isnull=False,
    ).select_related("call", "owner", "extension")
    people = {leg.owner_id: leg for leg in speaking} if number.e164 else {}
    crms = _crms_of(pbx)
    name = question.name or question.company
    if len(people) == 1:
        leg = next(iter(people.values()))
        granted = set(Grant.objects.filter(extension=leg.extension).values_list("crm_id", flat=True))
        mine = [crm for crm in crms if crm.pk in granted]
        if len(mine) == 1 and leg.owner is not None:
            contacts.request(
                call=leg.call, crm=mine[0], user=leg.owner, name=name, email=question.email, now=now
            )
    shown = number.e164 or question.number
    contact = Contact(
        id=f"number{BETWEEN}{number.match_digits}",
        type="asked",
        name=name or number.shown(),
        url=number_url(number=shown, name=name),
        phone=shown,
        company=question.company if question.name else "",
        email=question.email,
        is_company=not question.name,
    )
    return Told("asked", [contact])


def _crms_of(pbx: Pbx) -> list[Crm]:
    """The CRMs that some line of this phone system may ask."""
    granted = Grant.objects.filter(extension__pbx=pbx).values("crm_id")
    return list(Crm.objects.filter(is_enabled=True, pk__in=granted).order_by("name"))


def _contact(crm: Crm, card: Card, *, phone_number: str = "", email: str = "") -> Contact:
    number = phone_number or next((each.e164 or each.raw for each in card.numbers), "")
    return Contact(
        id=f"{card.table.value}{BETWEEN}{card.id}",
        type=card.table.value,
        name=card.name,
        url=record_url(crm=crm, card=card),
        phone=number,
        company=card.company,
        title=card.job_title,
        email=email,
        is_company=card.table is Table.ACCOUNTS,
    )


ANSWERS: Final[Mapping[str, Callable[[Pbx, Question, datetime], Told]]] = {
    "lookup": _by_number,
    "email": _by_email,
    "search": _by_text,
    "create": _create,
}
