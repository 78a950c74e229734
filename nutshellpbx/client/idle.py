"""How long nobody has used keyboard or mouse here, where the system tells: pages open on the desk in use."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

ASK_S = 1.0


def find_idle_s() -> int | None:
    """Whole seconds; None where this system does not tell."""
    if sys.platform == "win32":
        return _on_windows()
    if sys.platform == "darwin":
        # Nanoseconds, once per input system.
        return _ask(
            ["/usr/sbin/ioreg", "-c", "IOHIDSystem", "-d", "4"], r'"HIDIdleTime" = (\d+)', 1_000_000_000
        )
    if program := shutil.which("xprintidle"):
        return _ask([program], r"^(\d+)", 1000)
    if program := shutil.which("gdbus"):
        monitor = "org.gnome.Mutter.IdleMonitor"
        place = ["--dest", monitor, "--object-path", "/org/gnome/Mutter/IdleMonitor/Core"]
        return _ask(
            [program, "call", "--session", *place, "--method", f"{monitor}.GetIdletime"],
            r"uint64 (\d+)",
            1000,
        )
    return None


def _ask(argv: list[str], pattern: str, per_second: int) -> int | None:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(pattern, done.stdout.decode("utf-8", "replace"), re.MULTILINE)
    return int(found[1][:18]) // per_second if found else None


def _on_windows() -> int | None:
    if sys.platform != "win32":  # for the type checker: `windll` exists there only
        return None
    import ctypes

    class LastInput(ctypes.Structure):
        _fields_ = (("size", ctypes.c_uint), ("ticks", ctypes.c_uint))

    last = LastInput(ctypes.sizeof(LastInput), 0)
    if not ctypes.windll.user32.GetLastInputInfo(ctypes.byref(last)):
        return None
    passed: int = (ctypes.windll.kernel32.GetTickCount() - last.ticks) & 0xFFFFFFFF
    return passed // 1000
