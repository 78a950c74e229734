"""From newCall, answer and hangup to call events: whose line a name means, and which legs an event touches.

The form names people, not phones: a user's name, an answering number, or only the number that was dialled.
What each of them means stands in `Known`: the admin's choices first, then an exact match with an extension's
own number, its owner's e-mail or name. The form says of a call only what it must, so `Known` also holds the
legs that the call has: an answer ends the ringing of the others, one without a name is that of the only phone
that rings.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from nutshellpbx.faults import Rejected
from nutshellpbx.pbx.connector import KnownLeg, SeenExtension
from nutshellpbx.pbx.events import MAX_ID, MAX_NAME, MAX_NUMBER, CallEvent, Cause, Direction, Kind, Via

EVENTS = ("newCall", "answer", "hangup")
#: A call's phones; a group has no more of them.
MAX_USERS = 50
MAX_SHOWN = 20
#: How senders write a caller who shows no number.
NO_NUMBER = frozenset({"anonymous", "unknown", "private", "restricted", "withheld", "unavailable"})
#: Whom senders name when a voicemail box took the call.
VOICEMAIL = "voicemail"

CAUSES: Mapping[str, Cause] = {
    "normalclearing": Cause.HUNG_UP,
    "busy": Cause.BUSY,
    "userbusy": Cause.BUSY,
    "cancel": Cause.GAVE_UP,
    "originatorcancel": Cause.GAVE_UP,
    "noanswer": Cause.NO_ANSWER,
    "nouserresponse": Cause.NO_ANSWER,
    "callrejected": Cause.NO_ANSWER,
    "progresstimeout": Cause.NO_ANSWER,
    "allottedtimeout": Cause.NO_ANSWER,
    "congestion": Cause.FAILED,
    "notfound": Cause.FAILED,
    "unallocatednumber": Cause.FAILED,
    "forwarded": Cause.FORWARDED,
    "losserace": Cause.ANSWERED_ELSEWHERE,
    "loserace": Cause.ANSWERED_ELSEWHERE,
    "pickedoff": Cause.ANSWERED_ELSEWHERE,
    "answeredelsewhere": Cause.ANSWERED_ELSEWHERE,
    "voicemail": Cause.VOICEMAIL,
}
#: One phone of several was not to be had; the others ring on.
ONE_PHONE = frozenset({Cause.BUSY, Cause.NO_ANSWER, Cause.FAILED, Cause.ANSWERED_ELSEWHERE, Cause.FORWARDED})

_NUMBER_SIGNS = re.compile(r"[0-9+()/. -]+")


class NameKind(StrEnum):
    """How the form names one of our phones."""

    ANSWERING = "answering"  # answeringNumber
    USER = "user"  # user: a name or an e-mail
    NUMBER = "number"  # our side's number: dialled from outside, or shown when we call


@dataclass(frozen=True, slots=True)
class Name:
    """A name of one of our phones, as it came."""

    kind: NameKind
    text: str

    @property
    def key(self) -> str:
        """What is compared: digits of a number, else the text without case and with single spaces."""
        text = " ".join(self.text.split()).casefold().removeprefix("sip:").removeprefix("tel:")
        if _NUMBER_SIGNS.fullmatch(text):
            text = "".join(sign for sign in text if sign.isdigit()) or text
        return text[:MAX_ID]


@dataclass(frozen=True, slots=True)
class Known:
    """What the admin chose, by kind and key; the extensions with their owners; the live calls' live legs."""

    mapped: Mapping[tuple[str, str], str] = field(default_factory=dict)
    lines: Sequence[SeenExtension] = ()
    calls: Mapping[str, tuple[KnownLeg, ...]] = field(default_factory=dict)


def call_of(content: Mapping[str, Any]) -> str:
    """The sender's id of the call; raises `Rejected`."""
    return _text(content, "callId", MAX_ID, required=True)


def names_of(content: Mapping[str, Any]) -> tuple[Name, ...]:
    """By what an event names our phones, the surest first; our own number only where it names nobody."""
    is_in = content.get("direction") != "out"
    answering = _text(content, "answeringNumber", MAX_ID) if is_in else ""
    names = [Name(NameKind.ANSWERING, answering)] if answering else []
    names += [Name(NameKind.USER, user) for user in _users(content)]
    own = _text(content, "to" if is_in else "from", MAX_NUMBER)
    if not names and own and own.casefold() not in NO_NUMBER:
        names = [Name(NameKind.NUMBER, own)]
    return tuple(name for name in names if name.key and name.key != VOICEMAIL)


