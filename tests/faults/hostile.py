"""One box for all hostile surroundings that a running box can be put into: a proxy on each of its ways, a
disk of its own, a clock that can be moved. Its fixture `hostile` lives for the whole run of the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nutshellpbx.lab.loop_disk import LoopDisk
from nutshellpbx.lab.moved_clock import MovedClock
from nutshellpbx.lab.office import Office
from nutshellpbx.lab.openers import recorder
from nutshellpbx.lab.proxy import Proxy
from tests.faults.box import Box, open_box
from tests.faults.traffic import FIRST_LINE

DISK_MB = 160
NOWHERE = ("127.0.0.1", 9)


@dataclass(slots=True)
class Hostile:
    """The box, its ways by name, its disk and its clock (None, with the reason, where there can be none)."""

    box: Box
    ways: dict[str, Proxy]
    disk: LoopDisk | None
    no_disk: str
    clock: MovedClock | None
    no_clock: str
    folder: Path

    def opened(self) -> list[str]:
        """The addresses of the pages that the desk was told to open."""
        return self.box.office.desks[0].opened()


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    folder: Path = tmp_path_factory.mktemp("hostile")
    disk, no_disk = find_disk(folder)
    clock, no_clock = find_clock(folder)
    ways = {
        "pbx": Proxy(NOWHERE),
        "redis": Proxy(NOWHERE, path=folder / "redis.sock"),
        "crm": Proxy(NOWHERE),
        "desk": Proxy(NOWHERE),
    }

    def prepare(office: Office) -> None:
        ways["pbx"].target = ("127.0.0.1", office.web_port)
        ways["redis"].target = str(office.data / "redis.sock")
        ways["desk"].target = ("127.0.0.1", office.push_port)
        office.env["NUTSHELLPBX_REDIS_URL"] = f"unix://{ways['redis'].address}"
        office.env["NUTSHELLPBX_PUSH_URL"] = ways["desk"].url
        office.env |= clock.env if clock else {}

    def by_proxy(address: str) -> str:
        split = urlsplit(address)
        ways["crm"].target = (str(split.hostname), int(split.port or 0))
        return ways["crm"].url

    box = open_box(folder, data=disk.place / "data" if disk else None, prepare=prepare, crm_by=by_proxy)
    try:
        box.hook = f"{ways['pbx'].url}/hooks/{box.office.ids['pbx']}/events"
        email = f"line{FIRST_LINE}@harbortools.example"
        box.office.add_desk(email=email, opener=recorder(folder / "opened.txt"), name="desk")
        yield Hostile(box, ways, disk, no_disk, clock, no_clock, folder)
    finally:
        box.office.stop()
        for way in ways.values():
            way.stop()
        if disk:
            disk.stop()


@pytest.fixture(scope="session")
def spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A second, plain box, for attacks after which a box searches before it writes, which takes its time."""
    box = open_box(tmp_path_factory.mktemp("spare"), contacts=1500)
    yield box
    box.office.stop()


def find_disk(folder: Path) -> tuple[LoopDisk | None, str]:
    """A disk of the box's own, or why there is none."""
    try:
        return LoopDisk(folder / "disk.img", folder / "disk", size_mb=DISK_MB), ""
    except OSError as error:
        return (
            None,
            f"no disk of its own can be mounted on this machine ({error}; it takes root and loop devices)",
        )


def find_clock(folder: Path) -> tuple[MovedClock | None, str]:
    """A clock that can be moved, or why there is none."""
    try:
        return MovedClock(folder), ""
    except OSError as error:
        return None, str(error)
