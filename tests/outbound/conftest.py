"""Servers that are closed after each test; this process plays a worker that may reach private addresses."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nutshellpbx import outbound
from tests.outbound.stage import (
    Authority,
    Script,
    Server,
)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(script: Script | bytes, context: ssl.SSLContext | None = None) -> Server:
        if isinstance(script, bytes):
            answer = script

            def play(connection: socket.socket, number: int) -> None:
                while True:
                    servers_by_play.read(connection)
                    connection.sendall(answer)

            servers.append(servers_by_play := Server(play, context))
        else:
            servers.append(Server(script, context))
        return servers[-1]

    yield start
    outbound.hang_up()
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def practice(settings: Any) -> None:
    settings.NUTSHELLPBX_ROLE = "worker"
    settings.NUTSHELLPBX_PRIVATE_CRM_OK = True


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)