def find_line(known: Known, name: Name) -> str:
    """The extension that a name means; empty when nobody said so and nothing matches exactly."""
    kinds = [name.kind] if name.kind is NameKind.NUMBER else [name.kind, NameKind.ANSWERING, NameKind.USER]
    for kind in kinds:
        if chosen := known.mapped.get((kind, name.key)):
            return chosen
    local, _, host = name.key.partition("@")
    numbers = {name.key, local} if host and local.isdigit() else {name.key}
    matches = [line for line in known.lines if line.number.casefold() in numbers]
    if not matches and name.kind is not NameKind.NUMBER:
        matches = [line for line in known.lines if name.key in {_key(line.email), _key(line.name)}]
    people = {line.email or line.number for line in matches}
    # two people of one name: nobody knows which
    return min((line.number for line in matches), key=lambda n: (len(n), n)) if len(people) == 1 else ""


def unmapped_of(known: Known, content: Mapping[str, Any]) -> tuple[Name, ...]:
    """The names of an event that mean no extension yet; our own number counts when a call begins with it."""
    names = [name for name in names_of(content) if not find_line(known, name)]
    is_new = content.get("event") == "newCall"
    return tuple(name for name in names if is_new or name.kind is not NameKind.NUMBER)


def translate(
    known: Known, *, pbx: str, content: Mapping[str, Any], raw_id: str, now: datetime
) -> tuple[Known, list[CallEvent]]:
    """What a post means for its call's legs; nothing for an unknown event. Raises `Rejected` by member."""
    event = content.get("event")
    if event not in EVENTS:
        return known, []
    call = call_of(content)
    said = _Said(known, content, known.calls.get(call, ()), _base(known, pbx, call, content, now))
    events = {"newCall": said.rings, "answer": said.answers, "hangup": said.ends}[str(event)]()
    named = [
        replace(one, raw_id=f"{raw_id}.{place}" if place else raw_id) for place, one in enumerate(events)
    ]
    return replace(known, calls=_calls_after(known, call, named)), named


@dataclass(frozen=True, slots=True)
class _Said:
    """One post, with the live legs of its call and the event that all of its own begin as."""

    known: Known
    content: Mapping[str, Any]
    legs: tuple[KnownLeg, ...]
    base: CallEvent

    def rings(self) -> list[CallEvent]:
        is_out = self.content.get("direction") == "out"
        legs = self._legs_named()[: 1 if is_out else MAX_USERS]
        queue = _shown(self.content, "queue")
        via = Via.QUEUE if queue else (Via.GROUP if len(legs) > 1 else None)
        kind = Kind.DIALING if is_out else Kind.RINGING
        said = [
            replace(self._of(leg), kind=kind, via=None if is_out else via, via_name="" if is_out else queue)
            for leg in legs
        ]
        # whose phones ring is told later, or never: the call is known all the same
        return said or [self.base]

    def answers(self) -> list[CallEvent]:
        if any(user.casefold() == VOICEMAIL for user in _users(self.content)):
            return self._end(self._waiting(), Cause.VOICEMAIL) or [self.base]
        leg = self._who_answers()
        before = [other for other in self.legs if other.is_talking and other.uid != leg.uid]
        others = [other for other in self._waiting() if other.uid != leg.uid]
        return [
            *self._end(before, Cause.TRANSFERRED),
            replace(self._of(leg), kind=Kind.ANSWERED),
            *self._end(others, Cause.ANSWERED_ELSEWHERE),
        ]

    def ends(self) -> list[CallEvent]:
        cause = self._cause()
        names = names_of(self.content)
        people = [name for name in names if name.kind is not NameKind.NUMBER]
        uids = {_leg(find_line(self.known, name), name).uid for name in people}
        mine = [leg for leg in self.legs if leg.uid in uids]
        others = [leg for leg in self.legs if leg.uid not in uids]
        if mine and others:
            if any(leg.is_talking for leg in others) and not any(leg.is_talking for leg in mine):
                return self._end(mine, Cause.ANSWERED_ELSEWHERE if cause is Cause.HUNG_UP else cause)
            if cause in ONE_PHONE and not any(leg.is_talking for leg in self.legs):
                return self._end(mine, cause)
        return [replace(self.base, kind=Kind.ENDED, cause=cause)]

    def _legs_named(self) -> list[KnownLeg]:
        """A leg for each phone that the post names; an unmapped own number is nobody's phone."""
        found: dict[str, KnownLeg] = {}
        for name in names_of(self.content):
            line = find_line(self.known, name)
            if line or name.kind is not NameKind.NUMBER:
                leg = _leg(line, name)
                found.setdefault(leg.uid, leg)
        return list(found.values())

    def _who_answers(self) -> KnownLeg:
        """The leg that speaks now: by its name, else the only one that there is."""
        if self.content.get("direction") == "out" and len(self.legs) == 1:
            return self.legs[0]
        names, waiting = names_of(self.content), self._waiting()
        answering = [name for name in names if name.kind is NameKind.ANSWERING]
        users = [name for name in names if name.kind is NameKind.USER]
        for named in (answering, users):
            if len(named) == 1 and (line := find_line(self.known, named[0])):
                return _leg(line, named[0])
        if len(answering or users) == 1:
            return _leg("", (answering or users)[0])
        if len(waiting) == 1:
            return waiting[0]
        named_legs = self._legs_named()
        return named_legs[0] if len(named_legs) == 1 else KnownLeg(uid="somebody")

    def _waiting(self) -> list[KnownLeg]:
        return [leg for leg in self.legs if not leg.is_talking]

    def _cause(self) -> Cause:
        word = "".join(sign for sign in _shown(self.content, "cause").casefold() if sign.isalpha())
        if word:
            return CAUSES.get(word, Cause.UNKNOWN)
        return Cause.HUNG_UP if any(leg.is_talking for leg in self.legs) else Cause.UNKNOWN

    def _end(self, legs: Sequence[KnownLeg], cause: Cause) -> list[CallEvent]:
        return [replace(self._of(leg), kind=Kind.ENDED, cause=cause) for leg in legs]

    def _of(self, leg: KnownLeg) -> CallEvent:
        return replace(self.base, leg=leg.uid, extension=leg.extension)


