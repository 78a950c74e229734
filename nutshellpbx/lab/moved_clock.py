"""A wall clock that can be moved while programs run that read it; counters (monotonic, boot time) stay right.

A few lines of C, preloaded into each program, add an offset to CLOCK_REALTIME; the offset stands in a file
that all of them map, so a jump reaches all of them at the same moment. (libfaketime would be the usual way;
its version 0.9.10 makes absolute sleeps on the monotonic clock fail, which Python's `time.sleep` are.)
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offset_s;

__attribute__((constructor)) static void find_offset(void) {
    const char *path = getenv("MOVED_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *place = mmap(0, sizeof *offset_s, PROT_READ, MAP_SHARED, file, 0);
    if (place != MAP_FAILED) offset_s = place;
    close(file);
}

int clock_gettime(clockid_t which, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, which, at);
    if (!failed && offset_s && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        at->tv_sec += *offset_s;
    return failed;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


class MovedClock:
    """The clock of every program that is started with `env`; raises OSError where nothing can be compiled."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise OSError("a moved clock takes a C compiler (apt-get install gcc libc6-dev)")
        self._offset = folder / "clock_offset"
        self._offset.write_bytes(struct.pack("<q", 0))
        source, library = folder / "moved_clock.c", folder / "moved_clock.so"
        source.write_text(SOURCE, encoding="ascii")
        argv = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"the moved clock could not be compiled: {done.stderr.strip()[-300:]}")
        self.offset_s = 0
        self.env = {"LD_PRELOAD": str(library), "MOVED_CLOCK": str(self._offset)}

    def now(self) -> datetime:
        """What it shows."""
        return datetime.now(UTC) + timedelta(seconds=self.offset_s)

    def move(self, seconds: int) -> None:
        """Let it be so many seconds off the right time from now on; 0 is right again."""
        self.offset_s = seconds
        handle = os.open(self._offset, os.O_WRONLY)
        try:
            os.pwrite(handle, struct.pack("<q", seconds), 0)
        finally:
            os.close(handle)
