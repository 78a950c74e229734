"""What nginx lets in and what it turns away: names, protocols, sizes, haste; and what its logs keep."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import subprocess
import warnings
from collections.abc import Callable
from functools import partial

import pytest

from nutshellpbx.lab.office import Office
from nutshellpbx.lab.processes import free_port
from tests.flow.conftest import until
from tests.nginx.site import Front

TOKEN = "q1w2e3r4t5y6u7i8o9p0-secret"


@pytest.fixture(scope="module")
def lonely(make_front: Callable[..., Front]) -> Front:
    """An nginx for a name and an address, with nothing behind it, that waits a second for a request."""
    return make_front("localhost", "127.0.0.1", web_port=free_port(), push_port=free_port(), reading_s=1)


def post(length: int) -> dict[str, str]:
    return {"Content-Type": "application/json", "Content-Length": str(length)}


def test_both_forms_of_the_site_pass_nginx_s_own_check(front: Front, lonely: Front) -> None:
    for each in (front, lonely):
        said = each.check()
        assert said.returncode == 0, said.stderr
        assert "[warn]" not in re.sub(r".*listen \.\.\. http2.*deprecated.*", "", said.stderr), said.stderr


# ------------------------------------------------------------------------------------------------ names
def test_a_greeting_by_another_name_is_refused_before_anything_is_shown(front: Front, lonely: Front) -> None:
    for each in (front, lonely):
        with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
            each.connect(name="evil.example")


def test_a_request_for_another_name_over_our_own_greeting_is_misdirected(front: Front, address: str) -> None:
    for host in ("evil.example", "localhost.evil.example", "[::1]"):
        assert front.ask("GET", "/sign-in", host=host, address=address).status == 421, host


def test_plain_http_for_another_name_gets_no_answer(front: Front, address: str) -> None:
    with pytest.raises((ConnectionError, OSError)):
        front.ask("GET", "/trust", host="evil.example", address=address, plain=True)


def test_a_greeting_without_a_name_is_for_boxes_with_an_address_in_their_names_only(
    front: Front, lonely: Front
) -> None:
    def greet(each: Front) -> None:
        plain = socket.create_connection(("127.0.0.1", each.site.https_port), timeout=5)
        each.trusting().wrap_socket(plain, server_hostname="127.0.0.1").close()

    greet(lonely)
    with pytest.raises(ssl.SSLError):
        greet(front)


def test_the_local_authority_vouches_for_no_name_outside(
    front: Front, make_front: Callable[..., Front]
) -> None:
    outside = make_front("www.example.com")
    with pytest.raises(ssl.SSLCertVerificationError, match="(?i)permitted subtree"):
        outside.connect(name="www.example.com")


# ------------------------------------------------------------------------------------------ plain HTTP
def test_plain_http_leads_people_to_https_and_machines_nowhere(front: Front, address: str) -> None:
    page = front.ask("GET", "/me/calls?page=2", address=address, plain=True)
    assert page.status == 301
    assert page.headers["location"] == f"https://localhost:{front.site.https_port}/me/calls?page=2"
    for path in ("/api/desktop/me", "/hooks/1/events", "/push/instructions"):
        refused = front.ask("GET", path, address=address, plain=True)
        assert refused.status == 403 and "HTTPS" in refused.json["title"], path
    assert front.ask("POST", "/sign-in", b"password=x", address=address, plain=True).status == 403


def test_plain_http_serves_the_trust_page_with_the_authority_and_acme_s_answers(
    front: Front, address: str
) -> None:
    page = front.ask("GET", "/trust", address=address, plain=True)
    assert page.status == 200 and b"fingerprint" in page.body
    for path in re.findall(r'href="(/[^"]+)"', page.body.decode()):
        assert front.ask("GET", path, address=address, plain=True).status == 200, path
    certificate = front.ask("GET", "/trust/ca.crt", address=address, plain=True)
    assert certificate.body == front.authority.read_bytes()
    assert certificate.headers["content-type"] == "application/x-x509-ca-cert"
    challenge = front.site.acme / ".well-known/acme-challenge/abc"
    challenge.parent.mkdir(parents=True, exist_ok=True)
    challenge.write_text("abc.key")
    answer = front.ask("GET", "/.well-known/acme-challenge/abc", address=address, plain=True)
    assert (answer.status, answer.body) == (200, b"abc.key")


# ----------------------------------------------------------------------------------------------- TLS
@pytest.mark.parametrize(
    ("version", "is_taken"), [("TLSv1", 0), ("TLSv1_1", 0), ("TLSv1_2", 1), ("TLSv1_3", 1)]
)
def test_only_tls_1_2_and_1_3_are_spoken(front: Front, version: str, is_taken: int) -> None:
    context = front.trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    plain = socket.create_connection(("127.0.0.1", front.site.https_port), timeout=5)
    expected = contextlib.nullcontext() if is_taken else pytest.raises((ssl.SSLError, ConnectionError))
    with plain, expected:
        context.wrap_socket(plain, server_hostname="localhost").close()


def test_tls_1_2_has_no_cipher_without_forward_secrecy_and_authenticated_encryption(front: Front) -> None:
    context = front.trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    for weak in ("ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "AES128-GCM-SHA256"):
        context.set_ciphers(f"{weak}:@SECLEVEL=0")
        plain = socket.create_connection(("127.0.0.1", front.site.https_port), timeout=5)
        with plain, pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(plain, server_hostname="localhost")


# --------------------------------------------------------------------------------------------- sizes
def test_a_hook_over_64_kb_gets_the_application_s_own_answer_and_far_more_gets_nginx_s(
    office: Office, front: Front, address: str
) -> None:
    path = f"/hooks/{office.ids['pbx']}/events"
    for length in (70_000, 90_000):
        answer = front.ask("POST", path, b"x" * length, address=address, headers=post(length))
        assert answer.status == 413
        assert (answer.json["error"], answer.json["field"]) == ("The post is too large.", "body"), length
        assert ("title" in answer.json) == (length == 90_000), "who said it"


def test_a_page_over_a_megabyte_is_refused_in_words(front: Front, address: str) -> None:
    answer = front.ask("POST", "/sign-in", b"x" * 1_100_000, address=address)
    assert answer.status == 413 and b"too large" in answer.body


def test_who_does_not_finish_his_request_is_hung_up_on(lonely: Front) -> None:
    with lonely.connect() as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert select.select([slow], [], [], 5)[0], "still waiting after 5 s"
        assert slow.recv(1000) == b""
    text = (lonely.site.folder / "nutshellpbx.conf").read_text()
    assert "client_header_timeout 1s;" in text and "client_body_timeout 1s;" in text


# --------------------------------------------------------------------------------------------- haste
def statuses(front: Front, times: int, method: str, path: str, address: str) -> list[int]:
    """What that many quick requests are answered."""
    return [front.ask(method, path, b"{}", address=address).status for _time in range(times)]


def test_sign_in_is_limited_by_the_minute_and_each_address_for_itself(front: Front, address: str) -> None:
    got = statuses(front, 12, "POST", "/sign-in", address)
    assert 429 not in got[:10] and got[10:] == [429, 429]
    assert front.ask("GET", "/sign-in", address=address).status == 200, "the page itself still comes"
    neighbour = address.rsplit(".", 1)[0] + ".251"
    assert front.ask("POST", "/sign-in", b"{}", address=neighbour).status != 429


def test_pairing_is_limited_to_five_a_minute_but_waiting_for_the_approval_is_not(
    front: Front, address: str
) -> None:
    got = statuses(front, 7, "POST", "/api/desktop/pairings", address)
    assert 429 not in got[:5] and got[5:] == [429, 429]
    assert 429 not in statuses(front, 12, "POST", "/api/desktop/pairings/claim", address)


@pytest.mark.parametrize(("path", "burst"), [("/nowhere", 40), ("/api/desktop/me", 40)])
def test_a_flood_from_one_address_is_answered_429_with_the_time_to_wait(
    path: str, burst: int, lonely: Front, address: str
) -> None:
    with lonely.connect(address=address) as socket_:
        wanted = 4 * burst
        socket_.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() * wanted)
        got = b""
        while got.count(b"HTTP/1.1 ") < wanted:
            chunk = socket_.recv(65536)
            if not chunk:
                break
            got += chunk
    assert got.count(b"HTTP/1.1 429 ") > burst
    assert got.count(b"HTTP/1.1 50") >= burst, "the first ones pass"
    assert b"Retry-After: " in got


def hear(desks: list[ssl.SSLSocket]) -> list[bytes]:
    """What those said that said something by now; TLS itself may have said something before."""
    said = []
    for desk in desks:
        desk.setblocking(False)
        with contextlib.suppress(ssl.SSLWantReadError):
            said.append(desk.recv(4000))
    return said


def test_more_than_twenty_waiting_desktops_of_one_address_are_too_many(
    make_front: Callable[..., Front], address: str
) -> None:
    asked = b"GET /push/instructions?wait=25 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as silent, contextlib.ExitStack() as waiting:
        full = make_front("localhost", push_port=silent.getsockname()[1])
        desks = [waiting.enter_context(full.connect(address=address)) for _desk in range(21)]
        for desk in desks:
            desk.sendall(asked)
        answers = until(lambda: hear(desks))
        assert len(answers) == 1
        neighbour = waiting.enter_context(full.connect(address=address.rsplit(".", 1)[0] + ".252"))
        neighbour.sendall(asked)
        # A request that is refused is answered before the next one on its heels.
        refused = waiting.enter_context(full.connect(address=address))
        refused.sendall(asked)
        until(lambda: hear([refused]))
        assert not hear([neighbour, *desks]), "one answer in all; and another address may wait"
    said = answers[0].decode()
    assert said.startswith("HTTP/1.1 429 ") and "\r\nRetry-After: 10\r\n" in said
    assert '"title": ' in said and '"next_step": ' in said


def test_how_many_desktops_wait_is_told_on_the_box_only(front: Front, address: str) -> None:
    assert front.ask("GET", "/push/healthz").status == 200
    assert front.ask("GET", "/push/healthz", address=address).status == 403


# ---------------------------------------------------------------------------------------------- logs
@pytest.mark.parametrize(
    ("path", "logged"),
    [
        (f"/pop/{TOKEN}", "/pop/(ticket)"),
        (f"/pop/{TOKEN}?again=1", "/pop/(ticket)"),
        (f"//pop//{TOKEN}", "//pop//(ticket)"),
        (f"/pop/create?pass={TOKEN}", "/pop/create"),
        (f"/welcome/{TOKEN}", "/welcome/(token)"),
        (f"/invitation/{TOKEN}", "/invitation/(token)"),
        (f"/sign-in/link/{TOKEN}", "/sign-in/link/(token)"),
        (f"/hooks/5f1d4ff0/events/{TOKEN}", "/hooks/5f1d4ff0/events/(token)"),
        (f"/hooks/5f1d4ff0/events/{TOKEN}?x=1", "/hooks/5f1d4ff0/events/(token)"),
        (f"/%70op/{TOKEN}", "/(encoded)"),
        (f"/me/calls?q={TOKEN}", "/me/calls?(query)"),
        (f"/desktops/pair?code={TOKEN}", "/desktops/pair?(query)"),
    ],
)
def test_no_token_is_logged_whether_the_application_answers_or_not(
    path: str, logged: str, front: Front, lonely: Front, address: str
) -> None:
    headers = {"Referer": f"https://localhost{path}"}
    for each in (front, lonely):
        each.ask("GET", path, address=address, headers=headers)
        each.ask("GET", "/static/nothing.css", address=address, headers=headers)
        line = re.compile(f'^{re.escape(address)} .*"{re.escape(logged)}" ', re.MULTILINE)
        # nginx answers first and writes its log afterwards.
        until(partial(lambda site, wanted: wanted.search(site.logged()), each, line))
        assert TOKEN not in each.logged()


# ---------------------------------------------------------------------------------- nobody behind it
def test_while_the_application_is_away_people_get_a_page_and_machines_json(
    lonely: Front, address: str
) -> None:
    page = lonely.ask("GET", "/me/calls", address=address)
    assert page.status == 502 and b"Back in a moment" in page.body
    sheet = re.findall(r'href="(/[^"]+\.css)"', page.body.decode())[0]
    assert lonely.ask("GET", sheet, address=address).headers["content-type"] == "text/css"
    for method, path in (
        ("POST", "/hooks/1/events"),
        ("GET", "/api/desktop/me"),
        ("GET", "/push/instructions"),
    ):
        answer = lonely.ask(method, path, b"{}" if method == "POST" else None, address=address)
        assert answer.status == 503 and answer.headers["retry-after"] == "2", path
        assert answer.json["title"] and answer.json["next_step"] and answer.json["error"], path


def test_the_pages_of_nginx_cannot_be_asked_for_by_their_own_address(lonely: Front, address: str) -> None:
    assert lonely.ask("GET", "/plain/away.html", address=address).status == 404


def test_curl_is_content_with_the_local_authority_and_speaks_http_2(front: Front) -> None:
    try:
        said = subprocess.run(
            [
                "curl",
                "--silent",
                "--show-error",
                "--cacert",
                str(front.authority),
                "--write-out",
                "%{http_version}",
            ]
            + ["--output", "-", f"https://localhost:{front.site.https_port}/healthz"],
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError:
        pytest.skip("curl is not on this machine")
    assert said.stdout.split() == ["ok", "2"]
