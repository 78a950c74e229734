"""Files are short and named after what is in them; nothing unfinished, nothing of one machine is left."""

from __future__ import annotations

from tests.architecture.house import ROOT, find_files, find_sources, find_texts
from tests.architecture.rules import (
    demand_none,
    find_left_overs,
    find_long_files,
    find_other_places,
    find_vague_names,
)


def test_no_file_is_too_long() -> None:
    demand_none(find_long_files(find_texts(ROOT)))


def test_names_say_something() -> None:
    paths = [path.relative_to(ROOT).as_posix() for path in find_files(ROOT)]
    demand_none(find_vague_names(paths, find_sources(ROOT, "nutshellpbx", "tools", "tests")))


def test_nothing_is_marked_as_unfinished() -> None:
    demand_none(find_left_overs(find_texts(ROOT)))


def test_no_place_of_one_machine_is_named() -> None:
    demand_none(find_other_places(find_texts(ROOT)))
