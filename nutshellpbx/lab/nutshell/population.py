"""A made-up company's customers: people, companies, switchboards and unreadable numbers from one seed."""

from __future__ import annotations

import gc
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from random import Random

from nutshellpbx.lab.nutshell import words
from nutshellpbx.lab.nutshell.number_plans import PLANS, NumberSource, type_number
from nutshellpbx.lab.nutshell.numbers import digits_of, read_number
from nutshellpbx.lab.nutshell.records import FIRST_ID, ID_STEP, Company, Labelled, Person, Phone, api_id

# Everything generated happened before this moment, so that a seed gives the same bytes on any day.
DRAWN_UP_AT = 1_772_446_500
_DAY_S = 86_400

# How many numbers a person has: 2.2 on average.
_HOW_MANY = tuple(accumulate((0.04, 0.20, 0.40, 0.26, 0.08, 0.02)))
_LABELS = ("work", "mobile", "home", "other", "fax")
_SHARES_SWITCHBOARD = 0.12
_UNREADABLE = 0.003
_PEOPLE_PER_COMPANY = 8

# The people of the API description's examples, at the ids that the examples use.
EXAMPLE_PERSON_ID = 23
EXAMPLE_COMPANY_ID = 11
EXAMPLE_NUMBER = "312-555-0142"
EXAMPLE_SWITCHBOARD = "+1 218 555 0100"


def draw_up(*, contacts: int, seed: int, user_ids: list[str]) -> tuple[list[Person], list[Company]]:
    """Make people and companies for an instance, the same for the same seed and size."""
    # Nothing made here is garbage; collecting meanwhile doubles the time at 100,000 people.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _draw_up(contacts=contacts, seed=seed, user_ids=user_ids)
    finally:
        if collects:
            gc.enable()


