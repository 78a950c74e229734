"""Connections that are kept, used again, and die; and TLS."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nutshellpbx import outbound
from nutshellpbx.faults import Denied, TryLater
from nutshellpbx.outbound import connections
from nutshellpbx.redact import Secret
from tests.outbound.stage import (
    HEAD,
    KEY,
    OK,
    Authority,
    Script,
    Server,
    answer,
    ask,
    fault_of,
    lead_to,
    reset,
    then,
    trickle,
)


def test_a_connection_is_used_again(serve: Callable[..., Server]) -> None:
    server = serve(OK)
    for _each in range(3):
        ask(server)
    assert (server.accepted, len(server.requests)) == (1, 3)


def test_a_connection_that_lay_idle_too_long_is_not_used_again(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(OK)
    ask(server)
    monkeypatch.setattr(connections, "IDLE_S", 0.0)
    ask(server, method="POST", json={})
    assert server.accepted == 2


def closes_on_the_second_request(server_of: Callable[..., Server]) -> Server:
    def play(connection: socket.socket, number: int) -> None:
        server.read(connection)
        connection.sendall(OK)
        server.read(connection)
        if number > 1:
            connection.sendall(OK)

    server = server_of(play)
    return server


@pytest.mark.parametrize(
    "more", [{"method": "POST", "json": {"n": 1}}, {"method": "DELETE"}, {"alone": True}]
)
def test_a_late_second_copy_of_an_answer_is_never_taken_for_that_to_a_write(
    serve: Callable[..., Server], more: dict[str, Any]
) -> None:
    def play(connection: socket.socket, number: int) -> None:
        server.read(connection)
        connection.sendall(OK)
        server.read(connection)
        connection.sendall(
            answer(b"{}", status="429 Too Many Requests")
        )  # to something else that was asked before, as it were

    server = serve(play)
    ask(server)
    assert ask(server, **more).json == {"ok": True}
    assert server.accepted == 2


def test_a_read_on_a_connection_that_dies_under_it_is_asked_again_once(serve: Callable[..., Server]) -> None:
    server = closes_on_the_second_request(serve)
    ask(server)
    assert ask(server).json == {"ok": True}
    assert server.accepted == 2


def test_an_answer_of_which_more_comes_leaves_no_poisoned_connection(serve: Callable[..., Server]) -> None:
    def play(connection: socket.socket, number: int) -> None:
        server.read(connection)
        connection.sendall(answer(b'{"n":%d}' % number) + answer(b'{"n":"poison"}'))
        connection.recv(1)

    server = serve(play)
    assert ask(server).json == {"n": 1}
    assert ask(server).json != {"n": "poison"}


def test_each_thread_has_its_own_connections(serve: Callable[..., Server]) -> None:
    server = serve(OK)
    ask(server)

    def elsewhere() -> None:
        ask(server)
        outbound.hang_up()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(10)
    assert server.accepted == 2


def test_over_tls_the_name_stays_while_the_checked_address_is_used(
    serve: Callable[..., Server], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = authority.context_for("crm.test")
    names: list[str | None] = []
    context.sni_callback = lambda sock, name, context: names.append(name)
    server = serve(OK, context)
    lead_to(monkeypatch, "127.0.0.1")
    origin = f"https://crm.test:{server.port}"
    for _each in range(2):
        got = ask(server, url=f"{origin}/", origins=[origin], ca_bundle=authority.bundle)
        assert got.json == {"ok": True}
    assert names == ["crm.test"]
    assert server.accepted == 1
    assert f"Host: crm.test:{server.port}".encode() in server.requests[0]


def test_a_certificate_of_a_stranger_or_for_another_name_means_unsent(
    serve: Callable[..., Server], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_to(monkeypatch, "127.0.0.1")
    sign_in = outbound.Basic("ann@example.com", Secret(KEY))
    for name, bundle in [("crm.test", ""), ("other.test", authority.bundle)]:
        server = serve(OK, authority.context_for(name))
        origin = f"https://crm.test:{server.port}"
        fault = fault_of(
            server, method="POST", url=f"{origin}/", origins=[origin], ca_bundle=bundle, auth=sign_in
        )
        assert isinstance(fault, TryLater) and not fault.may_have_happened
        assert "certificate" in fault.title
        assert server.requests == []


def test_an_own_authority_counts_for_its_call_only(
    serve: Callable[..., Server], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_to(monkeypatch, "127.0.0.1")
    server = serve(OK, authority.context_for("crm.test"))
    origin = f"https://crm.test:{server.port}"
    ask(server, url=f"{origin}/", origins=[origin], ca_bundle=authority.bundle)
    assert "certificate" in fault_of(server, url=f"{origin}/", origins=[origin]).title


def test_a_missing_file_of_authorities_is_a_matter_of_configuration(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    assert isinstance(fault_of(serve(OK), ca_bundle=str(tmp_path / "none.pem")), Denied)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            lambda connection, number: connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"), id="plain http"
        ),
        pytest.param(lambda connection, number: connection.close(), id="closed"),
        pytest.param(lambda connection, number: reset(connection), id="reset"),
        pytest.param(
            lambda connection, number: connection.recv(1) and connection.recv(9999) and connection.recv(1),
            id="silent",
        ),
    ],
)
def test_a_handshake_that_fails_means_unsent(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    lead_to(monkeypatch, "127.0.0.1")
    server = serve(script)
    origin = f"https://crm.test:{server.port}"
    started = time.monotonic()
    fault = fault_of(server, method="POST", url=f"{origin}/", origins=[origin], json={}, timeout_s=0.5)
    assert time.monotonic() - started < 2.5
    assert isinstance(fault, TryLater) and not fault.may_have_happened


def test_over_tls_too_a_trickle_ends_in_time(
    serve: Callable[..., Server], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_to(monkeypatch, "127.0.0.1")
    server = serve(
        then(HEAD + b"Content-Length: 999\r\n\r\n", lambda connection: trickle(connection, b" " * 999)),
        authority.context_for("crm.test"),
    )
    origin = f"https://crm.test:{server.port}"
    started = time.monotonic()
    fault = fault_of(
        server, method="POST", url=f"{origin}/", origins=[origin], ca_bundle=authority.bundle, timeout_s=0.5
    )
    assert time.monotonic() - started < 2.5
    assert isinstance(fault, TryLater) and fault.may_have_happened
