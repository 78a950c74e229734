"""One connection to a manager interface: TCP or TLS, sign-in, actions and their answers. IO only."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType

from nutshellpbx.faults import Denied, TryLater
from nutshellpbx.pbx.asterisk.protocol import Message, Reader, answer_challenge, write_action
from nutshellpbx.redact import Secret

CONNECT_S = 5.0
ANSWER_S = 8.0
PIECE = 65_536
#: Messages that may come in between an action and its answer; more than any live PBX says in that time.
MOST_HELD = 20_000

NOT_REACHED = "The phone system cannot be reached"
BROKEN = "The connection to the phone system broke"
TRIES_AGAIN = "It will be tried again by itself."
CHECK_ADDRESS = "Check that it is switched on, and the address and port of its manager interface (AMI)."


class Connection:
    """An open manager connection. Raises TryLater when it breaks and Denied when the sign-in is refused.

    `read` gives what came in, `ask` waits for the answer to one action and keeps what came in meanwhile for
    the next `read`. Use it as a context manager.
    """

    def __init__(self, host: str, port: int, *, tls: bool = False, fingerprint: str = "") -> None:
        self._reader = Reader()
        self._held: deque[Message] = deque()
        self._ids = itertools.count(1)
        self.last_heard_at = time.monotonic()
        try:
            raw = socket.create_connection((host, port), timeout=CONNECT_S)
        except OSError as error:
            raise TryLater(NOT_REACHED, CHECK_ADDRESS, detail=_name(error)) from error
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = _secure(raw, host, fingerprint) if tls else raw

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._socket.close()

    @property
    def greeting(self) -> str:
        """The server's first line; empty until it has come."""
        return self._reader.greeting

    def sign_in(self, username: str, secret: Secret, *, classes: str) -> None:
        """Sign in, by challenge where the server offers one so that the secret itself does not travel.

        `classes` are the kinds of events asked for ("call,agent,dialplan"; "off" for none).
        """
        challenge = self.ask("Challenge", {"AuthType": "MD5"}).find("Challenge")
        fields = {"Username": username, "Events": classes}
        if challenge:
            fields |= {"AuthType": "MD5", "Key": answer_challenge(challenge, secret.reveal())}
        else:
            fields |= {"Secret": secret.reveal()}
        answer = self.ask("Login", fields)
        if not answer.is_success:
            raise Denied(
                "The phone system refused this sign-in",
                "Check the manager user's name and secret, and that its permit list has our address.",
                detail=answer.find("Message") or "",
            )

    def send(self, action: str, fields: Mapping[str, str] | None = None) -> str:
        """Send an action; the id that its answers will carry."""
        action_id = f"nutshellpbx-{next(self._ids)}"
        try:
            self._socket.settimeout(ANSWER_S)
            self._socket.sendall(write_action(action, fields or {}, action_id=action_id))
        except OSError as error:
            raise _broken(error) from error
        return action_id

    def ask(self, action: str, fields: Mapping[str, str] | None = None) -> Message:
        """The response to an action; what else came in is kept for `read`."""
        action_id = self.send(action, fields)
        return self._wait_for(
            lambda message: message.action_id == action_id and message.find("Response") is not None
        )

    def ask_list(self, action: str, fields: Mapping[str, str] | None = None) -> list[Message] | None:
        """The items of a list action, None when the server refuses it; the rest is kept for `read`."""
        action_id = self.send(action, fields)
        items: list[Message] = []

        def is_end(message: Message) -> bool:
            if message.action_id != action_id:
                return False
            if message.find("Response"):
                return not message.is_success
            if (message.find("EventList") or "").lower() == "complete" or message.event.endswith("Complete"):
                return True
            items.append(message)
            return False

        end = self._wait_for(is_end, taken=lambda message: message.action_id == action_id)
        return None if end.find("Response") else items

    def read(self, timeout_s: float) -> list[Message]:
        """The messages that came in, in order; empty when nothing did for `timeout_s`."""
        if self._held:
            held = list(self._held)
            self._held.clear()
            return held
        return self._receive(timeout_s)

    def _wait_for(
        self, is_it: Callable[[Message], bool], *, taken: Callable[[Message], bool] = lambda message: False
    ) -> Message:
        deadline = time.monotonic() + ANSWER_S
        while (left := deadline - time.monotonic()) > 0:
            found: Message | None = None
            for message in self._receive(left):
                if found is None and is_it(message):
                    found = message
                elif not taken(message):
                    self._held.append(message)
            if len(self._held) > MOST_HELD:
                raise TryLater("The phone system does not answer", "It sends events but no answer.")
            if found is not None:
                return found
        raise TryLater("The phone system does not answer", CHECK_ADDRESS)

    def _receive(self, timeout_s: float) -> list[Message]:
        try:
            if not _has_bytes(self._socket, timeout_s):
                return []
            piece = self._socket.recv(PIECE)
        except (TimeoutError, ssl.SSLWantReadError):
            return []
        except OSError as error:
            raise _broken(error) from error
        if not piece:
            raise TryLater(BROKEN, TRIES_AGAIN)
        self.last_heard_at = time.monotonic()
        return self._reader.feed(piece)


def _has_bytes(connection: socket.socket, timeout_s: float) -> bool:
    if isinstance(connection, ssl.SSLSocket) and connection.pending():
        return True
    return bool(select.select([connection], [], [], timeout_s)[0])


def _secure(raw: socket.socket, host: str, fingerprint: str) -> ssl.SSLSocket:
    """TLS with the system's authorities, or with the one certificate whose SHA-256 fingerprint is given."""
    context = ssl.create_default_context()
    wanted = fingerprint.replace(":", "").replace(" ", "").lower()
    if wanted:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        secured = context.wrap_socket(raw, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raw.close()
        raise Denied(
            "The phone system's certificate is not trusted",
            "Enter its SHA-256 fingerprint, or give it a certificate of a known authority.",
            detail=error.verify_message,
        ) from error
    except OSError as error:
        raw.close()
        raise TryLater(NOT_REACHED, "Check that this port speaks TLS.", detail=_name(error)) from error
    shown = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
    if wanted and not hmac.compare_digest(shown, wanted):
        secured.close()
        raise Denied(
            "The phone system shows another certificate",
            "If it was renewed on purpose, enter the new fingerprint.",
            detail=f"…{shown[-8:]}",
        )
    return secured


def _broken(error: OSError) -> TryLater:
    return TryLater(
        BROKEN,
        TRIES_AGAIN,
        detail=_name(error),
    )


def _name(error: OSError) -> str:
    return type(error).__name__
