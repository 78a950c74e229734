"""One listener per company: a file lock on one box, an advisory lock on PostgreSQL; no clocks."""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connection, connections

TRY_AGAIN_S = 1.0
#: The lock's own connection finds out within seconds that nobody is there any more (libpq's names).
QUICK_TO_NOTICE: Final = {
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class Lost(Exception):
    """The lock is gone: another process may hold it by now, so this one has to end."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The lock while it is held; `check` raises Lost when it is not any more."""

    check: Callable[[], None]


@contextmanager
def hold(*, name: str, stop: Callable[[], bool]) -> Iterator[Hold | None]:
    """Wait until this process is the only one of its name, then hold that until the end; None when
    stopped.
    """
    if connection.vendor == "postgresql":
        yield from _advisory(name, stop)
    else:
        yield from _file(name, stop)


def _file(name: str, stop: Callable[[], bool]) -> Iterator[Hold | None]:
    with (settings.NUTSHELLPBX_DIR / f"{name}.lock").open("w") as lock:
        while not stop():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(TRY_AGAIN_S)
                continue
            yield Hold(check=lambda: None)  # the kernel takes it from nobody who lives
            return
        yield None


def _advisory(name: str, stop: Callable[[], bool]) -> Iterator[Hold | None]:
    key = int.from_bytes(hashlib.sha256(f"nutshellpbx:{name}".encode()).digest()[:8], "big", signed=True)
    # a connection of its own: the lock lives exactly as long as it, whatever the others do
    own = connections.create_connection(DEFAULT_DB_ALIAS)
    options = {**own.settings_dict.get("OPTIONS", {}), **QUICK_TO_NOTICE}
    own.settings_dict = {**own.settings_dict, "OPTIONS": options}

    def check() -> None:
        try:
            cursor.execute("SELECT 1")
        except Error as error:
            raise Lost(f"The connection that holds the lock “{name}” broke.") from error

    try:
        with own.cursor() as cursor:
            while not stop():
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
                if cursor.fetchone()[0]:
                    yield Hold(check)
                    return
                time.sleep(TRY_AGAIN_S)
            yield None
    finally:
        own.close()
