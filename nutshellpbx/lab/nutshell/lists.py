"""The lists of people and companies: filter, search, sort and page.

Nobody outside knows how the real ``filter[phone]`` compares. Here a number matches when its digits (country
code and national number) *end* with the digits asked for, so E.164, national digits and the last seven all
find it; ``contains`` and ``exact`` can be chosen when the practice server starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from nutshellpbx.lab.nutshell.exchange import Request
from nutshellpbx.lab.nutshell.fields import read_filters, read_page, read_sort, read_span
from nutshellpbx.lab.nutshell.numbers import digits_of
from nutshellpbx.lab.nutshell.records import Company, Labelled, Person, number_of
from nutshellpbx.lab.nutshell.sign_in import Actor
from nutshellpbx.lab.nutshell.store import Store

PHONE_FILTERS = ("ends", "contains", "exact")


class CommaInName(Exception):
    """A comma in ``filter[name]``: the real server fails with 500, so does this one."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list, how many records match in all, and how many there are."""

    records: list[Any]
    count: int
    total: int


class Lists:
    """Lists over one store; keeps each order until its table changes."""

    def __init__(self, *, store: Store, phone_filter: str = "ends") -> None:
        self._store = store
        self._phone_filter = phone_filter
        self._texts: dict[str, tuple[tuple[int, int], dict[int, str]]] = {}
        self._orders: dict[tuple[str, str, bool], tuple[int, list[Any]]] = {}

    def page(self, request: Request, *, table: str, actor: Actor) -> Listing:
        """One page of people or companies as the request asks; raises Invalid and CommaInName."""
        filters = read_filters(request, table=table)
        key, descending = read_sort(request, table=table)
        number, size = read_page(request)
        tests = self._tests(filters, table=table)
        query, email = request.first("q"), request.first("email")
        if query and query.strip():
            tests.append(self._search(query, table=table))
        if email:
            tests.append(lambda record: _has_value(record.emails, email))
        rank = self._rank(key)
        shows_all = not self._store.hides_any(table) and not actor.is_restricted
        rows: list[Any]
        if "phone" in filters:
            rows = [row for row in self._with_phone(filters["phone"], table=table) if row.deleted_at is None]
            rows.sort(key=lambda row: (rank(row), row.id), reverse=descending)
        else:
            rows = self._ordered(table, key, descending, rank)
        total = self._store.count_live(table)
        if not shows_all:
            rows = [row for row in rows if self._is_shown(row, table=table, actor=actor)]
            total = sum(self._is_shown(row, table=table, actor=actor) for row in self._store.live(table))
        for test in tests:
            rows = [row for row in rows if test(row)]
        return Listing(records=rows[number * size : (number + 1) * size], count=len(rows), total=total)

    def _is_shown(self, row: Person | Company, *, table: str, actor: Actor) -> bool:
        return self._store.is_listed(table, row.id) and actor.may_see(row.owner_id)

    def _ordered(self, table: str, key: str, descending: bool, rank: Callable[[Any], Any]) -> list[Any]:
        version = self._store.versions[table]
        kept = self._orders.get((table, key, descending))
        if kept and kept[0] == version:
            return kept[1]
        rows = [row for row in self._store.tables[table].values() if row.deleted_at is None]
        rows.sort(key=lambda row: (rank(row), row.id), reverse=descending)
        self._orders[(table, key, descending)] = (version, rows)
        return rows

    def _rank(self, key: str) -> Callable[[Any], Any]:
        if key == "createdTime":
            return lambda row: row.created_at
        if key == "lastContactedTime":
            return lambda row: row.contacted_at or 0
        if key == "phone":
            return lambda row: row.phones[0].digits if row.phones else ""
        if key == "email":
            return lambda row: row.emails[0].value.lower() if row.emails else ""
        if key == "owner":
            return lambda row: self._store.name_of(row.owner_id) if row.owner_id else ""
        if key == "accounts":
            return lambda row: self._company_name(row)
        if key == "accountType":
            return lambda row: getattr(row, "type_id", 0)
        if key == "postalCode":
            return lambda row: str(row.addresses[0].value.get("postalCode") or "") if row.addresses else ""
        if key in ("territory", "industry"):
            return lambda row: 0
        return lambda row: row.name.casefold()

    def _with_phone(self, wanted: list[str], *, table: str) -> list[Any]:
        """The records that have one of the numbers, by the chosen way of comparing."""
        found: dict[int, Any] = {}
        rows = self._store.tables[table]
        for text in wanted:
            digits = digits_of(text)
            if not digits:
                continue
            candidates: Iterable[int] = self._store.phones[table].find_owners(digits)
            if self._phone_filter == "contains":
                candidates = rows
            for number in candidates:
                row = rows.get(number)
                if row and any(self._compares(phone.digits, phone.number, digits) for phone in row.phones):
                    found[number] = row
        return list(found.values())

    def _compares(self, digits: str, national: str, wanted: str) -> bool:
        if self._phone_filter == "exact":
            return wanted in (digits, national)
        if self._phone_filter == "contains":
            return wanted in digits
        return digits.endswith(wanted)

    def _tests(self, filters: dict[str, list[str]], *, table: str) -> list[Callable[[Any], bool]]:
        return [_test_of(key, values, table=table) for key, values in filters.items() if key != "phone"]

    def _search(self, query: str, *, table: str) -> Callable[[Any], bool]:
        words = query.casefold().split()
        texts = self._search_texts(table)
        if len(words) == 1:
            return lambda row: words[0] in texts[row.id]
        return lambda row: all(word in texts[row.id] for word in words)

    def _search_texts(self, table: str) -> dict[int, str]:
        """What ``q`` looks through, by record: name, addresses, company, city."""
        version = (self._store.versions["contacts"], self._store.versions["accounts"])
        kept = self._texts.get(table)
        if kept and kept[0] == version:
            return kept[1]
        texts = {
            row.id: " ".join(
                [row.name, *(email.value for email in row.emails), self._company_name(row)]
                + [str(address.value.get("city") or "") for address in row.addresses]
            ).casefold()
            for row in self._store.tables[table].values()
        }
        self._texts[table] = (version, texts)
        return texts

    def _company_name(self, row: Person | Company) -> str:
        if isinstance(row, Person) and row.company_ids:
            company = self._store.companies.get(row.company_ids[0])
            return company.name.casefold() if company else ""
        return ""


