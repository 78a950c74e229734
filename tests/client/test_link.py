"""The door to the server, when the way to it breaks."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from nutshellpbx.client.link import Away, Link

LINGER = struct.pack("ii", 1, 0)


@pytest.fixture(params=["reset", "hung up"])
def breaking_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that promises a hundred bytes and breaks off after ten of them."""

    def serve() -> None:
        connection, _ = listening.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 10)
        asked.wait(5)
        if request.param == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
        connection.close()

    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve)
        server.start()
        asked.set()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.join()


def test_answer_that_breaks_off_in_its_midst_means_that_the_server_is_away(breaking_server: str) -> None:
    with pytest.raises(Away):
        Link(breaking_server, secret="a-secret").origins()
