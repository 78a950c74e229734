"""Everything that one practice instance holds, with its change feed, and the way back to the first state."""

from __future__ import annotations

import copy
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

from nutshellpbx.lab.nutshell import words
from nutshellpbx.lab.nutshell.phone_index import PhoneIndex
from nutshellpbx.lab.nutshell.population import draw_up, first_user_ids
from nutshellpbx.lab.nutshell.records import (
    FIRST_ID,
    ID_STEP,
    Activity,
    ApiKey,
    Company,
    Event,
    Note,
    Person,
    User,
    api_id,
    number_of,
    type_of,
)

INSTANCE_ID = "400123"
SITE_ID = "aB3xYz"
COMPANY_DOMAIN = "harbortools.example"

# The sign-in that the demo and the tests use when they name no other.
PRACTICE_EMAIL = "ada@harbortools.example"
PRACTICE_KEY = "0123456789abcdef0123456789abcdef01234567"

ACTIVITY_TYPES = {1: "Phone Call", 2: "Meeting", 3: "Site visit"}
ACCOUNT_TYPES = {1: "Customer", 2: "Prospect", 3: "Supplier", 4: "Partner", 5: "Other"}

_SEEDED_USERS = 4
_FIRST_KEY_ID = 23
# How many of the newest made-up people appear in the change feed of a fresh instance.
_FIRST_EVENTS = 20

TABLES = ("contacts", "accounts", "notes", "activities")
# What an index shows later than it is there: the tables, the change feed, the notes that come with a record.
LAGGING = (*TABLES, "events", "record_notes")
# From so many waiting records on, those whose time has come are swept out now and then.
_SWEEP_AT = 1000


