"""The connector alone, listening to a real Asterisk in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from nutshellpbx.lab.asterisk.runner import RealAsterisk
from nutshellpbx.pbx.asterisk.connector import AsteriskConnector
from nutshellpbx.pbx.connector import Order, PbxConfig
from nutshellpbx.pbx.events import CallEvent, Kind
from nutshellpbx.redact import Secret
from tests.pbx_port.asterisk.telling import tell

PATIENCE_S = 20


class Ear:
    """The connector, listening in a thread; `events` is what it heard since the last `forget`."""

    def __init__(self, pbx: RealAsterisk) -> None:
        settings = {
            "host": "127.0.0.1",
            "port": str(pbx.ami_port),
            "username": pbx.ami_user,
            "context": "from-phones",
        }
        secrets = {"secret": Secret(pbx.ami_secret)}
        self.connector = AsteriskConnector(PbxConfig("pbx", "Practice", "asterisk", settings, secrets))
        self.events: list[CallEvent] = []
        self.states: list[str] = []
        self.settled: list[tuple[str, bool, str]] = []
        self.orders: list[tuple[str, Order]] = []
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Ear:
        self._thread.start()
        self.wait(lambda: self.states == ["connected"])
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)

    def forget(self) -> None:
        self.events.clear()

    def wait(self, is_so: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(is_so, timeout=PATIENCE_S), (tell(self.events), self.states)

    def wait_for(self, kind: Kind, *, leg: bool = True) -> CallEvent:
        """The first event of this kind, about a leg or about the call."""

        def found() -> list[CallEvent]:
            return [event for event in self.events if event.kind is kind and bool(event.leg) is leg]

        self.wait(lambda: bool(found()))
        return found()[0]

    def _listen(self) -> None:
        self.connector.listen(self._stop.is_set, self._take_in, self._report, self._take_orders, self._settle)

    def _take_in(self, event: CallEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def _report(self, state: str, text: str) -> None:
        with self._changed:
            self.states.append(state)
            self._changed.notify_all()

    def _take_orders(self) -> Iterator[tuple[str, Order]]:
        while self.orders:
            yield self.orders.pop(0)

    def _settle(self, order_id: str, ok: bool, text: str) -> None:
        with self._changed:
            self.settled.append((order_id, ok, text))
            self._changed.notify_all()
