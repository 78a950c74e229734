"""Messages of the manager interface in, call events out, given a picture of what lives on the Asterisk.

Pure. picture.py is what is known, facts.py how a message changes it, telling.py what of that is news.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from nutshellpbx.pbx.asterisk.facts import hear, see
from nutshellpbx.pbx.asterisk.picture import Known, Lines
from nutshellpbx.pbx.asterisk.protocol import Message
from nutshellpbx.pbx.asterisk.telling import VANISHED, tell
from nutshellpbx.pbx.connector import Fetch
from nutshellpbx.pbx.events import CallEvent

#: What the IO shell can be asked for: the present channels (CoreShowChannels).
STATE = Fetch("state")
#: How long to wait before the whole state is asked for again.
ASK_AGAIN = timedelta(seconds=5)
#: What channels of a whole state do when they are in a waiting room: others there do not hear them.
WAITING_APPLICATIONS = frozenset({"Park", "ParkAndAnnounce", "BridgeWait", "Queue"})


def nothing_known(pbx: str, lines: Lines) -> Known:
    """The picture before the first message of this PBX."""
    return Known(pbx, lines)


def translate(known: Known, message: Message, now: datetime) -> tuple[Known, list[CallEvent], list[Fetch]]:
    """What a message means, given the picture: the new picture, events in order, what to ask for."""
    before = known.channels
    known, calls = hear(known, message)
    found = len(known.channels) > len(before) and any(
        channel.found and uid not in before for uid, channel in known.channels.items()
    )
    if not calls:
        return known, [], []
    known, events = tell(known, calls, now)
    if found and (known.asked_at is None or now - known.asked_at >= ASK_AGAIN):
        return replace(known, asked_at=now), events, [STATE]
    return known, events, []


def resync(known: Known, snapshot: Sequence[Message], now: datetime) -> tuple[Known, list[CallEvent]]:
    """What changed while the PBX was not heard, from the messages of a CoreShowChannels list.

    Channels that are not there any more end with cause unknown; those still there go on without a new ring;
    those that began meanwhile enter where they are.
    """
    listed = {message.find("Uniqueid") or "" for message in snapshot}
    calls: set[str] = set()
    for uid, channel in known.channels.items():
        if uid not in listed:
            known = known.with_channel(replace(channel, gone=True, hangup_cause=VANISHED))
            calls.add(channel.call)
    for message in snapshot:
        known, seen = see(known, message)
        if seen is None:
            continue
        application = message.find("Application") or ""
        waits = application in WAITING_APPLICATIONS
        dialled = application in ("AppDial", "AppQueue", "AppDial2") or seen.dialled_by != ""
        known = known.with_channel(
            replace(
                seen,
                bridge="" if waits else message.find("BridgeId") or message.find("BridgeID") or "",
                calling=seen.calling or (seen.found and not dialled and bool(application)),
            )
        )
        calls.add(seen.call)
    known, events = tell(known, calls, now)
    return replace(known, asked_at=now), events
