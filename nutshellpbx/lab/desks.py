"""Many desks in one process: each long-polls as the client does, and fetches the page that it is told to
open.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from nutshellpbx import wire


@dataclass
class Desks:
    """Desks with their tokens; `opened` has the moment (Unix time) at which each page was asked for, by
    path; `shown` and `gone` those at which cards and pages of a call came and were taken away, by its key.
    """

    push_url: str
    tokens: list[str]
    opened: dict[str, float] = field(default_factory=dict)
    shown: dict[str, list[float]] = field(default_factory=dict)
    gone: dict[str, list[float]] = field(default_factory=dict)
    waiting: int = 0

    def start(self) -> None:
        """Let all desks wait for calls on a thread of their own."""
        self._loop = asyncio.new_event_loop()
        self._ended = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        until = time.monotonic() + 30
        while self.waiting < len(self.tokens) and time.monotonic() < until:
            time.sleep(0.05)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._ended.set_result, None)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._wait_all())
        self._loop.close()

    async def _wait_all(self) -> None:
        tasks = [asyncio.ensure_future(self._wait(token)) for token in self.tokens]
        await self._ended
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, token: str) -> None:
        """One desk, connecting again whenever the server goes away."""
        cursor = 0
        while True:
            try:
                split = urlsplit(self.push_url)
                reader, writer = await asyncio.open_connection(split.hostname, split.port)
            except OSError:
                await asyncio.sleep(0.2)
                continue
            try:
                cursor = await self._poll(reader, writer, token, cursor)
            except (OSError, asyncio.IncompleteReadError, ValueError):
                await asyncio.sleep(0.2)
            finally:
                await _close(writer)

    async def _poll(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str, cursor: int
    ) -> int:
        """Poll over one connection until it ends; raises OSError and the like then."""
        host = urlsplit(self.push_url).netloc
        is_first = cursor == 0
        while True:
            head = f"GET /push/instructions?after={cursor}&wait=25 HTTP/1.1\r\nHost: {host}\r\n"
            writer.write(f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
            await writer.drain()
            if is_first:
                is_first, self.waiting = False, self.waiting + 1
            batch = wire.read_batch(await _body(reader))
            cursor = batch.cursor
            for instruction in batch.instructions:
                if isinstance(instruction, wire.Instruction):
                    await self._follow(instruction)

    async def _follow(self, instruction: wire.Instruction) -> None:
        moments = self.gone if instruction.verb is wire.Verb.WITHDRAW else self.shown
        moments.setdefault(instruction.call, []).append(time.time())
        if instruction.page is not None:
            self.opened.setdefault(instruction.page.path, time.time())
            split = urlsplit(instruction.page.origin)
            reader, writer = await asyncio.open_connection(split.hostname, split.port)
            path = quote(instruction.page.path)
            head = f"GET {path} HTTP/1.1\r\nHost: {split.netloc}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            await reader.read()
            await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _body(reader: asyncio.StreamReader) -> bytes:
    """The body of one answer with a Content-Length, or in chunks."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
        return body
    length = head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
    return await reader.readexactly(int(length))
