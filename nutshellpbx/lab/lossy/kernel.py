"""Linux's own protocol for file systems in user space, spoken without a library: /dev/fuse, version 7.31.

One thread answers one request after another from a `Disk`. The kernel keeps pages and names for as long as it
is mounted (only the kernel changes them), so shared memory maps work, as SQLite's -shm needs; record locks
and sockets are the kernel's own business. Layouts: include/uapi/linux/fuse.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path

from nutshellpbx.lab.lossy.disk import PAGE, Disk, Node

MOST_WRITTEN = 128 * 1024
FOR_EVER_S = 1_000_000
KEEP_CACHE = 2  # FOPEN_KEEP_CACHE
MNT_DETACH = 2
FATTR_MODE, FATTR_UID, FATTR_GID, FATTR_SIZE, FATTR_MTIME, FATTR_MTIME_NOW = 1, 2, 4, 8, 32, 256
#: ATOMIC_O_TRUNC, BIG_WRITES, MAX_PAGES
FLAGS = 1 << 3 | 1 << 5 | 1 << 22

HEAD = struct.Struct("<IIQQIIII")
REPLY = struct.Struct("<IiQ")
ATTRIBUTES = struct.Struct("<6Q10I")
SETATTR = struct.Struct("<IIQQQQQQIIIIIIII")
READ = struct.Struct("<QQII")

FORGET, INTERRUPT, BATCH_FORGET = 2, 36, 42
WITHOUT_ANSWER = (FORGET, INTERRUPT, BATCH_FORGET)

_libc = ctypes.CDLL(None, use_errno=True)


def mount(place: Path) -> int:
    """Mount an empty connection there; its descriptor. Raises OSError when this machine does not allow it."""
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
    if _libc.mount(b"lossy", os.fsencode(place), b"fuse.lossy", 0, options.encode()):
        number = ctypes.get_errno()
        os.close(device)
        raise OSError(number, os.strerror(number), str(place))
    return device


def unmount(place: Path) -> None:
    """Take the mount away at once, whoever still uses it."""
    _libc.umount2(os.fsencode(place), MNT_DETACH)


class Server:
    """Answers the kernel's requests for one mount, until it is unmounted or closed."""

    def __init__(self, disk: Disk, device: int, *, may_sync: Callable[[], bool] = lambda: True) -> None:
        """`may_sync` takes as long as a sync does; False: the power went before it was done."""
        self.disk, self.device, self._may_sync = disk, device, may_sync
        self._handles: dict[int, tuple[Node, int]] = {}
        self._next_handle = 1
        self._looked_up: dict[int, int] = {}
        self._answers: dict[int, Callable[[int, memoryview, HeadOf], bytes]] = {
            1: self._lookup,
            3: self._getattr,
            4: self._setattr,
            5: self._readlink,
            6: self._symlink,
            8: self._mknod,
            9: self._mkdir,
            10: self._unlink,
            11: self._rmdir,
            12: self._rename,
            13: self._link,
            14: self._open,
            15: self._read,
            16: self._write,
            17: self._statfs,
            18: self._release,
            20: self._fsync,
            25: self._flush,
            26: self._init,
            27: self._open,
            28: self._readdir,
            29: self._release,
            30: self._fsync,
            35: self._create,
            38: self._flush,
            45: self._rename,
        }

    def answer_one(self) -> bool:
        """Answer one request; False when the mount is gone."""
        try:
            request = memoryview(os.read(self.device, MOST_WRITTEN + PAGE * 2))
        except OSError as error:
            # taken back meanwhile; anything else (ENODEV) means unmounted
            return error.errno in (errno.ENOENT, errno.EINTR, errno.EAGAIN)
        _length, opcode, unique, number, uid, gid, _pid, _more = HEAD.unpack_from(request)
        body = request[HEAD.size :]
        if opcode in WITHOUT_ANSWER:
            self._note_forgotten(opcode, number, body)
            return True
        code, content = 0, b""
        try:
            answer = self._answers.get(opcode)
            if answer is None:
                raise OSError(errno.ENOSYS, "not here")
            content = answer(number, body, HeadOf(opcode, uid, gid))
        except OSError as error:
            code = -(error.errno or errno.EIO)
        except KeyError:
            code = -errno.ESTALE
        try:
            os.write(self.device, REPLY.pack(REPLY.size + len(content), code, unique) + content)
        except OSError as error:
            return error.errno == errno.ENOENT  # the one who asked was killed meanwhile
        return True

    # --- session -----------------------------------------------------------------------------------

    def _init(self, _number: int, body: memoryview, _head: HeadOf) -> bytes:
        _major, _minor, readahead, offered = struct.unpack_from("<IIII", body)
        pages = MOST_WRITTEN // PAGE
        return struct.pack(
            "<IIIIHHIIHHI28x", 7, 31, readahead, FLAGS & offered, 16, 12, MOST_WRITTEN, 1, pages, 0, 0
        )

    def _flush(self, _number: int, _body: memoryview, _head: HeadOf) -> bytes:
        return b""

    def _statfs(self, _number: int, _body: memoryview, _head: HeadOf) -> bytes:
        blocks = 1 << 20
        return struct.pack("<5Q4I24x", blocks, blocks, blocks, blocks, blocks, PAGE, 255, PAGE, 0)

    def _note_forgotten(self, opcode: int, number: int, body: memoryview) -> None:
        if opcode == FORGET:
            self._forget(number, struct.unpack_from("<Q", body)[0])
        elif opcode == BATCH_FORGET:
            for place in range(struct.unpack_from("<I", body)[0]):
                self._forget(*struct.unpack_from("<QQ", body, 8 + place * 16))

    def _forget(self, number: int, times: int) -> None:
        left = self._looked_up.get(number, 0) - times
        self._looked_up[number] = max(left, 0)
        if left <= 0 and number in self.disk.nodes:
            del self._looked_up[number]
            self.disk.forget(self.disk.nodes[number])

    # --- names -------------------------------------------------------------------------------------

    def _lookup(self, number: int, body: memoryview, _head: HeadOf) -> bytes:
        return self._entry(self.disk.find(self.disk.nodes[number], _name(body)))

    def _make(self, number: int, name: bytes, mode: int, head: HeadOf, rdev: int = 0) -> Node:
        folder = self.disk.nodes[number]
        return self.disk.make(folder, name, mode=mode, uid=head.uid, gid=head.gid, rdev=rdev)

    def _mknod(self, number: int, body: memoryview, head: HeadOf) -> bytes:
        mode, rdev, umask, _pad = struct.unpack_from("<IIII", body)
        return self._entry(self._make(number, _name(body[16:]), mode & ~umask, head, rdev))

    def _mkdir(self, number: int, body: memoryview, head: HeadOf) -> bytes:
        mode, umask = struct.unpack_from("<II", body)
        return self._entry(self._make(number, _name(body[8:]), stat.S_IFDIR | (mode & ~umask), head))

    def _symlink(self, number: int, body: memoryview, head: HeadOf) -> bytes:
        name, target = bytes(body).split(b"\0")[:2]
        node = self._make(number, name, stat.S_IFLNK | 0o777, head)
        node.target = target
        return self._entry(node)

    def _readlink(self, number: int, _body: memoryview, _head: HeadOf) -> bytes:
        return self.disk.nodes[number].target

    def _unlink(self, number: int, body: memoryview, _head: HeadOf) -> bytes:
        self.disk.remove(self.disk.nodes[number], _name(body), is_folder=False)
        return b""

    def _rmdir(self, number: int, body: memoryview, _head: HeadOf) -> bytes:
        self.disk.remove(self.disk.nodes[number], _name(body), is_folder=True)
        return b""

    def _rename(self, number: int, body: memoryview, head: HeadOf) -> bytes:
        (folder,) = struct.unpack_from("<Q", body)
        offset = 16 if head.opcode == 45 else 8
        if head.opcode == 45 and struct.unpack_from("<I", body, 8)[0]:
            raise OSError(errno.EINVAL, "no flags")
        old, new = bytes(body[offset:]).split(b"\0")[:2]
        self.disk.rename(self.disk.nodes[number], old, self.disk.nodes[folder], new)
        return b""

    def _link(self, number: int, body: memoryview, _head: HeadOf) -> bytes:
        node = self.disk.nodes[struct.unpack_from("<Q", body)[0]]
        self.disk.link(node, self.disk.nodes[number], _name(body[8:]))
        return self._entry(node)

    def _readdir(self, number: int, body: memoryview, _head: HeadOf) -> bytes:
        _handle, offset, size, _flags = READ.unpack_from(body)
        folder = self.disk.nodes[number]
        listed = [(b".", folder), (b"..", folder), *folder.names.items()]
        written = bytearray()
        for place, (name, node) in enumerate(listed[offset:], offset + 1):
            one = struct.pack("<QQII", node.number, place, len(name), node.mode >> 12) + name
            one += bytes(-len(one) % 8)
            if len(written) + len(one) > size:
                break
            written += one
        return bytes(written)

    # --- content -----------------------------------------------------------------------------------

    def _open(self, number: int, body: memoryview, _head: HeadOf) -> bytes:
        node = self.disk.nodes[number]
        flags, _more = struct.unpack_from("<II", body)
        if flags & os.O_TRUNC and not node.is_folder:
            self.disk.resize(node, 0)
        return self._handle(node, flags)

    def _create(self, number: int, body: memoryview, head: HeadOf) -> bytes:
        flags, mode, umask, _more = struct.unpack_from("<IIII", body)
        node = self._make(number, _name(body[16:]), stat.S_IFREG | (mode & ~umask & 0o7777), head)
        return self._entry(node) + self._handle(node, flags)

    def _handle(self, node: Node, flags: int) -> bytes:
        handle, self._next_handle = self._next_handle, self._next_handle + 1
        self._handles[handle] = (node, flags)
        return struct.pack("<QIi", handle, KEEP_CACHE, 0)

    def _release(self, _number: int, body: memoryview, _head: HeadOf) -> bytes:
        self._handles.pop(struct.unpack_from("<Q", body)[0], None)
        return b""

    def _read(self, _number: int, body: memoryview, _head: HeadOf) -> bytes:
        handle, offset, size, _flags = READ.unpack_from(body)
        return bytes(self._handles[handle][0].data[offset : offset + size])

    def _write(self, _number: int, body: memoryview, _head: HeadOf) -> bytes:
        handle, offset, size, _flags = READ.unpack_from(body)
        node, flags = self._handles[handle]
        self.disk.write(node, offset, body[40 : 40 + size])
        if flags & os.O_DSYNC:
            self._sync(node)
        return struct.pack("<II", size, 0)

    def _fsync(self, number: int, _body: memoryview, _head: HeadOf) -> bytes:
        self._sync(self.disk.nodes[number])
        return b""

    def _sync(self, node: Node) -> None:
        if not self._may_sync():
            raise OSError(errno.EIO, "the power is gone")
        self.disk.sync(node)

    # --- attributes --------------------------------------------------------------------------------

    def _getattr(self, number: int, _body: memoryview, _head: HeadOf) -> bytes:
        return struct.pack("<QII", FOR_EVER_S, 0, 0) + _attributes(self.disk.nodes[number])

    def _setattr(self, number: int, body: memoryview, head: HeadOf) -> bytes:
        node = self.disk.nodes[number]
        (valid, _p, _fh, size, _owner, _a, mtime, _c, _an, mtime_ns, _cn, mode, _u4, uid, gid, _u5) = (
            SETATTR.unpack_from(body)
        )
        if valid & FATTR_MODE:
            node.mode = stat.S_IFMT(node.mode) | (mode & 0o7777)
        if valid & FATTR_UID:
            node.uid = uid
        if valid & FATTR_GID:
            node.gid = gid
        if valid & FATTR_SIZE:
            self.disk.resize(node, size)
        if valid & FATTR_MTIME_NOW:
            node.mtime_ns = time.time_ns()
        elif valid & FATTR_MTIME:
            node.mtime_ns = mtime * 1_000_000_000 + mtime_ns
        return self._getattr(number, body, head)

    def _entry(self, node: Node) -> bytes:
        self._looked_up[node.number] = self._looked_up.get(node.number, 0) + 1
        return struct.pack("<QQQQII", node.number, 0, FOR_EVER_S, FOR_EVER_S, 0, 0) + _attributes(node)


class HeadOf:
    """Who asks, and for what."""

    __slots__ = ("gid", "opcode", "uid")

    def __init__(self, opcode: int, uid: int, gid: int) -> None:
        self.opcode, self.uid, self.gid = opcode, uid, gid


def _name(body: memoryview) -> bytes:
    return bytes(body).partition(b"\0")[0]


def _attributes(node: Node) -> bytes:
    seconds, rest = divmod(node.mtime_ns, 1_000_000_000)
    blocks = -(-node.size // 512)
    times = (seconds, seconds, seconds, rest, rest, rest)
    links = max(node.links, 0) + (1 if node.is_folder else 0)
    return ATTRIBUTES.pack(
        node.number, node.size, blocks, *times, node.mode, links, node.uid, node.gid, node.rdev, PAGE, 0
    )
