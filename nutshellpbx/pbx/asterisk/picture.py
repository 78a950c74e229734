"""A frozen picture of what lives on the Asterisk right now: channels, who dials whom, who talks with whom.

Pure. A *channel* is Asterisk's word for one line of one device in one conversation. Only channels of our
extensions are legs; `Local/` channels are Asterisk's own plumbing and are seen through, never shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from nutshellpbx.pbx.events import Cause, Direction, Kind, Via

#: Channel states of the manager interface that we tell apart.
RING, RINGING, UP = 4, 5, 6
#: Waiting rooms: those inside do not hear each other.
WAITING_ROOM = "holding_bridge"
#: How many hung up channels are remembered, so that late words about them are not taken for new ones.
ENDED_KEPT = 1_000
#: Channels that Asterisk makes for itself; they are nobody.
OWN_TECHNOLOGIES = frozenset(
    {"AsyncGoto", "Announcer", "Bridge", "CBAnn", "CBRec", "ConfBridgeRecorder", "Message", "Parking"}
    | {"Recorder", "Snoop", "Surrogate", "Surr", "UnicastRTP", "AudioSocket", "NULL", "MulticastRTP"}
)
#: How an outside line spells "the caller does not show a number".
WITHHELD = frozenset(
    {"", "<unknown>", "unknown", "anonymous", "restricted", "private", "withheld", "unavailable", "<private>"}
)


class Role(StrEnum):
    """Whose channel it is."""

    EXTENSION = "extension"
    OUTSIDE = "outside"
    LOCAL = "local"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Lines:
    """How devices are told apart: which are extensions, which are lines to the outside.

    A device whose name is a number of 2 to `longest` digits is that extension. `devices` names exceptions
    (device -> extension), `trunks` the devices that are outside lines although they look like extensions.
    """

    longest: int = 6
    trunks: frozenset[str] = frozenset()
    devices: Mapping[str, str] = field(default_factory=dict)

    def find_extension(self, device: str) -> str | None:
        """The extension of a device, None for a device that is an outside line."""
        if device in self.devices:
            return self.devices[device]
        if device in self.trunks or not (device.isascii() and device.isdecimal()):
            return None
        return device if 2 <= len(device) <= self.longest else None


@dataclass(frozen=True, slots=True)
class Party:
    """The other side, as a leg sees it; `uid` is the outside channel, empty for a colleague."""

    direction: Direction
    number: str = ""
    name: str = ""
    dialled: str = ""
    via: Via | None = None
    via_name: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What has been said of a leg so far."""

    kind: Kind
    party: Party
    held: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel. `call` is our id of its call, `leg` of it as a leg; numbers are as Asterisk says them."""

    uid: str
    name: str
    call: str
    leg: str
    role: Role
    extension: str = ""
    state: int = 0
    found: bool = False  # we did not see it begin
    calling: bool = False  # it came to the PBX, it was not dialled by it
    originated: bool = False  # the PBX calls it first, for a call that it will make
    number: str = ""
    caller_name: str = ""
    connected: str = ""
    dialled: str = ""  # the first number that was asked for: the DID, or what the extension dialled
    exten: str = ""  # where it is in the dial plan now
    context: str = ""
    dialled_by: str = ""  # uid of the channel that dials it
    dial_string: str = ""
    dial_exten: str = ""  # where the dialling channel was in the dial plan
    fate: str = ""  # the first word on how the dialling ended
    outcome: str = ""  # how the last dialling that this channel did ended
    forwarded_to: str = ""
    queue: str = ""  # in which it waits now
    queued: bool = False  # it waited in one
    bridge: str = ""
    held: bool = False
    leaving: bool = False  # its own side hangs up
    picked_up: bool = False  # a colleague took the call that rang here
    transfers: bool = False  # it hands the call on
    talked: bool = False
    gone: bool = False
    hangup_cause: int = 0
    party: Party | None = None  # the other side of a leg, as it was seen last
    told: Told | None = None

    @property
    def is_second_half(self) -> bool:
        """Whether this is the half of a Local channel that runs the dial plan (`;2`)."""
        return self.role is Role.LOCAL and self.name.endswith(";2")

    @property
    def other_half_name(self) -> str:
        """The name of the other half of a Local channel."""
        return self.name[:-1] + ("1" if self.is_second_half else "2")


@dataclass(frozen=True, slots=True)
class Call:
    """What is known of a call as a whole, beyond its channels."""

    uid: str
    told: bool = False
    answered: bool = False
    voicemail: bool = False
    forwarded: bool = False
    gave_up: bool = False
    cause: Cause | None = None
    party: Party = Party(Direction.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Known:
    """The whole picture. Nothing in it is ever changed; `with_…` give a new one.

    `aliases` maps the id of a call that became part of another one to that other's id. `ended` are the ids of
    the last channels that hung up: Asterisk says late things about them. Kinds of events that nobody
    knows are counted in `unknown`. `asked_at`: when we last wanted the whole state for what was not known.
    """

    pbx: str
    lines: Lines = Lines()
    channels: Mapping[str, Channel] = field(default_factory=dict)
    calls: Mapping[str, Call] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    ended: tuple[str, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict)
    asked_at: datetime | None = None

    def with_channel(self, channel: Channel) -> Known:
        """The picture with this channel put in or replaced, and its call known."""
        calls = self.calls
        if channel.call not in calls:
            calls = {**calls, channel.call: Call(channel.call)}
        return replace(self, channels={**self.channels, channel.uid: channel}, calls=calls)

    def with_call(self, call: Call) -> Known:
        """The picture with this call replaced."""
        return replace(self, calls={**self.calls, call.uid: call})

    def with_ended(self, *uids: str) -> Known:
        """The picture with these channels among those that are over; only the last ones are remembered."""
        return replace(self, ended=(*self.ended, *uids)[-ENDED_KEPT:])

    def find_named(self, name: str) -> Channel | None:
        """The live channel of that name."""
        return next((channel for channel in self.channels.values() if channel.name == name), None)

    def channels_of(self, call: str) -> Iterator[Channel]:
        """The live channels of a call, oldest first as Asterisk made them."""
        return (channel for channel in self.channels.values() if channel.call == call)


def describe_name(name: str, lines: Lines) -> tuple[Role, str]:
    """Whose channel a name is, and the extension when it is one of ours.

    `PJSIP/101-0000002a` is device 101; `DAHDI/i1/5550100-3` an outside line; `…<ZOMBIE>` nobody any more.
    """
    technology, slash, rest = name.partition("/")
    if not slash or technology in OWN_TECHNOLOGIES or name.endswith(">"):
        return Role.NOBODY, ""
    if technology == "Local":
        return Role.LOCAL, ""
    extension = lines.find_extension(rest.rpartition("-")[0])
    return (Role.EXTENSION, extension) if extension else (Role.OUTSIDE, "")


def show_number(raw: str) -> str:
    """A caller's number as it may be shown; empty when it is withheld."""
    return "" if raw.strip().lower() in WITHHELD else raw


