"""The main job on a real Asterisk with real desktop clients: the page on the desk, one note in the CRM."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.lab.asterisk.stories import play
from nutshellpbx.lab.office import Desk
from nutshellpbx.lab.openers import recorder
from nutshellpbx.pbx.models import Pbx
from tests.pbx.office import GIL, HAL, PbxOffice, until

CUSTOMER = "23-contacts"  # Mara Lindqvist, who calls in the lab's stories
#: A desk opens two pages at once and a third one six seconds later: no story may suffer from the one before.
PAUSE_S = 6.5


@dataclass(slots=True)
class Stage:
    """An Asterisk whose 101 is Gil's line and whose 102 is Hal's, and their desks."""

    office: PbxOffice
    asterisk: RealAsterisk
    pbx: Pbx
    gil: Desk
    hal: Desk

    def notes(self) -> list[str]:
        """The notes at the customer that name Gil or Hal, by their markers."""
        notes = [note for note in self.office.crm.notes() if note["parent"] == CUSTOMER]
        ours = [note["body"] for note in notes if "[npbx " in note["body"]]
        return [body for body in ours if "Gil Park" in body or "Hal Quinn" in body]

    def pages(self, desk: Desk) -> int:
        return sum("/person/23-" in address for address in desk.opened())

    def play(self, story: str) -> tuple[list[str], int, int]:
        """Play a story; the notes and pages (at Gil's desk, at Hal's) that it added once all is quiet."""
        until(lambda: all(desk.opened_within(PAUSE_S) == 0 for desk in (self.gil, self.hal)))
        until(lambda: self.office.hears(self.pbx))
        before = len(self.notes()), self.pages(self.gil), self.pages(self.hal)
        play(story, self.asterisk)
        self._wait_until_quiet()
        return (
            self.notes()[before[0] :],
            self.pages(self.gil) - before[1],
            self.pages(self.hal) - before[2],
        )

    def _wait_until_quiet(self, *, quiet_s: float = 3.0, at_most_s: float = 40.0) -> None:
        state, since, end = None, time.monotonic(), time.monotonic() + at_most_s
        while time.monotonic() < end:
            now = (len(self.notes()), len(self.gil.opened()), len(self.hal.opened()))
            if now != state:
                state, since = now, time.monotonic()
            elif time.monotonic() - since > quiet_s:
                return
            time.sleep(0.1)


@pytest.fixture(scope="module")
def stage(office: PbxOffice, real_asterisk: RealAsterisk, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder: Path = tmp_path_factory.mktemp("desks")
    pbx = office.add_asterisk(real_asterisk, name="Asterisk", owners={"101": GIL, "102": HAL})
    gil = office.add_desk(email=GIL, opener=recorder(folder / "gil.txt"), name="gil")
    hal = office.add_desk(email=HAL, opener=recorder(folder / "hal.txt"), name="hal")
    return Stage(office, real_asterisk, pbx, gil, hal)


@pytest.fixture(autouse=True)
def nobody_on_the_phone(real_asterisk: RealAsterisk) -> Iterator[None]:
    yield
    real_asterisk.hang_up_all()


def test_an_answered_call_opens_the_customers_page_and_leaves_one_note(stage: Stage) -> None:
    notes, gil, hal = stage.play("inbound_answered")
    assert (gil, hal) == (2, 0)
    assert len(notes) == 1
    assert "Answered incoming call from +1 312-555-0142 to Gil Park (101)" in notes[0]


def test_of_two_ringing_phones_one_answers_and_has_the_page_and_the_note(stage: Stage) -> None:
    notes, gil, hal = stage.play("group_of_two_one_answers")
    assert (gil, hal) == (2, 0)
    assert len(notes) == 1
    assert "a colleague answered" in notes[0]


def test_calls_that_are_nobodys_business_show_and_keep_nothing(stage: Stage) -> None:
    assert stage.play("internal") == ([], 0, 0)


def test_the_listener_finds_its_way_back_after_the_phone_system_was_away(stage: Stage) -> None:
    stage.asterisk.stop(at_once=True)
    until(lambda: not stage.office.hears(stage.pbx))
    stage.asterisk.start()
    notes, gil, _hal = stage.play("inbound_answered")
    assert (len(notes), gil) == (1, 2)
