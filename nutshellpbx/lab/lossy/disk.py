"""What a disk holds, and what of it would survive a power cut: files, folders, and two pictures of each.

In the way of LazyFS, written anew: everything that is written lives in memory first; `fsync` of a file copies
its changed pages into the lasting picture. A cut throws the living picture away and begins again from the
lasting one. Two models say when names (create, link, rename, remove) last:

- ``strict``: when their folder is synced, which is all that POSIX promises;
- ``ordered``: with the next fsync of anything, as ext4's journal does it (`data=ordered`).

A page (4 KiB) is written whole or not at all. Unsynced pages may also survive, any of them (`share`): a real
disk writes them in the order that it likes.
"""

from __future__ import annotations

import errno
import stat
import time
from dataclasses import dataclass, field
from random import Random

PAGE = 4096
MODELS = ("strict", "ordered")
NAME_LIMIT = 255


@dataclass(slots=True, eq=False)
class Node:
    """A file, folder, link or socket: as it is now, and (`lasting…`) as it would be after a cut."""

    number: int
    mode: int
    uid: int = 0
    gid: int = 0
    rdev: int = 0
    links: int = 1
    mtime_ns: int = field(default_factory=time.time_ns)
    target: bytes = b""
    data: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set)
    lasting: bytearray = field(default_factory=bytearray)
    names: dict[bytes, Node] = field(default_factory=dict)
    lasting_names: dict[bytes, Node] = field(default_factory=dict)

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def size(self) -> int:
        return len(self.target) if stat.S_ISLNK(self.mode) else len(self.data)


@dataclass(slots=True)
class Lost:
    """What a cut took: pages and names that were not synced, and pages that survived by luck."""

    pages: int = 0
    names: int = 0
    lucky: int = 0


