from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nutshellpbx import wire

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LINE = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\x7f"), max_size=60
)
PAGES = st.builds(
    wire.Page,
    origin=LINE.filter(bool),
    path=LINE.filter(bool),
    query=st.lists(st.tuples(LINE, LINE), max_size=4).map(tuple),
    fragment=LINE,
)
INSTRUCTIONS = st.builds(
    wire.Instruction,
    id=st.uuids().map(str),
    verb=st.just(wire.Verb.OPEN),
    call=LINE.filter(bool),
    expires_at=st.just(NOON),
    subject=LINE,
    title=LINE,
    lines=st.lists(LINE, max_size=5).map(tuple),
    page=PAGES,
    browser=LINE,
)


def message(**changes: Any) -> dict[str, Any]:
    parts = {
        "v": 1,
        "id": str(uuid4()),
        "verb": "open",
        "call": "pbx:1",
        "page": {"origin": "https://a.example", "path": "/x", "query": [["n", "v"]]},
        "expires_at": "2026-03-02T12:00:00Z",
    }
    return {name: value for name, value in (parts | changes).items() if value is not ...}


def read(*instructions: Any, **changes: Any) -> wire.Batch:
    parts = {"cursor": 1, "now": "2026-03-02T12:00:00Z", "instructions": list(instructions), **changes}
    return wire.read_batch(json.dumps(parts).encode())


@given(st.lists(INSTRUCTIONS, max_size=3), st.integers(0, wire.MAX_CURSOR))
def test_what_is_written_is_read_back_the_same(instructions: list[wire.Instruction], cursor: int) -> None:
    raw = wire.batch_to(
        cursor=cursor, now=NOON, instructions=[wire.instruction_to(one) for one in instructions]
    )
    batch = wire.read_batch(raw)
    assert batch == wire.Batch(cursor, NOON, tuple(instructions), heartbeat=not instructions)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"verb": "shout"}, wire.Result.UNKNOWN_VERB),
        ({"v": 2}, wire.Result.NEWER_VERSION),
        ({"v": 2, "verb": "shout", "page": 7}, wire.Result.NEWER_VERSION),
        ({"v": "1"}, wire.Result.MALFORMED),
        ({"v": True}, wire.Result.MALFORMED),
        ({"v": ...}, wire.Result.MALFORMED),
        ({"page": ...}, wire.Result.MALFORMED),
        ({"page": "https://a.example/x"}, wire.Result.MALFORMED),
        ({"page": {"origin": "https://a.example", "path": "/x", "query": [["n"]]}}, wire.Result.MALFORMED),
        ({"page": {"origin": "https://a.example", "path": "/x", "query": [["n", 1]]}}, wire.Result.MALFORMED),
        ({"page": {"origin": "https://a.example", "path": "/x\n"}}, wire.Result.MALFORMED),
        ({"page": {"origin": "https://a.example", "path": "/" + "x" * 2000}}, wire.Result.MALFORMED),
        ({"title": "x" * 201}, wire.Result.MALFORMED),
        ({"title": "a\u0000b"}, wire.Result.MALFORMED),
        ({"title": "\ud800"}, wire.Result.MALFORMED),
        ({"lines": ["x"] * 13}, wire.Result.MALFORMED),
        ({"lines": "text"}, wire.Result.MALFORMED),
        ({"expires_at": "2026-03-02T12:00:00"}, wire.Result.MALFORMED),
        ({"expires_at": "soon"}, wire.Result.MALFORMED),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, wire.Result.MALFORMED),
        ({"call": ""}, wire.Result.MALFORMED),
    ],
)
def test_an_odd_instruction_is_ignored_by_its_id_and_the_others_are_read(
    changes: dict[str, Any], reason: wire.Result
) -> None:
    odd = message(**changes)
    batch = read(odd, message())
    assert batch.instructions[0] == wire.Unreadable(odd["id"], reason)
    assert isinstance(batch.instructions[1], wire.Instruction)


@pytest.mark.parametrize("odd", [None, 7, "x", [], {}, {"id": "x"}, {"id": 7}])
def test_an_instruction_without_an_id_is_left_out(odd: Any) -> None:
    assert len(read(odd, message()).instructions) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"cursor":1}',
        b'{"cursor":-1,"now":"2026-03-02T12:00:00Z"}',
        b'{"cursor":1e3,"now":"2026-03-02T12:00:00Z"}',
        b'{"cursor":1,"now":"2026-03-02T12:00:00Z","instructions":{}}',
        b'{"cursor":1,"now":"2026-03-02T12:00:00Z","instructions":[' + b"1," * 300 + b"1]}",
        b'{"cursor":1,"now":"' + b" " * 300_000 + b'"}',
    ],
)
def test_an_answer_that_does_not_keep_the_contract_is_refused_whole(raw: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.read_batch(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(list(message())), JSON, max_size=7))
def test_nothing_that_is_sent_breaks_the_reader(changes: dict[str, Any]) -> None:
    batch = read(message(**changes), message())
    assert isinstance(batch.instructions[-1], wire.Instruction)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.read_batch(raw)


def test_pairing_messages_are_read_back_the_same() -> None:
    started = wire.PairingStarted(
        "BCDFGHJK", "s" * 43, 300, 2, "https://pbx.example/desktops/pair?code=BCDFGHJK"
    )
    paired = wire.Paired(
        "npbxd_" + "0" * 72, str(uuid4()), "Ann", "https://pbx.example", ("https://a.example",)
    )
    assert wire.read_pairing_started(wire.to_json(wire.fields_to(started))) == started
    assert wire.read_paired(wire.to_json(wire.fields_to(paired))) == paired


def test_a_code_with_letters_that_codes_never_have_is_refused() -> None:
    parts = wire.fields_to(wire.PairingStarted("AEIOU012", "s" * 43, 300, 2, "https://x.example"))
    with pytest.raises(wire.Malformed):
        wire.read_pairing_started(wire.to_json(parts))
