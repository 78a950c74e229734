"""The server's side of a WebSocket, as far as the practice 3CX needs it (RFC 6455)."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import threading
from contextlib import suppress

_MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def accept_key(key: str) -> str:
    """The answer to a client's Sec-WebSocket-Key."""
    digest = hashlib.sha1(f"{key}{_MAGIC}".encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


class EventSocket:
    """An open socket to a listener; `token` is what it was opened with."""

    def __init__(self, connection: socket.socket, token: str) -> None:
        self.token = token
        self.is_open = True
        self._connection = connection
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """Send a text; a listener that is gone hears nothing."""
        self._send(TEXT, text.encode())

    def serve(self) -> None:
        """Answer pings until the listener goes."""
        with suppress(OSError, EOFError):
            while self.is_open:
                kind, body = self._receive()
                if kind == PING:
                    self._send(PONG, body)
                elif kind == CLOSE:
                    self._send(CLOSE, body)
                    break
        self.drop()

    def drop(self) -> None:
        """Break the connection without a word."""
        self.is_open = False
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _send(self, kind: int, body: bytes) -> None:
        length = len(body)
        head = bytes([0x80 | kind])
        if length < 126:
            head += bytes([length])
        elif length < 65_536:
            head += bytes([126]) + struct.pack(">H", length)
        else:
            head += bytes([127]) + struct.pack(">Q", length)
        with self._lock, suppress(OSError):
            self._connection.sendall(head + body)

    def _receive(self) -> tuple[int, bytes]:
        first, second = self._exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._exactly(8))
        mask = self._exactly(4) if second & 0x80 else b"\0\0\0\0"
        body = self._exactly(min(length, 1_000_000))
        return first & 0x0F, bytes(sign ^ mask[place % 4] for place, sign in enumerate(body))

    def _exactly(self, count: int) -> bytes:
        held = b""
        while len(held) < count:
            piece = self._connection.recv(count - len(held))
            if not piece:
                raise EOFError
            held += piece
        return held
