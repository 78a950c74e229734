"""What the client keeps, where, and who may read it."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked, PasswordDeleteError

from nutshellpbx.client import config, keystore
from nutshellpbx.client.config import Pairing, Places, Settings, State, Unusable

TOKEN = "npbxd_" + "0" * 72


class SystemStore(KeyringBackend):
    """A key store in memory, as a desktop has one."""

    priority = 5

    def __init__(self, *, is_locked: bool = False) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}
        self.is_locked = is_locked

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.is_locked:
            raise KeyringLocked("locked")
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError("gone")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setenv("NUTSHELLPBX_CLIENT_DIR", str(tmp_path / "client"))
    return config.find_places()


def use(store: KeyringBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "get_keyring", lambda: store)
    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(keyring, name, getattr(store, name))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_token_goes_to_the_systems_key_store_where_there_is_one(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(SystemStore(), monkeypatch)
    kept_in = keystore.keep_token(places, "device", TOKEN)
    assert kept_in == "system" and not places.token.exists()
    assert keystore.get_token(places, "device", kept_in) == TOKEN
    keystore.forget_token(places, "device", kept_in)
    keystore.forget_token(places, "device", kept_in)
    with pytest.raises(Unusable):
        keystore.get_token(places, "device", kept_in)


@pytest.mark.parametrize("store", [NoKeyring(), SystemStore(is_locked=True)], ids=["none", "locked"])
def test_without_a_key_store_the_token_lies_in_a_file_for_its_owner_alone(
    places: Places, monkeypatch: pytest.MonkeyPatch, store: KeyringBackend
) -> None:
    use(store, monkeypatch)
    kept_in = keystore.keep_token(places, "device", TOKEN)
    assert kept_in == "file"
    assert (mode(places.token), mode(places.folder)) == (0o600, 0o700)
    assert str(places.token) in keystore.say_where(kept_in, places)
    places.token.chmod(0o644)
    assert keystore.get_token(places, "device", kept_in) == TOKEN
    assert mode(places.token) == 0o600
    keystore.forget_token(places, "device", kept_in)
    assert not places.token.exists()


def test_files_are_private_and_come_back_as_they_were(places: Places) -> None:
    pairing = Pairing(
        "https://a.example", "https://a.example", "d", "Ann", "pc", "file", origins=("https://x.example",)
    )
    state = State(device="d", cursor=7, seen=("a", "b"), heard_at=1.5)
    config.keep(places.pairing, pairing)
    config.keep(places.state, state)
    assert config.find_pairing(places) == pairing
    assert config.find_state(places) == state
    assert mode(places.pairing) == mode(places.state) == 0o600
    assert [path.name for path in places.folder.iterdir() if path.name.startswith(".")] == []


def test_a_broken_state_begins_anew_and_a_broken_pairing_says_so(places: Places) -> None:
    for content in ("", "[]", '{"cursor": "x"}', "\x00"):
        places.state.write_text(content)
        assert config.find_state(places).cursor == 0
    for content in ("", "[]", '{"server": 1}'):
        places.pairing.write_text(content)
        with pytest.raises(Unusable):
            config.find_pairing(places)


@pytest.mark.parametrize(
    ("text", "environment", "settings"),
    [
        ("", "", Settings()),
        (
            'opener = ["chromium", "--headless", "{address}"]',
            "",
            Settings(opener=("chromium", "--headless", "{address}")),
        ),
        ('opener = ["chromium", "{address}"]', "recorder:/x/y", Settings(recorder="/x/y")),
        ('opener = ["chromium", "{address}"]', "browser", Settings()),
        ("notify = false", '["x", "{address}"]', Settings(opener=("x", "{address}"), notify=False)),
    ],
)
def test_settings_come_from_the_file_and_the_environment_goes_first(
    places: Places, monkeypatch: pytest.MonkeyPatch, text: str, environment: str, settings: Settings
) -> None:
    places.settings_file.write_text(text)
    monkeypatch.setenv("NUTSHELLPBX_CLIENT_OPENER", environment)
    assert config.read_settings(places) == settings


@pytest.mark.parametrize(
    "text",
    [
        "opener = 7",
        'opener = "chromium {address}"',
        'opener = ["chromium"]',
        'opener = ["{address}"]',
        'opener = ["sh", "-c", "chromium {address}"]',
        "notify = 1",
        "ca_bundle = 1",
        "not toml",
    ],
)
def test_settings_that_cannot_be_followed_are_named(places: Places, text: str) -> None:
    places.settings_file.write_text(text)
    with pytest.raises(Unusable):
        config.read_settings(places)


def test_the_client_leaves_django_alone() -> None:
    code = """
import sys, nutshellpbx.client.main
sys.exit(any(name.split(".")[0] in {"django", "redis", "celery"} for name in sys.modules))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
