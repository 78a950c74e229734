from __future__ import annotations

import base64
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from nutshellpbx.lab.signing import read_secret, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_reference_library_makes_the_same_signatures() -> None:
    rng = random.Random(3)
    for size in (0, 1, 200, 5000):
        body = bytes(rng.choices(range(32, 127), k=size)).decode()
        moment = datetime.fromtimestamp(rng.randrange(1_600_000_000, 1_900_000_000), UTC)
        ours = sign(
            secret=SECRET, message_id=f"msg_{size}", timestamp=int(moment.timestamp()), body=body.encode()
        )
        assert ours == Webhook(SECRET).sign(f"msg_{size}", moment, body)


def test_each_part_of_a_message_is_signed() -> None:
    whole: dict[str, Any] = {
        "secret": SECRET,
        "message_id": "msg_1",
        "timestamp": 1_700_000_000,
        "body": b"{}",
    }
    other = {
        "secret": "whsec_" + base64.b64encode(b"another").decode(),
        "message_id": "msg_2",
        "timestamp": 1_700_000_001,
        "body": b"{ }",
    }
    signatures = {sign(**whole)} | {sign(**(whole | {name: value})) for name, value in other.items()}
    assert len(signatures) == 5
    assert all(signature.startswith("v1,") for signature in signatures)


@pytest.mark.parametrize("text", ["", "secret", "whsec_", "whsec_***", "WHSEC_MfKQ"])
def test_a_malformed_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="webhook secret"):
        read_secret(text)
