"""Making and removing key pairs; for the owner's commands, never for a serving process."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.conf import settings

from nutshellpbx.vault.keys import (
    HOLDER,
    KeyFile,
    UnfitKey,
    fingerprint,
    key_files,
    private_folder,
    public_folder,
    read_private,
    read_public,
)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep two key commands from working on the files at the same moment."""
    folder = Path(settings.NUTSHELLPBX_KEYS_DIR)
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_missing() -> list[KeyFile]:
    """Give every purpose that has none a key pair, every private key its public half; returns what was made.

    Doing it again makes nothing more. Raises `UnfitKey` when a private key is not fit.
    """
    with one_at_a_time():
        made = _write_missing_publics()
        for purpose in HOLDER:
            if not any(file.purpose == purpose for file in key_files(public_folder(), "pub")):
                made.append(_add(purpose))
        return made


def add_pair(purpose: str) -> KeyFile:
    """Make the next key pair of a purpose; from now on it seals."""
    with one_at_a_time():
        _write_missing_publics()
        return _add(purpose)


def newest_pair(purpose: str) -> KeyFile:
    """The public half that seals; raises `UnfitKey` when the purpose has none."""
    files = [file for file in key_files(public_folder(), "pub") if file.purpose == purpose]
    if not files:
        raise UnfitKey(f"There is no key for purpose “{purpose}”: run “manage.py vault_keys make”.")
    return files[-1]


def remove_public(purpose: str, key_id: str) -> None:
    """Take a key's public half away, so that nobody seals with it any more."""
    (public_folder() / f"{purpose}-{key_id}.pub").unlink(missing_ok=True)
    _sync(public_folder())


def remove_private(purpose: str, key_id: str) -> None:
    """Delete a private key for good: what was sealed with it cannot be opened by anybody."""
    folder = private_folder(HOLDER[purpose])
    (folder / f"{purpose}-{key_id}.key").unlink(missing_ok=True)
    _sync(folder)


def _add(purpose: str) -> KeyFile:
    folder = private_folder(HOLDER[purpose])
    known = key_files(public_folder(), "pub") + key_files(folder, "key")
    number = max((file.number for file in known if file.purpose == purpose), default=0) + 1
    private = X25519PrivateKey.generate()
    key_id = f"{number:04d}-{fingerprint(private.public_key())}"
    # The private half first, on disk for certain: a public half alone would seal what nobody can open.
    path = folder / f"{purpose}-{key_id}.key"
    _write(
        path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600, folder=0o700
    )
    return _publish(KeyFile(purpose, number, key_id, path), private)


def _publish(file: KeyFile, private: X25519PrivateKey) -> KeyFile:
    path = public_folder() / f"{file.purpose}-{file.key_id}.pub"
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _write(path, public, 0o644, folder=0o755)
    return KeyFile(file.purpose, file.number, file.key_id, path)


def _write_missing_publics() -> list[KeyFile]:
    """Finish what a crash between the two halves left, and write spoilt public halves again."""
    fit = set()
    for file in key_files(public_folder(), "pub"):
        try:
            read_public(file)
        except UnfitKey:
            continue
        fit.add((file.purpose, file.key_id))
    return [
        _publish(file, read_private(file))
        for purpose, role in HOLDER.items()
        for file in key_files(private_folder(role), "key")
        if file.purpose == purpose and (purpose, file.key_id) not in fit
    ]


def _write(path: Path, content: bytes, mode: int, *, folder: int) -> None:
    if not path.parent.exists():
        path.parent.mkdir(mode=folder, parents=True)
        path.parent.chmod(folder)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    # When root makes keys for a role's own user, the key goes to the owner of the role's folder.
    owner = path.parent.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        shutil.chown(draft, owner.st_uid, owner.st_gid)
    draft.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
