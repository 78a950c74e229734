"""When it ends, and whether a write was unsent or may have happened, over real sockets that misbehave."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from nutshellpbx import outbound
from nutshellpbx.faults import TryLater
from nutshellpbx.redact import Secret
from tests.outbound.stage import (
    HEAD,
    KEY,
    OK,
    Script,
    Server,
    answer,
    ask,
    fault_of,
    reset,
    then,
    trickle,
)


def test_a_refused_connection_is_unsent(serve: Callable[..., Server]) -> None:
    server = serve(OK)
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    origin = f"http://127.0.0.1:{port}"
    fault = fault_of(server, method="POST", url=f"{origin}/", origins=[origin], json={})
    assert isinstance(fault, TryLater)
    assert not fault.may_have_happened


def test_a_name_that_does_not_resolve_is_unsent(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    fault = fault_of(serve(OK), method="POST", url="https://crm.test/", origins=["https://crm.test"])
    assert isinstance(fault, TryLater)
    assert not fault.may_have_happened


def test_a_resolver_that_hangs_is_left_in_time_and_unsent(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: released.wait(20) and [])
    started = time.monotonic()
    fault = fault_of(
        serve(OK), method="POST", url="https://crm.test/", origins=["https://crm.test"], timeout_s=0.3
    )
    released.set()
    assert time.monotonic() - started < 2
    assert isinstance(fault, TryLater)
    assert not fault.may_have_happened


def ends_badly(server_of: Callable[..., Server], script: Script, **wishes: Any) -> tuple[Any, Any]:
    """The faults of a read and of a write against a fresh server each."""
    faults = []
    for method in ("GET", "POST"):
        server = server_of(script)
        started = time.monotonic()
        faults.append(fault_of(server, method=method, **({"timeout_s": 0.5} | wishes)))
        assert time.monotonic() - started < 2.5
        outbound.hang_up()
    read, write = faults
    assert isinstance(read, TryLater) and isinstance(write, TryLater)
    assert not read.may_have_happened
    return read, write


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(lambda connection, number: reset(connection), id="reset before reading"),
        pytest.param(lambda connection, number: connection.close(), id="closed before reading"),
        pytest.param(then("reset"), id="reset after reading"),
        pytest.param(then("close"), id="closed after reading"),
        pytest.param(then("wait"), id="no answer"),
        pytest.param(then(b"HTTP/1.1 2", "close"), id="status line cut"),
        pytest.param(then(b"nonsense\r\n\r\n", "close"), id="no HTTP at all"),
        pytest.param(then(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500, "close"), id="headers without end"),
        pytest.param(then(b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000, "close"), id="header line without end"),
        pytest.param(then(lambda c: trickle(c, HEAD + b"X: y\r\n" * 99)), id="headers trickle"),
        pytest.param(
            then(HEAD + b"Content-Length: 999\r\n\r\n", lambda c: trickle(c, b" " * 999)), id="body trickles"
        ),
        pytest.param(then(HEAD + b"Content-Length: 99\r\n\r\n{", "close"), id="body cut"),
        pytest.param(then(HEAD + b"Content-Length: 99\r\n\r\n{", "reset"), id="reset in the body"),
        pytest.param(
            then(HEAD + b"Content-Length: 5\r\n\r\n" + b'{"ok":true}', "close"), id="length too short"
        ),
        pytest.param(then(HEAD + b"Content-Length: x\r\n\r\n{", "close"), id="length no number"),
        pytest.param(then(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", "close"), id="chunk cut"),
        pytest.param(
            then(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{", "close"), id="chunk size wrong"
        ),
        pytest.param(then(HEAD + b"\r\n" + b'{"ok":', "close"), id="unbounded body cut"),
        pytest.param(then(answer(b"<html>maintenance</html>", kind="text/html")), id="wrong media type"),
        pytest.param(then(answer(b"{}", kind="")), id="no media type"),
        pytest.param(then(answer(b"{'ok'}")), id="bad JSON"),
        pytest.param(then(answer(b'{"a": NaN}')), id="not a number"),
        pytest.param(then(answer(b"[" * 100_000)), id="JSON too deep"),
        pytest.param(then(answer(b'"\xff"')), id="not UTF-8"),
        pytest.param(then(answer(b"9" * 10_000)), id="number too long"),
        pytest.param(then(answer(b'"' + b"a" * 9_000 + b'"')), id="too big"),
        pytest.param(then(answer(b"xx", more="Content-Encoding: gzip\r\n")), id="not packed"),
        pytest.param(
            then(answer(gzip.compress(b'"' + b"a" * 50_000_000 + b'"'), more="Content-Encoding: gzip\r\n")),
            id="packed bomb",
        ),
    ],
)
def test_an_unclear_end_means_that_a_write_may_have_happened(
    serve: Callable[..., Server], script: Script
) -> None:
    _read, write = ends_badly(serve, script, max_bytes=8_000)
    assert write.may_have_happened


def test_a_body_that_nobody_takes_ends_in_time_and_may_have_happened(serve: Callable[..., Server]) -> None:
    server = serve(lambda connection, number: server_holds(connection))

    def server_holds(connection: socket.socket) -> None:
        connection.recv(1)
        server.released.wait(20)

    started = time.monotonic()
    fault = fault_of(server, method="PUT", body=b"x" * 50_000_000, timeout_s=0.5)
    assert time.monotonic() - started < 2.5
    assert isinstance(fault, TryLater) and fault.may_have_happened


def test_a_deadline_that_is_over_sends_nothing(serve: Callable[..., Server]) -> None:
    server = serve(OK)
    fault = fault_of(server, method="POST", json={}, deadline=time.monotonic() - 1)
    assert isinstance(fault, TryLater) and not fault.may_have_happened
    assert server.requests == []


def test_the_callers_deadline_ends_it_before_its_own_time_out(serve: Callable[..., Server]) -> None:
    started = time.monotonic()
    fault_of(serve(then("wait")), timeout_s=20, deadline=time.monotonic() + 0.3)
    assert time.monotonic() - started < 2


def test_a_post_that_only_asks_has_nothing_to_happen(serve: Callable[..., Server]) -> None:
    assert not fault_of(serve(then("close")), method="POST", is_write=False).may_have_happened


def test_no_foreign_exception_hangs_on_a_fault(serve: Callable[..., Server]) -> None:
    sign_in = outbound.Basic("ann@example.com", Secret(KEY))
    for script in (then("close"), then(answer(b"no")), then(answer(b"", status="500 X"))):
        fault = fault_of(serve(script), auth=sign_in, params={"q": "312-555-0142"})
        chain = [fault.__cause__, fault.__context__]
        assert not any(hasattr(each, "request") for each in chain if each is not None)
        assert KEY not in repr([vars(fault), chain])
        outbound.hang_up()


def test_nothing_of_a_request_is_logged(
    serve: Callable[..., Server], caplog: pytest.LogCaptureFixture
) -> None:
    sign_in = outbound.Basic("ann@example.com", Secret(KEY))
    with caplog.at_level(logging.DEBUG):
        ask(serve(OK), auth=sign_in, params={"q": "312-555-0142"})
        ask(serve(then(HEAD + b"no header\r\n\r\n{}", "close")), params={"q": "312-555-0142"})
    assert "312-555" not in caplog.text and "312" not in caplog.text
    assert KEY not in caplog.text
