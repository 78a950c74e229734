"""The main job over TLS: paired, rang, opened and noted, all through nginx under one name."""

from __future__ import annotations

import json
import select
import ssl
import time

import pytest

from nutshellpbx.calls.models import Call
from nutshellpbx.desktop.models import Pairing
from nutshellpbx.journal.models import Entry
from nutshellpbx.lab import phone_calls
from nutshellpbx.lab.office import Desk, Office
from nutshellpbx.lab.phone_system import PhoneSystem, make_event
from tests.flow.conftest import until
from tests.nginx.site import Front


def ring(system: PhoneSystem, *, call: str, extension: str, number: str) -> None:
    """Let an extension ring, until the caller is told to have given up."""
    who = {"extension": extension, "direction": "inbound", "number": number}
    system.tell(make_event(call=call, kind="ringing", at=system.now(), **who))


def read_events(stream: ssl.SSLSocket, *, until_text: str, timeout_s: float) -> str:
    """What a stream says until this text came; fails when it does not come in time."""
    got = ""
    end = time.monotonic() + timeout_s
    while until_text not in got:
        left = end - time.monotonic()
        if left <= 0:
            pytest.fail(f"{until_text!r} did not come within {timeout_s} s: {got[-500:]}")
        if stream.pending() or select.select([stream], [], [], left)[0]:
            chunk = stream.recv(65536)
            if not chunk:
                pytest.fail(f"the stream ended: {got[-500:]}")
            got += chunk.decode()
    return got


def test_a_call_over_https_opens_the_customer_and_leaves_one_verified_note(
    office: Office, front: Front, ada: Desk
) -> None:
    assert office.public_url.startswith("https://") and office.hook_url.startswith(office.public_url)
    assert office.nutshell is not None
    pairing = json.loads((ada.folder / "pairing.json").read_text())
    assert pairing["server"] == pairing["push_url"] == office.public_url
    customer = office.nutshell.sample(count=1, kind="own")[0]
    with office.phone_system(speed=10) as system:
        told = phone_calls.inbound_answered(system=system, number=customer["number"], extension="101")[0]
    key = until(lambda: Call.objects.filter(uid=told.id, ended_at__isnull=False).first()).key
    entry = until(
        lambda: Entry.objects.filter(call_key=key, state=Entry.State.VERIFIED).first(), timeout_s=30
    )
    notes = [note for note in office.nutshell.notes() if entry.marker in note["body"]]
    assert [note["parent"] for note in notes] == [customer["id"]]
    page = f"/{'person' if 'contacts' in customer['id'] else 'company'}/{customer['id'].split('-')[0]}-"
    until(lambda: sum(page in opened for opened in ada.opened()) == 2)
    until(lambda: f'POST "/hooks/{office.ids["pbx"]}/events" HTTP/1.1 202' in front.logged())
    until(lambda: 'GET "/push/instructions?(query)" HTTP/1.1 200' in front.logged())


def test_an_unknown_caller_opens_a_page_of_our_own_whose_ticket_is_in_no_log(
    office: Office, front: Front, ada: Desk, address: str
) -> None:
    with office.phone_system() as system:
        call = system.new_call_id()
        ring(system, call=call, extension="101", number="+17185550142")
        ours = f"{office.public_url}/pop/"
        path = until(lambda: [each for each in ada.opened() if each.startswith(ours)])[0].removeprefix(
            office.public_url
        )
        system.tell(make_event(call=call, kind="ended", at=system.now(), cause="gave_up"))
    page = front.ask("GET", path, address=address)
    assert page.status == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert b"555" in page.body
    assert front.ask("GET", path, address=address).status != 200, "the ticket is used up"
    ticket = path.split("/")[2].split("?")[0]
    until(lambda: f"{address} " in front.logged() and 'GET "/pop/(ticket)"' in front.logged())
    assert ticket not in front.logged()


def test_an_instruction_passes_unbuffered_within_a_second(
    office: Office, front: Front, bens_token: str
) -> None:
    assert office.nutshell is not None
    customer = office.nutshell.sample(count=2, kind="own", seed=5)[1]
    with front.connect(address="127.0.9.1") as stream, office.phone_system(speed=10) as system:
        stream.sendall(
            b"GET /push/instructions?after=0&wait=25 HTTP/1.1\r\nHost: localhost\r\n"
            b"Accept: text/event-stream\r\nAuthorization: Bearer " + bens_token.encode() + b"\r\n\r\n"
        )
        # Nothing has rung, yet the stream's beginning is here: nobody keeps it back.
        begun = read_events(stream, until_text="data: ", timeout_s=5)
        assert "200 OK" in begun and "text/event-stream" in begun
        call = system.new_call_id()
        ring(system, call=call, extension="102", number=customer["number"])
        told_at = time.monotonic()
        read_events(stream, until_text=f":{call}:", timeout_s=5)
        took_s = time.monotonic() - told_at
        system.tell(make_event(call=call, kind="ended", at=system.now(), cause="gave_up"))
    assert took_s < 1.0


def test_who_asks_is_the_address_that_nginx_sees_whatever_he_claims(front: Front, address: str) -> None:
    claims = {
        "X-Forwarded-For": "198.51.100.7",
        "X-Real-IP": "198.51.100.7",
        "Forwarded": "for=198.51.100.7;proto=http;host=evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Content-Type": "application/json",
    }
    asked = json.dumps({"name": f"claims {address}", "os": "test", "client_version": "0"}).encode()
    answer = front.ask("POST", "/api/desktop/pairings", asked, address=address, headers=claims)
    assert answer.status == 201, answer.body
    assert "evil" not in answer.body.decode()
    assert Pairing.objects.get(name=f"claims {address}").address == address


def test_the_application_limits_each_address_by_itself(front: Front, address: str) -> None:
    from django.utils import timezone

    now = timezone.now()
    for number in range(10):
        Pairing.objects.create(
            code=f"ZZZZZZ{number:02}",
            poll_hash=f"{number:064}",
            name="earlier",
            address=address,
            created_at=now,
            expires_at=now,
            state=Pairing.State.EXPIRED,
        )
    asked = json.dumps({"name": "one more", "os": "test", "client_version": "0"}).encode()
    kind = {"Content-Type": "application/json"}
    refused = front.ask(
        "POST",
        "/api/desktop/pairings",
        asked,
        address=address,
        headers={**kind, "X-Forwarded-For": "198.51.100.8"},
    )
    assert refused.status == 429 and "Too many desktops" in refused.json["title"]
    neighbour = address.rsplit(".", 1)[0] + ".250"
    assert front.ask("POST", "/api/desktop/pairings", asked, address=neighbour, headers=kind).status == 201
