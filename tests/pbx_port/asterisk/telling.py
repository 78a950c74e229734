"""Call events as lines that a person can read, and the recorded streams they come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from nutshellpbx.pbx.asterisk.picture import Known, Lines
from nutshellpbx.pbx.asterisk.protocol import Message, Reader
from nutshellpbx.pbx.asterisk.translate import nothing_known, translate
from nutshellpbx.pbx.events import CallEvent

RECORDINGS = Path(__file__).parents[2] / "recordings" / "asterisk" / "22"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def read_recording(story: str) -> bytes:
    """The raw bytes that a manager connection heard during a story."""
    return (RECORDINGS / f"{story}.ami").read_bytes()


def read_messages(raw: bytes, *, pieces: int = 1 << 16) -> list[Message]:
    """The messages in a stream that comes in pieces of so many bytes."""
    reader = Reader()
    return [
        message
        for start in range(0, len(raw), pieces)
        for message in reader.feed(raw[start : start + pieces])
    ]


def hear_all(
    messages: Iterable[Message], *, known: Known | None = None, now: datetime = NOON
) -> tuple[Known, list[CallEvent]]:
    """The picture and the events after these messages."""
    known = known or nothing_known("pbx", Lines())
    events: list[CallEvent] = []
    for message in messages:
        known, told, _ = translate(known, message, now)
        events += told
    return known, events


def tell(events: Sequence[CallEvent]) -> list[str]:
    """One line per leg and per call: who, what happened to it in order, and the other side where it changes.

    Two runs of the same story give the same lines, whatever ids and interleaving of legs they had.
    """
    lines: dict[tuple[str, str], list[str]] = {}
    parties: dict[tuple[str, str], str] = {}
    for event in events:
        # A leg keeps its id when its call joins another; a call's own line is told apart by its id.
        key = ("", event.leg) if event.leg else (event.call_uid, "")
        who = event.extension if event.leg else "call"
        words = [event.kind.value, *([event.cause.value] if event.cause else [])]
        party = _describe_party(event)
        if parties.get(key) != party and event.kind != "joined":
            words.append(party)
        parties[key] = party
        lines.setdefault(key, [f"{who}:"]).append(" ".join(words) + ",")
    return sorted(" ".join(words).rstrip(",") for words in lines.values())


def _describe_party(event: CallEvent) -> str:
    words = [event.direction.value, event.number or "withheld", event.name]
    if event.dialled:
        words.append(f"to {event.dialled}")
    if event.via:
        words.append(f"via {event.via.value} {event.via_name}".rstrip())
    return " ".join(filter(None, words))
