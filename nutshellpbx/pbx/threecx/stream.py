"""The WebSocket that the PBX tells its events over: the one door to the library `websockets`. IO only."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import time
from contextlib import ExitStack
from types import TracebackType
from urllib.parse import urlsplit

import certifi
from django.utils.translation import gettext as _
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import connect

from nutshellpbx.faults import Denied, TryLater
from nutshellpbx.outbound import is_global, is_private
from nutshellpbx.pbx.threecx.protocol import LONGEST_FRAME
from nutshellpbx.redact import Secret

# This logger writes whole headers, the token's too.
logging.getLogger("websockets").setLevel(logging.CRITICAL)

CONNECT_S, CLOSE_S = 8.0, 1.0
PING_S, SILENT_S = 10.0, 20.0
#: Frames that one `read` takes at most, so that orders and the clock have their turn.
MOST_AT_ONCE = 200


class Unsigned(TryLater):
    """The handshake was refused for want of a good token: get a new one and try again."""


class Stream:
    """An open event stream. Raises TryLater when it breaks, Denied when this client may not hear events."""

    def __init__(self, origin: str, token: Secret, *, authority: str = "") -> None:
        self._open = ExitStack()
        self.token = token
        parts = urlsplit(origin)
        is_secure, host = parts.scheme == "https", parts.hostname or ""
        address = f"{'wss' if is_secure else 'ws'}://{parts.netloc}/callcontrol/ws"
        raw = open_socket(origin)
        try:
            self._socket = self._open.enter_context(
                connect(
                    address,
                    sock=raw,
                    ssl=context_of(authority) if is_secure else None,
                    server_hostname=host if is_secure else None,
                    additional_headers={"Authorization": f"Bearer {token.reveal()}"},
                    compression=None,
                    proxy=None,
                    open_timeout=CONNECT_S,
                    close_timeout=CLOSE_S,
                    ping_interval=PING_S,
                    ping_timeout=SILENT_S,
                    max_size=LONGEST_FRAME,
                    max_queue=2_000,
                )
            )
        except (OSError, WebSocketException) as error:
            raw.close()
            fault = _fault_of(error)
        else:
            return
        # outside the handler: the library's exception carries the request's headers
        raise fault

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def read(self, timeout_s: float) -> list[str | bytes]:
        """The frames that came in, in order; empty when none did for `timeout_s`."""
        frames: list[str | bytes] = []
        until = time.monotonic() + timeout_s
        try:
            while len(frames) < MOST_AT_ONCE:
                wait_s = 0.0 if frames else max(0.0, until - time.monotonic())
                frames.append(self._socket.recv(timeout=wait_s))
        except TimeoutError:
            return frames
        except ConnectionClosed:
            if frames:
                return frames
        else:
            return frames
        raise TryLater(_("The connection to 3CX broke"), _("It is tried again by itself."))


def _fault_of(error: Exception) -> TryLater | Denied:
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(error)
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        if status == 401:
            return Unsigned(_("3CX does not accept our token"), _("It is tried again by itself."))
        if status in (402, 403, 404, 501):
            return Denied(
                _("3CX does not let this API client hear events"),
                _("Tick “Call Control Access” at the API client in 3CX, and check that the licence has it."),
                detail=str(status),
            )
        return TryLater(
            _("3CX has a problem of its own"), _("It is tried again by itself."), detail=str(status)
        )
    return TryLater(_("3CX does not answer"), _("It is tried again by itself."), detail=type(error).__name__)


def untrusted(error: ssl.SSLCertVerificationError) -> Denied:
    """The fault of a certificate that nobody we trust has signed."""
    return Denied(
        _("The certificate of this 3CX is not trusted"),
        _(
            "Enter the name that the certificate is made for (3CX’s own FQDN), let 3CX renew it, or name the "
            "file of the authority that has signed it."
        ),
        detail=error.verify_message,
    )


def context_of(authority: str) -> ssl.SSLContext:
    """TLS with the public authorities, or with the one whose file is named; raises Denied."""
    try:
        return ssl.create_default_context(cafile=authority or certifi.where())
    except OSError as error:
        raise Denied(
            _("The authority’s file cannot be read"),
            _("Check the name of the file; it is one on this server, in PEM form."),
            detail=type(error).__name__,
        ) from error


def check_certificate(origin: str, *, authority: str = "") -> None:
    """Raise Denied when the PBX cannot be reached only because its certificate is not trusted."""
    parts = urlsplit(origin)
    if parts.scheme != "https":
        return
    try:
        with open_socket(origin) as raw:
            raw.settimeout(CONNECT_S)
            context_of(authority).wrap_socket(raw, server_hostname=parts.hostname).close()
    except ssl.SSLCertVerificationError as error:
        raise untrusted(error) from None
    except (OSError, TryLater):
        return  # something else is wrong: whoever asked has its own fault for that


def open_socket(origin: str) -> socket.socket:
    """A TCP connection to an address that was checked after its name was resolved; raises a Fault."""
    parts = urlsplit(origin)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _unreached(error) from error
    found = list(dict.fromkeys(ipaddress.ip_address(str(row[4][0]).partition("%")[0]) for row in rows))
    fit = [each for each in found if is_private(each) or (parts.scheme == "https" and is_global(each))]
    if not fit:
        raise Denied(
            _("The address of this 3CX does not lead to a place that may be reached from here"),
            _("Enter its public https address, or its address in your own network."),
        )
    until, broken = time.monotonic() + CONNECT_S, OSError()
    for address in fit:
        try:
            return socket.create_connection((str(address), port), max(0.2, until - time.monotonic()))
        except OSError as error:
            broken = error
    raise _unreached(broken)


def _unreached(error: Exception) -> TryLater:
    return TryLater(
        _("3CX cannot be reached"),
        _("Check that it is switched on, and its address and port."),
        detail=type(error).__name__,
    )
