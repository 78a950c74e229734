"""What each kind of message changes in the picture: one table, event name -> change.

Pure. Almost every event carries a full description of its channel, so a channel that we never saw begin is
simply seen now: a call may enter at any point. What was not asked for is counted, never crashed on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from nutshellpbx.pbx.asterisk.causes import VOICEMAIL_APPLICATIONS
from nutshellpbx.pbx.asterisk.picture import (
    RING,
    UP,
    WAITING_ROOM,
    Channel,
    Known,
    Role,
    describe_name,
    dialling_chain,
    partners_of,
)
from nutshellpbx.pbx.asterisk.protocol import Message
from nutshellpbx.pbx.events import MAX_ID

#: More channels than any PBX that we serve has at once; beyond that we wait for the next whole state.
MOST_CHANNELS = 5_000
#: Dial plan entries that name no number.
NO_NUMBER = frozenset({"", "s", "h", "i", "t", "o", "a"})

#: Events that we know and that change nothing for us.
QUIET = frozenset(
    [
        "AgentCalled",
        "AgentComplete",
        "AgentConnect",
        "AgentDump",
        "AgentRingNoAnswer",
        "BridgeCreate",
        "BridgeDestroy",
        "BridgeInfoChannel",
        "BridgeMerge",
        "BridgeVideoSourceUpdate",
        "Cdr",
        "ChallengeSent",
        "ChannelTalkingStart",
        "ChannelTalkingStop",
        "ConfbridgeEnd",
        "ConfbridgeJoin",
        "ConfbridgeLeave",
        "ConfbridgeStart",
        "ConfbridgeTalking",
        "ContactStatus",
        "CoreShowChannelsComplete",
        "DTMFBegin",
        "DTMFEnd",
        "DeviceStateChange",
        "EndpointList",
        "EndpointListComplete",
        "ExtensionStatus",
        "FullyBooted",
        "LocalBridge",
        "LocalOptimizationBegin",
        "LocalOptimizationEnd",
        "MessageWaiting",
        "MixMonitorStart",
        "MixMonitorStop",
        "MonitorStart",
        "MonitorStop",
        "MusicOnHoldStart",
        "MusicOnHoldStop",
        "NewAccountCode",
        "OriginateResponse",
        "ParkedCall",
        "ParkedCallGiveUp",
        "ParkedCallTimeOut",
        "PeerStatus",
        "PresenceState",
        "QueueCallerAbandon",
        "QueueMemberAdded",
        "QueueMemberPause",
        "QueueMemberRemoved",
        "QueueMemberStatus",
        "RTCPReceived",
        "RTCPSent",
        "Registry",
        "Reload",
        "Shutdown",
        "SoftHangupRequest",
        "Status",
        "SuccessfulAuth",
        "UnParkedCall",
        "UserEvent",
        "VarSet",
    ]
)

#: The picture, and the calls whose legs may now have something to tell.
Changed = tuple[Known, frozenset[str]]
NOTHING: frozenset[str] = frozenset()


def hear(known: Known, message: Message) -> Changed:
    """Put what a message says into the picture."""
    event = message.event
    if not event or event in QUIET:
        return known, NOTHING
    change = CHANGES.get(event)
    if change is None:
        return count_unknown(known, event), NOTHING
    return change(known, message)


def count_unknown(known: Known, event: str) -> Known:
    """The picture with one more of an event that we do not know; at most 200 kinds are told apart."""
    kind = event[:60] if event[:60] in known.unknown or len(known.unknown) < 200 else "(others)"
    return replace(known, unknown={**known.unknown, kind: known.unknown.get(kind, 0) + 1})


def see(
    known: Known, message: Message, prefix: str = "", *, begins: bool = False
) -> tuple[Known, Channel | None]:
    """The picture with the channel that a message describes (its fields begin with `prefix`), and it.

    None for a channel that is nobody's, that is already over, or whose ids cannot be kept.
    """
    uid, name = message.find(f"{prefix}Uniqueid") or "", message.find(f"{prefix}Channel") or ""
    if not uid or not name or uid in known.ended:
        return known, None
    seen = known.channels.get(uid)
    if seen is None:
        role, extension = describe_name(name, known.lines)
        linked = message.find(f"{prefix}Linkedid") or uid
        if role is Role.NOBODY or len(known.channels) >= MOST_CHANNELS:
            return known, None
        if len(uid) > MAX_ID or len(linked) > MAX_ID:
            return count_unknown(known, "(ids too long)"), None
        call = known.aliases.get(linked, linked)
        seen = Channel(uid, name, call, uid, role, extension, found=not begins)
    exten = message.find(f"{prefix}Exten") or ""
    state = _to_number(message.find(f"{prefix}ChannelState"), seen.state)
    channel = replace(
        seen,
        # Descriptions may be a moment old: nobody goes back from talking to ringing.
        state=seen.state if seen.state == UP else state,
        calling=seen.calling or (state == RING and not seen.dialled_by),
        number=message.find(f"{prefix}CallerIDNum") or "",
        caller_name=message.find(f"{prefix}CallerIDName") or "",
        connected=message.find(f"{prefix}ConnectedLineNum") or "",
        dialled=seen.dialled or ("" if exten in NO_NUMBER else exten),
        exten=exten,
        context=message.find(f"{prefix}Context") or "",
    )
    return known.with_channel(channel), channel


def _begin(known: Known, message: Message) -> Changed:
    known, channel = see(known, message, begins=True)
    return known, _calls(channel)


def _see(known: Known, message: Message) -> Changed:
    known, channel = see(known, message)
    return known, _calls(channel)


def _step(known: Known, message: Message) -> Changed:
    """A step in the dial plan: only one into voicemail says something."""
    known, channel = see(known, message)
    application = message.find("Application") or message.find("AppName") or ""
    if channel is not None and application in VOICEMAIL_APPLICATIONS and channel.role is not Role.EXTENSION:
        known = known.with_call(replace(known.calls[channel.call], voicemail=True))
    return known, _calls(channel)


def _dial_begins(known: Known, message: Message) -> Changed:
    known, source = see(known, message)
    known, target = see(known, message, "Dest")
    if target is None:
        return known, _calls(source)
    target = replace(
        target,
        calling=False,
        originated=source is None and target.role is not Role.LOCAL,
        dialled_by=source.uid if source else "",
        dial_string=message.find("DialString") or "",
        dial_exten=source.exten if source else "",
    )
    known = known.with_channel(target)
    if source is not None:
        known = known.with_channel(replace(source, outcome=""))
    return known, _calls(source, target)


def _dial_ends(known: Known, message: Message) -> Changed:
    known, source = see(known, message)
    known, target = see(known, message, "Dest")
    status = message.find("DialStatus") or ""
    if target is None:
        return known, _calls(source)
    # A queue says NOANSWER and then CANCEL of the same leg: the first word is the reason.
    target = replace(
        target,
        fate=target.fate or status,
        forwarded_to=message.find("Forward") or target.forwarded_to,
        dialled_by=target.dialled_by or (source.uid if source else ""),
    )
    known = known.with_channel(target)
    if target.role is Role.LOCAL and status != "ANSWER":
        known = _pass_on_fate(known, target, target.fate)
    for dialling in dialling_chain(known, target):
        known = known.with_channel(replace(dialling, outcome=status))
    return known, _calls(source, target)


def _pass_on_fate(known: Known, half: Channel, fate: str) -> Known:
    """What became of the outer dialling is the reason for what happens to the legs behind a Local channel."""
    other = known.find_named(half.other_half_name)
    if other is None:
        return known
    for channel in list(known.channels.values()):
        if channel.dialled_by == other.uid and not channel.fate:
            known = known.with_channel(replace(channel, fate=fate))
    return known


def _dial_goes_on(known: Known, message: Message) -> Changed:
    known, source = see(known, message)
    known, target = see(known, message, "Dest")
    return known, _calls(source, target)


def _enter(known: Known, message: Message) -> Changed:
    known, channel = see(known, message)
    if channel is None:
        return known, NOTHING
    waits = message.find("BridgeTechnology") == WAITING_ROOM
    channel = replace(channel, bridge="" if waits else message.find("BridgeUniqueid") or "")
    known = known.with_channel(channel)
    return known, _calls(channel, *partners_of(known, channel))


def _leave(known: Known, message: Message) -> Changed:
    known, channel = see(known, message)
    if channel is None:
        return known, NOTHING
    if channel.bridge == (message.find("BridgeUniqueid") or ""):
        channel = replace(channel, bridge="")
    return known.with_channel(channel), _calls(channel)


def _hold(known: Known, message: Message) -> Changed:
    known, channel = see(known, message)
    if channel is None:
        return known, NOTHING
    return known.with_channel(replace(channel, held=message.event == "Hold")), _calls(channel)


def _leaves(known: Known, message: Message) -> Changed:
    known, channel = see(known, message)
    if channel is None:
        return known, NOTHING
    return known.with_channel(replace(channel, leaving=True)), _calls(channel)


def _hang_up(known: Known, message: Message) -> Changed:
    uid = message.find("Uniqueid") or ""
    channel = known.channels.get(uid)
    if channel is None:
        # We missed it whole; late words about it must not bring it to life.
        return known.with_ended(uid[:MAX_ID]), NOTHING
    cause = _to_number(message.find("Cause"), 0)
    return known.with_channel(replace(channel, gone=True, hangup_cause=cause)), _calls(channel)


def _rename(known: Known, message: Message) -> Changed:
    """A channel takes another's place: what was a leg stays that leg, under its new channel."""
    uid, name = message.find("Uniqueid") or "", message.find("Newname") or ""
    channel = known.channels.get(uid)
    role, extension = describe_name(name, known.lines)
    if channel is None:
        if role is Role.NOBODY or uid in known.ended or not uid or len(uid) > MAX_ID:
            return known, NOTHING
        channel = Channel(uid, name, uid, uid, role, extension, state=UP, found=True)
    replaced = known.find_named(f"{name}<MASQ>")
    if name.endswith("<MASQ>"):
        # On its way out: it keeps who it is until its successor takes the name.
        return known.with_channel(replace(channel, name=name)), _calls(channel)
    if replaced is not None and replaced.uid != uid:
        known = known.with_channel(replace(replaced, told=None, role=Role.NOBODY))
        channel = replace(channel, told=replaced.told, leg=replaced.leg, call=replaced.call)
    return known.with_channel(replace(channel, name=name, role=role, extension=extension)), _calls(channel)


