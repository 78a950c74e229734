"""The three ways of looking for our own note, asked of a real process that speaks both interfaces.

Every combination of ways that do not answer, in every manner of not answering, with the note there and not.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nutshellpbx.crm.adapter import CrmConfig, Draft, SignIn, Table, WayAnswer, WayOutcome
from nutshellpbx.crm.nutshell import translate
from nutshellpbx.crm.nutshell.adapter import NutshellAdapter
from nutshellpbx.crm.nutshell.api import Api
from nutshellpbx.crm.nutshell.search import find_by_every_way
from nutshellpbx.faults import TryLater
from nutshellpbx.lab.nutshell.notes_rest import add_note
from nutshellpbx.lab.nutshell.running import RunningNutshell
from nutshellpbx.redact import Secret

OURS = "[npbx 7Q2K-9F4M-XD3B-R-1]"
OTHERS = "[npbx 0000-0000-0000-0-1]"
PATHS = {
    "events": "/rest/events",
    "record": "/api/v1/json",
    "newest notes": "/rest/notes",
}
WAYS = list(PATHS)
MANNERS: list[dict[str, Any]] = [
    {"kind": "status_before", "status": 503},
    {"kind": "status_before", "status": 404},
    {"kind": "reset_before"},
    {"kind": "truncate"},
    {"kind": "html"},
    {"kind": "garbage"},
    {"kind": "empty"},
]
SILENT = [silent for count in range(4) for silent in itertools.combinations(WAYS, count)]


@pytest.fixture
def adapter(nutshell: RunningNutshell) -> Iterator[NutshellAdapter]:
    nutshell.ask("POST", "/reset")
    yield NutshellAdapter(
        CrmConfig(id="1", name="Practice", kind="nutshell", settings={"address": nutshell.url})
    )
    nutshell.ask("POST", "/reset")


@pytest.fixture
def as_(nutshell: RunningNutshell) -> SignIn:
    return SignIn(email=nutshell.email, key=Secret(nutshell.key))


def write(adapter: NutshellAdapter, as_: SignIn, marker: str, card: str = "23-contacts") -> str:
    table = Table(card.partition("-")[2])
    draft = Draft(card_id=card, table=table, text="Inbound call", happened_at=datetime.now(UTC))
    return adapter.write(draft, marker, as_).id


def since() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=60)


def hush(nutshell: RunningNutshell, silent: tuple[str, ...], manner: dict[str, Any]) -> None:
    nutshell.behave()
    if silent:
        nutshell.misbehave(*({**manner, "path": PATHS[way]} for way in silent))


def look(nutshell: RunningNutshell, as_: SignIn, card: str = "23-contacts") -> list[WayAnswer]:
    api = Api(origin=nutshell.url, as_=as_)
    return find_by_every_way(api=api, marker=OURS, card_id=card, since=since())


def what_is_found(adapter: NutshellAdapter, as_: SignIn, card: str = "23-contacts") -> list[str] | None:
    """The ids of the notes with our marker; None when nobody could tell."""
    try:
        return [ref.id for ref in adapter.find_written(OURS, card, since(), as_)]
    except TryLater:
        return None


@pytest.mark.parametrize("silent", SILENT, ids=lambda ways: "+".join(ways) or "none silent")
def test_one_way_that_answers_is_enough_and_without_any_nobody_says_absent(
    nutshell: RunningNutshell, adapter: NutshellAdapter, as_: SignIn, silent: tuple[str, ...]
) -> None:
    write(adapter, as_, OTHERS)
    for manner in MANNERS:
        hush(nutshell, silent, manner)
        expected: list[str] | None = None if len(silent) == len(WAYS) else []
        assert what_is_found(adapter, as_) == expected, manner
    nutshell.behave()
    ours = write(adapter, as_, OURS)
    for manner in MANNERS:
        hush(nutshell, silent, manner)
        expected = None if len(silent) == len(WAYS) else [ours]
        assert what_is_found(adapter, as_) == expected, manner


@pytest.mark.parametrize("silent", SILENT, ids=lambda ways: "+".join(ways) or "none silent")
def test_each_way_answers_for_itself_and_the_asking_ends_with_the_first_that_found_it(
    nutshell: RunningNutshell, adapter: NutshellAdapter, as_: SignIn, silent: tuple[str, ...]
) -> None:
    hush(nutshell, silent, MANNERS[0])
    told = {answer.way: answer.outcome for answer in look(nutshell, as_)}
    assert told == {way: WayOutcome.UNANSWERED if way in silent else WayOutcome.ABSENT for way in WAYS}
    nutshell.behave()
    write(adapter, as_, OURS)
    hush(nutshell, silent, MANNERS[0])
    answers = look(nutshell, as_)
    speaking = [way for way in WAYS if way not in silent]
    asked = WAYS[: WAYS.index(speaking[0]) + 1] if speaking else WAYS
    assert [answer.way for answer in answers] == asked
    assert [answer.outcome for answer in answers[:-1]] == [WayOutcome.UNANSWERED] * (len(asked) - 1)
    assert answers[-1].outcome is (WayOutcome.FOUND if speaking else WayOutcome.UNANSWERED)
    assert all(answer.reason for answer in answers if answer.outcome is WayOutcome.UNANSWERED)


@pytest.mark.parametrize("card", ["23-contacts", "11-accounts"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_alone_finds_the_note_of_a_person_and_of_a_company(
    nutshell: RunningNutshell, adapter: NutshellAdapter, as_: SignIn, way: str, card: str
) -> None:
    ours = write(adapter, as_, OURS, card)
    hush(nutshell, tuple(other for other in WAYS if other != way), MANNERS[0])
    assert what_is_found(adapter, as_, card) == [ours]


@pytest.mark.parametrize("way", WAYS)
def test_no_way_shows_a_note_that_was_removed(
    nutshell: RunningNutshell, adapter: NutshellAdapter, as_: SignIn, way: str
) -> None:
    note = write(adapter, as_, OURS)
    nutshell_note = nutshell.ask("GET", f"/notes/{note}")
    assert nutshell_note["is_live"]
    adapter.remove(adapter.find_written(OURS, "23-contacts", since(), as_)[0], as_)
    hush(nutshell, tuple(other for other in WAYS if other != way), MANNERS[0])
    assert what_is_found(adapter, as_) == []


@pytest.mark.parametrize(
    ("way", "table"), [("events", "events"), ("record", "record_notes"), ("newest notes", "notes")]
)
def test_a_way_that_lags_says_absent_until_its_index_has_the_note(
    nutshell: RunningNutshell, adapter: NutshellAdapter, as_: SignIn, way: str, table: str
) -> None:
    nutshell.misbehave({"kind": "lag", "seconds": 3600, "tables": [table]})
    ours = write(adapter, as_, OURS)
    hush(nutshell, tuple(other for other in WAYS if other != way), MANNERS[0])
    assert what_is_found(adapter, as_) == []
    nutshell.behave()
    assert what_is_found(adapter, as_) == [ours], "the other ways have it"


def test_a_way_that_cannot_see_everything_since_then_never_says_absent(
    nutshell: RunningNutshell, adapter: NutshellAdapter, as_: SignIn
) -> None:
    more_than_is_read = translate.NOTES_PAGES * translate.NOTES_LIMIT + 1
    for number in range(more_than_is_read):
        add_note(nutshell.instance.store, parent_id="11-accounts", text=f"{number}", author_id="1-users")
    hush(nutshell, ("events", "record"), MANNERS[0])
    assert what_is_found(adapter, as_) is None
    nutshell.behave()
    assert what_is_found(adapter, as_) == [], "the other ways see everything"
