"""One practice instance: data, lists, shapes, misbehaviour and access log under one address."""

from __future__ import annotations

import time
from collections.abc import Callable

from nutshellpbx.lab.nutshell.access_log import MOST_ENTRIES, AccessLog
from nutshellpbx.lab.nutshell.lists import PHONE_FILTERS, Lists
from nutshellpbx.lab.nutshell.misbehaviour import Misbehaviour
from nutshellpbx.lab.nutshell.shapes import Shapes
from nutshellpbx.lab.nutshell.store import Store


class Instance:
    """Everything that a request handler may ask for; ``address`` is set once the port is known."""

    def __init__(
        self,
        *,
        contacts: int = 1000,
        seed: int = 7,
        phone_filter: str = "ends",
        log_path: str | None = None,
        keeps_log: int = MOST_ENTRIES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if phone_filter not in PHONE_FILTERS:
            raise ValueError(f"the phone filter must be one of {', '.join(PHONE_FILTERS)}")
        self.seed = seed
        self._clock = clock
        #: How far the CRM's clock is ahead of this machine's; the control side sets it.
        self.ahead_s = 0.0
        self.store = Store(contacts=contacts, seed=seed, clock=self.now)
        self.lists = Lists(store=self.store, phone_filter=phone_filter)
        self.log = AccessLog(path=log_path, keeps=keeps_log)
        self.misbehaviour = Misbehaviour(seed=seed)
        self.store.draw_lag_s = self.misbehaviour.draw_lag_s
        self.shapes = Shapes(store=self.store, address="http://127.0.0.1")
        # A second door that stays open when the first one is shut; set once its port is known.
        self.control_address = ""

    def now(self) -> float:
        """This moment by the CRM's own clock, in Unix seconds."""
        return self._clock() + self.ahead_s

    @property
    def address(self) -> str:
        """The public address, without a slash at the end."""
        return self.shapes.address

    @address.setter
    def address(self, address: str) -> None:
        self.shapes.address = address.rstrip("/")
