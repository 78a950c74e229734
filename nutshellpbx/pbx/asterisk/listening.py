"""The loop that hears an Asterisk: connect, read the whole state, hear events, carry out orders; for ever."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from nutshellpbx.faults import TryLater
from nutshellpbx.pbx.asterisk.connection import Connection
from nutshellpbx.pbx.asterisk.picture import Known
from nutshellpbx.pbx.asterisk.protocol import Message
from nutshellpbx.pbx.asterisk.translate import STATE, resync, translate
from nutshellpbx.pbx.connector import Order
from nutshellpbx.pbx.events import CallEvent

#: The kinds of events that we ask for.
CLASSES = "call,agent,dialplan"
#: What floods a stream and says nothing to us; the server is asked not to send it, if it lets us ask.
FILTERED = ("VarSet", "QueueMemberStatus", "RTCPSent", "RTCPReceived", "DTMFBegin", "DTMFEnd", "LocalBridge")
#: Silence after which the PBX is asked whether it lives, and after which the connection is given up.
PING_AFTER_S, GIVE_UP_AFTER_S = 20.0, 45.0
#: The whole state is read again so often, so that a call whose end got lost does not live for ever.
LOOK_AGAIN_S = 300.0
#: How long one wait for bytes is; how often stop and orders are looked at.
WAIT_S = 0.2
ORDERS_EVERY_S = 0.5
#: An order that got no answer for so long has failed; the phone itself rings for 30 s of them.
ORDER_S = 45.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0

Orders = Callable[[], Iterator[tuple[str, Order]]]
Settle = Callable[[str, bool, str], None]


def pause_before(attempt: int, chance: float) -> float:
    """Seconds to wait before the n-th try in a row (from 1), full jitter: `chance` is from 0 to 1."""
    return chance * min(LONGEST_PAUSE_S, FIRST_PAUSE_S * float(2 ** min(attempt, 16)))


@dataclass(slots=True)
class Hearing:
    """What one `listen` carries from connection to connection: the picture, and who is told what."""

    known: Known
    connect: Callable[[], Connection]
    stop: Callable[[], bool]
    take_in: Callable[[CallEvent], None]
    report: Callable[[str, str], None]
    orders: Orders | None
    settle: Settle | None
    actions: Callable[[Order, Known], tuple[str, dict[str, str]]]
    snapshot: Callable[[set[str]], None] | None = None
    _epoch: int = 0
    _number: int = 0
    _attempt: int = 0
    _said: tuple[str, str] = ("", "")
    _waiting_orders: dict[str, tuple[str, float]] = field(default_factory=dict)

    def run(self) -> None:
        """Hear until told to stop; raises Denied when the sign-in is refused."""
        while not self.stop():
            try:
                with self.connect() as line:
                    self._hear(line)
            except TryLater as fault:
                self._say("away", " ".join(filter(None, (fault.title + ".", fault.next_step))))
            self._fail_orders("The connection to the phone system broke.")
            self._attempt += 1
            self._pause(pause_before(self._attempt, random.random()))

    def _say(self, state: str, text: str) -> None:
        """Report a change, once: not again at every try of a long outage."""
        if (state, text) != self._said:
            self._said = (state, text)
            self.report(state, text)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stop() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, WAIT_S))

    def _hear(self, line: Connection) -> None:
        # Larger than any before, also those of an earlier process: a repeat is recognised by it.
        self._epoch = max(self._epoch + 1, time.time_ns() // 1_000_000)
        self._number = 0
        for name in FILTERED:
            line.send("Filter", {"Operation": "Add", "Filter": f"!Event: {name}"})
        # Words about these may have been missed meanwhile, so they are judged by the whole state alone.
        untold = {
            uid: replace(channel, found=True)
            for uid, channel in self.known.channels.items()
            if channel.told is None
        }
        self.known = replace(self.known, channels={**self.known.channels, **untold})
        self._look(line, first=True)
        self._say("connected", line.greeting)
        self._attempt = 0
        looked_at = ordered_at = time.monotonic()
        pinged = False
        while not self.stop():
            wants_state = False
            for message in line.read(WAIT_S):
                wants_state |= self._take(message)
            now = time.monotonic()
            if now - ordered_at >= ORDERS_EVERY_S:
                ordered_at = now
                self._carry_out(line)
            if wants_state or now - looked_at >= LOOK_AGAIN_S:
                looked_at = now
                self._look(line)
            silent_s = now - line.last_heard_at
            if silent_s >= GIVE_UP_AFTER_S:
                raise TryLater("The phone system has fallen silent", "It will be tried again by itself.")
            if silent_s < PING_AFTER_S:
                pinged = False
            elif not pinged:
                pinged = True
                line.send("Ping")

    def _look(self, line: Connection, *, first: bool = False) -> None:
        """Read the whole state. Events that come meanwhile are kept by the line and heard after it."""
        snapshot = line.ask_list("CoreShowChannels")
        if snapshot is None:
            snapshot = line.ask_list("Status")
        if snapshot is None and first:
            # This user may ask for neither: what went on before this connection is over for us.
            snapshot = []
        if snapshot is None:
            return
        known, events = resync(self.known, snapshot, datetime.now(UTC))
        self._hand_on(known, events)
        if self.snapshot is not None:
            self.snapshot({channel.call for channel in known.channels.values()})

    def _take(self, message: Message) -> bool:
        """Hear one message; whether the whole state is wanted now."""
        if message.event == "OriginateResponse":
            self._settle(message.action_id, message.find("Response") == "Success", _describe_end(message))
        elif message.find("Response") == "Error":
            self._settle(message.action_id, False, message.find("Message") or "")
        elif message.is_success and message.action_id in self._waiting_orders and _is_final(message):
            self._settle(message.action_id, True, "")
        known, events, wanted = translate(self.known, message, datetime.now(UTC))
        self._hand_on(known, events)
        return STATE in wanted

    def _hand_on(self, known: Known, events: list[CallEvent]) -> None:
        for event in events:
            self._number += 1
            self.take_in(replace(event, seq=f"{self._epoch}-{self._number}"))
        # Only now: what could not be taken in is still news for the next reading of the whole state.
        self.known = known

    def _carry_out(self, line: Connection) -> None:
        if self.orders is None or self.settle is None:
            return
        for order_id, order in self.orders():
            try:
                action, fields = self.actions(order, self.known)
            except ValueError as error:
                self.settle(order_id, False, str(error))
                continue
            self._waiting_orders[line.send(action, fields)] = (order_id, time.monotonic())
        for action_id, (_, sent_at) in list(self._waiting_orders.items()):
            if time.monotonic() - sent_at > ORDER_S:
                self._settle(action_id, False, "The phone system did not answer.")

    def _settle(self, action_id: str, ok: bool, text: str) -> None:
        waiting = self._waiting_orders.pop(action_id, None)
        if waiting is not None and self.settle is not None:
            self.settle(waiting[0], ok, text)

    def _fail_orders(self, text: str) -> None:
        for action_id in list(self._waiting_orders):
            self._settle(action_id, False, text)


#: OriginateResponse's Reason, in words. Source: Asterisk's control frames.
REASONS = {
    "0": "Your phone cannot be reached.",
    "1": "Your phone was hung up.",
    "3": "Your phone was not picked up.",
    "5": "Your phone is busy.",
    "8": "The phone system is congested.",
}


def _describe_end(message: Message) -> str:
    if message.find("Response") == "Success":
        return ""
    return REASONS.get(message.find("Reason") or "", "The phone system could not make this call.")


def _is_final(message: Message) -> bool:
    """Whether a success is the last word: a queued Originate tells its end later."""
    return not re.search("originate", message.find("Message") or "", re.IGNORECASE)
