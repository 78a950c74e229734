"""A practice 3CX, the real connector that listens to it on a thread, and ways to wait for what it tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from nutshellpbx.faults import Denied
from nutshellpbx.lab.threecx.script import Player
from nutshellpbx.lab.threecx.server import CLIENT, KEY, ThreeCx
from nutshellpbx.pbx.connector import Order, PbxConfig
from nutshellpbx.pbx.events import CallEvent, Kind
from nutshellpbx.pbx.threecx.connector import ThreeCxConnector
from nutshellpbx.redact import Secret
from tests.pbx_port.threecx.telling import show

GRACE = "+13125550142"


def make_connector(address: str, *, key: str = KEY, **more: str) -> ThreeCxConnector:
    settings = {"address": address, "client_id": CLIENT, **more}
    return ThreeCxConnector(PbxConfig("pbx", "Office", "threecx", settings, {"secret": Secret(key)}))


@dataclass
class Listener:
    """What a listening connector told."""

    connector: ThreeCxConnector
    events: list[CallEvent] = field(default_factory=list)
    reports: list[tuple[str, str]] = field(default_factory=list)
    settled: list[tuple[str, bool, str]] = field(default_factory=list)
    living: list[set[str]] = field(default_factory=list)
    waiting_orders: list[tuple[str, Order]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    stop: threading.Event = field(default_factory=threading.Event)
    raised: list[Denied] = field(default_factory=list)

    def run(self) -> None:
        try:
            self.connector.listen(
                self.stop.is_set,
                self._put(self.events),
                lambda state, text: self._put(self.reports)((state, text)),
                self._orders,
                lambda *settled: self._put(self.settled)(settled),
                self._put(self.living),
            )
        except Denied as fault:
            self._put(self.raised)(fault)

    @property
    def lines(self) -> list[str]:
        return [show(event) for event in self.events]

    def wait(self, is_so: Callable[[], Any], *, timeout_s: float = 15.0) -> None:
        with self.changed:
            assert self.changed.wait_for(is_so, timeout_s), (self.lines, self.reports, self.settled)

    def wait_until(self, is_so: Callable[[], Any], *, timeout_s: float = 15.0) -> None:
        """Wait for something that nobody announces."""
        until = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < until, (self.lines, self.reports)
            time.sleep(0.01)

    def wait_for(self, *lines: str) -> None:
        """Wait until exactly this was told."""
        self.wait(lambda: self.lines == list(lines))

    def wait_for_end(self, count: int = 1) -> None:
        """Wait until so many calls were told to be over."""
        self.wait(lambda: self.ends == count)

    @property
    def ends(self) -> int:
        return sum(1 for event in self.events if event.kind is Kind.ENDED and not event.leg)

    def _put(self, into: list[Any]) -> Callable[[Any], None]:
        def put(said: Any) -> None:
            with self.changed:
                into.append(said)
                self.changed.notify_all()

        return put

    def _orders(self) -> Iterator[tuple[str, Order]]:
        while self.waiting_orders:
            yield self.waiting_orders.pop(0)


@contextmanager
def listening_to(connector: ThreeCxConnector) -> Iterator[Listener]:
    listener = Listener(connector)
    thread = threading.Thread(target=listener.run, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.stop.set()
        thread.join(15)
        assert not thread.is_alive()


@contextmanager
def hearing(pbx: ThreeCx, **more: str) -> Iterator[Listener]:
    """A listener that is connected."""
    with listening_to(make_connector(pbx.url, **more)) as heard:
        heard.wait(lambda: heard.reports)
        assert heard.reports[0][0] == "connected", heard.reports
        # the practice server may still be about to note the socket that it has just opened
        pbx.wait_for_listener()
        yield heard


def play(pbx: ThreeCx, *lines: str) -> None:
    Player(pbx.switch).play("\n".join(lines))
