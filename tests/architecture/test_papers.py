"""The papers say what the code does: settings, version, vendors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

import pytest

from nutshellpbx import __version__
from tests.architecture.house import ROOT, find_texts, read_registry
from tests.architecture.rules import demand_none

CONNECTOR_FILES = {"__init__.py", "connector.py", "translate.py"}
ADAPTER_FILES = {"__init__.py", "adapter.py", "api.py", "translate.py"}


def read_paper(name: str) -> str:
    """The text of a paper at the root; a paper that is missing fails its tests."""
    return (ROOT / name).read_text(encoding="utf-8")


def find_setting_names(source: str) -> set[str]:
    """The names of environment variables that a file asks for."""
    strings = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    names = (text for text in strings if isinstance(text, str))
    return {text for text in names if re.fullmatch(r"NUTSHELLPBX_[A-Z0-9_]+|DATABASE_URL", text)}


def find_documented(readme: str) -> set[str]:
    """The names of environment variables in the first column of the README's tables."""
    rows = (line.split("|")[1] for line in readme.splitlines() if line.lstrip().startswith("|"))
    return {name for row in rows for name in re.findall(r"\b(NUTSHELLPBX_[A-Z0-9_]+|DATABASE_URL)\b", row)}


def find_undocumented_vendors(readme: str, kinds: Iterable[str]) -> set[str]:
    """Kinds without a table row or list item of their own in the README."""
    lines = [line for line in readme.splitlines() if re.match(r"\s*([|*-]|\d+\.)\s", line)]
    return {kind for kind in kinds if not any(f"`{kind}`" in line for line in lines)}


def test_every_setting_stands_in_the_readme() -> None:
    readers = [ROOT / "nutshellpbx/settings.py", ROOT / "nutshellpbx/client/config.py"]
    used = {name for path in readers if path.is_file() for name in find_setting_names(path.read_text())}
    demand_none(sorted(used - find_documented(read_paper("README.md"))))


def test_readme_names_no_setting_that_nothing_reads() -> None:
    written = " ".join(text for path, text in find_texts(ROOT) if not path.endswith(".md"))
    demand_none(sorted(name for name in find_documented(read_paper("README.md")) if name not in written))


def test_top_of_the_changelog_is_this_version() -> None:
    versions = re.findall(r"^## \[?v?(\d+\.\d+\.\d+)", read_paper("CHANGELOG.md"), re.MULTILINE)
    assert versions and versions[0] == __version__


@pytest.mark.parametrize(
    ("port", "registry", "files"),
    [
        ("nutshellpbx/pbx/connector.py", "CONNECTORS", CONNECTOR_FILES),
        ("nutshellpbx/crm/adapter.py", "ADAPTERS", ADAPTER_FILES),
    ],
)
def test_every_vendor_is_a_folder_with_the_same_files_and_recordings(
    port: str, registry: str, files: set[str]
) -> None:
    missing = []
    for kind, dotted in read_registry(ROOT, port, registry).items():
        folder = ROOT.joinpath(*dotted.split(".")[:-2])
        assert folder == (ROOT / port).parent / kind, f"{kind} lives in {folder.relative_to(ROOT)}"
        missing += [f"{kind}/{name}" for name in sorted(files) if not (folder / name).is_file()]
        recordings = ROOT / "tests/recordings" / kind
        if not any(path.is_file() for path in recordings.rglob("*")):
            missing.append(f"tests/recordings/{kind}")
    demand_none(missing)


@pytest.mark.parametrize(
    ("port", "registry"),
    [("nutshellpbx/pbx/connector.py", "CONNECTORS"), ("nutshellpbx/crm/adapter.py", "ADAPTERS")],
)
def test_every_vendor_has_its_line_in_the_readme(port: str, registry: str) -> None:
    demand_none(find_undocumented_vendors(read_paper("README.md"), read_registry(ROOT, port, registry)))
