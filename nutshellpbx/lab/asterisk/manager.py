"""A plain manager-interface client for the stories: it drives the real Asterisk and keeps what it said."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping

from nutshellpbx.lab.asterisk.runner import ADDRESS, RealAsterisk

#: How long a story waits for what must come next, in seconds.
PATIENCE_S = 40.0
#: What floods the stream and tells no story.
NOISE = ("VarSet", "QueueMemberStatus")

Said = Mapping[str, str]


class Manager:
    """One manager connection: `act` sends an action, `wait` waits for an event, `raw` is all that came in."""

    def __init__(self, pbx: RealAsterisk, *, quiet: bool = True) -> None:
        self.raw = b""
        self._said: list[Said] = []
        self._read = 0
        self._heard = threading.Condition()
        self._numbers = itertools.count(1)
        self._socket = socket.create_connection((ADDRESS, pbx.ami_port), timeout=PATIENCE_S)
        self._socket.settimeout(None)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self.act("Login", Username=pbx.ami_user, Secret=pbx.ami_secret)
            for noise in NOISE if quiet else ():
                self.act("Filter", Operation="Add", Filter=f"!Event: {noise}")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection and let its thread end."""
        with contextlib.suppress(OSError):  # the other side may have gone first
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._listener.join()

    def act(self, action: str, **fields: str) -> Said:
        """Send an action and return its response; raises RuntimeError when Asterisk refuses it."""
        number = f"story-{next(self._numbers)}"
        lines = [f"Action: {action}", f"ActionID: {number}", *(f"{key}: {fields[key]}" for key in fields)]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        response = self.wait(lambda said: said.get("ActionID") == number and "Response" in said, since=0)
        if response["Response"] not in ("Success", "Goodbye"):
            raise RuntimeError(f"Asterisk refused {action}: {response.get('Message', '')}")
        return response

    def wait(self, is_it: Callable[[Said], bool], *, since: int | None = None) -> Said:
        """The first message that is it, after `since` (a `mark`); raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE_S
        position = since or 0
        with self._heard:
            while True:
                for said in self._said[position:]:
                    if is_it(said):
                        return said
                position = len(self._said)
                if not self._heard.wait(deadline - time.monotonic()):
                    recent = [said.get("Event", "") for said in self._said[-12:]]
                    raise TimeoutError(f"the story waited in vain; last events: {recent}")

    def mark(self) -> int:
        """The place in the stream where we are now."""
        with self._heard:
            return len(self._said)

    def wait_event(self, event: str, *, since: int = 0, **fields: str) -> Said:
        """The first event of that name whose fields match these regular expressions from their start."""
        return self.wait(
            lambda said: (
                said.get("Event") == event
                and all(re.match(pattern, said.get(name, "")) for name, pattern in fields.items())
            ),
            since=since,
        )

    def wait_until_silent(self) -> None:
        """Wait until every channel that was made is gone."""

        def is_over(_: Said) -> bool:
            made = [said["Uniqueid"] for said in self._said if said.get("Event") == "Newchannel"]
            gone = {said["Uniqueid"] for said in self._said if said.get("Event") == "Hangup"}
            return bool(made) and gone.issuperset(made)

        self.wait(is_over)

    def _listen(self) -> None:
        rest = b""
        while True:
            try:
                piece = self._socket.recv(65536)
            except OSError:
                return
            if not piece:
                return
            self.raw += piece
            *blocks, rest = (rest + piece).split(b"\r\n\r\n")
            with self._heard:
                for block in blocks:
                    lines = block.decode("utf-8", "replace").split("\r\n")
                    self._said.append(dict(line.split(": ", 1) for line in lines if ": " in line))
                self._heard.notify_all()
