"""Who posted: signatures and tokens, judged as bytes."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from nutshellpbx.faults import Denied, Rejected
from nutshellpbx.pbx.webhook import protocol

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
BODY = b'{"call":"c-1","kind":"ringing"}'


def headers(
    *, body: bytes = BODY, at: datetime = NOW, secret: str = SECRET, message_id: str = "m-1"
) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(signed).decode(),
    }


def test_a_post_signed_by_the_schemes_own_library_is_accepted() -> None:
    signature = Webhook(SECRET).sign("m-1", NOW, BODY.decode())
    given_headers = {
        "webhook-id": "m-1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": signature,
    }
    protocol.check_signature(headers=given_headers, body=BODY, secret=SECRET, now=NOW)


def test_one_of_two_signatures_is_enough_while_the_secret_is_changed() -> None:
    mine = headers()
    mine["webhook-signature"] = "v1,AAAA " + mine["webhook-signature"] + " v2,whatever"
    protocol.check_signature(headers=mine, body=BODY, secret=SECRET, now=NOW)


@pytest.mark.parametrize(
    "spoil",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-signature": "v2," + headers()["webhook-signature"][3:]},
        {"webhook-id": "m-2"},
        {"webhook-id": ""},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "٣٣٣"},
        {"webhook-signature": "v1,\u0000é"},
    ],
)
def test_a_post_with_a_wrong_or_missing_part_is_refused(spoil: dict[str, str]) -> None:
    with pytest.raises(Denied):
        protocol.check_signature(headers={**headers(), **spoil}, body=BODY, secret=SECRET, now=NOW)


@pytest.mark.parametrize("age", [timedelta(seconds=301), timedelta(seconds=-301), timedelta(days=400)])
def test_a_stale_post_is_refused_although_its_signature_fits(age: timedelta) -> None:
    with pytest.raises(Denied):
        protocol.check_signature(headers=headers(at=NOW - age), body=BODY, secret=SECRET, now=NOW)


def test_another_body_or_secret_is_refused() -> None:
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    with pytest.raises(Denied):
        protocol.check_signature(headers=headers(), body=BODY + b" ", secret=SECRET, now=NOW)
    with pytest.raises(Denied):
        protocol.check_signature(headers=headers(), body=BODY, secret=other, now=NOW)


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer wrong", "Basic s3cret", "bearer s3cre", "s3cret"])
def test_a_wrong_token_is_refused(value: str) -> None:
    with pytest.raises(Denied):
        protocol.check_bearer(headers={"authorization": value}, secret="s3cret")


def test_the_right_token_is_accepted() -> None:
    protocol.check_bearer(headers={"authorization": "Bearer s3cret"}, secret="s3cret")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b'{"events":[]}',
        b'{"events":{}}',
        b'{"events":[1]}',
        b"[" * 60_000,
    ],
)
def test_what_is_not_a_list_of_objects_is_rejected_by_name(body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        protocol.read_body(body)
    assert caught.value.detail in {"body", "events"}


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    try:
        events = protocol.read_body(body)
    except Rejected:
        return
    assert all(isinstance(event, dict) for event in events)
