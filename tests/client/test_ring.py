"""A telephone program starts the client: whatever its caller calls himself, only the number is looked up."""

from __future__ import annotations

from pathlib import Path

import pytest

from nutshellpbx.client import main as client
from nutshellpbx.client.config import Pairing, find_places, keep
from nutshellpbx.client.keystore import keep_token
from nutshellpbx.client.link import Away, Link


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, str]]:
    """What a paired desktop told its server of."""
    monkeypatch.setenv("NUTSHELLPBX_CLIENT_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setattr(client, "RING_AGAIN_S", 0)
    places = find_places()
    kept_in = keep_token(places, "d-1", "npbxd_x")
    keep(places.pairing, Pairing("http://127.0.0.1:1", "http://127.0.0.1:1", "d-1", "Ada", "PC", kept_in))
    rings: list[dict[str, str]] = []
    monkeypatch.setattr(Link, "ring", lambda self, ring: rings.append(ring))
    return rings


def test_a_ring_is_told_with_number_and_name(told: list[dict[str, str]]) -> None:
    assert client.main(["ring", "--number", "+13125550142", "--name", "Priya", "Raman"]) == 0
    assert (told[0]["number"], told[0]["name"]) == ("+13125550142", "Priya Raman")
    assert len(told[0]["id"]) == 36


@pytest.mark.parametrize("name", ["--number 666", "-h", "--version", "a --name b", "\x1b[31m red"])
def test_a_caller_s_name_is_never_taken_for_an_option(name: str, told: list[dict[str, str]]) -> None:
    assert client.main(["ring", "--number", "+13125550142", "--name", *name.split(" ")]) == 0
    assert told[0]["number"] == "+13125550142"
    assert told[0]["name"].isprintable()


@pytest.mark.parametrize("number", ["%CallerNumber%", "anonymous", ""])
def test_a_caller_without_a_number_is_nobody_and_no_fault(number: str, told: list[dict[str, str]]) -> None:
    assert client.main(["ring", "--number", number]) == 0
    assert told == []


def test_a_server_that_is_away_for_a_moment_is_told_again_under_the_same_id(
    told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def ring(self: Link, ring: dict[str, str]) -> None:
        tried.append(ring["id"])
        if len(tried) == 1:
            raise Away("busy")

    monkeypatch.setattr(Link, "ring", ring)
    assert client.main(["ring", "--number", "+13125550142"]) == 0
    assert len(tried) == 2 and len(set(tried)) == 1


def test_a_desktop_that_is_not_paired_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUTSHELLPBX_CLIENT_DIR", str(tmp_path))
    assert client.main(["ring", "--number", "+13125550142"]) == client.NOT_PAIRED
