"""What this desktop is, in the words that the server shows."""

from __future__ import annotations

import platform
import socket

from nutshellpbx import __version__
from nutshellpbx.client.browsers import find_installed
from nutshellpbx.wire import Browser, DeviceReport, clean


def find_name() -> str:
    """This machine's own name."""
    return clean(socket.gethostname(), most=80) or "desktop"


def find_os() -> str:
    """The system and its version, e.g. `Linux 6.1.0`."""
    return clean(f"{platform.system()} {platform.release()}", most=80)


def make_report(origins: tuple[str, ...]) -> DeviceReport:
    """The report of this desktop."""
    return DeviceReport(
        client_version=__version__,
        os=find_os(),
        browsers=tuple(Browser(one.id, one.label) for one in find_installed()),
        confirmed_origins=origins,
    )
