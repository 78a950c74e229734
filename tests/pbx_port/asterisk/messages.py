"""Manager messages made by hand, for what no recording shows."""

from __future__ import annotations

from nutshellpbx.pbx.asterisk.protocol import Message

TRUNK, PHONE = "PJSIP/trunk-00000001", "PJSIP/101-00000002"
STATES = {"Down": "0", "Ring": "4", "Ringing": "5", "Up": "6"}


def make_message(event: str, **fields: str) -> Message:
    """An event with these fields."""
    return Message((("Event", event), *fields.items()))


def describe(name: str, uid: str, state: str, *, prefix: str = "", **more: str) -> dict[str, str]:
    """The fields by which an event describes a channel; of the call 100.1 unless told otherwise."""
    fields = {
        "Channel": name,
        "ChannelState": STATES[state],
        "CallerIDNum": "13125550142",
        "CallerIDName": "Grace Customer",
        "ConnectedLineNum": "<unknown>",
        "Context": "from-trunk",
        "Exten": "12125550101",
        "Uniqueid": uid,
        "Linkedid": "100.1",
    } | more
    return {f"{prefix}{key}": value for key, value in fields.items()}


def inbound_ringing(*, number: str = "13125550142", name: str = "Grace Customer") -> list[Message]:
    """An outside call, 100.1, that rings at extension 101 as leg 100.2."""
    trunk = describe(TRUNK, "100.1", "Ring", CallerIDNum=number, CallerIDName=name)
    phone = describe(PHONE, "100.2", "Ringing", CallerIDNum="101", CallerIDName="Ada", Exten="s")
    return [
        make_message("Newchannel", **trunk),
        make_message("Newchannel", **phone | {"ChannelState": STATES["Down"]}),
        make_message(
            "DialBegin",
            **trunk,
            **{f"Dest{key}": value for key, value in phone.items()},
            DialString="101",
        ),
        make_message("Newstate", **phone),
    ]


def inbound_talking() -> list[Message]:
    """The same call, answered: both are in bridge b1."""
    return [
        *inbound_ringing(),
        make_message("Newstate", **describe(PHONE, "100.2", "Up", CallerIDNum="101")),
        make_message("BridgeEnter", BridgeUniqueid="b1", **describe(PHONE, "100.2", "Up", CallerIDNum="101")),
        make_message("BridgeEnter", BridgeUniqueid="b1", **describe(TRUNK, "100.1", "Up")),
    ]


def make_hangup(uid: str, *, cause: str = "16") -> Message:
    return make_message("Hangup", Uniqueid=uid, Cause=cause)


def make_listed(name: str, uid: str, state: str, **more: str) -> Message:
    """A line of the whole state (CoreShowChannels)."""
    return make_message("CoreShowChannel", **describe(name, uid, state, **more))
