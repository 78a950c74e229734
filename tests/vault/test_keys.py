"""A process starts with its own keys, fit and closed, and no others; else one sentence says what to do."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nutshellpbx.vault import keys, pairs


def only_key(folder: Path, purpose: str = "") -> Path:
    (found,) = folder.glob(f"{purpose}*-*")
    return found


def complaint(role: str) -> str:
    """The sentence with which a start of this role is refused."""
    with pytest.raises(SystemExit) as caught:
        keys.demand(role)
    sentence = str(caught.value)
    assert sentence.startswith(f"Not started as “{role}”: ")
    assert "\n" not in sentence and sentence.endswith(".")
    return sentence


def test_made_keys_are_closed_to_others_and_fit_every_role(keys_dir: Path) -> None:
    for role in keys.ROLE_PURPOSES:
        keys.demand(role)
    for purpose, role in keys.HOLDER.items():
        folder = keys_dir / role
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(only_key(folder, purpose).stat().st_mode) == 0o600
        assert stat.S_IMODE(only_key(keys_dir / "public", purpose).stat().st_mode) == 0o644


def test_making_keys_twice_makes_nothing_more(keys_dir: Path) -> None:
    before = sorted(path.name for path in keys_dir.rglob("*"))
    assert pairs.make_missing() == []
    assert sorted(path.name for path in keys_dir.rglob("*")) == before


def test_a_public_half_that_a_crash_left_out_or_spoilt_is_written_again(keys_dir: Path) -> None:
    public = only_key(keys_dir / "public", "crm")
    text = public.read_bytes()
    for spoil in (lambda: public.unlink(), lambda: public.write_bytes(b"spoilt")):
        spoil()
        assert "vault_keys make" in complaint("worker")
        (made,) = pairs.make_missing()
        assert (made.path, made.path.read_bytes()) == (public, text)
        keys.demand("worker")


def test_all_keys_missing(settings: Any, tmp_path: Path) -> None:
    settings.NUTSHELLPBX_KEYS_DIR = tmp_path / "none"
    settings.NUTSHELLPBX_CREDENTIALS_DIR = ""
    for role in keys.SEALING_ROLES:
        assert "run “manage.py vault_keys make”" in complaint(role)
    keys.demand("push")
    keys.demand("manage")


def missing(folder: Path) -> str:
    path = only_key(folder / "worker")
    path.unlink()
    return f"{path} is missing: restore it from the backup"


def wrong(folder: Path) -> str:
    path = only_key(folder / "worker")
    pairs.add_pair("crm")
    (other,) = [each for each in (folder / "worker").glob("crm-*") if each != path]
    shutil.copyfile(other, path)
    return f"{path} is not the private key"


def wrong_purpose(folder: Path) -> str:
    path = only_key(folder / "worker")
    shutil.copyfile(only_key(folder / "web"), path)
    return f"{path} is not the private key"


def garbled(folder: Path) -> str:
    path = only_key(folder / "worker")
    path.write_bytes(path.read_bytes()[:-40])
    return f"{path} is not the private key"


def public_of_another(folder: Path) -> str:
    path = only_key(folder / "public", "crm")
    shutil.copyfile(only_key(folder / "public", "web"), path)
    return f"{path} is not the public key"


def file_open_to_others(folder: Path) -> str:
    path = only_key(folder / "worker")
    path.chmod(0o644)
    return f"{path} is open to other users (mode 0644): run “chmod 600 {path}”"


def file_open_to_group(folder: Path) -> str:
    path = only_key(folder / "worker")
    path.chmod(0o640)
    return "(mode 0640)"


def folder_open_to_others(folder: Path) -> str:
    (folder / "worker").chmod(0o755)
    return f"run “chmod 700 {folder / 'worker'}”"


def surplus(folder: Path) -> str:
    path = folder / "worker" / only_key(folder / "web").name
    shutil.copy2(only_key(folder / "web"), path)
    return f"{path} is a key for purpose “web”"


FLAWS = [
    missing,
    wrong,
    wrong_purpose,
    garbled,
    public_of_another,
    file_open_to_others,
    file_open_to_group,
    folder_open_to_others,
    surplus,
]


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_worker_with_unfit_keys_says_which_file_and_what_to_do(
    keys_dir: Path, flaw: Callable[[Path], str]
) -> None:
    assert flaw(keys_dir) in complaint("worker")


@pytest.mark.parametrize("role", ["push", "manage"])
def test_a_role_without_keys_refuses_any(keys_dir: Path, role: str) -> None:
    (keys_dir / role).mkdir(mode=0o700)
    shutil.copy2(only_key(keys_dir / "worker"), keys_dir / role)
    assert "must not be able to read" in complaint(role)


def test_an_unknown_role_is_refused(keys_dir: Path) -> None:
    assert "listen, manage, push, web, worker" in complaint("wroker")


def test_keys_handed_out_by_the_system_are_used_and_those_of_others_refused(
    settings: Any, keys_dir: Path, tmp_path: Path
) -> None:
    handed_out = tmp_path / "credentials"
    handed_out.mkdir(mode=0o550)
    key = only_key(keys_dir / "worker")
    # A whole folder handed out shows as files with the folder's name before theirs.
    copied = handed_out / f"keys_{key.name}"
    shutil.copyfile(key, copied)
    copied.chmod(0o440)
    settings.NUTSHELLPBX_CREDENTIALS_DIR = str(handed_out)
    # The folders of the roles can be read by this process still.
    assert str(only_key(keys_dir / "listen")) in complaint("worker")
    for role in ("listen", "web", "worker"):
        shutil.rmtree(keys_dir / role)
    keys.demand("worker")
    opened = keys.process_ring().get_key("crm", key.name[4:-4])
    assert keys.fingerprint(opened.public_key()) == key.name[-12:-4]
    copied.chmod(0o444)
    assert "mode 0444" in complaint("worker")


@pytest.mark.parametrize("flaw", FLAWS)
def test_the_system_check_finds_it_too(keys_dir: Path, flaw: Callable[[Path], str]) -> None:
    from nutshellpbx.vault.apps import find_unfit_keys

    assert find_unfit_keys() == []
    expected = flaw(keys_dir)
    assert any(expected in error.msg for error in find_unfit_keys())


# ------------------------------------------------------------------------------------------ real processes
def test_a_real_process_stops_with_one_sentence(home: Any) -> None:
    start = (
        "from django.conf import settings\n"
        "from nutshellpbx.vault import keys\n"
        "keys.demand(settings.NUTSHELLPBX_ROLE)\n"
        "print('started')"
    )
    code, out, said = home.script(start, role="worker")
    assert (code, out) == (1, "")
    assert said.strip().count("\n") == 0 and "vault_keys make" in said
    home.manage("vault_keys", "make")
    code, out, said = home.script(start, role="worker")
    assert (code, out) == (0, "started\n"), said
    expected = surplus(home.keys)
    code, out, said = home.script(start, role="worker")
    assert (code, out) == (1, "")
    assert expected in said and said.strip().count("\n") == 0


def test_the_management_check_of_a_role_fails_on_unfit_keys(home: Any) -> None:
    home.manage("vault_keys", "make")
    expected = file_open_to_others(home.keys)
    code, _out, said = home.run("manage.py", "check", "--tag", "vault", role="worker")
    assert code == 1
    assert expected in said and "vault.E001" in said
