"""The unit files as the tests read them, and a made-up root in which systemd's own tools judge them."""

from __future__ import annotations

import shlex
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy/systemd"
SHELTER = UNITS / "nutshellpbx-.service.d/10-shelter.conf"
OURS = sorted(path.stem for path in UNITS.glob("nutshellpbx-*.service"))

#: Debian's nginx.service, as far as it matters for the judgement.
NGINX = """[Unit]
Description=A high performance web server and a reverse proxy server
[Service]
Type=forking
PIDFile=/run/nginx.pid
ExecStart=/usr/sbin/nginx -g 'daemon on; master_process on;'
KillMode=mixed
[Install]
WantedBy=multi-user.target
"""
#: What our units name but the system brings.
BROUGHT = ("multi-user", "network", "time-set", "basic", "sysinit", "shutdown")


class Unit:
    """The settings of one unit with its shelter: every value of a name, in order."""

    def __init__(self, *paths: Path) -> None:
        self._values: defaultdict[str, list[str]] = defaultdict(list)
        for path in paths:
            for line in path.read_text(encoding="utf-8").splitlines():
                name, equals, value = line.partition("=")
                if equals and not line.startswith(("#", ";", "[")):
                    self._values[name].append(value)

    def all(self, name: str) -> list[str]:
        return self._values[name]

    def last(self, name: str) -> str:
        return self._values[name][-1] if self._values[name] else ""

    @property
    def argv(self) -> list[str]:
        """The command line as the process gets it."""
        return [part.replace("%%", "%") for part in shlex.split(self.last("ExecStart"))]

    @property
    def environment(self) -> dict[str, str]:
        parts = (part for line in self.all("Environment") for part in line.split())
        return dict(part.split("=", 1) for part in parts)


def read_unit(name: str) -> Unit:
    """One of our units with the shelter that systemd adds to it."""
    return Unit(SHELTER, UNITS / f"{name}.service")


def make_root(root: Path, *, programs: Iterable[str]) -> Path:
    """A folder that looks like a box on which the units are installed; the programs do nothing."""
    system = root / "etc/systemd/system"
    brought = root / "usr/lib/systemd/system"
    shutil.copytree(UNITS, system)
    brought.mkdir(parents=True)
    for name in BROUGHT:
        (brought / f"{name}.target").write_text("[Unit]\nDescription=as on any system\n")
    (brought / "nginx.service").write_text(NGINX)
    for program in programs:
        path = root / program.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return system
