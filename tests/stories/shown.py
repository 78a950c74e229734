"""Which stories were shown, by tests that ran and passed: noted as they pass, put together into a table.

`python -m tests.stories.shown` writes build/stories.md from the notes of the last run and from the report of
the suite on the real Asterisk (build/reports/pbx.xml). A test that was skipped shows nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from tests.stories.table import REAL, STORIES, render

BUILD = Path(__file__).parents[2] / "build"
NOTES = BUILD / "stories.jsonl"
TABLE = BUILD / "stories.md"
REPORT = BUILD / "reports" / "pbx.xml"
#: The tests on the real Asterisk are named after the lab's stories.
BY_STORY = "test_story_comes_to_what_it_must["


def begin() -> None:
    """Forget the notes of the run before."""
    NOTES.parent.mkdir(exist_ok=True)
    NOTES.write_text("", encoding="utf-8")


def note(*, story: int, stage: str, test: str) -> None:
    """A test has passed that shows this story at this stage."""
    with NOTES.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"story": story, "stage": stage, "test": test}) + "\n")


def read_notes() -> dict[tuple[int, str], list[str]]:
    """(story, stage) -> the tests that have shown it."""
    shown: dict[tuple[int, str], list[str]] = defaultdict(list)
    for line in NOTES.read_text(encoding="utf-8").splitlines() if NOTES.exists() else []:
        row = json.loads(line)
        shown[row["story"], row["stage"]].append(row["test"])
    for name in read_played():
        for number, story in STORIES.items():
            if name in story.on:
                shown[number, REAL].append(name)
    return shown


def read_played() -> set[str]:
    """The lab's stories that a test has played on the real Asterisk, passed and not skipped."""
    if not REPORT.exists():
        return set()
    cases = ElementTree.parse(REPORT).iter("testcase")
    return {
        str(case.get("name")).removeprefix(BY_STORY).rstrip("]")
        for case in cases
        if str(case.get("name")).startswith(BY_STORY) and len(case) == 0
    }


def write() -> str:
    """The table of what was shown, as it now stands in build/stories.md."""
    text = render(read_notes(), note="Tests that ran and passed; a test that was skipped does not count.")
    TABLE.write_text(text, encoding="utf-8")
    return text


if __name__ == "__main__":
    print(write())
