"""The contract between server and desktop client: frozen dataclasses <-> JSON, read strictly, within bounds.

Pure. A page travels as an origin and parts, never as one string; the client builds the address itself. What a
reader does not know (a verb, a newer version) becomes `Unreadable`: one odd line never costs the others.
Here are the client's readers; the server reads through its API's serializers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

VERSION = 1
MAX_BYTES = 256 * 1024
MAX_INSTRUCTIONS = 200
MAX_CURSOR = 2**63 - 1
TOKEN_PREFIX = "npbxd_"
#: The consonants that can't be mistaken for one another: RFC 8628 §6.1.
CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
CODE_LENGTH = 8


class Malformed(ValueError):
    """A message does not keep the contract; `field` names the place."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Verb(StrEnum):
    """What a desktop is asked to do."""

    OPEN = "open"  # open this page, and show the card
    CARD = "card"  # show the card, open nothing
    WITHDRAW = "withdraw"  # take away what this call's leg showed


class Result(StrEnum):
    """What became of an instruction on the desktop."""

    OPENED = "opened"
    SHOWN = "shown"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    UNKNOWN_VERB = "unknown_verb"
    NEWER_VERSION = "newer_version"
    MALFORMED = "malformed"
    REFUSED_ORIGIN = "refused_origin"
    REFUSED_ADDRESS = "refused_address"
    TOO_MANY = "too_many"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Page:
    """An address in parts, none of them encoded: origin `https://host[:port]`, path from "/" on."""

    origin: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    fragment: str = ""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One thing a desktop is asked to do; `call` and `subject` (the leg) say to what it belongs."""

    id: str
    verb: Verb
    call: str
    expires_at: datetime
    subject: str = ""
    title: str = ""
    lines: tuple[str, ...] = ()
    page: Page | None = None
    browser: str = ""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An instruction that this reader does not understand: ignored, and reported by its id and reason."""

    id: str
    reason: Result


@dataclass(frozen=True, slots=True)
class Batch:
    """The answer of one poll; `cursor` is what to ask with next, `now` the server's clock."""

    cursor: int
    now: datetime
    instructions: tuple[Instruction | Unreadable, ...] = ()
    heartbeat: bool = False


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser of a desktop."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What a desktop says of itself."""

    client_version: str
    os: str
    browsers: tuple[Browser, ...] = ()
    confirmed_origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one instruction; `took_ms` from its arrival to its end, None where nothing was done."""

    id: str
    outcome: Result
    at: datetime
    took_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PairingRequest:
    """A desktop asks to be paired."""

    name: str
    os: str
    client_version: str


@dataclass(frozen=True, slots=True)
class PairingStarted:
    """The code for the person, the secret for the desktop's polls; how long it lives, how often to poll."""

    code: str
    poll_secret: str
    expires_in_s: int
    interval_s: int
    approve_url: str


@dataclass(frozen=True, slots=True)
class Paired:
    """The pairing is done: the token (given once), where to listen, and which origins pages may come from."""

    token: str
    device: str
    user: str
    push_url: str
    origins: tuple[str, ...]