def _base(known: Known, pbx: str, call: str, content: Mapping[str, Any], now: datetime) -> CallEvent:
    """What all events of a post share: whose call it is, and who is on the other side."""
    direction = _text(content, "direction", 10)
    if direction not in {"in", "out"}:
        raise _bad("direction", "must be in or out")
    caller, called = _text(content, "from", MAX_NUMBER), _text(content, "to", MAX_NUMBER)
    other = caller if direction == "in" else called
    is_internal = bool(other) and any(other == line.number for line in known.lines)
    outside = Direction.INBOUND if direction == "in" else Direction.OUTBOUND
    return CallEvent(
        pbx=pbx,
        call_uid=call,
        kind=Kind.UPDATED,
        at=now,
        direction=Direction.INTERNAL if is_internal else outside,
        number="" if other.casefold() in NO_NUMBER else other,
        dialled=called if direction == "in" else "",
    )


def _leg(line: str, name: Name) -> KnownLeg:
    """The leg of an extension, or of a name that means none yet."""
    if line:
        return KnownLeg(uid=f"ext-{line}", extension=line)
    digest = hashlib.sha256(name.key.encode("utf-8", "replace")).hexdigest()[:16]
    shown = "".join(sign if sign.isprintable() else " " for sign in name.text)
    return KnownLeg(uid=f"as-{digest}", extension=shown[:MAX_SHOWN].strip())


def _calls_after(known: Known, call: str, events: Sequence[CallEvent]) -> dict[str, tuple[KnownLeg, ...]]:
    legs = {leg.uid: leg for leg in known.calls.get(call, ())}
    for event in events:
        if not event.leg:
            legs = {} if event.kind is Kind.ENDED else legs
        elif event.kind is Kind.ENDED:
            legs.pop(event.leg, None)
        else:
            legs[event.leg] = KnownLeg(event.leg, event.extension, is_talking=event.kind is Kind.ANSWERED)
    calls = {uid: known_legs for uid, known_legs in known.calls.items() if uid != call}
    return {**calls, call: tuple(legs.values())} if legs else calls


def _users(content: Mapping[str, Any]) -> list[str]:
    users = content.get("user") or []
    if not isinstance(users, list):
        users = [users]
    texts = [_text({"user": user}, "user", MAX_NAME) for user in users[:MAX_USERS]]
    return [text for text in texts if text]


def _key(text: str) -> str:
    return Name(NameKind.USER, text).key if text else ""


def _text(content: Mapping[str, Any], member: str, limit: int, *, required: bool = False) -> str:
    value = content.get(member)
    if value is None or value == "":
        if required:
            raise _bad(member, "is missing")
        return ""
    if not isinstance(value, str):
        raise _bad(member, "must be text")
    value = value.strip()
    if len(value) > limit:
        raise _bad(member, f"is longer than {limit} characters")
    if not value.isprintable():
        raise _bad(member, "has control characters")
    return value


def _shown(content: Mapping[str, Any], member: str) -> str:
    """A text that is only shown: cut and cleaned, never a reason to lose the call."""
    value = content.get(member)
    text = value if isinstance(value, str) else ""
    return "".join(sign if sign.isprintable() else " " for sign in text[:MAX_NAME]).strip()


def _bad(member: str, what: str) -> Rejected:
    return Rejected(f"{member} {what}.", "Correct the sender; this event is set aside.", detail=member)
