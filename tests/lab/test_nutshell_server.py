from __future__ import annotations

import http.client
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nutshellpbx.lab.nutshell.running import RunningNutshell, ask_control

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def process(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-W", "error", "-m", "nutshellpbx.lab", "nutshell", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as running:
        try:
            assert running.stdout is not None
            with selectors.DefaultSelector() as waiting:
                waiting.register(running.stdout, selectors.EVENT_READ)
                assert waiting.select(60), "no line within a minute"
            yield running, running.stdout.readline()
        finally:
            if running.poll() is None:
                os.kill(running.pid, signal.SIGKILL)


def test_the_program_says_when_it_is_ready_and_ends_at_sigterm(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    words = ["--port", "0", "--contacts", "50", "--seed", "9", "--log", str(log)]
    words += [
        "--users",
        "kim@harbortools.example:kim-key-kim-key,lee@harbortools.example:lee-key-lee-key:api",
    ]
    with process(*words) as (running, line):
        found = re.fullmatch(
            r"practice Nutshell ready on (http://127\.0\.0\.1:\d+) \(50 contacts, seed 9\)\n", line
        )
        assert found
        state = ask_control(found[1], "GET", "")
        assert (state["address"], state["counts"]["contacts"], state["seed"]) == (found[1], 50, 9)
        users = ask_control(found[1], "GET", "/users")
        assert {"kim@harbortools.example"} <= {user["emails"][0] for user in users["users"]}
        assert {("kim-key-kim-key", "impersonation"), ("lee-key-lee-key", "api")} <= {
            (key["key"], key["kind"]) for key in users["keys"]
        }
        # A browser's kept connection must not hold up the end.
        with socket.create_connection(("127.0.0.1", urlsplit(found[1]).port or 0)):
            running.send_signal(signal.SIGTERM)
            assert running.wait(10) == 0
    assert log.exists()


@pytest.mark.parametrize(
    "words", [["--users", "nobody"], ["--users", "ada@harbortools.example"], ["--contacts", "-1"]]
)
def test_a_wrong_command_line_ends_with_a_sentence(words: list[str]) -> None:
    command = [sys.executable, "-m", "nutshellpbx.lab", "nutshell", "--contacts", "1", *words]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("nutshell: ")


def test_one_connection_serves_many_requests(nutshell: RunningNutshell) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", nutshell.port, timeout=5)
    sockets = set()
    for _ in range(5):
        connection.request("GET", "/person/23")
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
        assert connection.sock is not None
        sockets.add(connection.sock.getsockname())
    connection.close()
    assert len(sockets) == 1


def test_a_chunked_body_is_understood(nutshell: RunningNutshell) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", nutshell.port, timeout=5)
    pieces = (piece for piece in (b'{"name": ', b'"Chunk Norris"}'))
    connection.request(
        "POST", "/_practice/contacts", pieces, {"Transfer-Encoding": "chunked"}, encode_chunked=True
    )
    answer = connection.getresponse()
    assert answer.status == 201
    answer.read()
    connection.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"HELLO\r\n\r\n", 400),
        (b"GET / HTTP/9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST /rest/notes HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /rest/notes HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST /rest/notes HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET //[ HTTP/1.1\r\n\r\n", 400),
    ],
)
def test_bytes_that_are_no_request_are_refused(nutshell: RunningNutshell, sent: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", nutshell.port), timeout=5) as line:
        line.sendall(sent)
        assert line.recv(64).startswith(f"HTTP/1.1 {status} ".encode())
