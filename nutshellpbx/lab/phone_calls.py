"""The calls that the practice phone system can tell, each as one story that returns what really happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nutshellpbx.lab.phone_system import NotTaken, PhoneSystem, ToldCall, make_event


class Telling:
    """One call while it is told: keeps the ledger line and posts each event."""

    def __init__(
        self, *, system: PhoneSystem, story: str, direction: str, number: str, name: str = ""
    ) -> None:
        self.system = system
        self.call = ToldCall(
            id=system.new_call_id(), story=story, direction=direction, number=number, name=name
        )

    def event(
        self, kind: str, *, extension: str | None = None, at: str | None = None, **members: Any
    ) -> dict[str, Any]:
        """One event of this call, not yet told; with an extension it is an event of that extension's leg."""
        call = self.call
        at = at or self.system.now()
        self._write_down(kind, extension, at, members)
        return make_event(
            call=call.id,
            kind=kind,
            at=at,
            leg=f"{call.id}/{extension}" if extension else None,
            extension=extension,
            direction=call.direction,
            number=call.number,
            name=call.name or None,
            **members,
        )

    def tell(self, *events: dict[str, Any], message_id: str | None = None) -> None:
        """Post events; what is not taken is counted in the ledger and the call goes on, as calls do."""
        try:
            self.system.tell(*events, message_id=message_id)
        except NotTaken:
            self.call.untold += len(events)

    def say(self, kind: str, *, extension: str | None = None, **members: Any) -> None:
        """Make one event and post it."""
        self.tell(self.event(kind, extension=extension, **members))

    def _write_down(self, kind: str, extension: str | None, at: str, members: dict[str, Any]) -> None:
        call = self.call
        call.started_at = min(filter(None, (call.started_at, at)))
        if kind in ("ringing", "dialing") and extension and extension not in call.rang:
            call.rang.append(extension)
        if kind == "answered" and extension:
            call.answered_by, call.answered_at = extension, at
        if kind == "ended" and not extension:
            call.ended_at, call.cause = at, members.get("cause")


def inbound_answered(
    *,
    system: PhoneSystem,
    number: str,
    extension: str,
    name: str = "",
    dialled: str | None = None,
    ring_s: float = 2.0,
    talk_s: float = 5.0,
) -> list[ToldCall]:
    """A customer calls, the extension answers, both speak, the call ends."""
    told = Telling(system=system, story="inbound-answered", direction="inbound", number=number, name=name)
    told.say("ringing", extension=extension, dialled=dialled)
    system.wait(ring_s)
    told.say("answered", extension=extension)
    system.wait(talk_s)
    told.say("ended", extension=extension)
    told.say("ended")
    return [told.call]


def caller_gives_up(
    *, system: PhoneSystem, number: str, extension: str, name: str = "", ring_s: float = 4.0
) -> list[ToldCall]:
    """A customer calls and hangs up before anybody answers."""
    told = Telling(system=system, story="caller-gives-up", direction="inbound", number=number, name=name)
    told.say("ringing", extension=extension)
    system.wait(ring_s)
    told.say("ended", extension=extension, cause="gave_up")
    told.say("ended", cause="gave_up")
    return [told.call]


def busy(
    *, system: PhoneSystem, number: str, extension: str, name: str = "", ring_s: float = 0.2
) -> list[ToldCall]:
    """A customer calls an extension that is speaking to somebody else."""
    told = Telling(system=system, story="busy", direction="inbound", number=number, name=name)
    told.say("ringing", extension=extension)
    system.wait(ring_s)
    told.say("ended", extension=extension, cause="busy")
    told.say("ended", cause="busy")
    return [told.call]


def two_ring_one_answers(
    *,
    system: PhoneSystem,
    number: str,
    extension: str,
    second: str,
    name: str = "",
    ring_s: float = 2.0,
    talk_s: float = 5.0,
) -> list[ToldCall]:
    """A group rings ``extension`` and ``second``; the first answers, the other one stops ringing."""
    told = Telling(system=system, story="two-ring-one-answers", direction="inbound", number=number, name=name)
    via = {"kind": "group", "name": "Sales"}
    told.say("ringing", extension=extension, via=via)
    told.say("ringing", extension=second, via=via)
    system.wait(ring_s)
    told.say("answered", extension=extension)
    told.say("ended", extension=second, cause="answered_elsewhere")
    system.wait(talk_s)
    told.say("ended", extension=extension)
    told.say("ended")
    return [told.call]


def outbound_answered(
    *,
    system: PhoneSystem,
    number: str,
    extension: str,
    name: str = "",
    ring_s: float = 2.0,
    talk_s: float = 5.0,
) -> list[ToldCall]:
    """The extension calls a customer, who answers."""
    told = Telling(system=system, story="outbound-answered", direction="outbound", number=number, name=name)
    told.say("dialing", extension=extension)
    system.wait(ring_s)
    told.say("answered", extension=extension)
    system.wait(talk_s)
    told.say("ended", extension=extension)
    told.say("ended")
    return [told.call]


