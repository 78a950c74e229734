"""The phone index: what the CRMs' records and numbers were at the last sync, kept so that a ring asks nobody.

A number is found by its digits from the last to the first as one 64-bit integer, so that "the same number"
and "ends with these digits" are one range each. Whatever the range brings is compared again in `crm.match`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from nutshellpbx.crm import match
from nutshellpbx.crm.adapter import Card, CardNumber, Page, Table
from nutshellpbx.crm.models import IndexedCard, IndexedNumber
from nutshellpbx.crm.router import index_alias
from nutshellpbx.phone import PhoneNumber, key_of, key_range

#: A number (or an ending) that more rows share than this is nobody's.
MOST_ROWS: Final = 300
#: Goes into each digest: another value rewrites every row at the next sync.
DIGEST_VERSION: Final = "1"

_CARD_FIELDS: Final = (
    "table",
    "record_id",
    "name",
    "company",
    "job_title",
    "page_origin",
    "page_path",
    "owner",
    "last_contacted_at",
)


def find_indexed(
    *, crm_id: UUID, caller: PhoneNumber, compare_digits: int, tables: Sequence[Table]
) -> list[Card]:
    """Cards that may be the caller, each with the numbers that the range brought; still to be compared."""
    rows = IndexedNumber.objects.filter(crm_id=crm_id, table__in=[table.value for table in tables])
    if compare_digits:
        rows = rows.filter(reversed__range=key_range(caller.last(compare_digits)))
    else:
        rows = rows.filter(reversed__in={caller.match_key, key_of(caller.digits)})
    cards: dict[int, list[Any]] = {}
    numbers: dict[int, list[CardNumber]] = {}
    names = [f"card__{name}" for name in _CARD_FIELDS]
    for card_id, digits, e164, raw, label, extension, *card in rows.order_by().values_list(
        "card_id", "digits", "e164", "raw", "label", "extension", *names
    )[:MOST_ROWS]:
        cards[card_id] = card
        numbers.setdefault(card_id, []).append(
            CardNumber(raw=raw or digits, e164=e164, label=label, extension=extension)
        )
    return [_card_from(card, tuple(numbers[card_id])) for card_id, card in cards.items()]


def put_cards(*, crm_id: UUID, cards: Iterable[Card], country: str) -> int:
    """Bring the rows of these records up to date in one short transaction; returns how many had changed.

    A record that is as it was is not written.
    """
    by_key = {(card.table.value, card.id): card for card in cards}
    if not by_key:
        return 0
    digests = {key: _digest_of(card, country) for key, card in by_key.items()}
    alias = index_alias()
    stored = IndexedCard.objects.filter(
        crm_id=crm_id, record_id__in=[record_id for _table, record_id in by_key]
    )
    known = {
        (table, record_id): (pk, bytes(digest))
        for pk, table, record_id, digest in stored.values_list("pk", "table", "record_id", "digest")
    }
    changed = [key for key in by_key if known.get(key, (0, b""))[1] != digests[key]]
    if not changed:
        return 0
    with transaction.atomic(using=alias):
        rows = [_row_of(by_key[key], crm_id, digests[key], known.get(key)) for key in changed]
        new = [row for row in rows if row.pk is None]
        old = [row for row in rows if row.pk is not None]
        IndexedCard.objects.bulk_create(new)
        if old:
            IndexedCard.objects.bulk_update(old, [*_CARD_FIELDS[2:], "digest"])
            IndexedNumber.objects.filter(card_id__in=[row.pk for row in old]).delete()
        IndexedNumber.objects.bulk_create(
            number
            for row, key in zip(rows, changed, strict=True)
            for number in _numbers_of(row, by_key[key], country)
        )
    return len(changed)


def find_record_ids(*, crm_id: UUID, table: Table) -> Iterable[tuple[int, str]]:
    """Row and record ids of every card of a table, read in pieces."""
    return (
        IndexedCard.objects.filter(crm_id=crm_id, table=table.value)
        .order_by()
        .values_list("pk", "record_id")
        .iterator(chunk_size=5000)
    )


def remove_cards(*, row_ids: Sequence[int]) -> None:
    """Take records out of the index, at most a few hundred at a time."""
    with transaction.atomic(using=index_alias()):
        IndexedNumber.objects.filter(card_id__in=row_ids).delete()
        IndexedCard.objects.filter(pk__in=row_ids).delete()


def forget_crm(*, crm_id: UUID) -> None:
    """Take everything of a CRM out of the index (it has no foreign key that would do so)."""
    IndexedNumber.objects.filter(crm_id=crm_id).delete()
    IndexedCard.objects.filter(crm_id=crm_id).delete()


def _card_from(values: Sequence[Any], numbers: tuple[CardNumber, ...]) -> Card:
    table, record_id, name, company, job_title, page_origin, page_path, owner, last_contacted_at = values
    return Card(
        table=Table(table),
        id=record_id,
        name=name,
        company=company,
        job_title=job_title,
        numbers=numbers,
        page=Page(origin=page_origin, path=page_path) if page_origin else None,
        owner=owner,
        last_contacted_at=_in_utc(last_contacted_at),
    )


def _row_of(card: Card, crm_id: UUID, digest: bytes, known: tuple[int, bytes] | None) -> IndexedCard:
    return IndexedCard(
        pk=known[0] if known else None,
        crm_id=crm_id,
        table=card.table.value,
        record_id=card.id,
        name=card.name[:300],
        company=card.company[:300],
        job_title=card.job_title[:200],
        page_origin=card.page.origin[:300] if card.page else "",
        page_path=card.page.path[:600] if card.page else "",
        owner=card.owner[:120],
        last_contacted_at=card.last_contacted_at,
        digest=digest,
    )


def _numbers_of(row: IndexedCard, card: Card, country: str) -> list[IndexedNumber]:
    rows: dict[tuple[str, str], IndexedNumber] = {}
    for number in card.numbers:
        for form in match.forms_of(number, country=country):
            if form.digits:
                rows.setdefault(
                    (form.e164, form.match_digits),
                    IndexedNumber(
                        card=row,
                        crm_id=row.crm_id,
                        table=row.table,
                        raw=number.raw[:200],
                        digits=form.match_digits[:32],
                        e164=form.e164[:20],
                        reversed=form.match_key,
                        label=number.label[:60],
                        extension=(number.extension or form.extension)[:20],
                    ),
                )
    return list(rows.values())


def _digest_of(card: Card, country: str) -> bytes:
    parts = (
        DIGEST_VERSION,
        country,
        card.name,
        card.company,
        card.job_title,
        card.page,
        card.owner,
        card.last_contacted_at,
        card.numbers,
    )
    return hashlib.blake2b(repr(parts).encode("utf-8", "backslashreplace"), digest_size=16).digest()


def _in_utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
