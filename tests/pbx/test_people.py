"""Every story on a real Asterisk, through the whole server: what each person saw, and what is kept of it."""

from __future__ import annotations

import pytest

from nutshellpbx.lab.asterisk.stories import STORIES
from tests.pbx.runs import Runs
from tests.pbx.seen import NUMBERS, ONE_OF_SEVERAL, RANG, SEEN, TOOK_IT

CUSTOMER = "23-contacts"  # who calls in the lab's stories
RUNG = [
    story
    for story, come in SEEN.items()
    if ONE_OF_SEVERAL in (come.screens or {}).values() and TOOK_IT in (come.screens or {}).values()
]


def test_every_story_that_is_owed_is_played_and_none_is_played_without_knowing_what_it_must_come_to() -> None:
    assert set(NUMBERS) == {*range(1, 30), *range(31, 35)}
    assert {story for stories in NUMBERS.values() for story in stories} <= set(STORIES)
    assert set(SEEN) == set(STORIES)


@pytest.mark.parametrize("story", STORIES)
def test_each_person_sees_the_caller_when_it_is_his_and_no_more(story: str, runs: Runs) -> None:
    run = runs.of(story)
    if SEEN[story].screens is None:
        assert set(run.screens()) <= {entry.extension_number for entry in run.entries()}
        assert run.screens() in ({}, *({number: RANG} for number in run.screens()))
    else:
        assert run.screens() == SEEN[story].screens


@pytest.mark.parametrize("story", STORIES)
def test_each_call_is_kept_once_for_who_had_it_or_left_out_for_a_reason(story: str, runs: Runs) -> None:
    run, come = runs.of(story), SEEN[story]
    assert tuple(run.left_out()) == come.left_out
    entries = run.entries()
    whose = sorted(kept.whose for kept in come.kept)
    extensions = sorted(entry.extension_number for entry in entries)
    assert all(number in may for number, may in zip(extensions, whose, strict=True)), extensions
    notes = {note["body"]: note["parent"] for note in run.notes()}
    assert set(notes.values()) <= {CUSTOMER}
    assert len(notes) == sum(kept.stands for kept in come.kept)
    for kept in come.kept:
        texts = list(notes) if kept.stands else [entry.text for entry in entries]
        assert [text for text in texts if all(words in text for words in kept.says)], (kept, texts)


@pytest.mark.parametrize("story", RUNG)
def test_the_cards_of_the_others_go_away_while_the_one_who_answered_still_speaks(
    story: str, runs: Runs
) -> None:
    run = runs.of(story)
    (call,) = run.calls()
    assert call.ended_at is not None
    for number, screens in (SEEN[story].screens or {}).items():
        if screens == ONE_OF_SEVERAL:
            gone = [one.at for one in run.seen[number] if one.words == "gone"]
            assert gone[0] < call.ended_at.timestamp()
