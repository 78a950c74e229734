"""How the practice Nutshell misbehaves while writers are attacked (see lab/nutshell/misbehaviour.py)."""

from __future__ import annotations

from typing import Any

from tests.faults.arena import SPEED

WRITES = {"method": "POST", "path": "/rest/notes"}
DELETES = {"method": "DELETE", "path": "/rest/notes"}
READS = {"method": "GET", "path": "/rest/notes/"}
#: The client gives a write up after 20 of its seconds; what it gave up is carried out in the quiet period.
TOO_LATE_S = 21.0 / SPEED
LATE_S = 19.0 / SPEED
#: The slowest that lists and feeds ever show a new note, in the CRM's own seconds.
LAG_S = 30.0
EVERYWHERE = ["notes", "events", "record_notes"]  # wherever a note can be looked for

#: The ways in which a write or a removal may end, one order each.
WAYS: dict[str, dict[str, Any]] = {
    "well": {},
    "reset before": {"kind": "reset_before", **WRITES},
    "reset after": {"kind": "reset_after", **WRITES},
    "seen late": {"kind": "lag", "seconds": 4.0, "tables": EVERYWHERE},
    "removal reset before": {"kind": "reset_before", **DELETES},
    "removal reset after": {"kind": "reset_after", **DELETES},
    "5xx before": {"kind": "status_before", "status": 503, **WRITES},
    "5xx after": {"kind": "status_after", "status": 502, **WRITES},
    "answered too late": {"kind": "slow_answer", "seconds": TOO_LATE_S, **WRITES},
    "429": {"kind": "throttle", "retry_after": 1, **WRITES},
    "truncated": {"kind": "truncate", **WRITES},
    "garbage": {"kind": "garbage", **WRITES},
    "wrong type": {"kind": "wrong_type", **WRITES},
    "duplicate answer": {"kind": "duplicate", **WRITES},
    "read-back reset": {"kind": "reset_before", **READS},
}
#: The ways of CI's short share.
FEW_WAYS = ("well", "reset before")

#: What befalls any request at random, by its share; of the lists' lag, any note.
RATES: tuple[dict[str, Any], ...] = (
    {"rate": 0.03, "kind": "reset_before"},
    {"rate": 0.04, "kind": "reset_after"},
    {"rate": 0.02, "kind": "status_before", "status": 503},
    {"rate": 0.03, "kind": "status_after", "status": 500},
    {"rate": 0.02, "kind": "slow_answer", "seconds": [LATE_S, TOO_LATE_S]},
    {"rate": 0.03, "kind": "delay", "seconds": [0.0, LATE_S]},
    {"rate": 0.02, "kind": "throttle", "retry_after": 2},
    {"rate": 0.01, "kind": "throttle"},
    {"rate": 0.02, "kind": "truncate"},
    {"rate": 0.02, "kind": "wrong_type"},
    {"rate": 0.01, "kind": "html"},
    {"rate": 0.02, "kind": "garbage"},
    {"rate": 0.01, "kind": "empty"},
    {"rate": 0.03, "kind": "duplicate"},
)


def once(way: str) -> list[dict[str, Any]]:
    """The order for one write or removal to end in this way; a note is late in all places, for once."""
    order = WAYS[way]
    times = len(EVERYWHERE) if order.get("kind") == "lag" else 1
    return [{**order, "times": times}] if order else []


def at_random() -> list[dict[str, Any]]:
    """Every kind by its rate, at both of the CRM's interfaces, and each place slow on its own."""
    return [*RATES, {"rate": 0.5, "kind": "lag", "seconds": [0.0, LAG_S], "tables": EVERYWHERE}]


def slow_lists() -> list[dict[str, Any]]:
    """Nothing but the longest lag, for every note: what the writer has to have measured before."""
    return [{"kind": "lag", "seconds": LAG_S, "tables": EVERYWHERE}]
