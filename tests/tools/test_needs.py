"""What is missing is said with its reason and its cure."""

from __future__ import annotations

import pytest

from tools import needs
from tools.needs import Need


@pytest.fixture
def one_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "NEEDS", (Need("teapot", "tea", "teapot-bin", lambda: None),))


def test_reason_names_the_need_and_the_cure(one_need: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "find_hindrance", lambda: "only root may install it")
    reason = needs.find_reason("teapot")
    assert reason == "teapot is not on this machine (only root may install it; apt-get install teapot-bin)"


def test_nothing_is_installed_where_that_is_not_allowed(
    one_need: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(needs, "find_hindrance", lambda: "it has no apt-get")
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("ran something"))
    needs.install_missing()
    assert "teapot is not on this machine" in capsys.readouterr().out


def test_every_need_of_a_folder_is_known() -> None:
    names = {need.name for need in needs.NEEDS}
    assert {"chromium", "redis", "nginx", "asterisk", "postgresql"} <= names
