"""Where a request may go."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from nutshellpbx import outbound
from nutshellpbx.faults import Denied
from tests.outbound.stage import (
    OK,
    Server,
    ask,
    fault_of,
    lead_to,
)


@pytest.mark.parametrize("role", ["web", "push"])
def test_web_and_push_open_no_outside_connection(
    serve: Callable[..., Server], settings: Any, role: str
) -> None:
    settings.NUTSHELLPBX_ROLE = role
    server = serve(OK)
    assert isinstance(fault_of(server), Denied)
    assert server.accepted == 0


def test_another_origin_is_denied_before_any_byte(serve: Callable[..., Server]) -> None:
    server, other = serve(OK), serve(OK)
    port = server.port
    for url in [
        other.origin,
        f"https://127.0.0.1:{port}",
        f"http://localhost:{port}",
        f"http://127.0.0.1:{port}@{other.origin[7:]}/",
        f"http://127.0.0.1:{port}\\@{other.origin[7:]}/",
        f"http://ann:secret@127.0.0.1:{port}/",
        f"http://127.0.0.1:{port}.evil.test/",
        f"http://127.0.0.1.:{port}/",
        f"http://127.0.0.1:{port} /",
        f"//127.0.0.1:{port}/",
        "/rest/contacts",
        "",
        f"ftp://127.0.0.1:{port}/",
        f"file://127.0.0.1:{port}/etc/passwd",
        f"gopher://127.0.0.1:{port}/",
        f"javascript://127.0.0.1:{port}/",
        f"http://127.0.0.1:{port}99999/",
        f"http://127.0.0.1\u3002evil.test:{port}/",
        "http://[::1",
        "http://127.0.0.1:0/",
    ]:
        assert isinstance(fault_of(server, url=url, origins=[server.origin]), Denied), url
    assert (server.accepted, other.accepted) == (0, 0)


def test_no_origins_means_nowhere(serve: Callable[..., Server]) -> None:
    assert isinstance(fault_of(serve(OK), origins=[]), Denied)


def test_a_private_address_is_denied_unless_the_settings_allow_it(
    serve: Callable[..., Server], settings: Any
) -> None:
    settings.NUTSHELLPBX_PRIVATE_CRM_OK = False
    server = serve(OK)
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0",
        "localhost",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "[::]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ]:
        for scheme in ("http", "https"):
            origin = f"{scheme}://{host}:{server.port}"
            fault = fault_of(server, url=f"{origin}/", origins=[origin], timeout_s=2)
            assert isinstance(fault, Denied), origin
    assert server.accepted == 0


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "fe80::1", "fd00:ec2::254"]
)
def test_some_addresses_are_denied_even_where_private_ones_are_allowed(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    lead_to(monkeypatch, address)
    for scheme in ("http", "https"):
        fault = fault_of(serve(OK), url=f"{scheme}://crm.test/", origins=[f"{scheme}://crm.test"])
        assert isinstance(fault, Denied)


def test_plain_http_never_goes_to_a_public_address(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_to(monkeypatch, "93.184.216.34")
    assert isinstance(fault_of(serve(OK), url="http://crm.test/", origins=["http://crm.test"]), Denied)


def test_a_name_is_resolved_once_per_connection_and_that_address_is_used(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(OK)
    asked: list[str] = []

    def rebind(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    origin = f"http://crm.test:{server.port}"
    ask(server, url=f"{origin}/a", origins=[origin])
    ask(server, url=f"{origin}/b", origins=[origin])
    assert asked == ["crm.test"]
    assert f"Host: crm.test:{server.port}".encode() in server.requests[0]
    outbound.hang_up()
    assert isinstance(fault_of(server, url=f"{origin}/c", origins=[origin]), Denied)


def test_of_several_addresses_only_the_fit_ones_are_tried(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(OK)
    # 127.0.0.2 refuses: nothing listens there.
    lead_to(monkeypatch, "169.254.169.254", "127.0.0.2", "127.0.0.1")
    origin = f"http://crm.test:{server.port}"
    assert ask(server, url=f"{origin}/", origins=[origin]).json == {"ok": True}
