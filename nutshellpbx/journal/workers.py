"""Who works here: names of workers, from which others on the box can tell that one is gone for certain."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from pathlib import Path

from nutshellpbx.journal import box

_PROC = Path("/proc")
_PLACE_FIELDS = 3
_numbers = count(1)
_open_shifts: set[str] = set()


def worker_name() -> str:
    """This process, as `box:boot:namespace:process:start`, unlike any other one, before or after it."""
    return _name_of(os.getpid())


@contextmanager
def shift() -> Iterator[str]:
    """A name for one go at the outbox, as `worker_name` with a number behind it.

    Whatever still bears it afterwards was left behind, though the process lives: the database did not take
    the giving back, because the disk was full or a lock was held.
    """
    name = f"{worker_name()}:{next(_numbers)}"
    _open_shifts.add(name)
    try:
        yield name
    finally:
        _open_shifts.discard(name)


def is_dead(name: str) -> bool:
    """Whether who had this name is certainly gone; False for one that cannot be seen from here."""
    fields = name.split(":")
    place, rest = fields[:_PLACE_FIELDS], fields[_PLACE_FIELDS:]
    if len(rest) not in {2, 3} or "" in place:
        return False  # a place that could not be told is nowhere for certain
    if ":".join(place) != _place() or not _PROC.joinpath("self").exists():
        return False
    process_id, start = rest[:2]
    if _start_of(process_id) != start:
        return True
    is_ours = process_id == str(os.getpid())
    return is_ours and len(rest) == 3 and name not in _open_shifts


@lru_cache(maxsize=4)
def _name_of(process_id: int) -> str:
    return f"{_place()}:{process_id}:{_start_of(str(process_id))}"


def _place() -> str:
    """This box since its last start, as far as its processes can see each other.

    A virtual machine that was cloned while it ran has the same name and boot; only its network card differs.
    """
    boot = _read(_PROC / "sys/kernel/random/boot_id")[:8]
    machine = box.this_machine()
    which = machine.digest[:6] + "".join(machine.cards)[:6]
    try:
        namespace = str((_PROC / "self/ns/pid").readlink()).strip("pid:[]")
    except OSError:
        namespace = ""
    return f"{socket.gethostname()[:40].replace(':', '-')}-{which}:{boot}:{namespace}"


def _start_of(process_id: str) -> str:
    """When a process began, in ticks since the box started; empty when there is none (a zombie has ended)."""
    if not process_id.isdigit():
        return ""
    # The name in brackets may hold anything; after it the state is the 1st field and the start the 20th.
    fields = _read(_PROC / process_id / "stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in "ZX" else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