def _test_of(key: str, values: list[str], *, table: str) -> Callable[[Any], bool]:
    """What a record must be to pass one filter; several values of a key are alternatives."""
    if key == "name":
        if any("," in value for value in values):
            raise CommaInName
        wanted = [value.casefold() for value in values]
        return lambda row: any(value in row.name.casefold() for value in wanted)
    if key == "email":
        return lambda row: any(_has_value(row.emails, value) for value in values)
    if key == "id":
        ids = _ids(values, table)
        return lambda row: row.id in ids
    if key in ("accounts", "contacts"):
        related = _ids(values, key)
        return lambda row: not related.isdisjoint(_related_ids(row))
    if key in ("createdTime", "lastContactedTime"):
        spans = [read_span(value) for value in values]
        return lambda row: _is_within(row, key=key, spans=spans)
    if key in ("owners", "creator"):
        users = _ids(values, "users")
        attribute = "owner_id" if key == "owners" else "creator_id"
        return lambda row: number_of(getattr(row, attribute) or "", "users") in users
    if key == "tags":
        return lambda row: any(value in row.tags for value in values)
    if key == "accountType":
        types = _ids(values, "accountTypes")
        return lambda row: getattr(row, "type_id", None) in types
    return lambda row: any(_has_address(row, value) for value in values)


def _ids(values: list[str], table: str) -> set[int]:
    numbers = (number_of(part, table) for value in values for part in value.split(","))
    return {number for number in numbers if number is not None}


def _has_value(items: tuple[Labelled, ...], wanted: str) -> bool:
    return any(str(item.value).casefold() == wanted.strip().casefold() for item in items)


def _related_ids(row: Person | Company) -> tuple[int, ...]:
    return row.company_ids if isinstance(row, Person) else row.person_ids


def _is_within(row: Person | Company, *, key: str, spans: list[tuple[float, float]]) -> bool:
    moment = row.created_at if key == "createdTime" else row.contacted_at
    return moment is not None and any(first <= moment <= last for first, last in spans)


def _has_address(row: Person | Company, wanted: str) -> bool:
    part, equals, text = wanted.partition("=")
    parts = [part] if equals else ["address_1", "city", "state", "postalCode", "country"]
    text = (text if equals else wanted).casefold()
    return any(
        text in str(address.value.get(name) or "").casefold() for address in row.addresses for name in parts
    )
