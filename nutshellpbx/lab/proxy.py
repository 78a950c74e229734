"""A small proxy that treats what passes through it badly: for TCP and Unix sockets, switched at run time.

It stands between any two parts. A fault counts for connections that are open already and for new ones; which
bytes it strikes at is drawn from a seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")
#: Where to: a host and a port, or the path of a Unix socket.
Address = tuple[str, int] | str

#: What each fault does; the number in brackets is its strength.
FAULTS = {
    "latency": "whatever is said arrives later [seconds at most]",
    "reset": "connections are reset after some bytes, said or answered [bytes at most]",
    "cut": "connections end after some bytes, as if the other side had hung up [bytes at most]",
    "trickle": "everything arrives a few bytes at a time [bytes per second]",
    "black_hole": "connections are taken and listened to; nothing arrives and nobody answers",
    "down": "nobody listens",
}
STRENGTH = {"latency": 1.5, "reset": 1200.0, "cut": 1200.0, "trickle": 400.0, "black_hole": 0.0, "down": 0.0}
CHUNK = 16 * 1024


@dataclass(slots=True)
class Count:
    """What befell connections so far."""

    connections: int = 0
    struck: int = 0  # reset, cut, swallowed or refused


class Proxy:
    """One way between two parts; `address` is where it listens, `target` where it leads."""

    def __init__(self, target: Address, *, path: Path | None = None, seed: int = 0) -> None:
        """Listens at once: on a Unix socket at `path`, else on a loopback port of the kernel's choice."""
        self.target = target
        self.count = Count()
        self._path = str(path) if path else ""
        self._port = 0
        self._dice = Random(seed)
        self._fault = ""
        self._strength = 0.0
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._run(self._listen())

    @property
    def address(self) -> Address:
        return self._path or ("127.0.0.1", self._port)

    @property
    def url(self) -> str:
        """Its address for clients of HTTP."""
        return f"http://127.0.0.1:{self._port}"

    def suffer(self, fault: str, *, strength: float | None = None) -> None:
        """Treat all that passes badly from now on; see FAULTS."""
        if fault not in FAULTS:
            raise ValueError(f"a fault is one of {', '.join(FAULTS)}")
        self._run(self._switch(fault, STRENGTH[fault] if strength is None else strength))

    def heal(self) -> None:
        """Pass everything on again; what was swallowed meanwhile stays lost, as are its connections."""
        self._run(self._switch("", 0.0))

    def stop(self) -> None:
        """Close everything."""
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        self._loop.close()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        if self._path:
            with contextlib.suppress(FileNotFoundError):
                Path(self._path).unlink()
            self._server = await asyncio.start_unix_server(self._meet, self._path)
        else:
            self._server = await asyncio.start_server(self._meet, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _switch(self, fault: str, strength: float) -> None:
        before, self._fault, self._strength = self._fault, fault, strength
        for link in list(self._links):
            if fault == "down" or before == "black_hole":
                link.reset()
            else:
                link.draw()
        if fault == "down" and self._server is not None:
            self._server.close()
            self._server = None
        elif fault != "down" and self._server is None:
            await self._listen()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.reset()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count.connections += 1
        link = _Link(self, writer)
        self._links.add(link)
        try:
            if isinstance(self.target, str):
                onward = await asyncio.open_unix_connection(self.target)
            else:
                onward = await asyncio.open_connection(*self.target)
            link.ends.append(onward[1])
            await asyncio.gather(link.pump(reader, onward[1]), link.pump(onward[0], writer))
        except OSError:
            link.reset()  # nobody there: the client learns it as it would without us
        finally:
            self._links.discard(link)
            for end in link.ends:
                end.close()

    def passes(self) -> bool:
        return self._fault != "black_hole"

    def draw_budget(self) -> int | None:
        """After how many bytes a connection is struck; None: never."""
        return self._dice.randrange(int(self._strength) + 1) if self._fault in ("reset", "cut") else None

    async def hold_up(self, size: int) -> int:
        """Wait as the fault wants it; how many bytes may go then."""
        if self._fault == "latency":
            await asyncio.sleep(self._dice.uniform(0.0, self._strength))
        if self._fault == "trickle":
            await asyncio.sleep(0.05)
            return max(1, min(size, int(self._strength * 0.05)))
        return size

    def strike(self, link: _Link) -> None:
        self.count.struck += 1
        if self._fault == "cut":
            link.hang_up()
        else:
            link.reset()


class _Link:
    """One connection through the proxy, with both of its ends."""

    def __init__(self, proxy: Proxy, client: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self.ends = [client]
        self._left: int | None = None
        self.draw()

    def draw(self) -> None:
        self._left = self._proxy.draw_budget()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on what comes, until one side ends."""
        try:
            while content := await reader.read(CHUNK):
                while content:
                    size = await self._proxy.hold_up(len(content))
                    if not self._proxy.passes():
                        self._proxy.count.struck += 1
                        break
                    part, content = content[:size], content[size:]
                    if self._left is not None:
                        part = part[: self._left]
                        self._left -= len(part)
                    writer.write(part)
                    await writer.drain()
                    if self._left == 0:
                        return self._proxy.strike(self)
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            self.reset()

    def hang_up(self) -> None:
        for end in self.ends:
            end.close()

    def reset(self) -> None:
        """End it without a goodbye; a TCP client gets a reset."""
        for end in self.ends:
            plain = end.get_extra_info("socket")
            if plain is not None and plain.family != socket.AF_UNIX:
                with contextlib.suppress(OSError):
                    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.transport.abort()
