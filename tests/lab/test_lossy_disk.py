"""The forgetful disk: what lasts, what is lost at a cut, and that SQLite can live on it."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from nutshellpbx.lab.lossy.disk import MODELS
from nutshellpbx.lab.lossy.running import LossyDisk, find_hindrance


@pytest.fixture(params=MODELS)
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LossyDisk]:
    if hindrance := find_hindrance(tmp_path / "probe"):
        pytest.skip(hindrance)
    with LossyDisk(tmp_path / "disk", model=request.param) as mounted:
        yield mounted


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def write(path: Path, content: bytes, *, sync: bool) -> None:
    with path.open("wb") as file:
        file.write(content)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def test_file_that_nobody_synced_is_gone_after_a_cut_and_a_synced_one_is_whole(disk: LossyDisk) -> None:
    write(disk.place / "kept", b"kept" * 5000, sync=True)
    sync_folder(disk.place)
    write(disk.place / "lost", b"lost" * 5000, sync=False)
    lost = disk.cut()
    assert (disk.place / "kept").read_bytes() == b"kept" * 5000
    assert not (disk.place / "lost").exists()
    assert lost["pages"] == 5


def test_change_after_the_last_sync_is_undone(disk: LossyDisk) -> None:
    path = disk.place / "file"
    write(path, b"a" * 9000, sync=True)
    sync_folder(disk.place)
    with path.open("r+b") as file:
        file.seek(4090)
        file.write(b"b" * 100)
        file.truncate(6000)
    assert path.stat().st_size == 6000
    disk.cut()
    assert path.read_bytes() == b"a" * 9000


def test_rename_lasts_when_its_folder_is_synced(disk: LossyDisk) -> None:
    write(disk.place / "old", b"1", sync=True)
    sync_folder(disk.place)
    (disk.place / "old").rename(disk.place / "new")
    disk.cut()
    assert names_in(disk.place) == ["old"]
    (disk.place / "old").rename(disk.place / "new")
    sync_folder(disk.place)
    disk.cut()
    assert names_in(disk.place) == ["new"]


def test_pages_that_were_lucky_survive_whole(disk: LossyDisk) -> None:
    path = disk.place / "file"
    write(path, b"a" * 4096 * 40, sync=True)
    sync_folder(disk.place)
    with path.open("r+b") as file:
        file.write(b"b" * 4096 * 40)
    lost = disk.cut(share=0.5, seed=3)
    pages = {path.read_bytes()[at : at + 4096] for at in range(0, 4096 * 40, 4096)}
    assert pages == {b"a" * 4096, b"b" * 4096}
    assert lost["lucky"] + lost["pages"] == 40


def test_sqlite_in_wal_mode_keeps_what_it_committed_with_full_sync_from_two_connections(
    disk: LossyDisk,
) -> None:
    path = disk.place / "main.sqlite3"
    one, two = (sqlite3.connect(path, isolation_level=None) for _ in range(2))
    one.execute("PRAGMA journal_mode=WAL")
    for connection in (one, two):
        connection.execute("PRAGMA synchronous=FULL")
    one.execute("CREATE TABLE t (n)")
    for number in range(300):
        (one, two)[number % 2].execute("INSERT INTO t VALUES (?)", [number])
    assert two.execute("SELECT count(*) FROM t").fetchone() == (300,)
    disk.cut(share=0.3, seed=5)
    again = sqlite3.connect(path)
    assert again.execute("SELECT count(*), sum(n) FROM t").fetchone() == (300, sum(range(300)))
    assert again.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    again.close()


def test_sqlite_without_sync_loses_what_it_committed(disk: LossyDisk) -> None:
    path = disk.place / "main.sqlite3"
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("CREATE TABLE t (n)")
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.execute("PRAGMA synchronous=OFF")
    base.execute("INSERT INTO t VALUES (1)")
    disk.cut()
    again = sqlite3.connect(path)
    assert again.execute("SELECT count(*) FROM t").fetchone() == (0,)
    again.close()


def test_sockets_links_and_folders_work_as_on_any_disk(disk: LossyDisk) -> None:
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as calling:
        listening.bind(str(disk.place / "a.sock"))
        listening.listen()
        calling.connect(str(disk.place / "a.sock"))
    (disk.place / "folder").mkdir()
    write(disk.place / "folder" / "a", b"1", sync=False)
    os.link(disk.place / "folder" / "a", disk.place / "folder" / "b")
    (disk.place / "folder" / "c").symlink_to("a")
    assert (disk.place / "folder" / "a").stat().st_nlink == 2
    assert (disk.place / "folder" / "c").read_bytes() == b"1"
    with pytest.raises(OSError, match="not empty"):
        (disk.place / "folder").rmdir()
    (disk.place / "folder" / "a").chmod(0o600)
    for name in "abc":
        (disk.place / "folder" / name).unlink()
    (disk.place / "folder").rmdir()
    assert names_in(disk.place) == ["a.sock"]
