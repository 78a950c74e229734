"""Every story on a real Asterisk, through the whole server: what each person saw, and what is kept of it."""

from __future__ import annotations

import pytest

from nutshellpbx import wire
from nutshellpbx.calls.models import Call
from nutshellpbx.lab.asterisk.dialled import CUSTOMER as NUMBER
from nutshellpbx.lab.asterisk.stories import STORIES
from tests.pbx.office import PEOPLE
from tests.pbx.runs import Run, Runs
from tests.pbx.seen import ONE_OF_SEVERAL, RANG, SEEN, SPOKE, TOOK_IT
from tests.stories.table import REAL
from tests.stories.table import STORIES as OWED

#: Who calls in the lab's stories, with a page of her own; the second caller of some is in no CRM.
CUSTOMER, NAME, PAGE = "23-contacts", "Mara Lindqvist", "/person/23-"
UNKNOWN, FORM = "Unknown caller +1 312-555-0199", "/pop/"
RUNG = [
    story
    for story, come in SEEN.items()
    if ONE_OF_SEVERAL in (come.screens or {}).values() and TOOK_IT in (come.screens or {}).values()
]


PASSED_ON = [
    story
    for story, come in SEEN.items()
    if RANG in (come.screens or {}).values()
    and any(screens in (SPOKE, TOOK_IT) for screens in (come.screens or {}).values())
    and story != "three_in_a_conference"
]


def test_every_story_that_is_owed_is_played_and_none_is_played_without_knowing_what_it_must_come_to() -> None:
    owed = {number: story.on for number, story in OWED.items() if REAL in story.owed}
    assert set(owed) >= {*range(1, 29), *range(31, 35)}
    assert {name for names in owed.values() for name in names} <= set(STORIES)
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
def test_what_a_desk_shows_is_the_callers_own(story: str, runs: Runs) -> None:
    run = runs.of(story)
    numbers = dict(Call.objects.filter(key__in=run.keys).values_list("key", "number"))
    for seen in run.seen.values():
        for shown in [one.instruction for one in seen if one.instruction.verb is not wire.Verb.WITHDRAW]:
            is_customer = numbers[shown.call] == NUMBER
            assert shown.title == (NAME if is_customer else UNKNOWN)
            if shown.page is not None:
                assert shown.page.path.startswith(PAGE if is_customer else FORM)


@pytest.mark.parametrize("story", STORIES)
def test_each_call_is_kept_once_for_who_had_it_or_left_out_for_a_reason(story: str, runs: Runs) -> None:
    run, come = runs.of(story), SEEN[story]
    assert tuple(run.left_out()) == come.left_out
    assert run.why_never() == ([come.never] if come.never else [])
    entries = run.entries()
    assert len({entry.call_key for entry in entries}) == len(entries)
    whose = sorted(kept.whose for kept in come.kept)
    extensions = sorted(entry.extension_number for entry in entries)
    assert all(number in may for number, may in zip(extensions, whose, strict=True)), extensions
    notes = {note["body"]: note for note in run.notes()}
    assert len(run.notes()) == len(notes) == sum(kept.stands for kept in come.kept)
    for kept in come.kept:
        texts = list(notes) if kept.stands else [entry.text for entry in entries]
        assert [text for text in texts if all(words in text for words in kept.says)], (kept, texts)
    emails = emails_of(run)
    for entry in entries:
        email = PEOPLE[entry.extension_number][1]
        assert entry.user is not None and entry.user.email == email
        written = [note for body, note in notes.items() if entry.marker and entry.marker in body]
        # who is in no CRM has no record to write at: the entry waits until she is
        assert len(written) == (entry.number == NUMBER)
        for note in written:
            assert (note["parent"], emails[note["author"]]) == (CUSTOMER, email)
            assert entry.text in note["body"]


def emails_of(run: Run) -> dict[str, str]:
    """The address of each user of the CRM, by his id there."""
    return {user["id"]: user["emails"][0] for user in run.office.crm.ask("GET", "/users")["users"]}


@pytest.mark.parametrize("story", STORIES)
def test_what_was_shown_goes_away_with_the_colleagues_answer_or_the_own_end(story: str, runs: Runs) -> None:
    """Not somewhat later: in the transaction of the event that took it away."""
    for number, key, events in runs.of(story).taken_away():
        ended = [event for event in events if event.kind == "ended" and event.number in {number, ""}]
        answered = [event for event in events if event.kind == "answered" and event.number != number]
        joined = [event for event in events if event.kind == "joined"]
        assert ended or answered or joined, (number, key, events)


@pytest.mark.parametrize("story", PASSED_ON)
def test_who_passed_the_call_on_has_its_page_no_more_while_the_other_speaks(story: str, runs: Runs) -> None:
    run = runs.of(story)
    givers = {number for number, screens in (SEEN[story].screens or {}).items() if screens == RANG}
    gone = [(number, events) for number, _key, events in run.taken_away() if number in givers]
    assert {number for number, _events in gone} == givers
    for _number, events in gone:
        assert all(event.leg_uid for event in events), "it stayed until the call's end"


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
    others = {number for number, screens in (SEEN[story].screens or {}).items() if screens == ONE_OF_SEVERAL}
    away = {number: events for number, _key, events in run.taken_away()}
    # a queue stops the other phones before it says who answered
    assert all(event.leg_uid for number in others for event in away[number]), "it stayed until the call's end"
