"""Takes outcomes and reports to the server beside the polls: reporting never delays the next page."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence

from nutshellpbx.client.backoff import Backoff
from nutshellpbx.client.link import Away, Link, NotPaired, TurnedDown
from nutshellpbx.wire import MAX_INSTRUCTIONS, DeviceReport, Outcome

MOST_WAITING = 500


class Courier:
    """One thread with a connection of its own; what finds no room is dropped."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: queue.Queue[Outcome | DeviceReport] = queue.Queue(maxsize=MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def send(self, news: Outcome | DeviceReport) -> None:
        """Leave something to be told; never waits."""
        try:
            self._waiting.put_nowait(news)
        except queue.Full:
            return

    def flush(self, timeout_s: float) -> None:
        """Wait until all is told, at most `timeout_s`."""
        until = time.monotonic() + timeout_s
        while self._waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.01)

    def _run(self) -> None:
        while True:
            load = [self._waiting.get()]
            while len(load) < MAX_INSTRUCTIONS and not self._waiting.empty():
                load.append(self._waiting.get())
            self._deliver(load)
            for _one in load:
                self._waiting.task_done()

    def _deliver(self, load: Sequence[Outcome | DeviceReport]) -> None:
        backoff = Backoff()
        while True:
            try:
                if reports := [one for one in load if isinstance(one, DeviceReport)]:
                    self._link.report(reports[-1])
                if outcomes := [one for one in load if isinstance(one, Outcome)]:
                    self._link.tell(outcomes)
            except Away:
                self._link.close()
                time.sleep(backoff.next_s())
            except (NotPaired, TurnedDown):
                return  # nobody there wants it
            else:
                return
