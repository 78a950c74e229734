"""Looking for a record by a piece of its name or number, for a person who picks one; asks the index only."""

from __future__ import annotations

from typing import Final

from django.db.models import Q

from nutshellpbx.crm.adapter import Card, CardNumber, Page, Table
from nutshellpbx.crm.models import Crm, IndexedCard, IndexedNumber

MOST: Final = 20
SHORTEST: Final = 2
#: A piece of a number with fewer digits than this is in too many of them.
FEWEST_DIGITS: Final = 4


def find_records(*, crm: Crm, text: str) -> list[Card]:
    """Up to 20 records with every word of the text in name or company, or with these digits in a number."""
    words = text.split()
    if len(text.strip()) < SHORTEST:
        return []
    wanted = Q()
    for word in words:
        wanted &= Q(name__icontains=word) | Q(company__icontains=word)
    digits = "".join(sign for sign in text if sign.isdecimal())
    if len(digits) >= FEWEST_DIGITS:
        ending = IndexedNumber.objects.filter(crm_id=crm.pk, digits__contains=digits.lstrip("0"))
        wanted |= Q(pk__in=ending.values("card"))
    rows = IndexedCard.objects.filter(wanted, crm_id=crm.pk).order_by("name", "record_id")
    return [_card(row) for row in rows[:MOST]]


def find_record(*, crm: Crm, record_id: str) -> Card | None:
    """One record by its id, as of the last sync."""
    row = IndexedCard.objects.filter(crm_id=crm.pk, record_id=record_id).first()
    return _card(row) if row is not None else None


def _card(row: IndexedCard) -> Card:
    numbers = tuple(
        CardNumber(raw=number.raw or number.digits, e164=number.e164, label=number.label)
        for number in row.numbers.all()[:3]
    )
    page = Page(row.page_origin, row.page_path) if row.page_origin else None
    return Card(Table(row.table), row.record_id, row.name, row.company, row.job_title, numbers, page)
