"""Key pairs: one per purpose, in files outside the database; each process holds only its own private keys.

    <keys>/public/<purpose>-<key id>.pub      anybody may read them: whoever has one can seal
    <keys>/<role>/<purpose>-<key id>.key      0600 in a 0700 folder: who has one can open

Where systemd hands out credentials, the private keys come from that folder instead. A key id is a running
number and the beginning of the public key's SHA-256; the highest one seals, all open.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.conf import settings

from nutshellpbx.vault.errors import NoKey, NotHere, WrongKey

#: Which role opens what. A role that is not named may open nothing.
ROLE_PURPOSES: dict[str, tuple[str, ...]] = {
    "worker": ("crm",),
    "listen": ("pbx",),
    "web": ("web",),
    "push": (),
    # The owner's key commands read the folders of all roles; see `owner_ring`.
    "manage": (),
}
HOLDER = {purpose: role for role, purposes in ROLE_PURPOSES.items() for purpose in purposes}
#: The roles that seal, and so need a public key for every purpose.
SEALING_ROLES = ("worker", "listen", "web")

_FILE = re.compile(r"(?:^|_)(?P<purpose>[a-z]+)-(?P<key_id>\d{4,}-[0-9a-f]{8})\.(?P<half>pub|key)$")
_MAX_FILE_BYTES = 10_000


class UnfitKey(Exception):
    """A key file is missing, wrong, surplus or too open; the text is one sentence with file and fix."""


@dataclass(frozen=True, slots=True, order=True)
class KeyFile:
    """One half of a key pair on disk."""

    purpose: str
    number: int
    key_id: str
    path: Path


def public_folder() -> Path:
    """Where the public halves are."""
    return Path(settings.NUTSHELLPBX_KEYS_DIR) / "public"


def private_folder(role: str) -> Path:
    """Where a role's private halves are made and kept."""
    return Path(settings.NUTSHELLPBX_KEYS_DIR) / role


def own_folder(role: str) -> Path:
    """Where this process finds its private halves: its credentials if systemd hands them out."""
    credentials = settings.NUTSHELLPBX_CREDENTIALS_DIR
    return Path(credentials) if credentials else private_folder(role)


def key_files(folder: Path, half: str) -> list[KeyFile]:
    """The key files in a folder, oldest first; a folder that is missing or closed to us has none."""
    try:
        names = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
    found = []
    for name in names:
        match = _FILE.search(name)
        if match and match["half"] == half:
            number = int(match["key_id"].split("-")[0])
            found.append(KeyFile(match["purpose"], number, match["key_id"], folder / name))
    return sorted(found)