def _draw_up(*, contacts: int, seed: int, user_ids: list[str]) -> tuple[list[Person], list[Company]]:
    rng = Random(f"practice nutshell {seed}")
    taken = frozenset(digits_of(typed)[-10:] for typed in (EXAMPLE_NUMBER, EXAMPLE_SWITCHBOARD))
    sources = [NumberSource(plan=plan, rng=rng, taken=taken) for plan in PLANS]
    shares = list(accumulate(plan.share for plan in PLANS))

    def pick_source() -> NumberSource:
        return sources[bisect_right(shares, rng.random() * shares[-1])]

    companies = [
        _draw_company(number=FIRST_ID + ID_STEP * place, rng=rng, source=pick_source(), user_ids=user_ids)
        for place in range(max(3, contacts // _PEOPLE_PER_COMPANY))
    ]
    companies[(EXAMPLE_COMPANY_ID - FIRST_ID) // ID_STEP] = _example_company()
    people = []
    staff: dict[int, list[int]] = {}
    for place in range(contacts):
        number = FIRST_ID + ID_STEP * place
        if number == EXAMPLE_PERSON_ID:
            person = _example_person()
        else:
            company = companies[rng.randrange(len(companies))] if rng.random() < 0.9 else None
            person = _draw_person(
                number=number, rng=rng, company=company, pick_source=pick_source, user_ids=user_ids
            )
        for company_id in person.company_ids:
            staff.setdefault(company_id, []).append(number)
        people.append(person)
    for company in companies:
        company.person_ids = tuple(staff.get(company.id, ()))
    return people, companies


def _draw_company(*, number: int, rng: Random, source: NumberSource, user_ids: list[str]) -> Company:
    first, second, last = (
        rng.choice(part) for part in (words.COMPANY_FIRST, words.COMPANY_SECOND, words.COMPANY_LAST)
    )
    created_at = DRAWN_UP_AT - rng.randrange(_DAY_S * 1500)
    domain = f"{first}{second}{number}.example".lower()
    typed = type_number(plan=source.plan, national=source.take(), rng=rng)
    return Company(
        id=number,
        name=f"{first} {second} {last}",
        phones=(Phone("work", *read_number(typed), True),) if rng.random() < 0.95 else (),
        emails=(Labelled("email", f"office@{domain}", True),) if rng.random() < 0.6 else (),
        urls=(Labelled("url", f"https://www.{domain}", True),) if rng.random() < 0.4 else (),
        addresses=(Labelled("address", _address(source.plan.city, source.plan.country), True),)
        if rng.random() < 0.3
        else (),
        type_id=rng.randrange(1, 6),
        owner_id=rng.choice(user_ids),
        creator_id="1-users",
        created_at=created_at,
        modified_at=created_at,
        contacted_at=created_at + rng.randrange(DRAWN_UP_AT - created_at + 1) if rng.random() < 0.5 else None,
    )


def _draw_person(
    *,
    number: int,
    rng: Random,
    company: Company | None,
    pick_source: Callable[[], NumberSource],
    user_ids: list[str],
) -> Person:
    given, family = rng.choice(words.GIVEN), rng.choice(words.FAMILY)
    created_at = DRAWN_UP_AT - rng.randrange(_DAY_S * 1400)
    host = _domain_of(company) if company else "mailbox.example"
    return Person(
        id=number,
        given=given,
        family=family,
        title=rng.choice(words.TITLES) if rng.random() < 0.6 else None,
        company_ids=(company.id,) if company else (),
        phones=_draw_phones(rng=rng, company=company, pick_source=pick_source),
        emails=(Labelled("email", f"{given}.{family}{number}@{host}".lower(), True),)
        if rng.random() < 0.85
        else (),
        owner_id=rng.choice(user_ids) if rng.random() < 0.9 else None,
        creator_id="1-users",
        created_at=created_at,
        modified_at=created_at,
        contacted_at=created_at + rng.randrange(DRAWN_UP_AT - created_at + 1) if rng.random() < 0.5 else None,
    )


def _draw_phones(
    *, rng: Random, company: Company | None, pick_source: Callable[[], NumberSource]
) -> tuple[Phone, ...]:
    phones: list[Phone] = []
    for place in range(bisect_right(_HOW_MANY, rng.random() * _HOW_MANY[-1])):
        label = _LABELS[place]
        if place == 0 and company and company.phones and rng.random() < _SHARES_SWITCHBOARD:
            phones.append(company.phones[0]._replace(label=label))
            continue
        if rng.random() < _UNREADABLE:
            typed = rng.choice(words.UNREADABLE)
        else:
            source = pick_source()
            typed = type_number(plan=source.plan, national=source.take(), rng=rng)
            if rng.random() < _UNREADABLE:
                typed += " or " + type_number(plan=source.plan, national=source.take(), rng=rng)
        phones.append(Phone(label, *read_number(typed), place == 0))
    return tuple(phones)


def _domain_of(company: Company) -> str:
    first, second, _ = company.name.split(" ", 2)
    return f"{first}{second}{company.id}.example".lower()


def _address(city: str, country: str) -> dict[str, object]:
    return {
        "location": None,
        "locationAccuracy": "4",
        "address_1": None,
        "address_2": None,
        "address_3": None,
        "city": city,
        "state": None,
        "postalCode": None,
        "country": country,
        "timezone": None,
    }


def _example_person() -> Person:
    return Person(
        id=EXAMPLE_PERSON_ID,
        given="Mara",
        family="Lindqvist",
        title="Buyer",
        company_ids=(EXAMPLE_COMPANY_ID,),
        phones=(Phone("work", *read_number(EXAMPLE_NUMBER), True),),
        emails=(Labelled("email", "mara@harbortools.example", True),),
        owner_id="1-users",
        creator_id="1-users",
        created_at=1_763_625_600,
        modified_at=1_772_446_500,
        contacted_at=1_772_208_000,
    )


def _example_company() -> Company:
    return Company(
        id=EXAMPLE_COMPANY_ID,
        name="Harbor Tool Works",
        phones=(Phone("work", *read_number(EXAMPLE_SWITCHBOARD), True),),
        emails=(Labelled("email", "office@harbortools.example", True),),
        addresses=(Labelled("address", _address("Duluth", "US") | {"state": "MN"}, True),),
        owner_id="1-users",
        creator_id="1-users",
        created_at=1_763_000_000,
        modified_at=1_772_000_000,
    )


def first_user_ids(count: int) -> list[str]:
    """The ids of the instance's first users."""
    return [api_id(number, "users") for number in range(1, count + 1)]
