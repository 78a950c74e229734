"""A caller's number that comes while a worker is just finding out that there is none: the caller is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nutshellpbx.calls import callers, flow, present
from nutshellpbx.calls.models import Pop, Step
from nutshellpbx.pbx.events import CallEvent, Direction, Kind
from tests.stories.stage import GRACE, Stage

pytestmark = pytest.mark.django_db(databases=["default", "index"])


def say(stage: Stage, kind: Kind, number: str, count: int) -> None:
    event = CallEvent(
        pbx=str(stage.pbx.pk),
        call_uid="c1",
        kind=kind,
        at=stage.clock.now,
        leg="" if kind is Kind.UPDATED else "101",
        extension="" if kind is Kind.UPDATED else "101",
        direction=Direction.INBOUND,
        number=number,
        seq=f"1-{count}",
    )
    flow.take_in(event=event, now=stage.clock.now)


@pytest.mark.parametrize("known", ["", "17"])
def test_a_number_that_comes_while_a_worker_looks_is_asked_for_all_the_same(
    make_stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    stage = make_stage(kind="webhook")
    say(stage, Kind.ANSWERED, known, 1)
    find = callers.find_never_reason
    told: list[str] = []

    def find_meanwhile(**values: Any) -> str:
        reason = find(**values)
        if not told:
            told.append(GRACE)
            say(stage, Kind.UPDATED, GRACE, 2)
        return reason

    monkeypatch.setattr(callers, "find_never_reason", find_meanwhile)
    pop = Pop.objects.get()
    present.present(pop_id=pop.pk, now=stage.clock.now)
    pop.refresh_from_db()
    assert (pop.state, pop.tries) == (Pop.State.QUEUED, 0)
    assert not Step.objects.filter(what="not_shown").exists()
    stage.work()
    assert [(who, what, title) for who, what, title, _at in stage.seen] == [("Ada", "page", "Grace")]


def test_a_call_without_a_number_is_looked_at_once(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(kind="webhook")
    say(stage, Kind.ANSWERED, "", 1)
    stage.work()
    pop = Pop.objects.get()
    assert (pop.state, pop.reason, pop.tries) == (Pop.State.NOTHING, "never_matched", 1)
