"""Posted messages on their way in: stored first, understood in the same transaction, never lost."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from nutshellpbx.calls import flow, told
from nutshellpbx.calls.models import Call, Heard, Leg
from nutshellpbx.calls.states import AGAIN
from nutshellpbx.faults import Rejected
from nutshellpbx.pbx import config as pbx_config
from nutshellpbx.pbx.connector import HookMessage, KnownLeg
from nutshellpbx.pbx.models import Pbx, Received, Refusal
from nutshellpbx.people import routing

log = logging.getLogger(__name__)

#: How connectors begin the id that they make for a message without one of its own, from all that it says.
DIGEST = "sha256:"
#: Such a message is a repeat only within this time.
DIGEST_LIFE = timedelta(minutes=10)
MAX_TRIES = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """How a post's messages ended."""

    taken: int = 0
    repeated: int = 0
    kept: int = 0
    bad_fields: tuple[str, ...] = ()


def take_in_messages(*, pbx: Pbx, connector: Any, messages: list[HookMessage], now: datetime) -> Taken:
    """Take each message in, in a transaction of its own: a bad one never costs the valid ones beside it."""
    taken = repeated = kept = 0
    bad: list[str] = []
    for place, message in enumerate(messages):
        try:
            state = _take_in(pbx, connector, message, now)
        except Rejected as fault:
            bad.append(fault.detail if len(messages) == 1 else f"events[{place}].{fault.detail}")
            continue
        taken += state == Received.State.TAKEN
        kept += state in {Received.State.KEPT, Received.State.FAILED}
        repeated += state == ""
    hear(pbx, now)
    return Taken(taken, repeated, kept, tuple(bad))


def count_refusal(*, pbx: Pbx, reason: str, text: str, now: datetime) -> None:
    """Count a refused post by its reason; a counter, so that a flood fills no disk."""
    row, _made = Refusal.objects.get_or_create(pbx=pbx, reason=reason[:40], defaults={"last_at": now})
    Refusal.objects.filter(pk=row.pk).update(count=F("count") + 1, last_at=now, text=text[:300])


def try_again(*, now: datetime, most: int = 20) -> int:
    """Take in stored messages that failed before; how many went through."""
    through = 0
    failed = Received.objects.filter(
        state=Received.State.FAILED, tries__lt=MAX_TRIES, received_at__lt=now - timedelta(seconds=2)
    )
    for row in failed.select_related("pbx").order_by("received_at", "pk")[:most]:
        connector = pbx_config.connector_of(config=pbx_config.bare_config(pbx=row.pbx))
        try:
            through += _understand(row, connector, now) == Received.State.TAKEN
        except Rejected as fault:
            # it was readable when it came, it is not today: no later try changes that, the admin sees it
            row.state, row.text, row.tries = Received.State.FAILED, fault.title[:300], MAX_TRIES
            row.save(update_fields=["state", "text", "tries"])
    return through


def _take_in(pbx: Pbx, connector: Any, message: HookMessage, now: datetime) -> str:
    """The state of the stored message; empty when it was here before. Raises Rejected for a bad field."""
    _known, events, _fetches = connector.translate(connector.nothing_known(), message, now)
    raw_id = message.raw_id
    with transaction.atomic():
        if raw_id.startswith(DIGEST):
            came_at = _find_newest(pbx, raw_id)
            if came_at is not None and came_at >= now - DIGEST_LIFE:
                return ""
            if came_at is not None or Heard.objects.filter(pbx=pbx, seen_id=raw_id).exists():
                raw_id = f"{raw_id}@{now.timestamp():.0f}"
        row, made = Received.objects.get_or_create(
            pbx=pbx,
            raw_id=raw_id,
            defaults={
                "body": json.dumps(message.content, separators=(",", ":")),
                "kind": str(message.content.get("kind", ""))[:40],
                "received_at": now,
            },
        )
        if not made:
            return ""
        if not events:
            row.state = Received.State.KEPT
            row.text = "This kind of event is not known; it is kept and counted."
            row.save(update_fields=["state", "text"])
            return row.state
        return _understand(row, connector, now)


def _find_newest(pbx: Pbx, digest: str) -> datetime | None:
    """When a message with this digest was last stored: under the digest itself, or as "digest@seconds"."""
    # "A" follows "@": one range of the unique index, where a search for the beginning would read every row
    same = Received.objects.filter(pbx=pbx, raw_id__gte=digest, raw_id__lt=f"{digest}A")
    return same.order_by("-received_at").values_list("received_at", flat=True).first()


def _understand(row: Received, connector: Any, now: datetime) -> str:
    try:
        message = HookMessage(row.raw_id, json.loads(row.body))
        with transaction.atomic():
            known = _recall(row.pbx, connector, message, now)
            _known, events, _fetches = connector.translate(known, message, row.received_at)
            if told.tells_afterwards(connector):
                events = told.place(pbx=row.pbx, events=events, now=now)
            for event in events:
                flow.take_in(event=event, now=now)
            row.state, row.text = Received.State.TAKEN, ""
    except Rejected:
        raise
    except Exception as error:
        # stored is stored: the sender is told 2xx, the sweeper tries again, the admin sees it
        log.exception("A stored event could not be taken in")
        row.state, row.text = Received.State.FAILED, f"{type(error).__name__}"[:300]
    row.tries += 1
    row.save(update_fields=["state", "text", "tries"])
    return row.state


def _recall(pbx: Pbx, connector: Any, message: HookMessage, now: datetime) -> Any:
    """The picture that a message is understood by: the lines and its call's live legs, where a kind needs
    them.
    """
    if not hasattr(connector, "recall"):
        return connector.nothing_known()
    Pbx.objects.select_for_update().get(pk=pbx.pk)  # the posts of one call come on several connections
    live = Call.objects.filter(pbx=pbx, uid=connector.call_of(message), state=Call.State.LIVE)
    call = live.order_by("-started_at").first()
    rows = call.legs.exclude(state=Leg.State.OVER) if call else ()
    talks = {Leg.State.TALKING, Leg.State.HELD}
    legs = [KnownLeg(leg.uid.partition(AGAIN)[0], leg.number, leg.state in talks) for leg in rows]
    return connector.recall(message, lines=routing.list_lines(pbx_id=str(pbx.pk)), legs=legs, now=now)


def hear(pbx: Pbx, now: datetime) -> None:
    """Note that the PBX is heard of; at most every few seconds, since it costs a write."""
    if pbx.last_event_at is None or now - pbx.last_event_at > timedelta(seconds=5):
        Pbx.objects.filter(pk=pbx.pk).update(
            last_event_at=now, state=Pbx.State.CONNECTED, state_text="", state_at=now
        )
