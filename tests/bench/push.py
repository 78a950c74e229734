"""How fast a waiting desk is told: `python -m tests.bench.push [--desks 50] [--calls 200] [--per-second 5]`.

From the moment when the instruction is to be put until a desk has its bytes: a real push process, real Redis,
SQLite with full synchronisation; the desks are a process of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


async def poll_for_ever(port: int, token: str) -> None:
    """One desk: long polls on one connection; prints each instruction's id with the time of its arrival."""
    after = 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        writer.write(
            f"GET /push/instructions?after={after}&wait=25 HTTP/1.1\r\nHost: push\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [
            line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        ]
        if lengths:
            body = await reader.readexactly(int(lengths[0]))
        else:
            body = b""
            while size := int(await reader.readline(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readline()
        came_at = time.time()
        batch = json.loads(body)
        after = batch["cursor"]
        for instruction in batch["instructions"]:
            print(instruction["id"], came_at, flush=True)


async def be_desks(port: int, tokens: list[str]) -> None:
    await asyncio.gather(*(poll_for_ever(port, token) for token in tokens))


def measure(desks: int, calls: int, per_second: float) -> None:
    folder = Path(tempfile.mkdtemp(prefix="npbx-"))
    os.environ |= {
        "NUTSHELLPBX_DIR": str(folder),
        "NUTSHELLPBX_REDIS_URL": f"unix://{folder}/r.sock",
        "DJANGO_SETTINGS_MODULE": "nutshellpbx.settings",
    }
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from nutshellpbx import doorbell
    from tests.desktop.people import make_device, make_user, put
    from tests.desktop.servers import end, start_push, start_redis, wait_until

    call_command("migrate", verbosity=0, skip_checks=True)
    pairs = [(user, *make_device(user)) for user in (make_user(f"u{n}@example.com") for n in range(desks))]
    with start_redis(folder) as redis, start_push(folder, redis.socket) as push:
        import requests

        wait_until(lambda: requests.get(f"{push.url}/push/healthz", timeout=5).json()["redis"])
        argv = [sys.executable, "-m", "tests.bench.push", "--port", str(push.port)]
        crowd = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert crowd.stdin is not None and crowd.stdout is not None
        crowd.stdin.write(json.dumps([token for _user, _device, token in pairs]))
        crowd.stdin.close()
        wait_until(lambda: requests.get(f"{push.url}/push/healthz", timeout=5).json()["polls"] == desks)
        began_at, committed_at = {}, {}
        for number in range(calls):
            user = pairs[number % desks][0]
            began = time.time()
            (row,) = put(user, call_key=f"pbx:{number}", now=timezone.now())
            began_at[str(row.uid)], committed_at[str(row.uid)] = began, time.time()
            time.sleep(max(0.0, 1 / per_second - (time.time() - began)))
        whole, wake = [], []
        for _call in range(calls):
            uid, came_at = crowd.stdout.readline().split()
            whole.append((float(came_at) - began_at[uid]) * 1000)
            wake.append((float(came_at) - committed_at[uid]) * 1000)
        end(crowd)  # type: ignore[arg-type]
        for name, values in (("put → desk has it", whole), ("commit → desk has it", wake)):
            cuts = statistics.quantiles(values, n=100)
            print(f"{name}: p50 {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms")
        print(f"{desks} desks, {calls} calls at {per_second:g} per second; bell: {doorbell.count()}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--desks", type=int, default=50)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--per-second", type=float, default=5)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.port:
        asyncio.run(be_desks(arguments.port, json.load(sys.stdin)))
    else:
        measure(arguments.desks, arguments.calls, arguments.per_second)


if __name__ == "__main__":
    main()
