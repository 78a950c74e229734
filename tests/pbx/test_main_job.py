"""The main job on a real Asterisk, through the whole server: the page on the desk, the one note in the
CRM.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.lab.asterisk.stories import play
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY
from nutshellpbx.lab.office import Desk, Office, asterisk_office
from nutshellpbx.lab.openers import recorder

CUSTOMER = "23-contacts"  # Mara Lindqvist, who calls in the lab's stories
BEN = "ben@harbortools.example"


@dataclass(slots=True)
class Stage:
    """The office and what has happened in it so far."""

    office: Office
    asterisk: RealAsterisk
    ada: Desk
    ben: Desk

    def notes(self) -> list[str]:
        assert self.office.nutshell is not None
        notes = self.office.nutshell.notes()
        return [note["body"] for note in notes if note["parent"] == CUSTOMER and "[npbx " in note["body"]]

    def pages(self, desk: Desk) -> int:
        return sum("/person/23-" in address for address in desk.opened())

    def play(self, story: str) -> tuple[list[str], int, int]:
        """Play a story; the notes and pages (at Ada's desk, at Ben's) that it added once all is quiet."""
        before = len(self.notes()), self.pages(self.ada), self.pages(self.ben)
        play(story, self.asterisk)
        self._wait_until_quiet()
        return (
            self.notes()[before[0] :],
            self.pages(self.ada) - before[1],
            self.pages(self.ben) - before[2],
        )

    def _wait_until_quiet(self, *, quiet_s: float = 3.0, at_most_s: float = 30.0) -> None:
        state, since, end = None, time.monotonic(), time.monotonic() + at_most_s
        while time.monotonic() < end:
            now = (len(self.notes()), len(self.ada.opened()), len(self.ben.opened()))
            if now != state:
                state, since = now, time.monotonic()
            elif time.monotonic() - since > quiet_s:
                return
            time.sleep(0.1)


@pytest.fixture(scope="module")
def stage(real_asterisk: RealAsterisk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("asterisk-office")
    with Office(folder, contacts=200, users=f"{BEN}:{PRACTICE_KEY}") as office:
        assert office.nutshell is not None
        people: list[dict[str, Any]] = [
            {"email": PRACTICE_EMAIL, "name": "Ada Vance", "extensions": ["101"], "key": PRACTICE_KEY},
            {"email": BEN, "name": "Ben Ortiz", "extensions": ["102"], "key": PRACTICE_KEY},
        ]
        office.enter(
            asterisk_office(
                nutshell=office.nutshell.address,
                people=people,
                port=real_asterisk.ami_port,
                username=real_asterisk.ami_user,
                secret=real_asterisk.ami_secret,
            )
        )
        ada = office.add_desk(email=PRACTICE_EMAIL, opener=recorder(folder / "ada.txt"), name="ada")
        ben = office.add_desk(email=BEN, opener=recorder(folder / "ben.txt"), name="ben")
        office.wait_until_ready(connected=True)
        yield Stage(office, real_asterisk, ada, ben)


@pytest.mark.parametrize(
    ("story", "text"),
    [
        ("inbound_answered", "Answered incoming call from +1 312-555-0142 to Ada Vance (101)"),
        ("caller_gives_up", "Missed call from +1 312-555-0142 to Ada Vance (101)"),
        ("busy", "Missed call from +1 312-555-0142 to Ada Vance (101)"),
        ("outbound_answered", "Answered outgoing call from Ada Vance (101) to +1 312-555-0142"),
        ("outbound_not_answered", "Unanswered outgoing call from Ada Vance (101) to +1 312-555-0142"),
    ],
)
def test_a_call_with_a_customer_leaves_one_note_at_the_customer(stage: Stage, story: str, text: str) -> None:
    notes, _ada, ben = stage.play(story)
    assert len(notes) == 1
    assert text in notes[0]
    assert ben == 0


def test_an_answered_call_opens_the_customers_page(stage: Stage) -> None:
    _notes, ada, _ben = stage.play("inbound_answered")
    assert ada >= 1


def test_of_two_ringing_phones_one_answers_and_has_the_page_and_the_note(stage: Stage) -> None:
    notes, ada, ben = stage.play("group_of_two_one_answers")
    assert len(notes) == 1
    assert min(ada, ben) == 0
    assert "a colleague answered" in notes[0]


@pytest.mark.parametrize("story", ["internal", "withheld_number"])
def test_calls_that_are_nobodys_business_show_and_keep_nothing(stage: Stage, story: str) -> None:
    assert stage.play(story) == ([], 0, 0)


def test_the_listener_finds_its_way_back_after_the_phone_system_was_away(stage: Stage) -> None:
    stage.asterisk.stop(at_once=True)
    _until(lambda: not _is_connected(stage.office))
    stage.asterisk.start()
    _until(lambda: _is_connected(stage.office))
    notes, _ada, _ben = stage.play("inbound_answered")
    assert len(notes) == 1


def _is_connected(office: Office) -> bool:
    return bool(json.loads(office.manage("practice", "ready", "--crm", office.ids["crm"]))["connected"])


def _until(condition: Callable[[], bool], *, timeout_s: float = 40.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.2)
