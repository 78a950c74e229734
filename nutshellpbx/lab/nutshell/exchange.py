"""One HTTP/1.1 request in, one answer out, over asyncio streams; nothing here knows the CRM."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

MOST_HEAD_BYTES = 32 * 1024
MOST_BODY_BYTES = 4 * 1024 * 1024

JSON = "application/json"
HTML = "text/html; charset=UTF-8"


class Unreadable(Exception):
    """The bytes on the connection are no HTTP request; the status says what to answer before closing."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class Request:
    """One request; header names are lower case, the path is decoded, the query keeps its order."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    keeps_alive: bool
    body: bytes = b""
    peer: str = ""

    def first(self, *names: str) -> str | None:
        """The first value of a query parameter under any of these names, or None."""
        return next((value for name, value in self.query if name in names), None)

    def every(self, *names: str) -> list[str]:
        """All values of a query parameter under any of these names."""
        return [value for name, value in self.query if name in names]

    @cached_property
    def json(self) -> Any:
        """The body read as JSON; raises ValueError."""
        return json.loads(self.body)


@dataclass
class Answer:
    """One answer; a long list comes in ``parts`` so that others are served between them."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    parts: Iterator[bytes] | None = None


def json_answer(content: Any, *, status: int = 200) -> Answer:
    """An answer that carries JSON."""
    return Answer(status=status, body=to_json(content))


def to_json(content: Any) -> bytes:
    """Write JSON as the API does, without spaces."""
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read one request, or None when the other side has closed; raises Unreadable."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise Unreadable(431) from None
    try:
        request = _read_head(head[:-4].decode("latin-1"))
    except ValueError:
        raise Unreadable(400) from None
    request.body = await _read_body(reader, request.headers)
    return request


def _read_head(head: str) -> Request:
    """Request line and headers, without the body; raises ValueError."""
    first, *lines = head.split("\r\n")
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("not HTTP/1")
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("a header without a colon")
        headers[name.lower()] = value.strip()
    split = urlsplit(target)
    connection = headers.get("connection", "").lower()
    return Request(
        method=method,
        path=unquote(split.path),
        query=parse_qsl(split.query, keep_blank_values=True, max_num_fields=200),
        headers=headers,
        keeps_alive="close" not in connection if version == "HTTP/1.1" else "keep-alive" in connection,
    )


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _read_chunks(reader)
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise Unreadable(400)
    if int(length) > MOST_BODY_BYTES:
        raise Unreadable(413)
    return await reader.readexactly(int(length)) if int(length) else b""


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        try:
            size_line = await reader.readuntil(b"\r\n")
            size = int(size_line.split(b";")[0], 16)
        except (ValueError, asyncio.LimitOverrunError):
            raise Unreadable(400) from None
        if size < 0 or len(body) + size > MOST_BODY_BYTES:
            raise Unreadable(413)
        chunk = await reader.readexactly(size + 2)
        if not size:
            return body
        body += chunk[:-2]


async def gather_body(answer: Answer) -> bytes:
    """The whole body of an answer; lets other connections run while a long one is written."""
    if answer.parts is None:
        return answer.body
    pieces = []
    for place, part in enumerate(answer.parts, start=1):
        pieces.append(part)
        if place % 40 == 0:
            await asyncio.sleep(0)
    return b"".join(pieces)


def head_of(answer: Answer, *, length: int, keeps_alive: bool) -> bytes:
    """Status line and headers of an answer."""
    try:
        reason = HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"HTTP/1.1 {answer.status} {reason}"]
    if answer.status != 204:
        lines.append(f"Content-Type: {answer.content_type}")
        lines.append(f"Content-Length: {length}")
    lines.extend(f"{name}: {value}" for name, value in answer.headers.items())
    if not keeps_alive:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
