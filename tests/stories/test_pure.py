"""The 40 stories without a process or a database: normalised events in, what comes out."""

from __future__ import annotations

import pytest

from nutshellpbx.calls.rehearsal import rehearse
from tests.stories.scripts import SCRIPTS, in_words


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.story(each.story, "pure")) for name, each in SCRIPTS.items()],
)
def test_story_comes_to_what_it_must(name: str) -> None:
    script = SCRIPTS[name]
    assert in_words(rehearse(script.events, script.house())) == script.lines


@pytest.mark.parametrize(("entry_owner", "owner"), [("longest", "Ben"), ("first", "Ada"), ("last", "Ben")])
def test_a_transferred_call_belongs_to_whom_the_company_says(entry_owner: str, owner: str) -> None:
    script = SCRIPTS["blind transfer, answered"]
    script = type(script)(script.story, script.events, {"entry_owner": entry_owner})
    assert f"entry of {owner}" in in_words(rehearse(script.events, script.house()))
