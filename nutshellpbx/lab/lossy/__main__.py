"""python -m nutshellpbx.lab.lossy PLACE [--model strict|ordered] [--sync-s S]: mount a forgetful disk there.

It says ``mounted`` and then obeys lines on its input, each answered with one line of JSON: ``cut SHARE SEED``
(the power goes and comes back: all that was not synced is gone, the disk is mounted anew) and ``sync``
(everything lasts). An fsync takes `--sync-s` seconds; one that is under way when the power goes has kept
nothing. It ends, unmounted, with its input.
"""

from __future__ import annotations

import argparse
import json
import os
import select
from dataclasses import asdict
from pathlib import Path
from random import Random

from nutshellpbx.lab.lossy.disk import MODELS, Disk
from nutshellpbx.lab.lossy.kernel import Server, mount, unmount


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m nutshellpbx.lab.lossy")
    parser.add_argument("place", type=Path)
    parser.add_argument("--model", choices=MODELS, default="strict")
    parser.add_argument("--sync-s", type=float, default=0.002)
    given = parser.parse_args()
    orders = Orders()
    disk = Disk(model=given.model)

    def serve() -> Server:
        return Server(
            disk, mount(given.place), may_sync=lambda: not orders.is_cut_within(seconds=given.sync_s)
        )

    server = serve()
    print("mounted", flush=True)
    try:
        while not orders.ended:
            ready, _, _ = select.select([server.device, *orders.sources()], [], [])
            if server.device in ready and not server.answer_one():
                return
            if len(ready) > 1 or server.device not in ready:
                orders.read()
            while words := orders.next():
                said: dict[str, int] = {}
                if words[0] == "cut":
                    unmount(given.place)
                    os.close(server.device)  # ends the connection: what the kernel still held is lost, too
                    said = asdict(disk.cut(share=float(words[1]), dice=Random(int(words[2]))))
                    server = serve()
                else:
                    disk.sync_all()
                print(json.dumps(said), flush=True)
    finally:
        unmount(given.place)


class Orders:
    """The lines on the input, read without a buffer of Python's, which `select` would not see."""

    def __init__(self) -> None:
        self.ended = False
        self._text = b""

    def sources(self) -> list[int]:
        return [] if self.ended else [0]

    def read(self) -> None:
        chunk = os.read(0, 4096)
        self.ended = not chunk
        self._text += chunk

    def next(self) -> list[str]:
        """The words of the next line; none when there is none."""
        line, end, rest = self._text.partition(b"\n")
        self._text = rest if end else self._text
        return line.decode().split() if end else []

    def is_cut_within(self, *, seconds: float) -> bool:
        """Wait so long; whether the power goes before that."""
        ready, _, _ = select.select(self.sources(), [], [], seconds)
        if ready:
            self.read()
        return self._text.startswith(b"cut") or self.ended


if __name__ == "__main__":
    main()
