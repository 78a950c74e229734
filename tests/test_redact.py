"""What must never be read in a log, in every shape that a log line would carry plainly."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import time
import traceback
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nutshellpbx.redact import (
    Secret,
    mask_number,
    scrub,
)

CANARY = "npbxd_Zk3vQ8mY1tB6wR0pLx9cHs7J"
KEY = "4f9c2d7be01a6358c9d4f7a2b1e0c3d596874a5b"


# ------------------------------------------------------------------------------------------------ Secret
def test_secret_shows_asterisks_in_every_way_of_printing() -> None:
    secret = Secret(KEY)
    shown = [
        f"{secret}",
        f"{secret!r}",
        f"{secret!s}",
        f"{secret:>40}",
        str(secret),
        repr([secret]),
        f"{secret}",
    ]
    shown.append("{!r}".format({"k": secret}))
    assert all(KEY not in text and "***" in text for text in shown)


def test_secret_is_read_by_reveal_only() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    assert not hasattr(secret, "__dict__")


def test_secret_cannot_be_pickled_or_written_as_json() -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError) as caught:
            pickle.dumps(Secret(KEY), protocol)
        assert KEY not in str(caught.value)
    with pytest.raises(TypeError):
        json.dumps({"key": Secret(KEY)})


def test_secret_equals_the_same_secret_and_nothing_else() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("ü") == Secret("ü")
    assert copy.deepcopy({"k": Secret("a")})["k"] == Secret("a")
    with pytest.raises(TypeError):
        hash(Secret("a"))


def test_secret_is_not_shown_by_a_traceback() -> None:
    def fail(key: Secret) -> None:
        raise ValueError(f"bad key {key}")

    try:
        fail(Secret(KEY))
    except ValueError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "bad key ***" in text
    assert f"'{KEY}'" not in text.replace(f"KEY = '{KEY}'", "")


# ------------------------------------------------------------------------------------------- mask_number
@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+13125550142", "•••0142"),
        ("+1 (312) 555-0142", "•••0142"),
        ("101", "101"),
        ("", ""),
        ("anonymous", "•••"),
        ("12345", "•••2345"),
        ("٠٣٢١٤٥٦٧٨٩", "•••٦٧٨٩"),
    ],
)
def test_mask_number_shows_the_last_four_digits(number: str, shown: str) -> None:
    assert mask_number(number) == shown


# ------------------------------------------------------------------------------------------------- scrub
@pytest.mark.parametrize(
    "line",
    [
        f"Authorization: Basic {base64.b64encode(b'ann@example.com:hunter2').decode()}",
        "authorization: basic aHVudGVyMg==",
        "{'Authorization': 'Bearer hunter2', 'Accept': 'x'}",
        "{'Authorization': b'Bearer hunter2'}",
        r'{"headers": "{\"Authorization\": \"Bearer hunter2\"}"}',
        r"b'POST / HTTP/1.1\r\nAuthorization: Basic aHVudGVyMg==\r\nAccept: */*'",
        r"GET /\nBearer hunter2",
        "HTTP_AUTHORIZATION=Digest username='a', response='hunter2'",
        "Proxy-Authorization: Basic hunter2",
        "Cookie: session=hunter2; csrftoken=aHVudGVyMg==",
        "api_key=hunter2",
        "apiKey: 'hunter2'",
        'X-Api-Key = "hunter2"',
        "?api_key=hunter2&x=1",
        "?API%20key%3Dhunter2",
        'password: "hunter2 hunter2"',
        "passwd=hunter2,next",
        "client_secret=>hunter2",
        "webhook-signature: v1,hunter2aHVudGVyMg==aHVudGVyMg==aHVudGVyMg==",
        "https://ann:hunter2@crm.example.com/path",
        "postgres://npbx:hunter2@db:5432/x",
        "whsec_hunter2",
        "WHSEC_hunter2",
        "npbxd_hunter2",
        "npbx_hunter2/x",
        "token hunter2 is token=hunter2".replace("token hunter2 is ", ""),
        "Bearer: hunter2",
        'bearer "hunter2"',
    ],
)
def test_secrets_by_name_are_hidden(line: str) -> None:
    text = scrub(line)
    assert "hunter2" not in text
    assert "aHVudGVyMg" not in text


@pytest.mark.parametrize(
    "kept",
    [
        "call 5e0c9a6e-2b1d-4a77-8f25-446655440000 answered",
        "2026-11-22 15:54:24,123 INFO nutshellpbx.calls ring",
        "2026-11-22T15:54:24.123456+00:00",
        "done at 15:54:24.123456",
        "client 192.168.100.200:40123 gone",
        "uid 1732290864.1234 ended",
        "took 0.00123456 s",
        '  File "/npbx/lib/python3.11/site-packages/django/core/handlers/exception.py", line 55, in inner',
        "in test_second_ring_of_same_leg_shows_nothing_new",
        "GET /people/5e0c9a6e-2b1d-4a77-8f25-446655440000/calls/open 200",
        "extension 101 rang, 4 of 12 desks, port 8001",
        "key_id 0002-3fa9c1d2 of purpose crm",
        "/var/lib/nutshellpbx/keys/public/crm-0001-3fa9c1d2.pub has mode 0644",
    ],
)
def test_what_is_no_secret_stays_readable(kept: str) -> None:
    assert scrub(kept) == kept


@pytest.mark.parametrize(
    "spelled",
    [
        "+13125550142",
        "13125550142",
        "(312) 555-0142",
        "312.555.0142",
        "+49 171 5550142",
        "0171/5550142",
        "5550142",
        "12.34.01.42",
        "sip:+13125550142@pbx.example",
        "number=3125550142&x",
        "%2B13125550142",
        "1%20312%20555%200142",
        "tel:+1-312-555-0142",
        "312\u2011555\u20110142",
        "312\u00a0555\u00a00142",
    ],
)
def test_numbers_keep_their_last_four_digits(spelled: str) -> None:
    text = scrub(f"ring from {spelled} now")
    assert "•••0142" in text
    assert "555" not in text
    assert "12.34" not in text


def test_line_ends_and_reading_direction_are_escaped() -> None:
    text = scrub("a\r\n2026-01-01 INFO forged\x1b[2J\x00\u2028b\u202ec")
    assert text.startswith(r"a\r\n2026-01-01 INFO forged\x1b[2J\x00")
    assert text.isprintable()


@given(st.text(max_size=300))
def test_any_text_becomes_one_line(text: str) -> None:
    assert not any(mark in scrub(text) for mark in "\r\n\x00\x1b\u2028")


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Basic hunter2",
        "{'Authorization': 'Bearer hunter2', 'token': 'hunter2'}",
        f"from +13125550142 with {CANARY} and {KEY}\r\nnext",
        "https://ann:hunter2@crm.example.com/?api_key=hunter2",
    ],
)
def test_a_line_that_passes_two_filters_stays_as_the_first_left_it(line: str) -> None:
    assert scrub(scrub(line)) == scrub(line)


_surroundings = st.text(" .,:;'\"(){}[]<>=&?\\\n\r\tü", max_size=20)


@given(secret=st.binary(min_size=24, max_size=64), before=_surroundings, after=_surroundings)
def test_no_random_key_survives_in_hex_or_base64(secret: bytes, before: str, after: str) -> None:
    plain = base64.b64encode(secret).decode()
    for canary in [secret.hex(), secret.hex().upper(), base64.urlsafe_b64encode(secret).decode(), plain]:
        assert canary not in scrub(f"{before} {canary} {after}")
        assert quote(canary, safe="") not in scrub(f"{before} {quote(canary, safe='')} {after}")


_token = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=8, max_size=48)


@given(kind=st.sampled_from(["npbx_", "npbxd_", "npbxh_", "whsec_"]), rest=_token, before=_surroundings)
def test_no_token_of_ours_survives(kind: str, rest: str, before: str) -> None:
    for line in [f"{before}{kind}{rest} x", repr(before + kind + rest), json.dumps({"x": kind + rest})]:
        assert rest not in scrub(line)


@given(
    key=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40).filter(
        lambda key: (
            len(set(key)) > 3 and key.strip("*").lower() not in "api_key password secret token authorization"
        )
    )
)
def test_no_basic_sign_in_survives_in_any_encoding(key: str) -> None:
    header = "Basic " + base64.b64encode(f"ann@example.com:{key}".encode()).decode()
    encoded = header.split()[1]
    for line in [
        f"sending Authorization: {header}",
        repr({"Authorization": header}),
        json.dumps({"headers": {"Authorization": header}}),
        json.dumps({"raw": json.dumps({"Authorization": header})}),
        f"/x?auth={quote(header)}",
        f"/x?auth={quote_plus(header)}",
        header,
    ]:
        assert encoded.rstrip("=") not in scrub(line)


@given(digits=st.text("0123456789", min_size=7, max_size=15), national=st.booleans())
def test_no_number_survives_at_full_length(digits: str, national: bool) -> None:
    number = digits if national else f"+{digits}"
    lines = [
        f"from {number}.",
        repr(number),
        f"/x?n={quote(number)}",
        json.dumps({"n": number}),
        f"a{number}b",
    ]
    for line in lines:
        assert digits not in scrub(line)


def test_a_hostile_line_takes_no_longer_than_its_length_says() -> None:
    def seconds(line: str) -> float:
        started = time.process_time()
        scrub(line)
        return time.process_time() - started

    for piece in [
        "a",
        "token",
        "token\\",
        'token="\\',
        "csrf",
        "://",
        "a:",
        "1 ",
        "1-",
        "%41",
        "/a",
        "a_",
        "Basic ",
        "-",
    ]:
        assert seconds((piece * 100_000)[:100_000]) < 5, piece


@pytest.mark.parametrize("token", ["summer", "whsec_cHJhY3RpY2U+/9=", "a%2Fb", "Ab3"])
def test_what_stands_behind_a_hooks_address_is_hidden_however_short(token: str) -> None:
    address = "/hooks/5f1d4ff0-1111-4c52-9c62-111111111111/events/"
    assert scrub(f"Unauthorized: {address}{token}") == f"Unauthorized: {address}***"
    assert scrub(f"Unauthorized: {address}{token}?x=1") == f"Unauthorized: {address}***?x=1"
