"""The proxy: it passes everything on, and treats it badly as soon as it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nutshellpbx.lab.proxy import Proxy


class Echo:
    """Says back what it hears, and counts how much that was."""

    def __init__(self) -> None:
        self.heard = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listening.getsockname()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while content := connection.recv(4096):
                    self.heard += len(content)
                    connection.sendall(content)
            except OSError:
                return

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(echo.address, seed=1) as between:
        yield between


def call(proxy: Proxy) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(proxy.address[1])), timeout=5)
    connection.settimeout(5)
    return connection


def ask(connection: socket.socket, content: bytes) -> bytes:
    """What comes back until it is as long as what was sent, or until the other side ends."""
    connection.sendall(content)
    answer = b""
    while len(answer) < len(content) and (part := connection.recv(4096)):
        answer += part
    return answer


def test_everything_passes_while_no_fault_is_asked_for(proxy: Proxy) -> None:
    with call(proxy) as connection:
        assert ask(connection, b"x" * 50_000) == b"x" * 50_000


def test_unix_sockets_pass_as_well(echo: Echo, tmp_path: Path) -> None:
    with Proxy(echo.address, path=tmp_path / "a.sock") as proxy, socket.socket(socket.AF_UNIX) as connection:
        assert isinstance(proxy.address, str)
        connection.connect(proxy.address)
        assert ask(connection, b"hello") == b"hello"


def test_reset_strikes_an_open_connection(proxy: Proxy) -> None:
    with call(proxy) as connection:
        ask(connection, b"hello")
        proxy.suffer("reset", strength=0)
        with pytest.raises(ConnectionError):
            ask(connection, b"hello")
            ask(connection, b"hello")
    assert proxy.count.struck == 1


def test_cut_ends_in_the_midst_of_an_answer(proxy: Proxy) -> None:
    proxy.suffer("cut", strength=300)
    with call(proxy) as connection, contextlib.suppress(ConnectionError):
        assert len(ask(connection, b"x" * 1000)) < 1000
    proxy.heal()
    with call(proxy) as connection:
        assert ask(connection, b"x" * 1000) == b"x" * 1000


def test_black_hole_takes_and_hands_nothing_on(proxy: Proxy, echo: Echo) -> None:
    proxy.suffer("black_hole")
    with call(proxy) as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            ask(connection, b"hello")
        assert echo.heard == 0
        proxy.heal()
        connection.settimeout(5)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1) == b"", "what was swallowed is never answered"
    with call(proxy) as connection:
        assert ask(connection, b"hello") == b"hello"


def test_down_refuses_and_up_again_answers_at_the_same_address(proxy: Proxy) -> None:
    proxy.suffer("down")
    with pytest.raises(ConnectionRefusedError):
        call(proxy)
    proxy.heal()
    with call(proxy) as connection:
        assert ask(connection, b"hello") == b"hello"


def test_trickle_and_latency_lose_nothing(proxy: Proxy) -> None:
    proxy.suffer("trickle", strength=2000)
    started = time.monotonic()
    with call(proxy) as connection:
        assert ask(connection, b"x" * 500) == b"x" * 500
        assert time.monotonic() - started > 0.2
        proxy.suffer("latency", strength=0.1)
        assert ask(connection, b"y" * 500) == b"y" * 500