def fingerprint(public: X25519PublicKey) -> str:
    """The end of a key id: eight hexadecimal digits of the public key's SHA-256."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:8]


def read_public(file: KeyFile) -> X25519PublicKey:
    """A public key from its file; raises `UnfitKey` when the file is not what its name says."""
    try:
        key = load_pem_public_key(_read(file.path))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, X25519PublicKey) or not file.key_id.endswith(f"-{fingerprint(key)}"):
        raise UnfitKey(
            f"{file.path} is not the public key {file.key_id}: restore it from the backup,"
            " or run “manage.py vault_keys make”, which writes it again from the private key."
        )
    return key


def read_private(file: KeyFile) -> X25519PrivateKey:
    """A private key from its file; raises `UnfitKey` when others can read it or it is another."""
    _demand_closed(file.path)
    try:
        key = load_pem_private_key(_read(file.path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, X25519PrivateKey) or not file.key_id.endswith(f"-{fingerprint(key.public_key())}"):
        raise UnfitKey(f"{file.path} is not the private key {file.key_id}: restore it from the backup.")
    return key


def newest_public(purpose: str) -> tuple[str, X25519PublicKey]:
    """The key that seals, as (key id, key), read anew each time, so a rotation counts; raises `NoKey`."""
    files = [file for file in key_files(public_folder(), "pub") if file.purpose == purpose]
    if not files:
        raise NoKey(purpose)
    try:
        return files[-1].key_id, read_public(files[-1])
    except (UnfitKey, FileNotFoundError) as error:
        raise NoKey(purpose) from error


class Ring:
    """The private keys of some purposes, read from their folders when first needed."""

    def __init__(self, folders: dict[str, Path]) -> None:
        self._folders = folders
        self._keys: dict[tuple[str, str], X25519PrivateKey] = {}

    def may_open(self, purpose: str) -> bool:
        """Whether this ring is for secrets of this purpose at all."""
        return purpose in self._folders

    def get_key(self, purpose: str, key_id: str) -> X25519PrivateKey:
        """A private key; raises `NotHere` for a purpose of others, `WrongKey` when the key is not there.

        A key id seen for the first time is looked for on disk, so that a rotation needs no restart.
        """
        if purpose not in self._folders:
            raise NotHere(purpose)
        if (purpose, key_id) not in self._keys:
            for file in key_files(self._folders[purpose], "key"):
                if (file.purpose, file.key_id) == (purpose, key_id):
                    try:
                        self._keys[purpose, key_id] = read_private(file)
                    except (UnfitKey, OSError) as error:
                        raise WrongKey(purpose, key_id) from error
        try:
            return self._keys[purpose, key_id]
        except KeyError:
            raise WrongKey(purpose, key_id) from None


@lru_cache(maxsize=8)
def _ring(role: str, folder: Path) -> Ring:
    return Ring(dict.fromkeys(ROLE_PURPOSES.get(role, ()), folder))


def process_ring() -> Ring:
    """The keys of this process, by its role."""
    role = settings.NUTSHELLPBX_ROLE
    return _ring(role, own_folder(role))


def owner_ring() -> Ring:
    """The keys of all roles that this user of the machine can read; for the key commands only."""
    return Ring({purpose: private_folder(role) for purpose, role in HOLDER.items()})


def find_unfit(role: str) -> Iterator[str]:
    """Everything that is wrong with the keys of a role, each as one sentence with the file and the fix."""
    if role not in ROLE_PURPOSES:
        yield f"NUTSHELLPBX_ROLE is “{role}”: set it to one of {', '.join(sorted(ROLE_PURPOSES))}."
        return
    publics = {(file.purpose, file.key_id): file for file in key_files(public_folder(), "pub")}
    privates = {(file.purpose, file.key_id): file for file in key_files(own_folder(role), "key")}
    if role in SEALING_ROLES:
        for purpose in HOLDER:
            if not any(each == purpose for each, _key_id in publics):
                yield (
                    f"{public_folder()} has no key for purpose “{purpose}” that this process can read:"
                    " run “manage.py vault_keys make”."
                )
    for file in publics.values():
        yield from _why_unfit(read_public, file)
    for purpose, key_id in publics:
        if purpose in ROLE_PURPOSES[role] and (purpose, key_id) not in privates:
            yield (
                f"{own_folder(role) / f'{purpose}-{key_id}.key'} is missing: restore it from the backup,"
                " without it nothing that was sealed with it can be opened."
            )
    for (purpose, key_id), file in privates.items():
        if purpose not in ROLE_PURPOSES[role]:
            yield _surplus(file, role)
            continue
        if (purpose, key_id) not in publics:
            yield f"{file.path} has no public half in {public_folder()}: run “manage.py vault_keys make”."
        yield from _why_unfit(read_private, file)
    if settings.NUTSHELLPBX_CREDENTIALS_DIR:
        # Keys are handed out one by one here, so the folders of the others must be closed to this process.
        for other in ROLE_PURPOSES:
            for file in key_files(private_folder(other), "key"):
                if file.purpose not in ROLE_PURPOSES[role] and _can_read(file.path):
                    yield _surplus(file, role)


def demand(role: str) -> None:
    """Stop this process with one clear sentence unless it holds its own keys, fit and closed, and no more."""
    for sentence in find_unfit(role):
        raise SystemExit(f"Not started as “{role}”: {sentence}")


def _surplus(file: KeyFile, role: str) -> str:
    holder = HOLDER.get(file.purpose)
    home = f"move it to {private_folder(holder)}" if holder else "move it away"
    return (
        f"{file.path} is a key for purpose “{file.purpose}”, which the process “{role}” must not be able to"
        f" read: {home}, closed to this process."
    )


def _why_unfit(read: object, file: KeyFile) -> Iterator[str]:
    try:
        read(file)  # type: ignore[operator]
    except UnfitKey as error:
        yield str(error)
    except OSError as error:
        yield f"{file.path} cannot be read ({error.strerror}): give it to the user of this process."


def _can_read(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES)


def _demand_closed(path: Path) -> None:
    # systemd gives the unit's user access by an ACL, which shows as bits of the group.
    handed_out = str(path.parent) == str(settings.NUTSHELLPBX_CREDENTIALS_DIR)
    forbidden = stat.S_IRWXO | stat.S_IWGRP if handed_out else stat.S_IRWXO | stat.S_IRWXG
    for each, fit in ((path.parent, "700"), (path, "600")):
        mode = stat.S_IMODE(each.stat().st_mode)
        if mode & forbidden:
            raise UnfitKey(f"{each} is open to other users (mode {mode:04o}): run “chmod {fit} {each}”.")
