"""The README's table of attacks is what the kept results give, and adds up."""

from __future__ import annotations

from typing import Any

import pytest

from tools import faulttable


def a_result(**figures: Any) -> dict[str, Any]:
    return {
        "attack": "writers killed",
        "seed": 7,
        "duration_s": 30.0,
        "commit": "abc",
        "ended_at": "2026-11-22T20:00:00Z",
        **dict.fromkeys(faulttable.FIGURES, 0),
        "note": "",
        **figures,
    }


def test_readme_shows_what_the_kept_results_give() -> None:
    readme = faulttable.README.read_text(encoding="utf-8")
    table = faulttable.table_of(faulttable.read_results(faulttable.KEPT))
    assert faulttable.with_table(readme, table) == readme, "run: python -m tools.faulttable"


def test_kept_results_lost_and_doubled_nothing() -> None:
    for result in faulttable.read_results(faulttable.KEPT):
        assert (result["missing"], result["double"], result["foreign"]) == (0, 0, 0), result


def test_table_has_a_row_for_each_attack_and_their_sum() -> None:
    results = [a_result(kills=1_200, entries=9_000), a_result(attack="power | cut", cuts=100, seed=None)]
    rows = faulttable.table_of(results).splitlines()
    assert rows[2] == "| writers killed | 7 | 30 s | 1,200 | 0 | 9,000 | 0 | 0 | 0 |"
    assert rows[3] == "| power / cut |  | 30 s | 0 | 100 | 0 | 0 | 0 | 0 |"
    assert rows[4].startswith("| **all** |  | **60 s** | **1,200** | **100** | **9,000** |")
    assert rows[-1] == "Run on 2026-11-22 at `abc`."


def test_a_loss_is_shown_as_it_is() -> None:
    assert "| 1 | 2 | 3 |" in faulttable.table_of([a_result(missing=1, double=2, foreign=3)])


def test_table_takes_the_place_of_the_one_before_and_of_nothing_else() -> None:
    readme = f"# A\n\n{faulttable.BEGIN}\n\nold\n\n{faulttable.END}\n\n## B\n"
    once = faulttable.with_table(readme, "new")
    assert once == f"# A\n\n{faulttable.BEGIN}\n\nnew\n\n{faulttable.END}\n\n## B\n"
    assert faulttable.with_table(once, "new") == once


def test_readme_without_its_place_for_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks one of these lines"):
        faulttable.with_table("# A\n", "new")


def test_only_a_run_at_full_length_that_lost_nothing_is_kept() -> None:
    full = a_result(kills=3_000, cuts=100, entries=20_000)
    assert faulttable.find_shortfall([full]) == ""
    short = [full | {"kills": 2_000, "double": 1}]
    assert faulttable.find_shortfall(short) == "2000 of 3000 kills, 1 double"
