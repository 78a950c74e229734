"""Asks the practice Nutshell over HTTP with nothing but the standard library."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from nutshellpbx.lab.nutshell.running import RunningNutshell
from nutshellpbx.lab.nutshell.store import PRACTICE_EMAIL, PRACTICE_KEY

PATCH = "application/json-patch+json"


@dataclass(frozen=True)
class Told:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]


def ask(
    nutshell: RunningNutshell,
    method: str,
    path: str,
    content: Any = None,
    *,
    query: Sequence[tuple[str, object]] = (),
    email: str | None = PRACTICE_EMAIL,
    key: str = PRACTICE_KEY,
    media_type: str = "application/json",
    headers: dict[str, str] | None = None,
    timeout_s: float = 10.0,
) -> Told:
    """One request on a connection of its own; ``path`` starts with a slash."""
    split = urlsplit(nutshell.url)
    connection = http.client.HTTPConnection(str(split.hostname), split.port, timeout=timeout_s)
    sent = {"Content-Type": media_type} | (headers or {})
    if email is not None:
        sent["Authorization"] = "Basic " + base64.b64encode(f"{email}:{key}".encode()).decode()
    body = content if isinstance(content, bytes | None) else json.dumps(content).encode()
    try:
        connection.request(method, path + (f"?{urlencode(query)}" if query else ""), body, sent)
        answer = connection.getresponse()
        return Told(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def names(told: Told, plural: str = "contacts") -> list[str]:
    """The names in a list, in its order."""
    return [record["name"] for record in told.json[plural]]


def add_note(nutshell: RunningNutshell, text: str, *, parent: str = "23-contacts", **how: Any) -> Told:
    """Write a note."""
    return ask(nutshell, "POST", "/rest/notes", {"data": {"body": text, "links": {"parent": parent}}}, **how)
