"""A small real disk in a file (ext4 on a loop device), which can be filled to the last byte."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

PROGRAMS = ("mkfs.ext4", "mount", "umount")


class LoopDisk:
    """`size_mb` megabytes, mounted at `place`; raises OSError where this machine does not allow it."""

    def __init__(self, image: Path, place: Path, *, size_mb: int) -> None:
        self.place = place
        self._image = image
        self._filler = place / "filler"
        place.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            file.truncate(size_mb * 1024 * 1024)
        # -m 0: nothing is kept back for root, which the tests run as
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        _run("mount", "-o", "loop", str(image), str(place))

    def fill(self) -> int:
        """Take all space that is left, to the last byte; how many bytes that were."""
        taken = 0
        with self._filler.open("ab", buffering=0) as file:
            for size in (1024 * 1024, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        taken += file.write(b"\0" * size)
            with contextlib.suppress(OSError):
                os.fsync(file.fileno())
        return taken

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink(missing_ok=True)

    def stop(self) -> None:
        """Unmount it and delete it."""
        subprocess.run([_find("umount"), "-l", str(self.place)], check=False, capture_output=True)
        self._image.unlink(missing_ok=True)

    def __enter__(self) -> LoopDisk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run([_find(program), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(errno.EPERM, f"{program} failed: {done.stderr.strip()[-300:]}")


def _find(program: str) -> str:
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if path is None:
        raise OSError(errno.ENOENT, f"{program} is not on this machine")
    return path
