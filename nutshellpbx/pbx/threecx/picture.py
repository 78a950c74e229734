"""A frozen picture of what lives on the 3CX right now: who takes part in which call, and what was told.

Pure. A *participant* is 3CX's word for one DN's part of a call; those at extensions are legs, those at
queues, menus and the like only hold a call alive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from nutshellpbx.pbx.events import Cause, Direction, Kind, Via
from nutshellpbx.pbx.threecx import doubts
from nutshellpbx.pbx.threecx.protocol import Participant, Status

#: An id that comes again so soon after its call's end is another call's; later the ledger knows that itself.
#: So many of them are remembered.
REUSED_SOON, ENDED_KEPT = timedelta(seconds=120), 1_000
#: How many orders to dial are remembered, so that the own phone's ringing is not taken for a caller's.
DIALS_KEPT = 50


@dataclass(frozen=True, slots=True)
class Party:
    """The other side, as a leg sees it."""

    direction: Direction = Direction.UNKNOWN
    number: str = ""
    name: str = ""
    dialled: str = ""
    via: Via | None = None
    via_name: str = ""

    @property
    def is_outside(self) -> bool:
        return self.direction in {Direction.INBOUND, Direction.OUTBOUND} or (
            self.direction is Direction.UNKNOWN and bool(self.number)
        )


@dataclass(frozen=True, slots=True)
class Told:
    """What has been said of a leg so far; `kind` None: its other side is a new one, so it is told again."""

    kind: Kind | None
    party: Party


@dataclass(frozen=True, slots=True)
class Leg:
    """A participant that is in a call; `left_at` once it is gone and its end is not told yet."""

    call: str
    participant: Participant
    first: Status
    has_dialled: bool = False  # by our own order: the own phone rings first
    talked: bool = False
    left_at: datetime | None = None
    waits_for: frozenset[str] | None = None  # siblings that are asked for before its end is judged
    cause: Cause | None = None  # of its end, where it is known already
    told: Told | None = None

    @property
    def key(self) -> str:
        return self.participant.key

    @property
    def uid(self) -> str:
        """The leg's id in its call."""
        return f"{self.participant.dn}-{self.participant.id}"

    @property
    def is_living(self) -> bool:
        return self.left_at is None


@dataclass(frozen=True, slots=True)
class Call:
    """What is known of a call as a whole. `born` counts calls, so that the older of two is known."""

    uid: str
    born: int
    name: str = ""  # the PBX's, which it may give to another call soon
    callids: frozenset[str] = frozenset()
    dns: frozenset[str] = frozenset()  # of all who took part
    party: Party = Party()
    told: bool = False
    answered_at: datetime | None = None  # the last time that somebody took it
    waits: bool = False  # for the moment after which it is looked at again
    looks: int = 0
    last_at: datetime | None = None  # when its last leg left


@dataclass(frozen=True, slots=True)
class Known:
    """The whole picture. Nothing in it is ever changed; `with_…` give a new one."""

    pbx: str
    types: Mapping[str, str] = field(default_factory=dict)
    legs: Mapping[str, Leg] = field(default_factory=dict)
    calls: Mapping[str, Call] = field(default_factory=dict)
    ended: tuple[tuple[str, datetime], ...] = ()
    born: int = 0
    sequence: int | None = None
    dials: tuple[tuple[str, str], ...] = ()  # (extension, compared digits of the number)
    unknown: Mapping[str, int] = field(default_factory=dict)

    def with_leg(self, leg: Leg) -> Known:
        return replace(self, legs={**self.legs, leg.key: leg})

    def without_leg(self, key: str) -> Known:
        return replace(self, legs={each: leg for each, leg in self.legs.items() if each != key})

    def with_call(self, call: Call) -> Known:
        return replace(self, calls={**self.calls, call.uid: call})

    def without_call(self, call: Call, now: datetime) -> Known:
        """The picture without a call that is over; its ids are remembered."""
        names = sorted({call.name, *call.callids})
        ended = (*self.ended, *((name, now) for name in names))[-ENDED_KEPT:]
        calls = {uid: each for uid, each in self.calls.items() if uid != call.uid}
        return replace(self, calls=calls, ended=ended)

    def legs_of(self, call: str) -> Iterator[Leg]:
        """The legs of a call, those that left and are not told of too, in the order in which they came."""
        return (leg for leg in self.legs.values() if leg.call == call)

    def living_of(self, call: str) -> list[Leg]:
        return [leg for leg in self.legs_of(call) if leg.is_living]

    def find_call(self, callid: str) -> Call | None:
        """The call that the PBX means by this id now."""
        return next((call for call in self.calls.values() if callid and callid in call.callids), None)

    def count_ended(self, name: str, now: datetime) -> int:
        """How many calls that the PBX named so were over a short time ago."""
        return sum(1 for each, at in self.ended if each == name and now - at < REUSED_SOON)

    def is_extension(self, dn: str) -> bool:
        return doubts.is_extension(self.types.get(dn, ""))


def with_dial(known: Known, extension: str, number: str) -> Known:
    """The picture with an order to dial that was just given."""
    order = (extension, doubts.compared(number))
    return replace(known, dials=(*known.dials, order)[-DIALS_KEPT:])


def party_of(known: Known, leg: Leg) -> Party:
    """Who a leg has to do with, from what the participant says now and what is known of its call."""
    mine = leg.participant
    if not doubts.is_outside(mine.party_type) and not _is_led_here(mine):
        own = doubts.number_of(mine.party_dn) or doubts.number_of(mine.party_number)
        return Party(Direction.INTERNAL, own, mine.party_name)
    direction = known.calls[leg.call].party.direction if leg.call in known.calls else Direction.UNKNOWN
    if direction not in {Direction.INBOUND, Direction.OUTBOUND}:
        direction = Direction.OUTBOUND if leg.has_dialled else _direction_of(leg)
    via, name = _way_of(mine)
    dialled = mine.did if direction is Direction.INBOUND else ""
    return Party(direction, doubts.number_of(mine.party_number), mine.party_name, dialled, via, name)


def _direction_of(leg: Leg) -> Direction:
    """Who called whom: as it was when the leg began, for a connected one does not say."""
    if leg.first is Status.RINGING:
        return Direction.INBOUND
    return Direction.OUTBOUND if leg.first is Status.DIALING else Direction.UNKNOWN


def _is_led_here(mine: Participant) -> bool:
    """Whether a queue or menu shows itself as the other side while the caller is somebody outside."""
    number = doubts.number_of(mine.party_number)
    is_led = doubts.find_way(mine.party_type) is not None
    return is_led and len(doubts.compared(number)) == doubts.COMPARED_DIGITS


def _way_of(mine: Participant) -> tuple[Via | None, str]:
    for dn, kind in (
        (mine.behalf_of, mine.behalf_type),
        (mine.originated_by, mine.originated_type),
        (mine.party_dn, mine.party_type),
    ):
        way = doubts.find_way(kind)
        if way is not None:
            return way, dn if way is not Via.MENU else ""
    return None, ""
