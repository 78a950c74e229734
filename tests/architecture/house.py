"""The plan of the house, and how its source is read; every reader takes the root, so made-up trees do too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Bottom-up: a room imports itself and what stands below it; siblings never each other.
LAYERS = (
    ("faults", "phone", "redact", "wire", "fields"),
    ("outbound", "doorbell"),
    ("audit",),
    ("vault",),
    ("pbx",),
    ("people",),
    ("crm",),
    ("desktop", "journal"),
    ("calls",),
    ("ops",),
    ("dashboard",),
)
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
ASSEMBLY = frozenset({"settings", "urls", "asgi", "asgi_push", "celery"})
# Rooms beside the layers, and the only rooms that they may import.
BESIDE = {"client": frozenset({"wire", "redact"}), "lab": frozenset(LAYERS[0])}

# Folders that make or a tool fills; nobody wrote what stands in them.
MADE = frozenset({".git", ".venv", "var", "build", "dist"})
TEXT = frozenset(
    {".py", ".sh", ".md", ".html", ".txt", ".js", ".css", ".toml", ".svg", ".json", ".conf", ".service"}
)


@dataclass(frozen=True)
class Source:
    """One Python file: its path from the root (posix), its text, its tree."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=self.path)

    @property
    def room(self) -> str:
        """The package or module right under nutshellpbx that the file belongs to; "" for itself."""
        first = self.path.removeprefix("nutshellpbx/").partition("/")[0]
        return first.removesuffix(".py").removeprefix("__init__")

    @property
    def is_migration(self) -> bool:
        return "/migrations/" in self.path


def find_sources(root: Path, *folders: str) -> list[Source]:
    """Every Python file in these folders of the root, migrations too."""
    found = (path for folder in folders for path in sorted((root / folder).rglob("*.py")))
    return [Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")) for path in found]


def find_files(root: Path) -> Iterator[Path]:
    """Every file that somebody wrote: not what make, git or a tool's cache put there."""
    for path in sorted(root.iterdir()):
        if (
            path.is_symlink()
            or path.name in MADE
            or path.name.endswith((".egg-info", "_cache", "__pycache__"))
        ):
            continue
        if path.is_dir() and path.name != ".hypothesis":
            yield from find_files(path)
        elif path.is_file():
            yield path


def find_texts(root: Path) -> Iterator[tuple[str, str]]:
    """Path from the root and text of every file that is read by people."""
    for path in find_files(root):
        if path.suffix in TEXT or path.name in {"Makefile", "run", ".gitignore", ".editorconfig", "LICENSE"}:
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8", errors="replace")


def find_imports(source: Source) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import, wherever it stands: in a function and under TYPE_CHECKING too."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            above = Path(source.path).parts[: -node.level] if node.level else ()
            for name in node.names:
                yield node.lineno, ".".join([*above, *([node.module] if node.module else []), name.name])


def find_named_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every string that names a module of ours, as import_module takes it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and is_module_name(node.value):
            yield node.lineno, str(node.value)


def is_module_name(value: object) -> bool:
    """Whether this is a text like nutshellpbx.calls.flow."""
    return isinstance(value, str) and bool(re.fullmatch(r"nutshellpbx\.[a-z_]+(\.\w+)*", value))


def read_registry(root: Path, path: str, name: str) -> dict[str, str]:
    """The literal dict `name` of a file, kind -> dotted path; ValueError or AssertionError if it is none."""
    for node in ast.parse((root / path).read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            registry = ast.literal_eval(node.value)  # type: ignore[attr-defined]
            assert isinstance(registry, dict) and registry, f"{path}: {name} is empty"
            return registry
    raise AssertionError(f"{path} has no {name}")
