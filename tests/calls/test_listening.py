"""The listener: one phone system never keeps another from being heard, and no call lives for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from nutshellpbx.calls import flow, lines, listening, singleton
from nutshellpbx.calls.models import Call, Leg
from nutshellpbx.faults import Denied
from nutshellpbx.pbx import config as pbx_config
from nutshellpbx.pbx.connector import PbxConfig
from nutshellpbx.pbx.events import CallEvent, Direction, Kind
from nutshellpbx.pbx.models import Command, Pbx
from nutshellpbx.people.models import Company

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_S = 10.0


class Scripted:
    """A connector that says what a test tells it to, and keeps how often it was asked to listen."""

    def __init__(self, config: PbxConfig) -> None:
        self.config = config
        self.listens = 0

    def listen(self, stop: Callable[[], bool], take_in: Any, report: Any, *rest: Any) -> None:
        self.listens += 1
        SPOKEN.setdefault(self.config.name, []).append(self)
        report("connected", "")
        SCRIPTS.get(self.config.name, lambda *_: None)(self, take_in, rest[2])
        while not stop():
            time.sleep(0.01)


SPOKEN: dict[str, list[Scripted]] = {}
SCRIPTS: dict[str, Callable[[Scripted, Any, Any], None]] = {}


@pytest.fixture(autouse=True)
def _scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    SPOKEN.clear()
    SCRIPTS.clear()
    Company.objects.create(pk=1, name="Harbor Tools", country="US")
    monkeypatch.setattr(pbx_config, "connector_of", lambda *, config: Scripted(config))
    for pause in ("LOOK_S", "FIRST_PAUSE_S", "LONGEST_PAUSE_S", "BROKEN_PAUSE_S", "CHECK_S"):
        monkeypatch.setattr(listening, pause, 0.02)


@pytest.fixture
def running() -> Iterator[threading.Event]:
    stop = threading.Event()

    def run() -> None:
        try:
            listening.run(stop=stop.is_set)
        finally:
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield stop
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def make_pbx(name: str, kind: str = "asterisk") -> Pbx:
    return Pbx.objects.create(kind=kind, name=name, settings={"host": "127.0.0.1"})


def make_event(pbx: Pbx, uid: str, kind: Kind, at: datetime, leg: str = "", **more: Any) -> CallEvent:
    values = {"direction": Direction.INBOUND, "number": "+13125550142", "extension": "101" if leg else ""}
    return CallEvent(pbx=str(pbx.pk), call_uid=uid, kind=kind, at=at, leg=leg, **{**values, **more})


def make_command(
    pbx: Pbx, *, state: str = "waiting", verb: str = "dial", expires_in_s: float = 20
) -> Command:
    now = timezone.now()
    return Command.objects.create(
        pbx=pbx, verb=verb, state=state, created_at=now, expires_at=now + timedelta(seconds=expires_in_s)
    )


def ring(pbx: Pbx, uid: str, *, at: datetime, kind: Kind = Kind.RINGING) -> None:
    flow.take_in(event=make_event(pbx, uid, kind, at, leg=f"{uid}/101"), now=at)


def wait_for(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_in(pbx: Pbx, state: str) -> bool:
    return Pbx.objects.filter(pk=pbx.pk, state=state).exists()


# --- several phone systems ---------------------------------------------------------------------------


def test_one_secret_that_cannot_be_opened_keeps_nobody_else_from_being_heard(
    monkeypatch: pytest.MonkeyPatch, running: threading.Event
) -> None:
    def refuse(*, pbx: Pbx) -> PbxConfig:
        if pbx.name == "A locked one":
            raise Denied("The key is not here.", "Restore the key files.")
        return pbx_config.bare_config(pbx=pbx)

    monkeypatch.setattr(pbx_config, "open_config", refuse)
    locked, open_one = make_pbx("A locked one"), make_pbx("B open one")
    asked = make_command(locked)
    wait_for(lambda: is_in(open_one, "connected") and is_in(locked, "denied"))
    locked.refresh_from_db()
    assert locked.state_text == "The key is not here. Restore the key files."
    wait_for(lambda: Command.objects.filter(pk=asked.pk, state="failed").exists())


def test_settings_that_nobody_can_read_keep_nobody_else_from_being_heard(running: threading.Event) -> None:
    make_pbx("A strange one", kind="no such kind")
    wait_for(lambda: is_in(make_or_find("B open one"), "connected"))


def make_or_find(name: str) -> Pbx:
    return Pbx.objects.filter(name=name).first() or make_pbx(name)


def test_connector_that_cannot_even_be_made_does_not_end_its_line(
    monkeypatch: pytest.MonkeyPatch, running: threading.Event
) -> None:
    broken = [1, 2]

    def make(*, config: PbxConfig) -> Scripted:
        if broken:
            raise ValueError(broken.pop())
        return Scripted(config)

    monkeypatch.setattr(pbx_config, "connector_of", make)
    pbx = make_pbx("Office")
    wait_for(lambda: is_in(pbx, "connected"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_line_whose_thread_died_is_started_anew(running: threading.Event) -> None:
    def die(scripted: Scripted, *_: Any) -> None:
        if len(SPOKEN["Office"]) == 1:
            raise SystemExit

    SCRIPTS["Office"] = die
    make_pbx("Office")
    wait_for(lambda: len(SPOKEN.get("Office", [])) == 2)


def test_changed_settings_connect_anew_after_the_old_line_is_over(running: threading.Event) -> None:
    order: list[str] = []
    SCRIPTS["Office"] = lambda scripted, *_: order.append(scripted.config.settings["host"])
    pbx = make_pbx("Office")
    wait_for(lambda: order == ["127.0.0.1"])
    Pbx.objects.filter(pk=pbx.pk).update(settings={"host": "127.0.0.2"})
    wait_for(lambda: order == ["127.0.0.1", "127.0.0.2"])


def test_refused_line_is_not_tried_again_for_minutes(running: threading.Event) -> None:
    def refuse(*_: Any) -> None:
        raise Denied("The sign-in is refused", "Check the secret.")

    SCRIPTS["Office"] = refuse
    pbx = make_pbx("Office")
    wait_for(lambda: is_in(pbx, "denied"))
    assert listening.DENIED_PAUSE_S >= 600
    make_pbx("Other")
    wait_for(lambda: SPOKEN.get("Other"))
    assert len(SPOKEN["Office"]) == 1


# --- events ------------------------------------------------------------------------------------------


def test_event_waits_for_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch, running: threading.Event
) -> None:
    away, take_in = [1, 2, 3], flow.take_in

    def take_in_later(**named: Any) -> Any:
        if away:
            raise OperationalError(away.pop())
        return take_in(**named)

    monkeypatch.setattr(flow, "take_in", take_in_later)
    pbx = make_pbx("Office")
    SCRIPTS["Office"] = lambda _scripted, hear, _snapshot: hear(
        make_event(pbx, "c-1", Kind.RINGING, timezone.now(), leg="c-1/101")
    )
    wait_for(lambda: Leg.objects.filter(state="ringing").exists())
    assert len(SPOKEN["Office"]) == 1


def test_event_that_always_breaks_is_set_aside_and_the_next_is_heard(
    monkeypatch: pytest.MonkeyPatch, running: threading.Event
) -> None:
    take_in = flow.take_in

    def break_at(*, event: CallEvent, now: datetime) -> Any:
        if event.call_uid == "poison":
            raise ValueError
        return take_in(event=event, now=now)

    monkeypatch.setattr(flow, "take_in", break_at)
    pbx = make_pbx("Office")

    def script(_scripted: Scripted, hear: Any, _snapshot: Any) -> None:
        for uid in ("fine", "poison", "next"):
            hear(make_event(pbx, uid, Kind.RINGING, timezone.now(), leg=f"{uid}/101"))

    SCRIPTS["Office"] = script
    wait_for(lambda: Call.objects.filter(uid="next").exists())
    assert len(SPOKEN["Office"]) == listening.MOST_TRIES


# --- calls that ended unheard ------------------------------------------------------------------------


def test_call_that_ended_while_nobody_listened_is_over_when_it_was_last_heard() -> None:
    pbx, other_pbx = make_pbx("Office"), make_pbx("Other")
    now = timezone.now()
    heard_at = now - timedelta(minutes=5)
    for uid in ("gone", "lives"):
        ring(pbx, uid, at=heard_at, kind=Kind.ANSWERED)
    ring(pbx, "just begun", at=now)
    ring(other_pbx, "elsewhere", at=heard_at)
    ended = lines.end_vanished(
        pbx_id=str(pbx.pk), live_uids={"lives"}, heard_before=now - timedelta(seconds=1), now=now
    )
    assert ended == 1
    over = Call.objects.get(state=Call.State.ENDED)
    assert (over.uid, over.cause, over.ended_at) == ("gone", "unknown", heard_at)
    assert over.legs.get().state == Leg.State.OVER


def test_call_that_cannot_be_ended_does_not_keep_the_others_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    pbx = make_pbx("Office")
    now = timezone.now()
    for uid in ("poison", "gone"):
        ring(pbx, uid, at=now - timedelta(minutes=1))
    take_in = flow.take_in

    def break_at(*, event: CallEvent, now: datetime) -> Any:
        if event.call_uid == "poison":
            raise ValueError
        return take_in(event=event, now=now)

    monkeypatch.setattr(flow, "take_in", break_at)
    assert lines.end_vanished(pbx_id=str(pbx.pk), live_uids=set(), heard_before=now, now=now) == 1


def test_call_lives_on_under_the_id_of_a_call_that_became_part_of_it() -> None:
    pbx = make_pbx("Office")
    now = timezone.now()
    heard_at = now - timedelta(minutes=5)
    for uid in ("c-1", "c-2", "c-3"):
        ring(pbx, uid, at=heard_at, kind=Kind.ANSWERED)
    for uid, joins in (("c-3", "c-2"), ("c-2", "c-1")):
        flow.take_in(event=make_event(pbx, uid, Kind.JOINED, heard_at, joins=joins), now=heard_at)
    told: dict[str, Any] = {"pbx_id": str(pbx.pk), "heard_before": now, "now": now}
    assert lines.end_vanished(live_uids={"c-3"}, **told) == 0
    assert lines.end_vanished(live_uids=set(), **told) == 1
    assert not Call.objects.filter(state=Call.State.LIVE).exists()


def test_what_the_phone_system_does_not_list_after_connecting_is_over(running: threading.Event) -> None:
    ready = threading.Event()

    def script(_scripted: Scripted, _hear: Any, snapshot: Any) -> None:
        ready.wait(PATIENCE_S)
        snapshot({"lives"})

    SCRIPTS["Office"] = script
    pbx = make_pbx("Office")
    for uid in ("gone", "lives"):
        ring(pbx, uid, at=timezone.now() - timedelta(minutes=1))
    ready.set()
    wait_for(lambda: Call.objects.get(uid="gone").state == Call.State.ENDED)
    assert Call.objects.get(uid="lives").state == Call.State.LIVE


# --- commands ----------------------------------------------------------------------------------------


def test_dialling_on_a_phone_system_that_only_posts_fails_at_once_with_a_sentence(
    running: threading.Event,
) -> None:
    asked = make_command(make_pbx("Cloud", kind="webhook"), expires_in_s=300)
    wait_for(lambda: Command.objects.get(pk=asked.pk).state == Command.State.FAILED)
    assert "takes no orders" in Command.objects.get(pk=asked.pk).result["text"]


@pytest.mark.parametrize(
    ("state", "expired_s", "text"),
    [
        ("waiting", 1, "It waited for too long."),
        ("doing", 61, "The listener did not finish it."),
        ("doing", 50, None),
        ("waiting", -10, None),
    ],
)
def test_command_that_nobody_finished_fails(state: str, expired_s: float, text: str | None) -> None:
    asked = make_command(make_pbx("Office"), state=state, expires_in_s=-expired_s)
    listening.settle_stale_commands(now=timezone.now())
    asked.refresh_from_db()
    assert (asked.result.get("text"), asked.state) == (text, "failed" if text else state)


def test_looking_for_stale_commands_writes_nothing_when_there_are_none() -> None:
    make_command(make_pbx("Office"))
    with CaptureQueriesContext(connection) as queries:
        listening.settle_stale_commands(now=timezone.now())
    assert all(query["sql"].startswith("SELECT") for query in queries)


# --- the lock ----------------------------------------------------------------------------------------


def test_listener_that_lost_its_lock_ends_and_leaves_its_lines() -> None:
    make_pbx("Office")

    def check() -> None:
        if SPOKEN.get("Office"):
            raise singleton.Lost("The connection broke.")

    with pytest.raises(singleton.Lost):
        listening.run(stop=lambda: False, check=check)
    names = {thread.name for thread in threading.enumerate()}
    assert "listen-Office" not in names
