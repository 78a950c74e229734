"""Answer, hang-up, lookup and withdrawal in every order that workers and desks may come to: in the database.

Workers are stopped in the middle of a search and right before they show something; whatever the phone system
says meanwhile is taken in there, and other workers go on there, too. The shortest stories go through every
such place; of the longer ones Hypothesis draws some (`make nightly`: many).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nutshellpbx.calls import flow, present
from nutshellpbx.calls.models import Pop
from nutshellpbx.desktop import mailbox
from nutshellpbx.journal.models import Entry
from nutshellpbx.people.models import Extension
from tests.stories import book
from tests.stories.scripts import SCRIPTS
from tests.stories.stage import START, Stage

pytestmark = pytest.mark.django_db(databases=["default", "index"])
TOLD = (
    "ring group of 5, one answers",
    "queue, ring all",
    "queue, one after another, the third answers",
    "blind transfer, answered",
    "blind transfer, comes back",
    "pick-up of a colleague's call",
    "rung, the caller gives up",
    "two phones of one person, on ring",
    "two phones of one person, a colleague answers",
)
SHORT = ("rung, the caller gives up", "inbound, answered", "pick-up of a colleague's call")
NIGHTLY = 400


class Play:
    """A story whose next event may come at any point of anybody's work."""

    def __init__(self, stage: Stage, name: str, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self.stage, self.draw = stage, draw
        for key, who in SCRIPTS[name].setup.items():
            if key.startswith("owner."):
                Extension.objects.filter(number=key[6:]).update(owner=stage.users[who])
        self.events = [replace(event, pbx=str(stage.pbx.pk)) for event in SCRIPTS[name].events]
        self.depth = 0

    def go_on(self) -> None:
        """The next event is taken in; all within a second, so that nothing is too late to be shown."""
        event = self.events.pop(0)
        self.stage.clock.go_on(milliseconds=20)
        flow.take_in(event=event, now=self.stage.clock.now)

    def meanwhile(self) -> None:
        """What happens while a worker is at it: events, another worker, a desk that fetches."""
        for _turn in range(self.draw(st.integers(0, 2))):
            what = self.draw(st.integers(0, 3))
            if what < 2 and self.events:
                self.go_on()
            elif what == 2 and self.depth < 3:
                self.work()
            else:
                self.stage.fetch()

    def work(self) -> None:
        """A worker takes up one of the pops that wait."""
        waiting = list(Pop.objects.filter(state=Pop.State.QUEUED).order_by("pk").values_list("pk", flat=True))
        if not waiting:
            return
        self.depth += 1
        chosen = waiting[self.draw(st.integers(0, len(waiting) - 1))]
        present.present(pop_id=chosen, now=self.stage.clock.now)
        self.depth -= 1

    def play(self) -> None:
        while self.events:
            self.meanwhile()
            if self.draw(st.booleans()):
                self.work()
            if self.events:
                self.go_on()
        self.stage.work()


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    return make_stage(kind="webhook")


@contextmanager
def anew(stage: Stage) -> Iterator[Stage]:
    """The office as it was before the first call, and again afterwards."""
    here = transaction.savepoint()
    try:
        stage.clock.now = START
        yield replace(stage, seen=[], cursors={}, standing={})
    finally:
        transaction.savepoint_rollback(here)


def check(stage: Stage, name: str) -> None:
    """No card stays, no page opens twice, nothing new comes after it was taken away, one entry is kept."""
    stage.check()
    kept = [f"entry of {entry.user}" for entry in Entry.objects.all()]
    assert kept == SCRIPTS[name].lines[-1:]
    opened = [who for who, what, _title, _at in stage.seen if what == "page"]
    assert len(opened) == len(set(opened)), "a desk saw two pages of one call"


@pytest.mark.parametrize("where", ["in the search", "before it is shown"])
@pytest.mark.parametrize("name", SHORT)
def test_what_is_said_while_a_worker_is_at_it_counts_wherever_it_comes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str, where: str
) -> None:
    """The first `before` events come before any worker looks, the next ones up to `until` in its middle."""
    put, events = mailbox.put, len(SCRIPTS[name].events)
    for before in range(1, events):
        for until in range(before + 1, events + 1):
            with anew(stage) as office, monkeypatch.context() as patch:
                play = Play(office, name, lambda _strategy: 0)

                def meanwhile(play: Play = play, left: int = events - until) -> None:
                    while len(play.events) > left:
                        play.go_on()

                def put_later(meanwhile: Callable[[], None] = meanwhile, **values: Any) -> object:
                    meanwhile()
                    return put(**values)

                for _event in range(before):
                    play.go_on()
                if where == "in the search":
                    patch.setattr(book.BOOK, "while_asked", meanwhile)
                else:
                    patch.setattr(mailbox, "put", put_later)
                play.work()
                play.play()
                check(office, name)


@settings(
    max_examples=NIGHTLY if settings().max_examples > 1000 else 20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_whatever_comes_between_no_card_stays_no_page_opens_twice_one_entry_is_kept(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(TOLD))
    with anew(stage) as office, monkeypatch.context() as patch:
        play = Play(office, name, data.draw)
        put = mailbox.put

        def put_later(**values: Any) -> object:
            play.meanwhile()
            return put(**values)

        patch.setattr(book.BOOK, "while_asked", play.meanwhile)
        patch.setattr(mailbox, "put", put_later)
        play.play()
        check(office, name)
