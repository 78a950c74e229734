"""The checker of tests/faults counts hand-made lists right, and knows nothing of what it checks."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nutshellpbx.journal import marker
from nutshellpbx.lab.nutshell.notes_rest import add_note
from nutshellpbx.lab.nutshell.running import running_nutshell
from tests.faults import checker

SECRET = b"a secret of this box"


def line_of(call: str, generation: int = 1) -> str:
    """The marker of a call, as the product makes it."""
    return str(marker.make(secret=SECRET, call_key=call, crm_id="crm", generation=generation))


def told(*calls: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"call": call, "record": record} for call, record in calls]


def note(record: str, *calls: str, generation: int = 1, deleted: bool = False) -> dict[str, Any]:
    lines = ["Inbound call", *(line_of(call, generation) for call in calls)]
    return {"id": f"{record}/note", "parent": record, "body": "\n".join(lines), "deleted_at": deleted or None}


def counts(calls: list[dict[str, Any]], *notes: dict[str, Any]) -> tuple[int, int, int]:
    result = checker.compare(calls=calls, notes=notes)
    return len(result["missing"]), len(result["double"]), len(result["foreign"])


def test_a_note_for_each_call_is_right() -> None:
    assert counts(told(("a", "1"), ("b", "2")), note("1", "a"), note("2", "b")) == (0, 0, 0)


def test_a_call_without_a_note_is_missing_and_the_others_are_not() -> None:
    result = checker.compare(calls=told(("a", "1"), ("b", "2")), notes=[note("1", "a")])
    assert result["missing"] == ["2 has 0 notes for its calls b"]
    assert (result["calls"], result["notes"]) == (2, 1)


def test_a_marker_that_stands_twice_is_double() -> None:
    assert counts(told(("a", "1")), note("1", "a"), note("1", "a")) == (0, 1, 0)


def test_two_copies_too_many_count_twice() -> None:
    assert counts(told(("a", "1")), *[note("1", "a")] * 3) == (0, 2, 0)


def test_a_second_note_of_another_marker_at_a_record_that_was_called_once_is_double() -> None:
    assert counts(told(("a", "1")), note("1", "a"), note("1", "never told")) == (0, 1, 0)


def test_a_note_at_a_record_that_nobody_called_is_foreign() -> None:
    assert counts(told(("a", "1")), note("1", "a"), note("9", "never told")) == (0, 0, 1)


def test_several_calls_of_one_record_want_as_many_notes() -> None:
    calls = told(("a", "1"), ("b", "1"), ("c", "1"))
    assert counts(calls, note("1", "a"), note("1", "b"), note("1", "c")) == (0, 0, 0)
    assert counts(calls, note("1", "a")) == (2, 0, 0)


def test_a_double_does_not_stand_in_for_another_call_of_the_same_record() -> None:
    calls = told(("a", "1"), ("b", "1"))
    assert counts(calls, note("1", "a"), note("1", "a")) == (1, 1, 0)


def test_a_moved_entry_is_right_once_its_old_note_is_deleted() -> None:
    calls = told(("a", "2"))
    new, old = note("2", "a", generation=2), note("1", "a", deleted=True)
    assert counts(calls, old, new) == (0, 0, 0)


def test_a_moved_entry_whose_old_note_still_stands_is_double_and_foreign() -> None:
    assert counts(told(("a", "2")), note("1", "a"), note("2", "a", generation=2)) == (0, 1, 1)


def test_a_moved_entry_that_stands_at_the_old_record_alone_is_missing_and_foreign() -> None:
    assert counts(told(("a", "2")), note("1", "a")) == (1, 0, 1)


def test_a_note_with_two_markers_is_double() -> None:
    assert counts(told(("a", "1"), ("b", "1")), note("1", "a", "b")) == (0, 1, 0)


def test_notes_of_people_are_none_of_ours() -> None:
    by_hand = {"id": "5-notes", "parent": "9", "body": "see [npbx 7Q2K] in the handbook", "deleted_at": None}
    assert counts(told(("a", "1")), note("1", "a"), by_hand) == (0, 0, 0)


def test_a_marker_behind_an_html_line_end_is_found() -> None:
    html = {"id": "5-notes", "parent": "1", "body": f"Call<br />{line_of('a')}", "deleted_at": None}
    assert counts(told(("a", "1")), html) == (0, 0, 0)


@pytest.mark.parametrize(
    "lines",
    [
        '{"call": "a"}',
        '{"call": "a", "reco',
        '{"call": "a", "record": ""}',
        '{"call":"a","record":"1"}\n' * 2,
    ],
    ids=["no record", "cut off", "empty record", "twice"],
)
def test_a_list_that_cannot_be_read_is_no_proof(tmp_path: Path, lines: str) -> None:
    (tmp_path / "calls.jsonl").write_text(lines, encoding="utf-8")
    with pytest.raises(ValueError, match="line"):
        checker.read_calls(tmp_path / "calls.jsonl")


def test_as_a_program_it_asks_the_crm_itself_and_its_exit_code_is_the_verdict(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with running_nutshell(contacts=20) as nutshell:
        one, two = nutshell.ask("GET", "/sample?count=2")["contacts"]
        path.write_text(json.dumps({"call": "a", "record": one["id"]}) + "\n", encoding="utf-8")
        argv = [sys.executable, checker.__file__, "--calls", str(path), "--crm", nutshell.url]
        lost = subprocess.run(argv, capture_output=True, text=True, check=False)
        store = nutshell.instance.store
        add_note(store, parent_id=one["id"], text=f"Call\n{line_of('a')}", author_id="1-users")
        written = subprocess.run(argv, capture_output=True, text=True, check=False)
        add_note(store, parent_id=two["id"], text=f"Call\n{line_of('b')}", author_id="1-users")
        strange = checker.check(calls=path, crm=nutshell.url)
    assert (lost.returncode, len(json.loads(lost.stdout)["missing"])) == (1, 1)
    assert (written.returncode, json.loads(written.stdout)["notes"]) == (0, 1)
    assert len(strange["foreign"]) == 1


def test_it_asks_nothing_but_a_practice_crm_on_this_machine(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="practice"):
        checker.ask_notes("https://app.nutshell.com")


def test_it_shares_no_code_with_what_it_checks() -> None:
    tree = ast.parse(Path(checker.__file__).read_text(encoding="utf-8"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert imported <= sys.stdlib_module_names, imported - sys.stdlib_module_names
