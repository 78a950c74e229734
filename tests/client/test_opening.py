"""Browsers are started by argv, cards cannot steer a terminal."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nutshellpbx.client import browsers, opener
from nutshellpbx.client.cards import Cards
from nutshellpbx.client.config import Settings
from nutshellpbx.client.link import Link, TurnedDown, normal_server
from nutshellpbx.client.opener import NotOpened, Opener
from nutshellpbx.wire import Instruction, Verb
from tests.desktop.servers import wait_until

ADDRESS = "https://app.nutshell.com/new?name=%24%28touch%20x%29&a=b"


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    """A program that writes down its arguments."""
    program = tmp_path / "browser"
    lines = [
        f"#!{sys.executable}",
        "import json, pathlib, sys",
        f"pathlib.Path({str(tmp_path / 'argv')!r}).write_text(json.dumps(sys.argv[1:]))",
    ]
    program.write_text("\n".join(lines))
    program.chmod(0o700)
    return program


def argv(recorder: Path) -> list[str]:
    wait_until(lambda: (recorder.parent / "argv").exists() and (recorder.parent / "argv").read_text())
    found: list[str] = json.loads((recorder.parent / "argv").read_text())
    return found


def test_the_address_is_one_argument_of_the_program_in_the_settings(recorder: Path) -> None:
    opened = Opener(Settings(opener=(str(recorder), "--headless", "{address}", "--last")))
    opened.open(ADDRESS, "")
    assert argv(recorder) == ["--headless", ADDRESS, "--last"]
    wait_until(lambda: opened.tidy() == 0)


def test_each_page_without_a_screen_gets_a_profile_of_its_own_that_is_gone_afterwards(recorder: Path) -> None:
    opened = Opener(Settings(opener=(str(recorder), "--user-data-dir={profile}", "{address}")))
    opened.open(ADDRESS, "")
    profile = Path(argv(recorder)[0].removeprefix("--user-data-dir="))
    assert profile.name.startswith("nutshellpbx-")
    wait_until(lambda: opened.tidy() == 0)
    assert not profile.exists()


def test_a_named_browser_is_started_and_one_that_is_gone_falls_back_to_the_default(
    recorder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = (browsers.Installed("firefox", "Firefox", (str(recorder), "--named")),)
    monkeypatch.setattr(opener, "find_installed", lambda: installed)
    opened = Opener(Settings())
    opened.open(ADDRESS, "firefox")
    assert argv(recorder) == ["--named", ADDRESS]
    (tmp_path / "argv").unlink()
    recorder.rename(tmp_path / "xdg-open")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    opened.open(ADDRESS, "opera")
    assert argv(recorder) == [ADDRESS]
    wait_until(lambda: opened.tidy() == 0)


def test_a_browser_that_cannot_be_started_or_fails_at_once_is_told() -> None:
    with pytest.raises(NotOpened):
        Opener(Settings(opener=("/nowhere/browser", "{address}"))).open(ADDRESS, "")
    with pytest.raises(NotOpened):
        Opener(Settings(opener=("false", "{address}"))).open(ADDRESS, "")


def test_the_recorder_writes_the_address_down(tmp_path: Path) -> None:
    Opener(Settings(recorder=str(tmp_path / "pages"))).open(ADDRESS, "firefox")
    line = json.loads((tmp_path / "pages").read_text())
    assert (line["address"], line["browser"]) == (ADDRESS, "firefox")


def test_browsers_are_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("firefox-esr", "chromium"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert [one.id for one in browsers.find_installed()] == ["firefox", "chromium"]


def test_a_card_cannot_steer_the_terminal_and_goes_when_it_is_withdrawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    cards = Cards(said.append, notify=False)
    card = Instruction(
        id="x",
        verb=Verb.CARD,
        call="c",
        subject="leg",
        title="Eve\u202e\x9b31m",
        lines=("a\u200bb",),
        expires_at=datetime.now(UTC),
    )
    cards.show(card)
    cards.take_away("c", "other")
    assert not any(mark in line for line in said for mark in "\u202e\x9b\u200b")
    assert len(said) == 2
    cards.take_away("c", "")
    cards.take_away("c", "")
    assert len(said) == 3


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("pbx.example", "https://pbx.example"),
        (" https://pbx.example/ ", "https://pbx.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost:8000/", "http://localhost:8000"),
    ],
)
def test_a_servers_address_is_taken_as_a_person_types_it(address: str, plain: str) -> None:
    assert normal_server(address) == plain


@pytest.mark.parametrize(
    "address",
    ["http://pbx.example", "ftp://pbx.example", "https://ann:word@pbx.example", "https://pbx.example/x", ""],
)
def test_a_token_is_never_sent_in_the_clear_nor_to_half_an_address(address: str) -> None:
    with pytest.raises(TurnedDown):
        Link(address)