class Store:
    """One instance: tables by type name, users, keys, and the feeds of changes and deletions."""

    def __init__(self, *, contacts: int, seed: int, clock: Callable[[], float] = time.time) -> None:
        self.seed = seed
        self.clock = clock
        self.users, self.keys = _first_users(seed)
        people, companies = draw_up(contacts=contacts, seed=seed, user_ids=first_user_ids(len(self.users)))
        self.tables: dict[str, dict[int, Any]] = {
            "contacts": {person.id: person for person in people},
            "accounts": {company.id: company for company in companies},
            "notes": {},
            "activities": {},
        }
        self.phones = {name: PhoneIndex() for name in ("contacts", "accounts")}
        for name, index in self.phones.items():
            index.fill((phone.digits, row.id) for row in self.tables[name].values() for phone in row.phones)
        # How long a new record stays out of lists; the misbehaviour table sets it.
        self.draw_lag_s: Callable[[str], float] = lambda table: 0.0
        self._listed_from: dict[str, dict[int, float]] = {table: {} for table in LAGGING}
        self._sweep_at = dict.fromkeys(LAGGING, _SWEEP_AT)
        self._notes_by_parent: dict[str, list[int]] = {}
        self._counts: dict[str, tuple[int, int]] = {}
        self._types: tuple[int, Counter[int]] = (-1, Counter())
        self._originals: dict[tuple[str, int], Any] = {}
        self._first_users = (dict(self.users), dict(self.keys))
        # Raised by every change of a table, so that a kept order can be known as old.
        self.versions = dict.fromkeys(TABLES, 0)
        self._fill_feed()

    def _fill_feed(self) -> None:
        newest = sorted(self.people.values(), key=lambda person: (person.created_at, person.id))[
            -_FIRST_EVENTS:
        ]
        self.events = [
            Event(
                FIRST_ID + ID_STEP * place,
                person.created_at,
                "1-users",
                api_id(person.id, "contacts"),
                "create",
            )
            for place, person in enumerate(newest)
        ]
        self.deletions: list[Event] = []
        self.versions = {table: self.versions[table] + 1 for table in TABLES}
        self._last_ids = {table: max(rows, default=0) for table, rows in self.tables.items()}

    @property
    def people(self) -> dict[int, Person]:
        """All contacts, deleted ones too."""
        return self.tables["contacts"]

    @property
    def companies(self) -> dict[int, Company]:
        """All accounts, deleted ones too."""
        return self.tables["accounts"]

    @property
    def notes(self) -> dict[int, Note]:
        """All notes, deleted ones too."""
        return self.tables["notes"]

    @property
    def activities(self) -> dict[int, Activity]:
        """All activities."""
        return self.tables["activities"]

    def now(self) -> int:
        """This second as the instance's clock has it."""
        return int(self.clock())

    # --- writing ------------------------------------------------------------------------------------------

    def next_id(self, table: str) -> int:
        """The id for the next record of a table."""
        last = self._last_ids[table]
        return last + ID_STEP if last else FIRST_ID

    def add(self, *, table: str, record: Any, actor_id: str, action: str = "create") -> None:
        """Put a new record into its table, its numbers into the index, and a line into the feed."""
        self._originals.setdefault((table, record.id), None)
        self.tables[table][record.id] = record
        self._last_ids[table] = record.id
        self._hide(table, record.id)
        if table == "notes":
            self._hide("record_notes", record.id)
            self._notes_by_parent.setdefault(record.parent_id, []).append(record.id)
        self._index_phones(table, record)
        self._note_event(table=table, record=record, actor_id=actor_id, action=action)

    def touch(self, *, table: str, record: Any) -> None:
        """Remember how a record looked before its first change."""
        if (table, record.id) not in self._originals:
            self._originals[(table, record.id)] = copy.copy(record)

    def changed(
        self, *, table: str, record: Any, actor_id: str, changes: list[dict[str, Any]], action: str = "update"
    ) -> None:
        """Take in that a touched record was changed."""
        record.modified_at = self.now()
        self._index_phones(table, record)
        self._note_event(table=table, record=record, actor_id=actor_id, action=action, changes=changes)

    def delete(self, *, table: str, record: Any, actor_id: str) -> None:
        """Mark a record deleted and tell the deletion feed; the change feed says nothing."""
        self.touch(table=table, record=record)
        record.deleted_at = self.now()
        self.versions[table] += 1
        self.deletions.append(
            Event(self._next_event_id(), self.now(), actor_id, api_id(record.id, table), "delete")
        )

    def undelete(self, *, table: str, record: Any, actor_id: str) -> None:
        """Bring a deleted record back."""
        self.touch(table=table, record=record)
        record.deleted_at = None
        self._note_event(table=table, record=record, actor_id=actor_id, action="create")

    def contact_now(self, api_ids: list[str]) -> None:
        """Take in that people or companies were contacted just now."""
        for text in api_ids:
            table = type_of(text)
            record = self.find(table, text) if table in self.phones else None
            if record is not None:
                self.touch(table=table, record=record)
                record.contacted_at = self.now()

    def reset(self) -> None:
        """Bring back the first state of the data."""
        for (table, number), original in self._originals.items():
            if original is None:
                self.tables[table].pop(number, None)
            else:
                self.tables[table][number] = original
        self._originals.clear()
        for waiting in self._listed_from.values():
            waiting.clear()
        self._notes_by_parent.clear()
        users, keys = self._first_users
        self.users, self.keys = dict(users), dict(keys)
        self._fill_feed()

    # --- reading ------------------------------------------------------------------------------------------

    def find(self, table: str, text: Any) -> Any | None:
        """A record by its id as written in the API, deleted ones too, or None."""
        number = number_of(text, table)
        return None if number is None else self.tables[table].get(number)

    def is_listed(self, table: str, number: int) -> bool:
        """Whether the index behind the lists knows a record already."""
        since = self._listed_from[table].get(number)
        if since is None:
            return True
        if self.clock() < since:
            return False
        del self._listed_from[table][number]
        return True

    def hides_any(self, table: str) -> bool:
        """Whether any record of a table waits for the index behind the lists."""
        return bool(self._listed_from[table])

    def count_live(self, table: str) -> int:
        """How many records of a table are not deleted."""
        version, count = self._counts.get(table, (-1, 0))
        if version != self.versions[table]:
            count = sum(row.deleted_at is None for row in self.tables[table].values())
            self._counts[table] = (self.versions[table], count)
        return count

    def count_types(self) -> dict[int, int]:
        """How many companies there are of each type."""
        version, counts = self._types
        if version != self.versions["accounts"]:
            counts = Counter(row.type_id for row in self.companies.values() if row.deleted_at is None)
            self._types = (self.versions["accounts"], counts)
        return counts

    def live(self, table: str) -> Iterator[Any]:
        """The records of a table that lists show."""
        return self._shown(table, self.tables[table].values())

    def newest_notes(self) -> Iterator[Note]:
        """The notes that lists show, the newest first."""
        return self._shown("notes", reversed(self.notes.values()))

    def notes_of(self, parent_id: str, *, table: str = "notes", keeps_all: bool = False) -> Iterator[Note]:
        """The notes on one record, the newest first, that the index named by ``table`` shows by now.

        ``keeps_all``: deleted ones and those that no index shows yet, too.
        """
        rows = (self.notes[number] for number in reversed(self._notes_by_parent.get(parent_id, [])))
        return rows if keeps_all else self._shown(table, rows)

    def feed(self) -> list[Event]:
        """The change feed as far as it shows what happened."""
        if not self._listed_from["events"]:
            return self.events
        return [event for event in self.events if self.is_listed("events", event.id)]

    def find_user(self, user_id: Any) -> User | None:
        """A user by API id, or None."""
        number = number_of(user_id, "users")
        return None if number is None else self.users.get(number)

    def name_of(self, actor_id: str) -> str:
        """The name of a user or of the key that acted."""
        user = self.find_user(actor_id)
        if user:
            return user.name
        key = self.keys.get(number_of(actor_id, "origins") or 0)
        return key.name if key else actor_id

    # --- within -------------------------------------------------------------------------------------------

    def _shown(self, table: str, rows: Iterable[Any]) -> Iterator[Any]:
        if not self._listed_from[table]:
            return (row for row in rows if row.deleted_at is None)
        return (row for row in rows if row.deleted_at is None and self.is_listed(table, row.id))

    def _hide(self, table: str, number: int) -> None:
        """Let the index show a new record only after its lag."""
        lag_s = self.draw_lag_s(table)
        if lag_s <= 0:
            return
        waiting, now = self._listed_from[table], self.clock()
        if len(waiting) >= self._sweep_at[table]:
            self._listed_from[table] = waiting = {key: at for key, at in waiting.items() if at > now}
            self._sweep_at[table] = max(_SWEEP_AT, 2 * len(waiting))
        waiting[number] = now + lag_s

    def _index_phones(self, table: str, record: Any) -> None:
        self.versions[table] += 1
        if table in self.phones:
            for phone in record.phones:
                if record.id not in self.phones[table].find_owners(phone.digits):
                    self.phones[table].add(digits=phone.digits, owner=record.id)

    def _next_event_id(self) -> int:
        return max(
            self.events[-1].id if self.events else 0, self.deletions[-1].id if self.deletions else 0
        ) + (ID_STEP if self.events or self.deletions else FIRST_ID)

    def _note_event(
        self,
        *,
        table: str,
        record: Any,
        actor_id: str,
        action: str,
        changes: list[dict[str, Any]] | None = None,
    ) -> None:
        event = Event(
            self._next_event_id(), self.now(), actor_id, api_id(record.id, table), action, changes or []
        )
        self._hide("events", event.id)
        self.events.append(event)

    def add_user(
        self,
        *,
        email: str,
        name: str = "",
        secret: str = "",
        kind: str = "impersonation",
        is_restricted: bool = False,
        is_enabled: bool = True,
    ) -> tuple[User, ApiKey]:
        """Add a user and a key; without a name or a key both are made from the address and the seed."""
        user = User(
            id=max(self.users) + 1,
            name=name or email.partition("@")[0].replace(".", " ").title(),
            emails=(email,),
            is_restricted=is_restricted,
            is_enabled=is_enabled,
            modified_at=self.now(),
        )
        key = ApiKey(
            id=max(self.keys) + ID_STEP,
            name=f"Key of {user.name}",
            secret=secret or _made_key(self.seed, email),
            kind=kind,
        )
        self.users[user.id] = user
        self.keys[key.id] = key
        return user, key


