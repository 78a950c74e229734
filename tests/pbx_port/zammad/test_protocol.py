"""Who posted, and what: tokens and bodies of the generic CTI form, judged as bytes."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nutshellpbx.faults import Denied, Rejected
from nutshellpbx.lab.phone_cti import FORMS, written
from nutshellpbx.pbx.zammad import protocol

MEMBERS: dict[str, Any] = {
    "event": "newCall",
    "from": "+13125550142",
    "to": "12125550160",
    "direction": "in",
    "callId": "c-1",
    "user": ["Zoë Grüße", "Ben Ortiz"],
    "queue": "sales & support",
}


def read(body: bytes, content_type: str = "") -> dict[str, Any]:
    return protocol.read_body(headers={"content-type": content_type} if content_type else {}, body=body)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("token", "header"),
    [
        ("s3cret/+=", ""),
        ("", "Bearer s3cret/+="),
        ("", basic("cti:s3cret/+=")),
        ("wrong", "bearer s3cret/+="),
    ],
)
def test_the_secret_is_taken_behind_the_address_or_from_a_header(token: str, header: str) -> None:
    protocol.check_token(headers={"authorization": header}, token=token, secret="s3cret/+=")


@pytest.mark.parametrize(
    ("token", "header"),
    [
        ("", ""),
        ("s3cre", ""),
        ("s3cret ", "Bearer"),
        ("", "s3cret"),
        ("", "Digest s3cret"),
        ("", "Basic s3cret"),
        ("", "Basic \u00e9\u00e9"),
        ("", basic("s3cret:x")),
        ("é\ud83d", ""),
    ],
)
def test_anything_else_is_refused(token: str, header: str) -> None:
    with pytest.raises(Denied):
        protocol.check_token(headers={"authorization": header}, token=token, secret="s3cret")


def test_a_phone_system_without_a_secret_lets_nobody_in() -> None:
    with pytest.raises(Denied):
        protocol.check_token(headers={}, token="", secret="")


@pytest.mark.parametrize("form", FORMS)
def test_json_form_and_multipart_say_the_same(form: str) -> None:
    assert read(*written(MEMBERS, form=form)) == MEMBERS


@pytest.mark.parametrize("form", FORMS)
def test_one_user_is_a_list_of_one(form: str) -> None:
    assert read(*written({**MEMBERS, "user": "Ada Vance"}, form=form))["user"] == ["Ada Vance"]


def test_a_multipart_body_as_curl_writes_it_is_read() -> None:
    body = (
        b'--------------------------d74496d66958873e\r\nContent-Disposition: form-data; name="event"\r\n\r\n'
        b"hangup\r\n--------------------------d74496d66958873e\r\n"
        b'Content-Disposition: form-data; name="log"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\n'
        b"event=newCall\r\n--------------------------d74496d66958873e--\r\n"
    )
    kind = "multipart/form-data; boundary=------------------------d74496d66958873e"
    assert read(body, kind) == {"event": "hangup"}


def test_what_the_form_does_not_know_is_tolerated_and_field_spellings_are_known() -> None:
    said = read(b'{"event":"answer","call_id":7,"answering_number":42,"x":{"y":[1]},"z":null,"t":true}')
    assert (said["callId"], said["answeringNumber"], said["x"]) == ("7", "42", "")


def test_a_plus_that_the_sender_forgot_to_encode_is_put_back() -> None:
    assert read(b"event=newCall&from=+4930123&to= 4930&user[]=+x")["from"] == "+4930123"


@pytest.mark.parametrize(
    ("body", "member"),
    [
        (b"", "event"),
        (b"{", "body"),
        (b"[]", "event"),
        (b"\xff", "body"),
        (b'{"event":7.5e400,"callId":{}}', "callId"),
        (b'{"event":["newCall",{}]}', "event"),
        (b'{"event":"\\ud83d"}', "event"),
        (b'{"event":"' + b"x" * 41 + b'"}', "event"),
        (b"event=a" + b"&x=1" * 200, "body"),
        (b'{"event":"a","user":[' + b'"u",' * 200 + b'"u"]}', "body"),
        (b'{"a":' + b"[" * 60_000, "body"),
        (b"x" * (64 * 1024 + 1), "body"),
        (b'{"event":"newCall","n":' + b"9" * 5000 + b"}", "body"),
    ],
)
def test_what_cannot_be_read_is_rejected_by_name(body: bytes, member: str) -> None:
    with pytest.raises(Rejected) as caught:
        read(body)
    assert caught.value.detail == member


@given(
    st.binary(max_size=400),
    st.sampled_from(
        ["", "application/json", "multipart/form-data; boundary=a", "multipart/form-data; boundary="]
    ),
)
def test_no_bytes_break_the_reader(body: bytes, content_type: str) -> None:
    try:
        members = read(body, content_type)
    except Rejected as fault:
        assert fault.detail
        return
    assert members["event"]