def outbound_not_answered(
    *, system: PhoneSystem, number: str, extension: str, name: str = "", ring_s: float = 4.0
) -> list[ToldCall]:
    """The extension calls a customer, who does not answer."""
    told = Telling(
        system=system, story="outbound-not-answered", direction="outbound", number=number, name=name
    )
    told.say("dialing", extension=extension)
    system.wait(ring_s)
    told.say("ended", extension=extension, cause="no_answer")
    told.say("ended", cause="no_answer")
    return [told.call]


def internal(
    *, system: PhoneSystem, extension: str, second: str, ring_s: float = 1.0, talk_s: float = 3.0
) -> list[ToldCall]:
    """The extension calls a colleague; the number is the colleague's, three digits long."""
    told = Telling(system=system, story="internal", direction="internal", number=second)
    told.say("dialing", extension=extension)
    told.tell(told.event("ringing", extension=second) | {"number": extension})
    system.wait(ring_s)
    told.say("answered", extension=extension)
    told.tell(told.event("answered", extension=second) | {"number": extension})
    system.wait(talk_s)
    told.say("ended", extension=extension)
    told.say("ended", extension=second)
    told.say("ended")
    return [told.call]


def withheld(
    *, system: PhoneSystem, extension: str, ring_s: float = 2.0, talk_s: float = 3.0
) -> list[ToldCall]:
    """Somebody calls without showing a number, and is answered."""
    calls = inbound_answered(
        system=system, number="", extension=extension, name="Anonymous", ring_s=ring_s, talk_s=talk_s
    )
    for call in calls:
        call.story = "withheld"
    return calls


def events_twice(
    *,
    system: PhoneSystem,
    number: str,
    extension: str,
    name: str = "",
    ring_s: float = 2.0,
    talk_s: float = 3.0,
) -> list[ToldCall]:
    """An answered call whose every event arrives three times: the same message twice, then a new one."""
    told = Telling(system=system, story="events-twice", direction="inbound", number=number, name=name)
    steps = (
        ("ringing", extension, ring_s),
        ("answered", extension, talk_s),
        ("ended", extension, 0.0),
        ("ended", None, 0.0),
    )
    for place, (kind, leg, pause_s) in enumerate(steps):
        event = told.event(kind, extension=leg)
        for message in (f"msg_{told.call.id}-{place}", f"msg_{told.call.id}-{place}", None):
            told.tell(event, message_id=message)
        system.wait(pause_s)
    return [told.call]


def out_of_order(
    *,
    system: PhoneSystem,
    number: str,
    extension: str,
    name: str = "",
    ring_s: float = 2.0,
    talk_s: float = 3.0,
    order: tuple[int, ...] = (1, 0, 3, 2),
) -> list[ToldCall]:
    """An answered call told in another order; each event still says when it really happened.

    ``order`` numbers ringing, answered, ended leg, ended call from 0.
    """
    told = Telling(system=system, story="out-of-order", direction="inbound", number=number, name=name)
    times = [system.moment(after_s=seconds) for seconds in (0.0, ring_s, ring_s + talk_s, ring_s + talk_s)]
    events = [
        told.event("ringing", extension=extension, at=times[0]),
        told.event("answered", extension=extension, at=times[1]),
        told.event("ended", extension=extension, at=times[2]),
        told.event("ended", at=times[3]),
    ]
    system.wait(ring_s)
    for place in order[:2]:
        told.tell(events[place])
    system.wait(talk_s)
    for place in order[2:]:
        told.tell(events[place])
    return [told.call]


def ended_first(
    *, system: PhoneSystem, number: str, extension: str, name: str = "", ring_s: float = 2.0
) -> list[ToldCall]:
    """A caller who gave up, told backwards: the ringing arrives after the end."""
    told = Telling(system=system, story="ended-first", direction="inbound", number=number, name=name)
    rang_at, ended_at = system.now(), system.moment(after_s=ring_s)
    ringing = told.event("ringing", extension=extension, at=rang_at)
    system.wait(ring_s)
    told.tell(told.event("ended", extension=extension, at=ended_at, cause="gave_up"))
    told.tell(told.event("ended", at=ended_at, cause="gave_up"))
    told.tell(ringing)
    return [told.call]


def all_at_once(*, system: PhoneSystem, number: str, extension: str, name: str = "") -> list[ToldCall]:
    """A whole answered call in one message, as after an interruption of the line."""
    told = Telling(system=system, story="all-at-once", direction="inbound", number=number, name=name)
    told.tell(
        told.event("ringing", extension=extension, at=system.moment(after_s=-9.0)),
        told.event("answered", extension=extension, at=system.moment(after_s=-7.0)),
        told.event("ended", extension=extension, at=system.moment(after_s=-1.0)),
        told.event("ended", at=system.moment(after_s=-1.0)),
    )
    return [told.call]


STORIES: dict[str, Callable[..., list[ToldCall]]] = {
    "inbound-answered": inbound_answered,
    "caller-gives-up": caller_gives_up,
    "busy": busy,
    "two-ring-one-answers": two_ring_one_answers,
    "outbound-answered": outbound_answered,
    "outbound-not-answered": outbound_not_answered,
    "internal": internal,
    "withheld": withheld,
    "events-twice": events_twice,
    "out-of-order": out_of_order,
    "ended-first": ended_first,
    "all-at-once": all_at_once,
}