def partners_of(known: Known, channel: Channel) -> list[Channel]:
    """The people that a channel talks with: those in its bridge, seen through Local channels."""
    by_bridge: dict[str, list[Channel]] = {}
    halves: dict[str, Channel] = {}
    for each in known.channels.values():
        if each.bridge:
            by_bridge.setdefault(each.bridge, []).append(each)
        if each.role is Role.LOCAL:
            halves[each.name] = each
    found: dict[str, Channel] = {}
    seen = {channel.bridge}
    open_bridges = [channel.bridge] if channel.bridge else []
    while open_bridges:
        for member in by_bridge.get(open_bridges.pop(), ()):
            if member.role is Role.LOCAL:
                half = halves.get(member.other_half_name)
                if half is not None and half.bridge and half.bridge not in seen:
                    seen.add(half.bridge)
                    open_bridges.append(half.bridge)
            elif member.role is not Role.NOBODY and member.uid != channel.uid:
                found[member.uid] = member
    return list(found.values())


def dialling_chain(known: Known, channel: Channel) -> list[Channel]:
    """Who dials this channel, seen through Local channels: the nearest first, the person last.

    Empty when nobody known does. The last one is a person's channel unless the chain is broken.
    """
    chain: list[Channel] = []
    seen = {channel.uid}
    current = channel
    while True:
        source = known.channels.get(current.dialled_by)
        if source is None or source.uid in seen:
            return chain
        seen.add(source.uid)
        chain.append(source)
        if not source.is_second_half:
            return chain
        half = known.find_named(source.other_half_name)
        if half is None or half.uid in seen:
            return chain
        seen.add(half.uid)
        if not half.dialled_by:
            # A consultation: nobody dials the first half, the person sits with it in a bridge.
            return [*chain, *[each for each in partners_of(known, half) if each.uid not in seen][:1]]
        current = half


def find_caller(known: Known, channel: Channel) -> Channel | None:
    """The person's channel on whose behalf this one is dialled."""
    chain = dialling_chain(known, channel)
    return chain[-1] if chain and chain[-1].role in (Role.EXTENSION, Role.OUTSIDE) else None
