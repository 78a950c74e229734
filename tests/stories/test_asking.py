"""A ring group asks the CRM once: per call and sign-in, however many workers are at it at the same time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from nutshellpbx.calls import present
from nutshellpbx.calls.models import Asking, Pop
from nutshellpbx.crm.models import ChosenCard
from tests.stories import book
from tests.stories.replays import Replay
from tests.stories.stage import GRACE, Stage

pytestmark = pytest.mark.django_db(databases=["default", "index"])


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    return make_stage()


def ring_all(stage: Stage) -> list[Pop]:
    """Three phones of a queue ring; no worker has looked yet."""
    for event in Replay(stage, "queue_all_ring").events():
        if event.kind != "ringing":
            break
        stage.take_in(event, then=lambda: None)
    return list(Pop.objects.order_by("pk"))


def cards(stage: Stage) -> list[tuple[str, str]]:
    return [(who, what) for who, what, _title, _at in stage.seen]


def test_a_colleagues_worker_waits_while_one_asks_and_shows_the_same_answer(stage: Stage) -> None:
    first, second, third = ring_all(stage)

    def colleagues_look_too() -> None:
        for pop in (second, third):
            present.present(pop_id=pop.pk, now=stage.clock.now)
            pop.refresh_from_db()
            assert (pop.state, pop.tries) == (Pop.State.QUEUED, 0)

    book.BOOK.while_asked = colleagues_look_too
    present.present(pop_id=first.pk, now=stage.clock.now)
    stage.work()
    assert cards(stage) == [("Ada", "card"), ("Ben", "card"), ("Cyd", "card")]
    assert book.BOOK.asked == [GRACE]
    assert not Asking.objects.exists()


def test_a_crm_that_is_away_is_asked_once_for_all_and_again_at_the_next_moment(stage: Stage) -> None:
    book.BOOK.is_away = True
    ring_all(stage)
    stage.work()
    assert cards(stage) == [("Ada", "card"), ("Ben", "card"), ("Cyd", "card")]
    assert len(book.BOOK.asked) == 1


def test_several_records_are_asked_for_once_and_each_user_keeps_his_own_choice(stage: Stage) -> None:
    book.BOOK.names[GRACE] = ["Grace", "Gina"]
    ChosenCard.objects.create(
        user=stage.users["Ben"],
        crm=stage.crm,
        number_digits=GRACE[1:],
        table="contacts",
        record_id="1-Gina",
        chosen_at=stage.clock.now,
    )
    ring_all(stage)
    stage.work()
    titles = {who: title for who, _what, title, _at in stage.seen}
    assert titles["Ben"] == "Gina"
    assert "2 records have" in titles["Ada"]
    assert len(book.BOOK.asked) == 1


def test_who_died_while_asking_is_waited_for_only_a_few_seconds(stage: Stage) -> None:
    first, *_others = ring_all(stage)
    Asking.objects.create(
        call=first.leg.call,
        crm=stage.crm,
        asked_with=f"{GRACE[1:]}|contacts,accounts|0",
        since=stage.clock.now,
    )
    present.present(pop_id=first.pk, now=stage.clock.now)
    assert book.BOOK.asked == []
    stage.clock.now += timedelta(seconds=6)
    stage.work()
    assert book.BOOK.asked == [GRACE]