# ------------------------------------------------------------------------------------------------- reading
def _object(value: object, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(field, "must be an object")
    return value


def _text(source: dict[str, Any], name: str, *, most: int, least: int = 0, required: bool = True) -> str:
    value = source.get(name, None if required else "")
    if not isinstance(value, str):
        raise Malformed(name, "must be a text" if name in source else "is missing")
    if not least <= len(value) <= most:
        raise Malformed(name, f"must have {least} to {most} characters")
    if any(character < " " or character == "\x7f" for character in value):
        raise Malformed(name, "holds a control character")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed(name, "is not Unicode text") from error
    return value


def _number(source: dict[str, Any], name: str, *, most: int) -> int:
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Malformed(name, "must be a whole number")
    if not 0 <= value <= most:
        raise Malformed(name, f"must be from 0 to {most}")
    return value


def _moment(source: dict[str, Any], name: str) -> datetime:
    text = _text(source, name, most=40)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Malformed(name, "must be a time like 2026-01-31T12:00:00Z") from error
    if moment.tzinfo is None:
        raise Malformed(name, "must carry its time zone")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise Malformed(name, "is out of range") from error


def _uuid(source: dict[str, Any], name: str) -> str:
    text = _text(source, name, most=36)
    try:
        return str(UUID(text))
    except ValueError as error:
        raise Malformed(name, "must be a UUID") from error


def _list(source: dict[str, Any], name: str, *, most: int) -> list[Any]:
    value = source.get(name, [])
    if not isinstance(value, list):
        raise Malformed(name, "must be a list")
    if len(value) > most:
        raise Malformed(name, f"must have at most {most} parts")
    return value


def _texts(source: dict[str, Any], name: str, *, most: int, longest: int) -> tuple[str, ...]:
    return tuple(_text({name: part}, name, most=longest) for part in _list(source, name, most=most))


def from_json(raw: bytes, *, most: int = MAX_BYTES) -> dict[str, Any]:
    """The object in a JSON message; raises Malformed when it is too long, not JSON, or not an object."""
    if len(raw) > most:
        raise Malformed("message", f"is longer than {most} bytes")
    try:
        return _object(json.loads(raw), "message")
    except (ValueError, RecursionError) as error:
        raise Malformed("message", "is not JSON") from error


def _page(value: object) -> Page:
    source = _object(value, "page")
    pairs = []
    for pair in _list(source, "query", most=32):
        if not isinstance(pair, list) or len(pair) != 2:
            raise Malformed("query", "must be pairs of name and value")
        name, text = (_text({"query": part}, "query", most=1024) for part in pair)
        pairs.append((name, text))
    return Page(
        origin=_text(source, "origin", most=255, least=1),
        path=_text(source, "path", most=1024, least=1),
        query=tuple(pairs),
        fragment=_text(source, "fragment", most=512, required=False),
    )


def read_instruction(value: object) -> Instruction | Unreadable:
    """One instruction; `Unreadable` where it can't be followed; raises Malformed without an id."""
    source = _object(value, "instruction")
    uid = _uuid(source, "id")
    try:
        if _number(source, "v", most=2**31) > VERSION:
            return Unreadable(uid, Result.NEWER_VERSION)
        if _text(source, "verb", most=40) not in set(Verb):
            return Unreadable(uid, Result.UNKNOWN_VERB)
        verb = Verb(source["verb"])
        page = _page(source["page"]) if source.get("page") is not None else None
        if verb is Verb.OPEN and page is None:
            raise Malformed("page", "is missing")
        return Instruction(
            id=uid,
            verb=verb,
            call=_text(source, "call", most=200, least=1),
            subject=_text(source, "subject", most=200, required=False),
            title=_text(source, "title", most=200, required=False),
            lines=_texts(source, "lines", most=12, longest=300),
            page=page,
            browser=_text(source, "browser", most=60, required=False),
            expires_at=_moment(source, "expires_at"),
        )
    except Malformed:
        return Unreadable(uid, Result.MALFORMED)


def read_batch(raw: bytes) -> Batch:
    """A poll's answer; raises Malformed. An instruction without an id is left out: nobody could report it."""
    source = from_json(raw)
    instructions: list[Instruction | Unreadable] = []
    for value in _list(source, "instructions", most=MAX_INSTRUCTIONS):
        try:
            instructions.append(read_instruction(value))
        except Malformed:
            continue
    return Batch(
        cursor=_number(source, "cursor", most=MAX_CURSOR),
        now=_moment(source, "now"),
        instructions=tuple(instructions),
        heartbeat=source.get("heartbeat") is True,
    )


def read_pairing_started(raw: bytes) -> PairingStarted:
    """The server's answer to a PairingRequest; raises Malformed."""
    source = from_json(raw, most=8192)
    code = _text(source, "code", most=CODE_LENGTH, least=CODE_LENGTH)
    if not set(code) <= set(CODE_ALPHABET):
        raise Malformed("code", "holds a character that codes never have")
    return PairingStarted(
        code=code,
        poll_secret=_text(source, "poll_secret", most=128, least=20),
        expires_in_s=_number(source, "expires_in_s", most=3600),
        interval_s=_number(source, "interval_s", most=60),
        approve_url=_text(source, "approve_url", most=500),
    )


def read_paired(raw: bytes) -> Paired:
    """The server's last word of a pairing; raises Malformed."""
    source = from_json(raw, most=16384)
    return Paired(
        token=_text(source, "token", most=128, least=20),
        device=_uuid(source, "device"),
        user=_text(source, "user", most=254),
        push_url=_text(source, "push_url", most=255, least=1),
        origins=_texts(source, "origins", most=32, longest=255),
    )


# ------------------------------------------------------------------------------------------------- writing
def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def page_to(page: Page) -> dict[str, Any]:
    """A page as a JSON object."""
    parts: dict[str, Any] = {
        "origin": page.origin,
        "path": page.path,
        "query": [list(pair) for pair in page.query],
    }
    if page.fragment:
        parts["fragment"] = page.fragment
    return parts


def instruction_to(instruction: Instruction) -> dict[str, Any]:
    """An instruction as a JSON object."""
    parts: dict[str, Any] = {
        "v": VERSION,
        "id": instruction.id,
        "verb": str(instruction.verb),
        "call": instruction.call,
        "subject": instruction.subject,
        "title": instruction.title,
        "lines": list(instruction.lines),
        "expires_at": _when(instruction.expires_at),
    }
    if instruction.page is not None:
        parts["page"] = page_to(instruction.page)
    if instruction.browser:
        parts["browser"] = instruction.browser
    return parts


def batch_to(*, cursor: int, now: datetime, instructions: Sequence[dict[str, Any]]) -> bytes:
    """A poll's answer as JSON text, from instructions as `instruction_to` made them; none is a heartbeat."""
    parts = {
        "v": VERSION,
        "cursor": cursor,
        "now": _when(now),
        "instructions": list(instructions),
        "heartbeat": not instructions,
    }
    return to_json(parts)


def fields_to(message: PairingRequest | PairingStarted | Paired | DeviceReport) -> dict[str, Any]:
    """A message without times as a JSON object."""
    return asdict(message)


def outcomes_to(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Outcomes as a JSON object."""
    return {
        "outcomes": [
            {"id": line.id, "outcome": str(line.outcome), "at": _when(line.at), "took_ms": line.took_ms}
            for line in outcomes
        ]
    }


def to_json(parts: dict[str, Any]) -> bytes:
    """Compact JSON text in ASCII."""
    return json.dumps(parts, separators=(",", ":")).encode("ascii")


def clean(text: str, *, most: int) -> str:
    """A text fit for a title or a line: control characters become spaces, cut to `most` characters."""
    printable = "".join(character if character >= " " and character != "\x7f" else " " for character in text)
    return printable.encode("utf-8", "replace").decode("utf-8")[:most].strip()
