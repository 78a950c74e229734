"""A practice phone system that speaks the generic CTI form of Zammad: newCall, answer, hangup.

It names people and numbers, as such systems do, never the id of a leg; and it says nothing of time.
"""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

FORMS = ("json", "form", "multipart")


@dataclass(slots=True)
class CtiPhone:
    """Posts to one address; `form` is how it writes its members, `token` stands behind the address.

    `told` is what it posted, with the status that it got.
    """

    address: str
    token: str
    form: str = "json"
    pause_s: float = 0.3
    told: list[tuple[dict[str, Any], int]] = field(default_factory=list)

    def new_call_id(self) -> str:
        """An id as such systems make them."""
        return str(uuid.uuid4())

    def tell(self, **members: Any) -> int:
        """Post one event; the answer's status."""
        given = {name.rstrip("_"): value for name, value in members.items() if value is not None}
        body, content_type = written(given, form=self.form)
        split = urlsplit(self.address)
        connection = http.client.HTTPConnection(split.hostname or "", split.port, timeout=10)
        try:
            path = f"{split.path}/{quote(self.token, safe='/')}" if self.token else split.path
            connection.request("POST", path, body, {"Content-Type": content_type})
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        self.told.append((given, answer.status))
        return answer.status

    def rest(self, times: float = 1.0) -> None:
        """Let it ring, let them talk."""
        time.sleep(self.pause_s * times)


def written(members: dict[str, Any], *, form: str) -> tuple[bytes, str]:
    """The members as a body, and its content type; of several users each is written on its own."""
    if form == "json":
        return json.dumps(members, ensure_ascii=False).encode(), "application/json"
    pairs = [pair for name, value in members.items() for pair in _pairs(name, value)]
    if form == "form":
        return urlencode(pairs).encode(), "application/x-www-form-urlencoded"
    boundary = f"------------------------{uuid.uuid4().hex[:16]}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in pairs
    ]
    body = "".join([*parts, f"--{boundary}--\r\n"])
    return body.encode(), f"multipart/form-data; boundary={boundary}"


def answered(
    *, phone: CtiPhone, number: str, dialled: str, users: Sequence[str], answering: str | None = None
) -> str:
    """A customer calls, the phones of these users ring, one answers; the call's id."""
    call = phone.new_call_id()
    both = {"from_": number, "to": dialled, "direction": "in", "callId": call}
    phone.tell(event="newCall", user=list(users) or None, **both)
    phone.rest()
    phone.tell(event="answer", answeringNumber=answering, user=None if answering else users[0], **both)
    phone.rest(2)
    phone.tell(event="hangup", answeringNumber=answering, cause="normalClearing", **both)
    return call


def given_up(*, phone: CtiPhone, number: str, dialled: str, users: Sequence[str]) -> str:
    """A customer calls and hangs up before anybody answers; the call's id."""
    call = phone.new_call_id()
    both = {"from_": number, "to": dialled, "direction": "in", "callId": call}
    phone.tell(event="newCall", user=list(users) or None, **both)
    phone.rest(2)
    phone.tell(event="hangup", cause="cancel", **both)
    return call


def outbound(*, phone: CtiPhone, number: str, shown: str, user: str) -> str:
    """One of us calls a customer, who answers; the call's id."""
    call = phone.new_call_id()
    both = {"from_": shown, "to": number, "direction": "out", "callId": call}
    phone.tell(event="newCall", user=user, **both)
    phone.rest()
    phone.tell(event="answer", **both)
    phone.rest(2)
    phone.tell(event="hangup", cause="normalClearing", user=user, **both)
    return call


def _pairs(name: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, list):
        return [(f"{name}[]", str(single)) for single in value]
    return [(f"{name}[]" if name == "user" else name, str(value))]
