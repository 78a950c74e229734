"""A small scripted manager interface on loopback: it says what a test tells it to, and drops on command."""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from nutshellpbx.pbx.asterisk.protocol import Message, Reader

Fields = Mapping[str, str]


class ScriptedManager:
    """Use as a context manager. `actions` is what it was asked, `state` what it lists as live
    channels, `meanwhile` what happens while it lists them."""

    def __init__(
        self,
        *,
        secret: str = "right",
        offers_challenge: bool = True,
        refused: Sequence[str] = (),
        ignored: Sequence[str] = (),
        hangs_up: bool = False,
        drip: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.secret = secret
        self.offers_challenge = offers_challenge
        self.refused = set(refused)
        self.ignored = set(ignored)
        self.hangs_up = hangs_up
        self.state: list[Message] = []
        self.meanwhile: list[Message] = []
        self.actions: list[Message] = []
        self.connections = 0
        self.changed = threading.Condition()
        self._drip = drip
        self._tls = tls
        self._signed_in: list[socket.socket] = []
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> ScriptedManager:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        # shutdown first: closing alone does not wake a thread that waits in accept
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.drop()
        for thread in self._threads:
            thread.join(5)

    def drop(self) -> None:
        """Break every connection without a word."""
        with self.changed:
            dropped, self._open, self._signed_in = self._open, [], []
        for connection in dropped:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def say(self, *messages: Message) -> None:
        """Send events to everybody who is signed in."""
        for connection in list(self._signed_in):
            for message in messages:
                self._send(connection, message.fields)

    def wait_for(self, is_it: str, *, count: int = 1) -> Message:
        """Wait until an action of this name has come so often; the last of them."""

        def asked() -> list[Message]:
            return [action for action in self.actions if action.find("Action") == is_it]

        with self.changed:
            assert self.changed.wait_for(lambda: len(asked()) >= count, timeout=10), f"never asked {is_it}"
            return asked()[-1]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with self.changed:
                self.connections += 1
                self._open.append(connection)
                self.changed.notify_all()
            if self.hangs_up:
                connection.close()
                continue
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                with self.changed:
                    self._open.append(connection)
            self._converse(connection)
        connection.close()

    def _converse(self, connection: socket.socket) -> None:
        reader, challenge = Reader(), "123456789"
        connection.sendall(b"Asterisk Call Manager/11.0.0\r\n")
        while piece := connection.recv(4096):
            for action in reader.feed(piece):
                self._answer(connection, action, challenge)
                with self.changed:
                    self.actions.append(action)
                    self.changed.notify_all()

    def _answer(self, connection: socket.socket, action: Message, challenge: str) -> None:
        name = action.find("Action") or ""
        if name in self.ignored:
            return
        if name in self.refused or (name == "Challenge" and not self.offers_challenge):
            self._respond(connection, action, "Error", Message="Permission denied")
        elif name == "Challenge":
            self._respond(connection, action, "Success", Challenge=challenge)
        elif name == "Login":
            key = hashlib.md5(f"{challenge}{self.secret}".encode(), usedforsecurity=False).hexdigest()
            if action.find("Secret") == self.secret or action.find("Key") == key:
                self._respond(connection, action, "Success", Message="Authentication accepted")
                self._signed_in.append(connection)
            else:
                self._respond(connection, action, "Error", Message="Authentication failed")
        elif name in ("CoreShowChannels", "Status", "PJSIPShowEndpoints"):
            self._respond(connection, action, "Success", EventList="start")
            for event in self.meanwhile if name == "CoreShowChannels" else ():
                self._send(connection, event.fields)
            for listed in self.state if name != "PJSIPShowEndpoints" else ():
                self._send(connection, (*listed.fields, ("ActionID", action.action_id)))
            end = (("Event", f"{name}Complete"), ("ActionID", action.action_id), ("EventList", "Complete"))
            self._send(connection, end)
        else:
            self._respond(connection, action, "Success", Message="Originate successfully queued")

    def _respond(self, connection: socket.socket, action: Message, response: str, **fields: str) -> None:
        self._send(connection, (("Response", response), ("ActionID", action.action_id), *fields.items()))

    def _send(self, connection: socket.socket, fields: Sequence[tuple[str, str]]) -> None:
        raw = "".join(f"{key}: {value}\r\n" for key, value in fields).encode() + b"\r\n"
        if not self._drip:
            connection.sendall(raw)
            return
        for place in range(len(raw)):
            connection.sendall(raw[place : place + 1])
