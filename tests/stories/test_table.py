"""The table of the stories: complete, owed stages shown by tests, and written down as it is."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from nutshellpbx.lab.asterisk.stories import STORIES as PLAYED
from nutshellpbx.pbx.models import Pbx
from nutshellpbx.people.models import Extension, User
from tests.stories import test_pure, test_replay
from tests.stories.table import PATH, REAL, STORIES, read_written, render

Shown = dict[tuple[int, str], list[str]]


def collected() -> Shown:
    """(story, stage) -> the tests that are there for it, by their marks; the real ones by the lab's names."""
    shown: Shown = {}
    for module in (test_pure, test_replay):
        for name, test in vars(module).items():
            if not name.startswith("test_"):
                continue
            marks = [(mark, name) for mark in getattr(test, "pytestmark", [])]
            for mark, _name in list(marks):
                if mark.name == "parametrize":
                    marks += [
                        (inner, str(one.values))
                        for one in mark.args[1]
                        for inner in getattr(one, "marks", ())
                    ]
            for mark, test_name in marks:
                if mark.name == "story":
                    shown.setdefault((mark.args[0], mark.args[1]), []).append(test_name)
    for stage in ("pure", "replay"):
        shown.setdefault((30, stage), []).append("test_two_owners_of_one_extension_are_refused")
    for number, story in STORIES.items():
        if names := [name for name in story.on if name in PLAYED]:
            shown[number, REAL] = names
    return shown


def test_there_are_forty_stories() -> None:
    assert list(STORIES) == list(range(1, 41))


@pytest.mark.parametrize("number", STORIES)
def test_every_story_is_shown_at_every_stage_that_is_owed(number: int) -> None:
    shown = collected()
    assert [stage for stage in STORIES[number].owed if (number, stage) not in shown] == []


def test_the_table_is_written_down_as_it_is() -> None:
    # to write it anew: python -c "import tests.conftest; from tests.stories.test_table import write; write()"
    assert read_written() == written()


def written() -> str:
    note = (
        "How many tests show each story at each stage, made by `tests/stories/test_table.py`. What a run has "
        "really shown stands in `build/stories.md` after it."
    )
    return render(collected(), note=note)


def write() -> None:
    """Write the table down as it is by the tests that are there."""
    PATH.write_text(written(), encoding="utf-8")


@pytest.mark.story(30, "pure")
@pytest.mark.story(30, "replay")
@pytest.mark.django_db
def test_two_owners_of_one_extension_are_refused() -> None:
    pbx = Pbx.objects.create(kind="webhook", name="Office")
    ada, ben = (User.objects.create_user(f"{name}@practice.example", name=name) for name in ("Ada", "Ben"))
    Extension.objects.create(pbx=pbx, number="101", owner=ada)
    second = Extension(pbx=pbx, number="101", owner=ben)
    with pytest.raises(ValidationError) as refused:
        second.full_clean()
    assert "one extension has one owner" in str(refused.value)