def _transfer(known: Known, message: Message) -> Changed:
    if message.find("Result") not in (None, "Success"):
        return known, NOTHING
    touched: list[Channel] = []
    for prefix in ("Transferer", "OrigTransferer", "SecondTransferer"):
        channel = known.channels.get(message.find(f"{prefix}Uniqueid") or "")
        if channel is not None:
            channel = replace(channel, transfers=True)
            known = known.with_channel(channel)
            touched.append(channel)
    return known, _calls(*touched)


def _pick_up(known: Known, message: Message) -> Changed:
    known, taker = see(known, message)
    known, target = see(known, message, "Target")
    if target is not None:
        target = replace(target, picked_up=True)
        known = known.with_channel(target)
    if taker is not None and target is not None:
        taker = replace(taker, calling=False, dialled_by=target.dialled_by, dial_exten=target.dial_exten)
        known = known.with_channel(taker)
    return known, _calls(taker, target)


def _queue(known: Known, message: Message) -> Changed:
    known, channel = see(known, message)
    if channel is None:
        return known, NOTHING
    queue = (message.find("Queue") or "") if message.event == "QueueCallerJoin" else ""
    return known.with_channel(replace(channel, queue=queue, queued=True)), _calls(channel)


def _calls(*channels: Channel | None) -> frozenset[str]:
    return frozenset(channel.call for channel in channels if channel is not None)


def _to_number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 6 else otherwise


CHANGES: Mapping[str, Callable[[Known, Message], Changed]] = {
    "AttendedTransfer": _transfer,
    "BlindTransfer": _transfer,
    "BridgeEnter": _enter,
    "BridgeLeave": _leave,
    "DialBegin": _dial_begins,
    "DialEnd": _dial_ends,
    "DialState": _dial_goes_on,
    "Hangup": _hang_up,
    "HangupRequest": _leaves,
    "Hold": _hold,
    "NewCallerid": _see,
    "NewConnectedLine": _see,
    "Newchannel": _begin,
    "Newexten": _step,
    "Newstate": _see,
    "Pickup": _pick_up,
    "QueueCallerJoin": _queue,
    "QueueCallerLeave": _queue,
    "Rename": _rename,
    "Unhold": _hold,
}
