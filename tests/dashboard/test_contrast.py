"""The colours of tokens.css, measured by tools/contrast.py as in `make check`; and that it would notice."""

from __future__ import annotations

import pytest

from tools import contrast


def test_every_pair_stands_above_its_limit_in_all_four_themes(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["contrast"])
    with pytest.raises(SystemExit) as ended:
        contrast.main()
    assert not ended.value.code, capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "after"),
    [("--text-3: light-dark(#57666D", "--text-3: light-dark(#A7B6BD"), ("#94A4AB)", "#344449)")],
)
def test_colour_that_is_too_faint_is_noticed(before, after, tmp_path, monkeypatch):
    faint = tmp_path / "tokens.css"
    faint.write_text(contrast.CSS.read_text().replace(before, after, 1))
    monkeypatch.setattr(contrast, "CSS", faint)
    monkeypatch.setattr("sys.argv", ["contrast"])
    with pytest.raises(SystemExit) as ended:
        contrast.main()
    assert ended.value.code
