"""Nutshell behind the port of `crm.adapter`: who asks what, in which order; the wire is in `api`."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from nutshellpbx.crm import match
from nutshellpbx.crm.adapter import (
    CannotAmend,
    Card,
    ContactPage,
    CrmConfig,
    Draft,
    NewContact,
    Page,
    Ref,
    SignIn,
    SignInRefused,
    Table,
    WayAnswer,
    WayOutcome,
    WhoAmI,
    WrittenNote,
)
from nutshellpbx.crm.nutshell import feed, search, translate
from nutshellpbx.crm.nutshell.api import ASK_TIMEOUT_S, Api
from nutshellpbx.faults import Denied, Fault, Rejected, TryLater
from nutshellpbx.fields import Check, Field, FieldKind, Probe
from nutshellpbx.outbound import origin_of
from nutshellpbx.phone import PhoneNumber

#: No listing is followed further: what repeats itself for ever is no listing.
MAX_PAGES: Final = 20_000
#: Shared by all lookups of a worker; the spellings of one number are asked side by side.
_askers = ThreadPoolExecutor(max_workers=24, thread_name_prefix="nutshell-find")


class NutshellAdapter:
    """Nutshell CRM by its REST interface."""

    kind: ClassVar[str] = "nutshell"
    label: ClassVar[str] = "Nutshell"
    fields: ClassVar[Sequence[Field]] = (
        Field(
            name="address",
            label=gettext_noop("Address"),
            kind=FieldKind.ADDRESS,
            help=gettext_noop("Where your Nutshell is opened in the browser."),
            default="https://app.nutshell.com",
        ),
    )
    tables: ClassVar[Sequence[Table]] = (Table.CONTACTS, Table.ACCOUNTS)

    def __init__(self, config: CrmConfig) -> None:
        self.config = config
        self.before_request: Callable[[], None] | None = None
        try:
            self.origin = origin_of(config.settings.get("address", "").strip())
        except ValueError as error:
            raise Denied(
                _("The address of this CRM cannot be used"),
                _("An admin can correct it under CRMs; it begins with https://."),
                detail=str(error),
            ) from error

    @property
    def origins(self) -> tuple[str, ...]:
        """The one origin that sign-ins go to and pages are opened on."""
        return (self.origin,)

    def probe(self, as_: SignIn | None) -> Probe:
        """Whether the address answers like Nutshell and, with a sign-in, whether it is taken."""
        facts: dict[str, str] = {}
        started = time.monotonic()
        try:
            self._api(None).get("/users")
            reached = Check(name=gettext_noop("Address"), ok=True, took_ms=_ms_since(started))
        except Denied:
            # Refusing us without a sign-in is what a Nutshell does.
            reached = Check(name=gettext_noop("Address"), ok=True, took_ms=_ms_since(started))
        except Fault as fault:
            reached = _failed(gettext_noop("Address"), fault, started)
        if as_ is None or not reached.ok:
            return Probe(checks=(reached,), facts=facts)
        started = time.monotonic()
        try:
            who = self.who_am_i(as_)
        except Fault as fault:
            return Probe(checks=(reached, _failed(gettext_noop("Sign-in"), fault, started)), facts=facts)
        facts |= {"user": who.name, "instance": who.instance_id}
        signed_in = Check(name=gettext_noop("Sign-in"), ok=True, text=who.name, took_ms=_ms_since(started))
        return Probe(checks=(reached, signed_in), facts=facts)

    def who_am_i(self, as_: SignIn) -> WhoAmI:
        """The user whose e-mail this is; without a `user_id` where the key stands for no user."""
        api = self._api(as_)
        address: str | None = "/users"
        instance = ""
        for _page in range(20):
            if address is None:
                break
            body = api.get(address)
            users = translate.records_from(body, plural="users")
            if users is None:
                raise api.nonsense()
            instance = instance or str((body.get("meta") or {}).get("instanceId") or "")
            who = translate.who_from(users, email=as_.email, instance_id=instance)
            if who is not None:
                return who
            address = api.next_of(body) if users else None
        return WhoAmI(user_id="", name="", email=as_.email, instance_id=instance)

    def find(
        self, number: PhoneNumber, tables: Sequence[Table], as_: SignIn, deadline_s: float
    ) -> list[Card]:
        """Every spelling is asked in every table side by side; the answers are joined and compared here.

        An empty list means that all of them answered. `TryLater` when one did not and no other found
        anything.
        """
        until = time.monotonic() + deadline_s
        asked: dict[Table, list[Future[list[Card]]]] = {
            table: [
                _askers.submit(self._find_spelling, spelling, table, as_, until)
                for spelling in translate.spellings_of(number)
            ]
            for table in tables
        }
        try:
            return self._first_that_knows(number, tables, asked, until)
        finally:
            for future in (each for futures in asked.values() for each in futures):
                future.cancel()

    def _first_that_knows(
        self,
        number: PhoneNumber,
        tables: Sequence[Table],
        asked: Mapping[Table, Sequence[Future[list[Card]]]],
        until: float,
    ) -> list[Card]:
        unanswered: Fault | None = None
        for table in tables:
            cards: dict[str, Card] = {}
            for future in asked[table]:
                try:
                    cards |= {card.id: card for card in future.result(max(0.0, until - time.monotonic()))}
                except FutureTimeout:
                    unanswered = unanswered or _too_slow()
                except SignInRefused:
                    raise
                except Fault as fault:
                    unanswered = unanswered or fault
            matches = match.find_matches(
                caller=number,
                cards=cards.values(),
                country=self.config.country,
                compare_digits=0,
                tables=(table,),
            )
            if matches:
                return [found.card for found in matches]
        if unanswered is not None:
            raise unanswered
        return []

    def contacts(self, table: Table, cursor: str, as_: SignIn) -> Iterator[ContactPage]:
        """All records of a table; the end is an empty page, whatever the count says."""
        api = self._api(as_)
        first_before = ""
        start = _page_of_cursor(cursor)
        for page in range(start, start + MAX_PAGES):
            body = api.get(
                f"/{table.value}",
                params={
                    "page[limit]": translate.PAGE_LIMIT,
                    "page[page]": page,
                    "sort": translate.LISTING_SORT,
                },
                timeout_s=60.0,
            )
            records = translate.records_from(body, plural=table.value)
            if records is None:
                raise api.nonsense()
            if not records:
                return
            first = str(records[0].get("id"))
            if first == first_before:
                raise api.nonsense()
            first_before = first
            yield ContactPage(
                cards=tuple(self._cards(records, table, body)),
                cursor=f"{translate.PAGE_LIMIT}:{page + 1}",
                total=translate.total_from(body),
            )
        raise api.nonsense()

    def create_contact(self, contact: NewContact, as_: SignIn) -> Card:
        """Create a person and return the card; never repeat it blindly, Nutshell would make two."""
        record: dict[str, Any] = {
            "name": contact.name,
            "phones": [
                {"isPrimary": True, "name": translate.WRITTEN_NUMBER_LABEL, "value": contact.number},
            ],
        }
        if contact.email:
            record["emails"] = [
                {"isPrimary": True, "name": translate.WRITTEN_NUMBER_LABEL, "value": contact.email}
            ]
        if contact.description:
            record["description"] = contact.description
        if contact.company_id:
            record["links"] = {"accounts": [contact.company_id]}
        api = self._api(as_)
        body = api.post("/contacts", {"contacts": [record]})
        for created in self._cards(
            translate.records_from(body, plural="contacts") or [], Table.CONTACTS, body
        ):
            return created
        raise api.unclear()

    def write(self, draft: Draft, marker: str, as_: SignIn) -> Ref:
        """Write one note on a person or company; the marker stands in its last line."""
        api = self._api(as_)
        text = translate.with_marker(draft.text, marker)
        body = api.post("/notes", {"data": {"body": text, "links": {"parent": draft.card_id}}})
        record = translate.note_record_from(body)
        note = translate.note_from(record, origin=self.origin) if record else None
        if note is None:
            raise api.unclear()
        return note.ref

    def find_written(
        self,
        marker: str,
        card_id: str,
        since: datetime,
        as_: SignIn,
        heard: Callable[[WayAnswer], None] | None = None,
    ) -> list[Ref]:
        """Every note that carries the marker; `TryLater` when no way of searching answered."""
        # What is not found may be written again: no answer to another question may be taken for this one's.
        answers = search.find_by_every_way(
            api=self._api(as_, alone=True), marker=marker, card_id=card_id, since=since, heard=heard
        )
        found = [ref for answer in answers for ref in answer.refs]
        if found:
            return found
        if any(answer.outcome is WayOutcome.ABSENT for answer in answers):
            return []
        raise search.unanswered(answers)

    def find_many(
        self,
        markers: Collection[str],
        since: datetime,
        as_: SignIn,
        heard: Callable[[WayAnswer], None] | None = None,
    ) -> dict[str, list[Ref]]:
        """The notes of many markers, by one reading of the feed or of the newest notes."""
        return search.find_many(api=self._api(as_), markers=markers, since=since, heard=heard)

    def notes_since(self, since: datetime, as_: SignIn) -> Iterator[Sequence[WrittenNote]]:
        """By the feed of events, else by the list of the newest notes."""
        return feed.read_notes(api=self._api(as_), since=since)

    def read(self, ref: Ref, as_: SignIn) -> WrittenNote | None:
        """The note as it stands there; None when Nutshell does not have it (any more)."""
        api = self._api(as_)
        body = api.find(f"/notes/{_id_in_path(ref.id)}")
        if body is None:
            return None
        record = translate.note_record_from(body)
        note = translate.note_from(record, origin=self.origin) if record else None
        if note is None or note.ref.id != ref.id:
            raise api.nonsense()
        return note

    def amend(self, ref: Ref, draft: Draft, marker: str, as_: SignIn) -> Ref | CannotAmend:
        """Nutshell's REST interface has no way to change a note."""
        return CannotAmend(_("Nutshell does not let a written note be changed"))

    def remove(self, ref: Ref, as_: SignIn) -> None:
        """Delete a note; one that is gone already is removed."""
        self._api(as_).delete(f"/notes/{_id_in_path(ref.id)}")

    def page_of(self, card: Card) -> Page:
        """The record's own page, as Nutshell named it."""
        if card.page is not None and card.page.origin == self.origin:
            return card.page
        return translate.page_by_id(card.id, table=card.table, origin=self.origin)

    def new_contact_page(self, number: str, name: str) -> Page | None:
        """The form at the admin's address; `{number}` and `{name}` count in its query only."""
        address = self.config.settings.get("new_contact_address", "").strip()
        parts = urlsplit(address)
        try:
            is_there = origin_of(f"{parts.scheme}://{parts.netloc}") == self.origin
        except ValueError:
            return None
        if not is_there or "{" in parts.path:
            return None
        query = tuple(
            (key, text.replace("{number}", number).replace("{name}", name))
            for key, text in parse_qsl(parts.query, keep_blank_values=True)
        )
        return Page(origin=self.origin, path=parts.path or "/", query=query, fragment=parts.fragment)

    def _api(self, as_: SignIn | None, *, alone: bool = False) -> Api:
        return Api(origin=self.origin, as_=as_, before_request=self.before_request, alone=alone)

    def _find_spelling(self, spelling: str, table: Table, as_: SignIn, until: float) -> list[Card]:
        left_s = until - time.monotonic()
        if left_s <= 0.05:
            raise _too_slow()
        api = self._api(as_)
        body = api.get(
            f"/{table.value}",
            params={translate.PHONE_FILTER: spelling, "page[limit]": translate.FIND_LIMIT, "page[page]": 0},
            timeout_s=min(left_s, ASK_TIMEOUT_S),
        )
        records = translate.records_from(body, plural=table.value)
        if records is None:
            raise api.nonsense()
        return list(self._cards(records, table, body))

    def _cards(self, records: Sequence[Any], table: Table, body: Any) -> Iterator[Card]:
        names = translate.company_names_from(body) if table is Table.CONTACTS else {}
        for record in records:
            card = translate.card_from(record, table=table, origin=self.origin, companions=names)
            if card is not None:
                yield card


def _page_of_cursor(cursor: str) -> int:
    """The page to go on with; a cursor of another page size is converted so that nothing is left out."""
    limit, _, page = cursor.partition(":")
    if not limit.isdecimal() or not page.isdecimal():
        return translate.FIRST_PAGE
    return int(limit) * int(page) // translate.PAGE_LIMIT


def _id_in_path(record_id: str) -> str:
    clean = translate.id_from(record_id, kind="notes")
    if not clean:
        raise Rejected(_("This is no id of a Nutshell note"))
    return clean


def _too_slow() -> TryLater:
    return TryLater(
        _("Nutshell did not answer in time"),
        _("Nothing needs to be done; the next call asks again."),
    )


def _failed(name: str, fault: Fault, started: float) -> Check:
    return Check(name=name, ok=False, text=fault.title, next_step=fault.next_step, took_ms=_ms_since(started))


def _ms_since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)
