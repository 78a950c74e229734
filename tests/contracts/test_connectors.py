"""What every registered connector promises, whatever the vendor: one suite over all of them and their
recordings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nutshellpbx.calls.effects import Close, Present, Withdraw
from nutshellpbx.calls.states import LINGER_LIMIT, RING_LIMIT, CallPicture, LegState, hear, time_out
from nutshellpbx.faults import Rejected
from nutshellpbx.fields import Field, Probe
from nutshellpbx.pbx.asterisk.protocol import Reader
from nutshellpbx.pbx.connector import CONNECTORS, HookRequest, PbxConfig, get_connector_class
from nutshellpbx.pbx.events import MAX_ID, MAX_NAME, MAX_NUMBER, CallEvent, Kind
from nutshellpbx.redact import Secret
from tests.pbx_port.threecx.telling import read_messages

RECORDINGS = Path(__file__).parents[1] / "recordings"
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def ami_messages(connector: Any, recording: Path) -> Iterator[Any]:
    reader = Reader()
    yield from reader.feed(recording.read_bytes())


def posted_messages(connector: Any, recording: Path) -> Iterator[Any]:
    for line in recording.read_bytes().splitlines():
        yield from connector.read(HookRequest(headers={}, body=line))


def heard_messages(connector: Any, recording: Path) -> Iterator[Any]:
    yield from read_messages(recording.read_text(encoding="utf-8"))


#: kind -> how its recordings become messages.
MESSAGES: Mapping[str, Callable[[Any, Path], Iterator[Any]]] = {
    "asterisk": ami_messages,
    "desk": posted_messages,
    "threecx": heard_messages,
    "threecx_template": posted_messages,
    "webhook": posted_messages,
    "zammad": posted_messages,
}


def connector_of(kind: str) -> Any:
    """A connector as the admin would enter it, for a phone system that is not there."""
    declared: list[Field] = list(get_connector_class(kind).fields)
    settings = {field.name: field.default for field in declared if not field.is_secret}
    settings |= {"host": "127.0.0.1", "port": "1"} if "host" in settings else {}
    secrets = {field.name: Secret("0123456789abcdef") for field in declared if field.is_secret}
    config = PbxConfig(id="p-1", name="Office", kind=kind, settings=settings, secrets=secrets, country="US")
    return get_connector_class(kind)(config)


def events_of(kind: str, recording: Path) -> list[CallEvent]:
    connector = connector_of(kind)
    known, told = connector.nothing_known(), []
    for message in MESSAGES[kind](connector, recording):
        known, events, _fetches = connector.translate(known, message, NOW)
        told += events
    return told


def recordings() -> list[Any]:
    files = [(kind, path) for kind in CONNECTORS for path in sorted((RECORDINGS / kind).rglob("*.*"))]
    return [pytest.param(kind, path, id=f"{kind}/{path.stem}") for kind, path in files if path.is_file()]


@pytest.mark.parametrize("kind", CONNECTORS)
def test_a_connector_says_who_it_is_and_what_it_needs(kind: str) -> None:
    connector = connector_of(kind)
    assert connector.kind == kind
    assert connector.label
    names = [field.name for field in connector.fields]
    assert len(names) == len(set(names)) > 0
    assert any(field.is_secret for field in connector.fields)
    assert hasattr(connector, "listen") != hasattr(connector, "verify")


@pytest.mark.parametrize("kind", CONNECTORS)
def test_a_probe_of_a_phone_system_that_is_not_there_says_so_and_what_to_do(kind: str) -> None:
    probe = connector_of(kind).probe()
    assert isinstance(probe, Probe)
    assert probe.checks
    assert all(check.next_step for check in probe.checks if not check.ok)
    assert probe.ok == hasattr(connector_of(kind), "verify")


@pytest.mark.parametrize(("kind", "recording"), recordings())
def test_events_are_bounded_named_and_of_this_phone_system(kind: str, recording: Path) -> None:
    for event in events_of(kind, recording):
        assert event.pbx == "p-1"
        assert 0 < len(event.call_uid) <= MAX_ID
        assert len(event.leg) <= MAX_ID
        assert len(event.number) <= MAX_NUMBER
        assert len(event.name) <= MAX_NAME
        assert event.at.tzinfo is not None


@pytest.mark.parametrize(("kind", "recording"), recordings())
def test_translating_is_pure_the_same_messages_say_the_same(kind: str, recording: Path) -> None:
    assert events_of(kind, recording) == events_of(kind, recording)


@pytest.mark.parametrize(("kind", "recording"), recordings())
def test_every_recorded_call_ends_by_itself_once_and_leaves_no_card(kind: str, recording: Path) -> None:
    calls: dict[str, CallPicture] = {}
    effects: dict[str, list[object]] = {}
    joined = set()
    for event in events_of(kind, recording):
        if event.kind is Kind.JOINED and event.joins:
            joined.add(event.call_uid)
        call, new, _late = hear(calls.get(event.call_uid, CallPicture()), event)
        calls[event.call_uid] = call
        effects.setdefault(event.call_uid, []).extend(new)
    assert calls
    for uid, call in calls.items():
        if getattr(get_connector_class(kind), "makes_itself", False) and call.quiet_at is not None:
            # a desk tells of ringing alone: nothing but time ends what nobody else told of
            call, new = time_out(call, call.quiet_at + RING_LIMIT)
            effects[uid].extend(new)
        elif call.ended_at is not None and call.quiet_at is not None:
            # an end of which no beginning was heard waits for it a little
            call, new = time_out(call, call.quiet_at + LINGER_LIMIT)
            effects[uid].extend(new)
        if uid not in joined:
            assert not call.is_live, f"{uid} never ended"
            assert effects[uid].count(Close()) == 1
            assert all(leg.state is LegState.OVER for leg in call.legs)
        for effect in effects[uid]:
            if isinstance(effect, Present) and uid not in joined:
                assert Withdraw(effect.leg) in effects[uid]
        assert time_out(call, NOW.replace(year=2030))[0].is_live is False


@pytest.mark.parametrize("kind", CONNECTORS)
def test_what_changed_while_we_were_away_is_asked_for_without_raising(kind: str) -> None:
    connector = connector_of(kind)
    known, events = connector.resync(connector.nothing_known(), [], NOW)
    assert events == []
    assert connector.resync(known, [], NOW)[1] == []


@pytest.mark.parametrize(
    "kind", [kind for kind in CONNECTORS if hasattr(get_connector_class(kind), "verify")]
)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"events": 7}'])
def test_a_body_that_cannot_be_read_is_rejected_with_the_fields_name(kind: str, body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        connector_of(kind).read(HookRequest(headers={}, body=body))
    assert caught.value.detail
