"""The loop that hears a 3CX: connect, read the whole state, hear events, ask for what they name; for ever.

It also carries out orders, for it alone holds the token, and looks into the PBX's own records for calls that
nobody heard. Where the Call Control API is not to be had but CDR is, those records alone are heard.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from django.utils.translation import gettext as _

from nutshellpbx.faults import Denied, Fault, TryLater
from nutshellpbx.outbound import hang_up
from nutshellpbx.pbx.connector import Fetch, Order
from nutshellpbx.pbx.events import CallEvent
from nutshellpbx.pbx.threecx import doubts, protocol
from nutshellpbx.pbx.threecx.connection import Connection
from nutshellpbx.pbx.threecx.picture import Known, with_dial
from nutshellpbx.pbx.threecx.protocol import Message
from nutshellpbx.pbx.threecx.reconcile import Reconciling
from nutshellpbx.pbx.threecx.stream import Stream
from nutshellpbx.pbx.threecx.telling import PARTICIPANT, SETTLED
from nutshellpbx.pbx.threecx.translate import resync, translate

#: The whole state is read again so often, so that a call whose end got lost does not live for ever.
LOOK_AGAIN_S = 300.0
#: How long one wait for frames is; how often orders and records are looked at.
WAIT_S, ORDERS_EVERY_S, RECORDS_EVERY_S = 0.1, 0.5, 2.0
#: An order that got no answer for so long has failed.
ORDER_S = 45.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
#: Without the Call Control API it is tried so often whether it is there by now.
DENIED_AGAIN_S = 600.0
#: More questions than this follow from no message; what is left is learnt from the whole state.
MOST_FETCHES = 200

Orders = Callable[[], Iterator[tuple[str, Order]]]
Settle = Callable[[str, bool, str], None]
#: What an order asks of the PBX; gives whether it was done and what was said.
Act = Callable[[Connection], tuple[bool, str]]


def pause_before(attempt: int, chance: float) -> float:
    """Seconds to wait before the n-th try in a row (from 1), full jitter: `chance` is from 0 to 1."""
    return chance * min(LONGEST_PAUSE_S, FIRST_PAUSE_S * float(2 ** min(attempt, 16)))


@dataclass(slots=True)
class Hearing:
    """What one `listen` carries from connection to connection: the picture, and who is told what."""

    known: Known
    connect: Callable[[], Connection]
    reconciling: Reconciling
    stop: Callable[[], bool]
    take_in: Callable[[CallEvent], None]
    report: Callable[[str, str], None]
    orders: Orders | None
    settle: Settle | None
    actions: Callable[[Order, Known], Act]
    snapshot: Callable[[set[str]], None] | None = None
    _epoch: int = 0
    _number: int = 0
    _attempt: int = 0
    _said: tuple[str, str] = ("", "")
    _heard: str = ""
    _timers: list[tuple[float, str]] = field(default_factory=list)
    _wants_state: bool = False
    _waiting_orders: dict[str, float] = field(default_factory=dict)
    _results: queue.SimpleQueue[tuple[str, bool, str]] = field(default_factory=queue.SimpleQueue)
    _ordered_at: float = 0.0
    _records_at: float = 0.0

    def run(self) -> None:
        """Hear until told to stop; raises Denied when the sign-in is refused and there are no records."""
        try:
            while not self.stop():
                try:
                    self._connect_and_hear()
                    continue  # told to stop, or a new token: the stream is opened anew with it
                except TryLater as fault:
                    # the first break is often only a token's end: said when it does not come back at once
                    if self._attempt > 0 or self._said[0] != "connected":
                        self._say("away", " ".join(filter(None, (fault.title + ".", fault.next_step))))
                except Denied as fault:
                    if self.reconciling.open_cdr is None:
                        raise
                    self._hear_records_alone(fault)
                    continue
                self.reconciling.soon()
                self._fail_orders(_("The connection to the phone system broke."))
                self._attempt += 1
                self._pause(pause_before(self._attempt, random.random()))
        finally:
            self._fail_orders(_("The listener stopped."))
            self.reconciling.close()
            hang_up()

    def _connect_and_hear(self) -> None:
        line = self.connect()
        with line.listen() as stream:
            line.token.is_listening = True
            try:
                self._hear(line, stream)
            finally:
                line.token.is_listening = False

    def _say(self, state: str, text: str) -> None:
        """Report a change, once: not again at every try of a long outage."""
        if (state, text) != self._said:
            self._said = (state, text)
            self.report(state, text)

    def _say_connected(self) -> None:
        """What is heard, and beside it what is wrong with the call records, if anything is."""
        self._say("connected", " ".join(filter(None, (self._heard, self.reconciling.cdr_fault))))

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.stop() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, WAIT_S))

    def _hear(self, line: Connection, stream: Stream) -> None:
        # Larger than any before, also those of an earlier process: a repeat is recognised by it.
        self._epoch = max(self._epoch + 1, time.time_ns() // 1_000_000)
        self._number = 0
        self._timers.clear()
        self._wants_state = False
        # Events that come from here on wait in the stream and are heard after the state.
        state = line.state()
        known, events = resync(self.known, state.state, datetime.now(UTC))
        self._hand_on(known, events)
        self._settle_unsettled()
        self._tell_living()
        count = {"count": len(known.types)}
        self._heard = _("%(count)s extensions and queues are heard.") % count
        self._say_connected()
        self._attempt = 0
        looked_at = time.monotonic()
        # A new token makes the old one void, and with it perhaps what was opened with that one.
        while not self.stop() and line.sign_in() == stream.token:
            for frame in stream.read(WAIT_S):
                self._take(line, protocol.read_event(frame))
            self._look_at_settled(line)
            now = time.monotonic()
            if self._wants_state or now - looked_at >= LOOK_AGAIN_S:
                self._wants_state, looked_at = False, now
                self._take(line, line.state())
                self._tell_living()
            self._carry_out(line)
            self._reconcile(line)

    def _tell_living(self) -> None:
        if self.snapshot is not None:
            self.snapshot(set(self.known.calls))

    # --- events

    def _take(self, line: Connection, message: Message) -> None:
        """Hear one message, and what is asked for because of it."""
        waiting = [message]
        for _round in range(MOST_FETCHES):
            if not waiting:
                return
            known, events, fetches = translate(self.known, waiting.pop(0), datetime.now(UTC))
            self._hand_on(known, events)
            for fetch in fetches:
                waiting += self._fetch(line, fetch)
        self._wants_state = True

    def _fetch(self, line: Connection, fetch: Fetch) -> list[Message]:
        if fetch.what == PARTICIPANT:
            return [line.participant(fetch.id)]
        if fetch.what == SETTLED:
            self._timers.append((time.monotonic() + doubts.SETTLE_S, fetch.id))
        else:
            self._wants_state = True
        return []

    def _look_at_settled(self, line: Connection) -> None:
        """The moment after a call's last leg has passed: see whether it goes on."""
        now = time.monotonic()
        due = [uid for at, uid in self._timers if at <= now]
        if not due:
            return
        self._timers = [each for each in self._timers if each[0] > now]
        first = line.state(settled=due[0])
        for uid in due:
            self._take(line, replace(first, key=uid))

    def _settle_unsettled(self) -> None:
        """Calls that waited for their moment when the connection broke wait anew."""
        at = time.monotonic() + doubts.SETTLE_S
        self._timers = [(at, call.uid) for call in self.known.calls.values() if call.waits]

    def _hand_on(self, known: Known, events: list[CallEvent]) -> None:
        for event in events:
            self._number += 1
            self.reconciling.book.note(event)
            self.take_in(replace(event, seq=f"{self._epoch}-{self._number}"))
        # Only now: what could not be taken in is still news for the next reading of the whole state.
        self.known = known

    # --- orders

    def _carry_out(self, line: Connection) -> None:
        if self.orders is None or self.settle is None:
            return
        self._take_results()
        if time.monotonic() - self._ordered_at < ORDERS_EVERY_S:
            return
        self._ordered_at = time.monotonic()
        for order_id, order in self.orders():
            try:
                act = self.actions(order, self.known)
            except ValueError as error:
                self.settle(order_id, False, str(error))
                continue
            if order.verb == "dial":
                dialled = order.arguments.get("extension", ""), order.arguments.get("number", "")
                self.known = with_dial(self.known, *dialled)
            self._waiting_orders[order_id] = time.monotonic()
            # 3CX may answer only when the phone was picked up: the events must not wait for that
            threading.Thread(target=self._act, args=(line, order_id, act), daemon=True).start()
        for order_id, since in list(self._waiting_orders.items()):
            if time.monotonic() - since > ORDER_S:
                self._results.put((order_id, False, _("The phone system did not answer.")))

    def _act(self, line: Connection, order_id: str, act: Act) -> None:
        try:
            self._results.put((order_id, *act(line)))
        except TryLater as fault:
            unclear = _("It may ring all the same: look at the phone first.")
            said = unclear if fault.may_have_happened else fault.next_step
            self._results.put((order_id, False, f"{fault.title.removesuffix('.')}. {said}"))
        except Fault as fault:
            self._results.put((order_id, False, f"{fault.title.removesuffix('.')}. {fault.next_step}"))
        finally:
            hang_up()

    def _take_results(self) -> None:
        while not self._results.empty():
            order_id, ok, text = self._results.get()
            if self._waiting_orders.pop(order_id, None) is not None and self.settle is not None:
                self.settle(order_id, ok, text)

    def _fail_orders(self, text: str) -> None:
        self._take_results()
        for order_id in list(self._waiting_orders):
            del self._waiting_orders[order_id]
            if self.settle is not None:
                self.settle(order_id, False, text)

    # --- records

    def _reconcile(self, line: Connection | None) -> None:
        if time.monotonic() - self._records_at < RECORDS_EVERY_S:
            return
        self._records_at = time.monotonic()
        now = datetime.now(UTC)
        found = self.reconciling.from_log(line, now) if line is not None else []
        try:
            ahead_s = line.clock_ahead_s if line is not None else 0.0
            found += self.reconciling.from_cdr(now, ahead_s=ahead_s)
            self.reconciling.cdr_fault = ""
        except (TryLater, Denied) as fault:
            # where events are heard, records are only a help: told, and the calls go on
            self.reconciling.cdr_fault = f"{fault.title}. {fault.next_step}"
        if line is not None:
            self._say_connected()
        for event in found:
            # these carry the record's own name, by which a repeat is recognised
            self.take_in(event)

    def _hear_records_alone(self, fault: Denied) -> None:
        """Without the Call Control API: hear call records until it is time to try again."""
        until = time.monotonic() + DENIED_AGAIN_S
        while not self.stop() and time.monotonic() < until:
            self._reconcile(None)
            if self.reconciling.cdr_fault:
                self._say("away", self.reconciling.cdr_fault)
            else:
                told = _("Call records alone are heard: calls are noted after their end. %(why)s.")
                self._say("connected", told % {"why": fault.title})
            self._fail_orders(_("This phone system cannot dial for us."))
            for order_id, _order in self.orders() if self.orders is not None else ():
                if self.settle is not None:
                    self.settle(order_id, False, f"{fault.title}. {fault.next_step}")
            self._pause(ORDERS_EVERY_S)