class Disk:
    """All nodes of a file system by number; the root is number 1. Raises OSError as a file system does."""

    def __init__(self, *, model: str = "strict") -> None:
        if model not in MODELS:
            raise ValueError(f"the model is one of {', '.join(MODELS)}")
        self.model = model
        self._next = 2
        self.root = Node(1, stat.S_IFDIR | 0o700)
        self.nodes = {1: self.root}
        self.syncs = 0

    # --- names -------------------------------------------------------------------------------------

    def find(self, folder: Node, name: bytes) -> Node:
        """The node of this name; raises FileNotFoundError."""
        if len(name) > NAME_LIMIT:
            raise OSError(errno.ENAMETOOLONG, "name too long")
        try:
            return folder.names[name]
        except KeyError:
            raise OSError(errno.ENOENT, "no such name") from None

    def make(self, folder: Node, name: bytes, *, mode: int, uid: int, gid: int, rdev: int = 0) -> Node:
        """A new node with this name."""
        self._must_be_free(folder, name)
        node = Node(self._next, mode, uid, gid, rdev)
        self._next += 1
        self.nodes[node.number] = node
        self._put(folder, name, node)
        return node

    def link(self, node: Node, folder: Node, name: bytes) -> None:
        """One more name for a file."""
        self._must_be_free(folder, name)
        node.links += 1
        self._put(folder, name, node)

    def remove(self, folder: Node, name: bytes, *, is_folder: bool) -> None:
        """Take a name away; the node lives on while it is open or lasting."""
        node = self.find(folder, name)
        if is_folder and not node.is_folder:
            raise OSError(errno.ENOTDIR, "not a folder")
        if node.is_folder and not is_folder:
            raise OSError(errno.EISDIR, "a folder")
        if node.names:
            raise OSError(errno.ENOTEMPTY, "not empty")
        del folder.names[name]
        node.links -= 1
        folder.mtime_ns = time.time_ns()

    def rename(self, old: Node, old_name: bytes, new: Node, new_name: bytes) -> None:
        """Give a node another name, in place of what had it."""
        node = self.find(old, old_name)
        there = new.names.get(new_name)
        if there is node:
            return
        if there is not None:
            self.remove(new, new_name, is_folder=there.is_folder)
        del old.names[old_name]
        self._put(new, new_name, node)
        old.mtime_ns = time.time_ns()

    def _must_be_free(self, folder: Node, name: bytes) -> None:
        if len(name) > NAME_LIMIT:
            raise OSError(errno.ENAMETOOLONG, "name too long")
        if name in folder.names:
            raise OSError(errno.EEXIST, "there already")

    def _put(self, folder: Node, name: bytes, node: Node) -> None:
        folder.names[name] = node
        folder.mtime_ns = time.time_ns()

    # --- content -----------------------------------------------------------------------------------

    def write(self, node: Node, offset: int, content: bytes | memoryview) -> None:
        """Write in memory."""
        end = offset + len(content)
        if offset > len(node.data):
            self.resize(node, offset)
        node.data[offset:end] = content
        node.dirty.update(range(offset // PAGE, -(-end // PAGE)))
        node.mtime_ns = time.time_ns()

    def resize(self, node: Node, size: int) -> None:
        """Cut off or fill with zeros, in memory."""
        before = len(node.data)
        if size < before:
            del node.data[size:]
        else:
            node.data.extend(bytes(size - before))
        node.dirty.update(range(min(size, before) // PAGE, -(-max(size, before) // PAGE)))
        node.mtime_ns = time.time_ns()

    def sync(self, node: Node) -> None:
        """`fsync`: what this file or folder holds now lasts."""
        self.syncs += 1
        if not node.is_folder:
            _keep(node, node.dirty, size=len(node.data))
            node.dirty.clear()
        if self.model == "ordered":
            for each in self.nodes.values():
                if each.is_folder:
                    each.lasting_names = dict(each.names)
        elif node.is_folder:
            node.lasting_names = dict(node.names)

    def sync_all(self) -> None:
        """`sync`: everything lasts."""
        for node in list(self.nodes.values()):
            if node.is_folder:
                node.lasting_names = dict(node.names)
            else:
                _keep(node, node.dirty, size=len(node.data))
                node.dirty.clear()

    def forget(self, node: Node) -> None:
        """The kernel has no use for a node any more: gone, unless a name stands for it, now or lastingly."""
        if node.links <= 0 and not node.is_folder and not self._lasts(node):
            self.nodes.pop(node.number, None)

    def cut(self, *, share: float = 0.0, dice: Random | None = None) -> Lost:
        """The power goes: every node is as it lasts, but for unsynced pages that were lucky (`share`)."""
        lost = Lost()
        dice = dice or Random(0)
        for node in self.nodes.values():
            if node.is_folder:
                changed = node.names.items() ^ node.lasting_names.items()
                lost.names += len({name for name, _node in changed})
                node.names = dict(node.lasting_names)
                continue
            lucky = {page for page in sorted(node.dirty) if dice.random() < share}
            lost.pages += len(node.dirty) - len(lucky)
            lost.lucky += len(lucky)
            _keep(node, lucky, size=None)
            node.data = bytearray(node.lasting)
            node.dirty.clear()
        self._count_links_anew()
        return lost

    def _lasts(self, node: Node) -> bool:
        return any(
            node is named
            for folder in self.nodes.values()
            if folder.is_folder
            for named in folder.lasting_names.values()
        )

    def _count_links_anew(self) -> None:
        reached: dict[int, Node] = {1: self.root}
        waiting = [self.root]
        for node in self.nodes.values():
            node.links = 0
        self.root.links = 2
        while waiting:
            for node in waiting.pop().names.values():
                node.links += 1
                if node.number not in reached:
                    reached[node.number] = node
                    waiting += [node] if node.is_folder else []
        self.nodes = reached


def _keep(node: Node, pages: set[int], *, size: int | None) -> None:
    """Let these pages last; with `size` the file's length, too, else it only grows with a page."""
    if size is not None:
        del node.lasting[size:]
        node.lasting.extend(bytes(size - len(node.lasting)))
    for page in pages:
        content = node.data[page * PAGE : (page + 1) * PAGE]
        if content:
            node.lasting.extend(bytes(max(0, page * PAGE - len(node.lasting))))
            node.lasting[page * PAGE : page * PAGE + len(content)] = content
