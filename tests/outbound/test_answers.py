"""What comes back as an answer, and the fault that each status stands for."""

from __future__ import annotations

import base64
import datetime
import gzip
import json
from collections.abc import Callable
from email.utils import format_datetime
from typing import Any

import pytest

from nutshellpbx import outbound
from nutshellpbx.faults import Denied, Fault, Rejected, TryLater
from nutshellpbx.redact import Secret
from tests.outbound.stage import (
    KEY,
    OK,
    Server,
    answer,
    ask,
    fault_of,
)


def test_a_json_answer_comes_back_parsed_with_its_size_and_time(serve: Callable[..., Server]) -> None:
    server = serve(answer('{"name":"Jörg"}'.encode(), more="X-Total: 7\r\n"))
    got = ask(server, params=[("filter[a]", "b c"), ("page", 2)])
    assert got.status == 200
    assert got.json == {"name": "Jörg"}
    assert got.headers["x-total"] == "7"
    assert got.bytes == 16
    assert 0 < got.elapsed_ms < 5000
    assert server.requests[0].startswith(b"GET /rest/contacts?filter%5Ba%5D=b+c&page=2 HTTP/1.1\r\n")
    assert "Jörg" not in repr(got)


def test_a_write_sends_its_body_and_sign_in_once(serve: Callable[..., Server]) -> None:
    server = serve(answer(b"", status="204 No Content"))
    sign_in = outbound.Basic("ann@example.com", Secret(KEY))
    got = ask(server, method="POST", json={"note": "für Dich"}, auth=sign_in)
    assert (got.status, got.json) == (204, None)
    (request,) = server.requests
    head, _separator, body = request.partition(b"\r\n\r\n")
    assert json.loads(body) == {"note": "für Dich"}
    expected = base64.b64encode(f"ann@example.com:{KEY}".encode())
    assert b"Authorization: Basic " + expected in head
    assert f"Host: 127.0.0.1:{server.port}".encode() in head


def test_bearer_tokens_and_secret_headers_are_sent(serve: Callable[..., Server]) -> None:
    server = serve(OK)
    ask(server, auth=outbound.Bearer(Secret("abc")), headers={"X-Api-Key": Secret("def"), "X-Plain": "g"})
    assert b"Authorization: Bearer abc\r\n" in server.requests[0]
    assert b"X-Api-Key: def\r\n" in server.requests[0]
    assert b"X-Plain: g\r\n" in server.requests[0]


def test_a_caller_cannot_set_the_sign_in_as_a_header(serve: Callable[..., Server]) -> None:
    with pytest.raises(ValueError, match="not for callers"):
        ask(serve(OK), headers={"AUTHORIZATION": "Basic abc"})


@pytest.mark.parametrize("key", ["schlüssel", "a\r\nX-Evil: 1", "a\x00b", "a\u2028b"])
def test_a_key_that_no_header_can_carry_is_denied_and_not_shown(
    serve: Callable[..., Server], key: str
) -> None:
    server = serve(OK)
    fault = fault_of(server, auth=outbound.Bearer(Secret(key)))
    assert isinstance(fault, Denied)
    assert server.accepted == 0
    assert key not in repr(vars(fault)) and fault.__context__ is None


def test_text_comes_back_as_text_where_it_was_asked_for(serve: Callable[..., Server]) -> None:
    server = serve(answer("grüß".encode("latin-1"), kind="Text/HTML; charset=ISO-8859-1"))
    assert ask(server, media=("text/html",)).text == "grüß"


def test_a_packed_answer_is_unpacked(serve: Callable[..., Server]) -> None:
    server = serve(answer(gzip.compress(b'{"ok":true}'), more="Content-Encoding: gzip\r\n"))
    assert ask(server).json == {"ok": True}


def test_no_cookie_is_kept(serve: Callable[..., Server]) -> None:
    server = serve(answer(b"{}", more="Set-Cookie: a=b\r\n"))
    ask(server)
    ask(server)
    assert b"cookie" not in server.requests[1].lower()


def test_no_proxy_of_the_environment_is_used(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serve(OK), serve(OK)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.origin)
    ask(server)
    assert (proxy.accepted, server.accepted) == (0, 1)


@pytest.mark.parametrize(
    ("status", "kind", "after_read", "after_write"),
    [
        (401, Denied, None, None),
        (403, Denied, None, None),
        (429, TryLater, False, False),
        (408, TryLater, False, True),
        (500, TryLater, False, True),
        (502, TryLater, False, True),
        (503, TryLater, False, True),
        (504, TryLater, False, True),
        (400, Rejected, None, None),
        (404, Rejected, None, None),
        (409, outbound.Conflict, None, None),
        (413, Rejected, None, None),
        (422, Rejected, None, None),
    ],
)
def test_each_status_has_its_fault(
    serve: Callable[..., Server], status: int, kind: type[Fault], after_read: Any, after_write: Any
) -> None:
    server = serve(answer(b"<html>An Error Occurred</html>", status=f"{status} X", kind="text/html"))
    for method, may_have_happened in (("GET", after_read), ("POST", after_write), ("DELETE", after_write)):
        fault = fault_of(server, method=method)
        assert type(fault) in (kind, outbound.Refused if kind is Rejected else kind)
        assert isinstance(fault, kind)
        assert getattr(fault, "may_have_happened", None) == may_have_happened
        assert str(status) in fault.detail
        assert fault.next_step


def test_a_refusal_tells_status_and_reason(serve: Callable[..., Server]) -> None:
    server = serve(answer(b'{"errors":[{"title":"name is missing"}]}', status="422 Unprocessable"))
    fault = fault_of(server, method="POST", json={})
    assert (fault.status, fault.body) == (422, {"errors": [{"title": "name is missing"}]})
    assert "name is missing" in fault.detail


def test_a_refusal_that_repeats_our_key_does_not_show_it(serve: Callable[..., Server]) -> None:
    server = serve(answer(json.dumps({"error": f"no such api_key={KEY}"}).encode(), status="400 Bad"))
    assert KEY not in fault_of(server).detail


def test_a_refusal_without_end_is_not_read_to_the_end(serve: Callable[..., Server]) -> None:
    server = serve(answer(b"[" + b"1," * 200_000 + b"1]", status="400 Bad"))
    fault = fault_of(server)
    assert (fault.status, fault.body) == (400, None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(serve: Callable[..., Server], status: int) -> None:
    other = serve(OK)
    server = serve(answer(b"", status=f"{status} X", more=f"Location: {other.origin}/\r\n"))
    sign_in = outbound.Basic("ann@example.com", Secret(KEY))
    assert isinstance(fault_of(server, auth=sign_in), Denied)
    fault = fault_of(server, method="POST", auth=sign_in, json={})
    if status in (302, 303):
        assert fault.may_have_happened
    else:
        assert isinstance(fault, Denied)
    assert other.accepted == 0


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("5", 5),
        ("0", 0),
        ("99999999999999999999", 3600),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2115 07:28:00 GMT", 3600),
    ],
)
def test_retry_after_is_read_and_bounded(
    serve: Callable[..., Server], text: str, wait_s: float | None
) -> None:
    server = serve(answer(b"", status="429 Slow", more=f"Retry-After: {text}\r\n"))
    assert fault_of(server).retry_after_s == wait_s


def test_retry_after_as_a_date_counts_from_now(serve: Callable[..., Server]) -> None:
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=60)
    header = f"Retry-After: {format_datetime(moment, usegmt=True)}\r\n"
    assert 50 < fault_of(serve(answer(b"", status="503 X", more=header))).retry_after_s <= 60