def _made_key(seed: int, purpose: str) -> str:
    return hashlib.sha256(f"practice key {seed} {purpose}".encode()).hexdigest()[:40]


def _first_users(seed: int) -> tuple[dict[int, User], dict[int, ApiKey]]:
    rng = Random(f"practice users {seed}")
    users = {1: User(id=1, name="Ada Vance", emails=(PRACTICE_EMAIL,), is_administrator=True)}
    for number in range(2, 2 + _SEEDED_USERS):
        given, family = rng.choice(words.GIVEN), rng.choice(words.FAMILY)
        email = f"{given}.{family}{number}@{COMPANY_DOMAIN}".lower()
        users[number] = User(id=number, name=f"{given} {family}", emails=(email,))
    keys = [ApiKey(id=_FIRST_KEY_ID, name="Phone system", secret=PRACTICE_KEY)]
    for name, kind in (("Reporting", "api"), ("Web site forms", "forms")):
        keys.append(ApiKey(_FIRST_KEY_ID + ID_STEP * len(keys), name, _made_key(seed, kind), kind))
    for user in list(users.values())[1:]:
        keys.append(
            ApiKey(
                _FIRST_KEY_ID + ID_STEP * len(keys), f"Key of {user.name}", _made_key(seed, user.emails[0])
            )
        )
    return users, {key.id: key for key in keys}
