"""Where CDR lines come from: a file that grows, the PBX's port, or a port of ours that it calls. IO only.

`lines` gives what has come by now and waits for nothing, a connect of a second aside. Raises TryLater where
the source is away.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from django.utils.translation import gettext as _

from nutshellpbx.faults import Denied, TryLater
from nutshellpbx.outbound import is_global, is_private

PIECE, MOST_HELD = 65_536, 1_000_000
CONNECT_S, TRY_AGAIN_S = 1.0, 30.0
MOST_CALLERS = 4


class CdrFile:
    """The file `cdr.log`, from its end on; a new file of that name is read from its beginning."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._place: tuple[int, int] | None = None  # inode, offset
        self._rest = b""

    def lines(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                found = self._path.stat()
                if self._place is None:
                    # what stands there already was written before we listened
                    self._place = (found.st_ino, found.st_size)
                inode, offset = self._place
                if inode != found.st_ino or found.st_size < offset:
                    offset, self._rest = 0, b""
                file.seek(offset)
                piece = file.read(MOST_HELD)
                self._place = (found.st_ino, offset + len(piece))
        except OSError as error:
            raise TryLater(
                _("The file of call records cannot be read"),
                _("Check its path, and that this server may read it."),
                detail=type(error).__name__,
            ) from error
        whole, self._rest = cut(self._rest + piece)
        return whole

    def close(self) -> None:
        self._place = None


class CdrPort:
    """3CX's passive socket: we connect to it and read."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
        self._socket: socket.socket | None = None
        self._rest = b""
        self._try_at = 0.0

    def lines(self) -> list[bytes]:
        if self._socket is None:
            self._socket = self._connect()
        piece = receive(self._socket)
        if piece is None:
            self.close()
            return []
        whole, self._rest = cut(self._rest + piece)
        return whole

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._rest = None, b""

    def _connect(self) -> socket.socket:
        """The open port; one that could not be reached is left alone for a while."""
        fault = TryLater(
            _("3CX’s port for call records cannot be reached"),
            _("Check that CDR stands on “passive socket” in 3CX, and the port."),
        )
        if time.monotonic() < self._try_at:
            raise fault
        try:
            opened = socket.create_connection(self._place, CONNECT_S)
        except OSError as error:
            self._try_at = time.monotonic() + TRY_AGAIN_S
            raise fault from error
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        opened.setblocking(False)
        return opened


class CdrDoor:
    """3CX's active socket: it connects to a port of ours. Only from its own address: there is no sign-in."""

    def __init__(self, port: int, *, host: str, bound_to: str = "") -> None:
        self._host = host
        self._calls: list[tuple[socket.socket, bytes]] = []
        try:
            self._server = socket.create_server((bound_to, port))
        except OSError as error:
            raise Denied(
                _("The port for call records cannot be opened here"),
                _("Enter a port that nothing else on this server uses."),
                detail=type(error).__name__,
            ) from error
        self._server.setblocking(False)
        self.port: int = self._server.getsockname()[1]
        #: Callers from elsewhere that were sent away.
        self.refused = 0

    def lines(self) -> list[bytes]:
        with suppress(BlockingIOError):
            while True:
                caller, address = self._server.accept()
                if not self._may(str(address[0])) or len(self._calls) >= MOST_CALLERS:
                    caller.close()
                    self.refused += 1
                    continue
                caller.setblocking(False)
                self._calls.append((caller, b""))
        found: list[bytes] = []
        still: list[tuple[socket.socket, bytes]] = []
        for caller, rest in self._calls:
            piece = receive(caller)
            whole, rest = cut(rest + (piece or b""))
            found += whole
            if piece is None:
                caller.close()
            else:
                still.append((caller, rest))
        self._calls = still
        return found

    def close(self) -> None:
        for caller, _rest in self._calls:
            caller.close()
        self._calls = []
        self._server.close()

    def _may(self, address: str) -> bool:
        try:
            rows = socket.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)
        except OSError:
            return False
        came_from = ipaddress.ip_address(address.partition("%")[0])
        if not (is_private(came_from) or is_global(came_from)):
            return False
        return any(ipaddress.ip_address(str(row[4][0]).partition("%")[0]) == came_from for row in rows)


Source = CdrFile | CdrPort | CdrDoor


def receive(connection: socket.socket) -> bytes | None:
    """What has come, nothing included; None when the other side is gone."""
    try:
        return connection.recv(PIECE) or None
    except BlockingIOError:
        return b""
    except OSError:
        return None


def cut(held: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines, and what has begun behind them; a line without an end is let go of."""
    *whole, rest = held.split(b"\n")
    return whole, rest if len(rest) <= PIECE else b""


def open_source(*, way: str, place: str, host: str) -> Callable[[], Source] | None:
    """How to open the configured source; None when there is none. Raises Denied for a port that is none."""
    if way in {"", "off"}:
        return None
    if way == "file":
        return lambda: CdrFile(place)
    if not place.isdecimal() or not 0 < int(place) < 65_536:
        raise Denied(_("The port for call records is not one"), _("Enter a number between 1 and 65535."))
    port = int(place)
    return (lambda: CdrPort(host, port)) if way == "passive" else (lambda: CdrDoor(port, host=host))
