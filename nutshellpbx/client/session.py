"""What the client decides: a batch in, actions out.

Pure: no clock, no IO; `now` is this machine's clock in seconds since 1970. What is due is judged by the
server's clock, as far as this machine's differs from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from gettext import gettext as _

from nutshellpbx.client.address import Refused, build
from nutshellpbx.wire import Batch, Instruction, Outcome, Result, Unreadable, Verb

REMEMBERED = 500
#: At most three pages in six seconds and twenty in a minute: nobody can bury a desk in tabs, and a call that
#: rings while the last one's record opens again need not wait.
BURST = 3
BURST_S = 6.0
PAGES_PER_MINUTE = 20
MOST_DEFERRED = 20


@dataclass(frozen=True, slots=True)
class ShowCard:
    """Show title and lines."""

    instruction: Instruction


@dataclass(frozen=True, slots=True)
class OpenPage:
    """Open this address, which was built here; `arrived_at` is when the instruction came."""

    instruction: Instruction
    address: str
    arrived_at: float


@dataclass(frozen=True, slots=True)
class TakeAway:
    """Take away what was shown for a call's leg; an empty subject means the whole call."""

    call: str
    subject: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """A page was not opened; `why` is for the person."""

    instruction: Instruction
    result: Result
    why: str


Action = ShowCard | OpenPage | TakeAway | Refuse | Outcome


@dataclass(frozen=True, slots=True)
class Deferred:
    """A page that waits for its turn."""

    instruction: Instruction
    arrived_at: float


@dataclass(frozen=True, slots=True)
class Known:
    """All that the client remembers between two batches."""

    cursor: int = 0
    seen: tuple[str, ...] = ()
    origins: frozenset[str] = frozenset()
    #: The server's clock minus this machine's.
    offset_s: float = 0.0
    #: When the latest pages were opened (this machine's clock).
    opened_at: tuple[float, ...] = ()
    deferred: tuple[Deferred, ...] = field(default=())


def take_in(known: Known, batch: Batch, now: float) -> tuple[Known, list[Action]]:
    """Follow a batch: each instruction once, none that has expired, is withdrawn, or is not understood."""
    known = replace(known, cursor=batch.cursor, offset_s=batch.now.timestamp() - now)
    actions: list[Action] = []
    for place, instruction in enumerate(batch.instructions):
        if instruction.id in known.seen:
            continue
        known = replace(known, seen=(*known.seen, instruction.id)[-REMEMBERED:])
        if isinstance(instruction, Unreadable):
            actions.append(_outcome(known, instruction.id, instruction.reason, now))
        elif instruction.verb is Verb.WITHDRAW:
            known, more = _withdraw(known, instruction, now)
            actions += more
        elif _has_expired(known, instruction, now):
            actions.append(_outcome(known, instruction.id, Result.EXPIRED, now))
        elif _is_withdrawn(instruction, batch.instructions[place + 1 :]):
            actions.append(_outcome(known, instruction.id, Result.WITHDRAWN, now))
        else:
            actions.append(ShowCard(instruction))
            if instruction.verb is Verb.OPEN:
                known, more = _open(known, Deferred(instruction, now), now)
                actions += more
            else:
                actions.append(_outcome(known, instruction.id, Result.SHOWN, now, arrived_at=now))
    return known, actions


def catch_up(known: Known, now: float) -> tuple[Known, list[Action]]:
    """Open what waited for its turn, or report that it came too late for it."""
    actions: list[Action] = []
    waiting, known = known.deferred, replace(known, deferred=())
    for page in waiting:
        if _has_expired(known, page.instruction, now):
            actions.append(_outcome(known, page.instruction.id, Result.EXPIRED, now))
        else:
            known, more = _open(known, page, now)
            actions += more
    return known, actions


def next_turn_s(known: Known, now: float) -> float | None:
    """Seconds until a page that waits may be opened; None when none waits."""
    if not known.deferred:
        return None
    if len(known.opened_at) < BURST:
        return 0.0
    return min(BURST_S, max(0.0, known.opened_at[-BURST] + BURST_S - now))


def settle(known: Known, page: OpenPage, result: Result, now: float) -> Outcome:
    """The outcome to report of a page that was handed to the browser."""
    return _outcome(known, page.instruction.id, result, now, arrived_at=page.arrived_at)


def _open(known: Known, page: Deferred, now: float) -> tuple[Known, list[Action]]:
    instruction = page.instruction
    if instruction.page is None:
        return known, [_outcome(known, instruction.id, Result.MALFORMED, now)]
    try:
        address = build(instruction.page, known.origins)
    except Refused as refused:
        return known, [
            Refuse(instruction, refused.result, str(refused)),
            _outcome(known, instruction.id, refused.result, now),
        ]
    # A clock that was set back leaves times of the future behind: they would close the door for good.
    recent = tuple(at for at in known.opened_at if now - 60 < at <= now)
    if len(recent) >= PAGES_PER_MINUTE or len(known.deferred) >= MOST_DEFERRED:
        return known, [
            Refuse(instruction, Result.TOO_MANY, _("too many pages within a minute")),
            _outcome(known, instruction.id, Result.TOO_MANY, now),
        ]
    if known.deferred or sum(now - at < BURST_S for at in recent) >= BURST:
        return replace(known, opened_at=recent, deferred=(*known.deferred, page)), []
    return replace(known, opened_at=(*recent, now)), [OpenPage(instruction, address, page.arrived_at)]


def _withdraw(known: Known, order: Instruction, now: float) -> tuple[Known, list[Action]]:
    gone = [page for page in known.deferred if _concerns(order, page.instruction)]
    left = tuple(page for page in known.deferred if not _concerns(order, page.instruction))
    actions: list[Action] = [_outcome(known, page.instruction.id, Result.WITHDRAWN, now) for page in gone]
    actions += [
        TakeAway(order.call, order.subject),
        _outcome(known, order.id, Result.WITHDRAWN, now, arrived_at=now),
    ]
    return replace(known, deferred=left), actions


def _is_withdrawn(instruction: Instruction, later: Sequence[Instruction | Unreadable]) -> bool:
    return any(
        isinstance(order, Instruction) and order.verb is Verb.WITHDRAW and _concerns(order, instruction)
        for order in later
    )


def _concerns(order: Instruction, instruction: Instruction) -> bool:
    return order.call == instruction.call and order.subject in {"", instruction.subject}


def _has_expired(known: Known, instruction: Instruction, now: float) -> bool:
    return instruction.expires_at.timestamp() <= now + known.offset_s


def _outcome(
    known: Known, uid: str, result: Result, now: float, *, arrived_at: float | None = None
) -> Outcome:
    took_ms = None if arrived_at is None else max(0, round((now - arrived_at) * 1000))
    return Outcome(
        id=uid, outcome=result, at=datetime.fromtimestamp(now + known.offset_s, UTC), took_ms=took_ms
    )
