"""Who is on the other side of a leg: worked out from the picture, by devices, never by caller IDs alone.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from nutshellpbx.pbx.asterisk.picture import (
    UP,
    Channel,
    Known,
    Party,
    Role,
    dialling_chain,
    find_caller,
    show_number,
)
from nutshellpbx.pbx.events import Direction, Via

#: FreePBX and its relatives name the dial plan contexts of their ring groups and queues.
CONTEXTS = (("ext-group", Via.GROUP), ("ext-queues", Via.QUEUE), ("ivr-", Via.MENU))
#: A number inside a dial string: `15550100@trunk`, `trunk/15550100`, `sip:15550100@host`.
_DIALLED_NUMBER = re.compile(r"\+?[0-9*#]{2,}")


def find_party(known: Known, leg: Channel, partners: Iterable[Channel]) -> Party | None:
    """Who a leg has to do with; None as long as nothing says it.

    An outside party counts more than a colleague, and who dialled (or is dialled by) the leg more than who
    happens to be in the same bridge: a consultation stays internal until the customer is really there.
    """
    outside = next((each for each in partners if each.role is Role.OUTSIDE), None)
    if outside is not None:
        return _from_outside(known, leg, outside)
    if leg.calling or leg.originated:
        return _from_dialled(known, leg) or _from_colleague(partners)
    caller = find_caller(known, leg)
    if caller is not None:
        if caller.role is Role.OUTSIDE:
            return _from_outside(known, leg, caller)
        return Party(Direction.INTERNAL, caller.extension, show_number(caller.caller_name))
    # A phone that refuses at once may be gone before Asterisk says who dialled it.
    return _from_colleague(partners) or (_guess(known, leg) if leg.found or leg.gone else None)


def refresh_party(known: Known, party: Party) -> Party:
    """The party with the number and name that its channel shows now.

    A transfer may put one of our own numbers there for a moment, or nothing: those change nothing.
    """
    channel = known.channels.get(party.uid)
    if channel is None or party.direction is not Direction.INBOUND:
        return party
    number = show_number(channel.number)
    if not number or (number != party.number and known.lines.find_extension(number)):
        return party
    name = show_number(channel.caller_name) or party.name
    return Party(party.direction, number, name, party.dialled, party.via, party.via_name, party.uid)


def find_outside_caller(known: Known, call: str) -> Channel | None:
    """The outside line that called us in this call."""
    callers = (each for each in known.channels_of(call) if each.role is Role.OUTSIDE and each.calling)
    return next(callers, None)


def describe_caller(caller: Channel) -> Party:
    """The party that an outside caller is, before any leg has to do with it."""
    return Party(
        Direction.INBOUND,
        show_number(caller.number),
        show_number(caller.caller_name),
        caller.dialled,
        uid=caller.uid,
    )


def _from_outside(known: Known, leg: Channel, outside: Channel) -> Party:
    if not outside.calling:
        number = _dialled_number(outside) or show_number(outside.number)
        dialled = leg.dialled if leg.calling or leg.originated else ""
        return Party(Direction.OUTBOUND, number, dialled=dialled, uid=outside.uid)
    via, via_name = _find_via(known, leg, outside)
    plain = describe_caller(outside)
    return Party(plain.direction, plain.number, plain.name, plain.dialled, via, via_name, outside.uid)


def _from_dialled(known: Known, leg: Channel) -> Party | None:
    dialled = [
        each
        for each in known.channels_of(leg.call)
        if each.uid != leg.uid
        and each.role in (Role.EXTENSION, Role.OUTSIDE)
        and not each.gone
        and _is_dialled_for(known, each, leg)
    ]
    outside = next((each for each in dialled if each.role is Role.OUTSIDE), None)
    if outside is not None:
        return _from_outside(known, leg, outside)
    if not dialled:
        return None
    if len({each.extension for each in dialled}) > 1:
        return Party(Direction.INTERNAL, leg.dialled)
    return Party(Direction.INTERNAL, dialled[0].extension, show_number(dialled[0].caller_name))


def _is_dialled_for(known: Known, channel: Channel, leg: Channel) -> bool:
    if not channel.dialled_by:
        # Found in a whole state, which does not say who dials whom: in a call without an outside caller the
        # one that called is the one it was dialled for.
        return channel.found and not channel.calling and find_outside_caller(known, leg.call) is None
    caller = find_caller(known, channel)
    return caller is not None and caller.uid == leg.uid


def _from_colleague(partners: Iterable[Channel]) -> Party | None:
    colleague = next((each for each in partners if each.role is Role.EXTENSION), None)
    if colleague is None:
        return None
    return Party(Direction.INTERNAL, colleague.extension, show_number(colleague.caller_name))


def _guess(known: Known, leg: Channel) -> Party | None:
    """Nobody told us who dials this leg: its phone shows a number, and perhaps somebody outside called."""
    colleague = known.lines.find_extension(leg.connected)
    if colleague:
        return Party(Direction.INTERNAL, colleague)
    caller = find_outside_caller(known, leg.call)
    if caller is not None:
        return describe_caller(caller)
    shown = show_number(leg.connected)
    return Party(Direction.INBOUND, shown) if shown else None


def _find_via(known: Known, leg: Channel, caller: Channel) -> tuple[Via | None, str]:
    if caller.queue:
        return Via.QUEUE, caller.queue
    for prefix, via in CONTEXTS:
        if caller.context.startswith(prefix):
            return via, caller.exten
    chain = dialling_chain(known, leg)
    # The outermost dialling is the caller's own: where it stood in the dial plan is the group's number.
    outermost = leg if len(chain) < 2 else known.find_named(chain[-2].other_half_name) or leg
    group = outermost.dial_exten if outermost.dial_exten != caller.dialled else ""
    if not leg.forwarded_to and _rings_several(known, leg, caller):
        return Via.GROUP, group
    # The call was up before anybody rang: a greeting, a menu or an announcement came first.
    if caller.state == UP and not caller.talked and not caller.queued:
        return Via.MENU, ""
    return None, ""


def _rings_several(known: Known, leg: Channel, caller: Channel) -> bool:
    """Whether the caller rings phones of several people at once."""
    rung = set()
    for each in known.channels_of(leg.call):
        if each.gone or each.fate or each.calling or each.picked_up or each.state == UP:
            continue
        if each.role is Role.EXTENSION:
            rung.add(each.extension)
        elif each.role is Role.LOCAL and each.dialled_by == caller.uid:
            rung.add(_local_target(each))
    return len(rung | {leg.extension}) > 1


def _local_target(half: Channel) -> str:
    """`Local/101@from-queue-00000002;1` asks the dial plan for 101."""
    return half.name.partition("/")[2].partition("@")[0]


def _dialled_number(channel: Channel) -> str:
    numbers = _DIALLED_NUMBER.findall(channel.dial_string.removeprefix("sip:"))
    if not numbers:
        return ""
    before_host = channel.dial_string.partition("@")
    if before_host[1]:
        numbers = _DIALLED_NUMBER.findall(before_host[0]) or numbers
    return str(max(numbers, key=len))
