"""Who posted, and what: signatures and JSON of the generic webhook, as bytes in and messages out.

Signed posts follow the Standard Webhooks scheme (headers webhook-id, webhook-timestamp, webhook-signature
over "id.timestamp.body", HMAC-SHA256, secret "whsec_" + base64; https://www.standardwebhooks.com). A sender
that cannot sign sends "Authorization: Bearer <secret>".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from nutshellpbx.faults import Denied, Rejected

MAX_BODY = 64 * 1024
MAX_EVENTS = 50
#: Deeper than our events by far, and shallow enough for everything that walks through a message.
MAX_DEPTH = 20
TOLERANCE_S = 300
#: How the ids begin that we make for events without one of their own.
DIGEST = "sha256:"


def check_signature(*, headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> None:
    """Return when the post is signed with the secret and fresh; raises `Denied` else."""
    message_id = headers.get("webhook-id", "")
    stamp = headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not (message_id and stamp and given):
        raise Denied(
            "This post is not signed.",
            "Send the headers webhook-id, webhook-timestamp and webhook-signature.",
        )
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12 or len(message_id) > 120:
        raise Denied("This post's timestamp or id cannot be read.", "Send the time in seconds since 1970.")
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_S:
        raise Denied(
            "This post is too old, or from the future.", "Set the clocks of both sides by the network."
        )
    signed = f"{message_id}.{stamp}.".encode("utf-8", "replace") + body
    wanted = base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest())
    versions = (part.partition(",") for part in given.split(" ")[:10])
    signatures = [value.encode("utf-8", "replace") for version, _, value in versions if version == "v1"]
    fits = [hmac.compare_digest(wanted, value) for value in signatures]  # all of them, for constant time
    if True not in fits:
        raise Denied("The signature does not fit.", "Enter this phone system's secret again at the sender.")


def check_bearer(*, headers: Mapping[str, str], secret: str) -> None:
    """Return when the post carries the secret as a bearer token; raises `Denied` else."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    fits = hmac.compare_digest(token.strip().encode("utf-8", "replace"), secret.encode())
    if scheme.lower() != "bearer" or not fits:
        raise Denied(
            "The token is missing or wrong.", "Send the header Authorization: Bearer with the secret."
        )


def read_body(body: bytes) -> list[Mapping[str, Any]]:
    """The events of a post: one JSON object, or {"events": [...]} of at most 50; raises `Rejected`."""
    if len(body) > MAX_BODY:
        raise Rejected("The post is too large.", f"Send at most {MAX_BODY} bytes.", detail="body")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected("The post is not JSON.", "Send one JSON object.", detail="body") from error
    if not isinstance(content, dict):
        raise Rejected("The post is not a JSON object.", "Send one JSON object.", detail="body")
    if _is_deep(content):
        raise Rejected("The post is nested too deep.", "Send one plain JSON object.", detail="body")
    if "events" not in content:
        return [content]
    events = content["events"]
    if not isinstance(events, list) or not 0 < len(events) <= MAX_EVENTS:
        raise Rejected("events must be a list.", f"Send 1 to {MAX_EVENTS} events.", detail="events")
    if not all(isinstance(event, dict) for event in events):
        raise Rejected("Each event must be an object.", "Send objects in events.", detail="events")
    return events


def digest_of(content: Mapping[str, Any]) -> str:
    """A name for an event without an id of its own, from everything that it says."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return DIGEST + hashlib.sha256(canonical).hexdigest()


def _is_deep(content: object) -> bool:
    """Whether a value holds values in values beyond MAX_DEPTH."""
    level: list[Any] = [content]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _key(secret: str) -> bytes:
    text = secret.removeprefix("whsec_")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()
