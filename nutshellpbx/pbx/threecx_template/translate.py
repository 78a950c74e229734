"""From a report of a call to call events, and from a record to the flat object that a template reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nutshellpbx.faults import Rejected
from nutshellpbx.pbx.asking import Contact
from nutshellpbx.pbx.events import CallEvent, Cause, Direction, Kind, Via
from nutshellpbx.pbx.threecx_template import moments, protocol
from nutshellpbx.pbx.threecx_template.unverified import CALL_TYPES, DURATION_IS_TALK, MOST_RESULTS

#: How the ids begin that we make for calls and legs which a report named by no id.
TOLD = "told-"
SOON = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Report:
    """A call as it was told after its end."""

    direction: Direction
    is_answered: bool
    number: str
    name: str
    agent: str
    queue: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    is_dated: bool  # whether the phone system said when it began


def report_of(content: Mapping[str, str], now: datetime) -> Report:
    """What a report's fields say; raises `Rejected` when they say nothing of a call."""
    word = content.get("call_type", "").casefold()
    direction, is_answered = CALL_TYPES.get(word, ("", False))
    length = moments.find_duration(content.get("duration", ""))
    if not direction:
        direction = content.get("direction", "").casefold()
        is_answered = bool(length)
    if direction not in {"inbound", "outbound"}:
        raise Rejected(
            "call_type must be Inbound, Outbound, Missed or Notanswered.",
            "Use our own template.",
            detail="call_type",
        )
    if not content.get("number") and not content.get("agent"):
        raise Rejected("number and agent are missing.", "Use our own template.", detail="number")
    length = length or timedelta(0)
    said = moments.find_moment(content.get("start", ""), now=now)
    ended_at = moments.find_moment(content.get("end", ""), now=now)
    started_at = said or (ended_at or now) - length
    ended_at = max(ended_at or started_at + length, started_at)
    return Report(
        direction=Direction(direction),
        is_answered=is_answered,
        number=content.get("number", ""),
        name=content.get("name", ""),
        agent=content.get("agent", ""),
        queue=content.get("queue", ""),
        started_at=started_at,
        answered_at=_answered_at(content, started_at, ended_at, length, now) if is_answered else None,
        ended_at=ended_at,
        is_dated=said is not None,
    )


def raw_id_of(content: Mapping[str, str], now: datetime) -> str:
    """A name by which the same report is known again, whatever it spells otherwise the second time."""
    digits = "".join(sign for sign in content.get("number", "") if sign.isdigit())
    said = moments.find_moment(content.get("start", ""), now=now)
    if said is None:
        # nothing tells it from the next call of this kind: a repeat only within a few minutes
        return f"sha256:{protocol.digest_of(*(f'{name}={content[name]}' for name in sorted(content)))}"
    parts = (
        content.get("call_type", "").casefold(),
        content.get("agent", ""),
        digits,
        f"{said:%Y%m%dT%H%M%S}",
    )
    return f"{TOLD}{protocol.digest_of(*parts)}"


def events_of(report: Report, *, pbx: str, raw_id: str) -> list[CallEvent]:
    """The events of a told call: its end first, so that nothing of it is shown as if it rang now."""
    uid = f"{TOLD}{raw_id.rpartition(TOLD)[2].rpartition(':')[2]}"[:60]
    is_in = report.direction is Direction.INBOUND
    base: dict[str, Any] = {
        "pbx": pbx,
        "call_uid": uid,
        "direction": report.direction,
        "number": report.number,
        "name": report.name,
        "via": Via.QUEUE if report.queue else None,
        "via_name": report.queue,
    }
    cause = Cause.HUNG_UP if report.is_answered else Cause.GAVE_UP
    told: list[tuple[Kind, datetime, Cause | None, bool]] = [(Kind.ENDED, report.ended_at, cause, False)]
    if report.agent:
        told.append((Kind.RINGING if is_in else Kind.DIALING, report.started_at, None, True))
        if report.answered_at is not None:
            told.append((Kind.ANSWERED, report.answered_at, None, True))
        told.append((Kind.ENDED, report.ended_at, cause, True))
    else:
        told.append((Kind.UPDATED, report.started_at, None, False))
    return [
        CallEvent(
            **base,
            kind=kind,
            at=at,
            cause=why,
            leg=f"{TOLD}{report.agent}" if is_leg else "",
            extension=report.agent if is_leg else "",
            raw_id=f"{raw_id}.{place}" if place else raw_id,
        )
        for place, (kind, at, why, is_leg) in enumerate(told)
    ]


def answer_of(state: str, contacts: Sequence[Contact], *, is_search: bool) -> dict[str, Any]:
    """The body of an answer: one flat `contact`, or for a search `contacts`; neither when there is none."""
    flat = [_flat(contact) for contact in contacts]
    if not flat:
        return {"state": state}
    return (
        {"state": state, "contacts": flat[:MOST_RESULTS]}
        if is_search
        else {"state": state, "contact": flat[0]}
    )


def _flat(contact: Contact) -> dict[str, str]:
    first, last = ("", "") if contact.is_company else _split(contact.name)
    return {
        "id": contact.id,
        "type": contact.type,
        "first": first,
        "last": last,
        "company": contact.name if contact.is_company else contact.company,
        "title": contact.title,
        "email": contact.email,
        "phone": contact.phone,
        "url": contact.url,
    }


def _split(name: str) -> tuple[str, str]:
    """First and last name; one word is a last name."""
    first, _, last = name.strip().rpartition(" ")
    return first.strip(), last


def _answered_at(
    content: Mapping[str, str], started_at: datetime, ended_at: datetime, length: timedelta, now: datetime
) -> datetime:
    said = moments.find_moment(content.get("established", ""), now=now)
    if said is not None and started_at <= said <= ended_at:
        return said
    counted = ended_at - length if DURATION_IS_TALK else started_at
    return min(max(counted, started_at), max(started_at, ended_at - SOON))
