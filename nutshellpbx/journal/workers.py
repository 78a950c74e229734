"""Who works here: names of worker processes, from which others on the box can tell that one died."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path

from nutshellpbx.journal import box

_PROC = Path("/proc")


def worker_name() -> str:
    """This process, as `box:boot:namespace:process:start`, unlike any other one, before or after it."""
    return _name_of(os.getpid())


def is_dead(name: str) -> bool:
    """Whether the process of that name has certainly ended; False for one that cannot be seen from here."""
    place, _, rest = name.rpartition(":")
    place, _, process_id = place.rpartition(":")
    if "" in place.split(":"):
        return False  # a place that could not be told is nowhere for certain
    return place == _place() and _PROC.joinpath("self").exists() and _start_of(process_id) != rest


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
