"""Connections that go to checked addresses only, end at a deadline and know whether they sent anything."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import certifi
from django.utils.translation import gettext as _
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from nutshellpbx.faults import Denied
from nutshellpbx.outbound.addresses import Address, is_global, is_private

#: A connection that lay idle for longer may be dead without anybody having said so: a new one is made.
IDLE_S = 30.0


@dataclass(slots=True)
class Attempt:
    """One request on its way, as its connection sees it: how far it came, and until when it may go on."""

    scheme: str
    host: str
    port: int
    private_ok: bool
    deadline_at: float  # time.monotonic()
    is_sent: bool = False  # the first byte of the request was handed to the socket
    is_reused: bool = False  # on a connection that had carried another request before

    def remaining_s(self) -> float:
        """Seconds left; raises TimeoutError when there are none."""
        left = self.deadline_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline")
        return left


class ThisThread(threading.local):
    """What a thread has of its own: the request on its way, and its connections."""

    attempt: Attempt

    def __init__(self) -> None:
        self.transports: dict[tuple[str, bool], Transport] = {}


here = ThisThread()


class _TimedSocket(socket.socket):
    """A socket on which every wait ends at the attempt's deadline, however slowly the bytes trickle."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(here.attempt.remaining_s())
        return super().recv_into(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(here.attempt.remaining_s())
        super().sendall(*args, **kwargs)


class _TimedTlsSocket(ssl.SSLSocket):
    """The same over TLS."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(here.attempt.remaining_s())
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(here.attempt.remaining_s())
        return super().send(*args, **kwargs)


class _Guarded(HTTPConnection):
    """A connection that goes to a checked address only and notes when the request's first byte goes out."""

    scheme = "http"
    _is_used = False
    _last_used_at = 0.0

    def _new_conn(self) -> socket.socket:
        attempt = here.attempt
        if (self.scheme, self.host.strip("[]"), self.port) != (attempt.scheme, attempt.host, attempt.port):
            raise Denied(_("A request was about to go to another place than it was meant for."))
        try:
            return self._connect(attempt, self._checked_addresses(attempt))
        except OSError as error:
            # A plain OSError could be taken for one that came after the request was sent.
            raise NewConnectionError(self, type(error).__name__) from error

    def _checked_addresses(self, attempt: Attempt) -> list[Address]:
        addresses = _resolve(attempt.host, attempt.port, attempt.remaining_s())
        fit = [
            each
            for each in addresses
            if (attempt.private_ok and is_private(each)) or (self.scheme == "https" and is_global(each))
        ]
        if not fit:
            raise Denied(
                _("%(host)s does not lead to an address that may be reached from here.")
                % {"host": self.host},
                _("Use the public https address, or allow addresses of your own network in the settings."),
            )
        return fit

    def _connect(self, attempt: Attempt, addresses: list[Address]) -> socket.socket:
        error: OSError = TimeoutError("connect")
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6
            sock = _TimedSocket(family, socket.SOCK_STREAM)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(attempt.remaining_s() / left)
                sock.connect((str(address), attempt.port))
                sock.settimeout(attempt.remaining_s())
            except OSError as failure:
                sock.close()
                error = failure
            else:
                self._is_used = False
                return sock
        raise error

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        attempt = here.attempt
        if not attempt.is_sent:
            attempt.is_sent, attempt.is_reused = True, self._is_used
            self._is_used = True
        self._last_used_at = time.monotonic()
        super().send(data)

    @property
    def is_connected(self) -> bool:
        return super().is_connected and time.monotonic() - self._last_used_at < IDLE_S


class _GuardedTls(_Guarded, HTTPSConnection):
    scheme = "https"


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Guarded


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTls


@lru_cache(maxsize=16)
def _tls_context(ca_bundle: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_bundle or certifi.where())
    except OSError as error:
        raise Denied(
            _("The file of certificate authorities cannot be read."),
            _("Check the file that is named in the settings."),
            detail=type(error).__name__,
        ) from error
    context.sslsocket_class = _TimedTlsSocket
    return context


class Transport(HTTPAdapter):
    """Requests' adapter over guarded connections; certificates are always verified."""

    def __init__(self, ca_bundle: str) -> None:
        self._ca_bundle = ca_bundle
        super().__init__(pool_connections=8, pool_maxsize=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        super().init_poolmanager(
            connections, maxsize, block, ssl_context=_tls_context(self._ca_bundle), **kwargs
        )
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def close(self) -> None:
        """Close the idle connections now; the pool alone would wait for the garbage collector."""
        pools = self.poolmanager.pools
        for key in pools.keys():  # noqa: SIM118 - no dict: its iteration is not allowed
            pools[key].close()
        super().close()

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The context verifies; Requests would read the authorities' file at each connection here."""


def transport(*, ca_bundle: str, private_ok: bool) -> Transport:
    """This thread's connections under these rules, so that no call finds one that it could not have made."""
    key = (ca_bundle, private_ok)
    if key not in here.transports:
        here.transports[key] = Transport(ca_bundle)
    return here.transports[key]


def hang_up() -> None:
    """Close this thread's idle connections."""
    for each in here.transports.values():
        each.close()
    here.transports.clear()


def _resolve(host: str, port: int, timeout_s: float) -> list[Address]:
    """The addresses of a name, in the resolver's order; raises OSError, TimeoutError in time."""
    try:
        return [ipaddress.ip_address(host.strip("[]"))]
    except ValueError:
        pass
    outcome: list[list[Address] | OSError] = []

    def ask_resolver() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = dict.fromkeys(ipaddress.ip_address(str(row[4][0]).split("%")[0]) for row in rows)
            outcome.append(list(found))
        except OSError as error:
            outcome.append(error)

    # The resolver knows no deadline, so it is left behind when it takes too long.
    thread = threading.Thread(target=ask_resolver, name=f"resolve {host}", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not outcome:
        raise TimeoutError("name resolution")
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]
