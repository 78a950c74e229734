"""The rules of the house that can be read from its source. Each answers with sentences, one per breach."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeGuard

from tests.architecture.house import ASSEMBLY, BESIDE, RANK, Source, find_imports, find_named_modules

# One door to each dependency.
DOORS = {
    "requests": ("nutshellpbx/outbound/*", "nutshellpbx/client/link.py"),
    "redis": ("nutshellpbx/doorbell.py", "nutshellpbx/desktop/push.py"),
    "celery": ("nutshellpbx/doorbell.py", "nutshellpbx/celery.py", "nutshellpbx/*/tasks.py"),
    "cryptography": ("nutshellpbx/vault/*",),
    "websockets": ("nutshellpbx/pbx/threecx/stream.py",),
    # Signals are no way to tell a story.
    "django.dispatch": (),
    "django.db.models.signals": (),
}
ENVIRONMENT = ("nutshellpbx/settings.py", "nutshellpbx/client/config.py")
# Rooms that start processes may hand the whole environment on to them, unread.
HANDS_ON = ("ops", "lab")
# No Django, no clock, no IO.
PURE = (
    "nutshellpbx/phone.py",
    "nutshellpbx/wire.py",
    "nutshellpbx/faults.py",
    "nutshellpbx/fields.py",
    "nutshellpbx/pbx/events.py",
    "nutshellpbx/pbx/*/protocol.py",
    "nutshellpbx/pbx/*/translate.py",
    "nutshellpbx/crm/*/translate.py",
    "nutshellpbx/calls/states.py",
    "nutshellpbx/crm/match.py",
    "nutshellpbx/client/session.py",
)
IMPURE = frozenset(
    {
        "asyncio",
        "concurrent",
        "http",
        "io",
        "multiprocessing",
        "os",
        "pathlib",
        "random",
        "secrets",
        "select",
        "selectors",
        "shutil",
        "signal",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "sys",
        "tempfile",
        "threading",
        "time",
        "urllib.request",
    }
)
CLOCKS = frozenset({"now", "utcnow", "today"})
LONGEST = 400
COUNTED = frozenset({".py", ".js", ".css", ".html", ".sh"})
VAGUE = frozenset({"util", "utils", "common", "helper", "helpers", "misc"})
VAGUE_CLASS = re.compile(r"(Manager|Handler|Service|Processor)$|^Base")
# With a bracket in each word, so that this file does not hold what it looks for.
LEFT_OVER = re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b")
ELSEWHERE = re.compile(
    r"(/wor[k]/(main|shared|steering|\.)|/tmp/brie[f]|/far[m]/|/roo[t]/|/opt/pyp[i]|\.librar[y]/"
    r"|pythonhoste[d]|pyp[i]\.(org|io)|(deb|security)\.debia[n]\.|registry\.npmj[s])"
)


def find_upward_imports(sources: Iterable[Source]) -> Iterator[str]:
    """Imports that point upward, between siblings, or out of the client and the lab."""
    for source in sources:
        # A name of the assembly starts a process; what else is named, is imported sooner or later.
        named = [
            (line, name)
            for line, name in (find_named_modules(source.tree) if source.room in RANK else ())
            if name.split(".")[1] not in ASSEMBLY
        ]
        for line, name in {*find_imports(source), *named}:
            if name.startswith("nutshellpbx.") and not name.startswith("nutshellpbx.__version__"):
                other = name.split(".")[1]
                if reason := find_breach(source.room, other):
                    yield f"{source.path}:{line} {source.room} imports {name}: {reason}"


def find_breach(room: str, other: str) -> str | None:
    """Why this room may not lean on the other one; None where it may."""
    if room == other or room in ASSEMBLY:
        return None
    if room in BESIDE:
        return None if other in BESIDE[room] else f"it may import {', '.join(sorted(BESIDE[room]))} only"
    if room not in RANK:
        return f"{room or 'nutshellpbx'} stands in no layer"
    if other in ASSEMBLY:
        return "the assembly is imported by entry points only"
    if other not in RANK:
        return f"{other} stands in no layer"
    if RANK[other] == RANK[room]:
        return "siblings never import each other"
    return "that is upward" if RANK[other] > RANK[room] else None


def find_side_doors(sources: Iterable[Source]) -> Iterator[str]:
    """Uses of a dependency past its door, and of the environment outside the settings."""
    for source in sources:
        for line, name in find_imports(source):
            for dependency, doors in DOORS.items():
                if f"{name}.".startswith(f"{dependency}.") and not is_one_of(source.path, doors):
                    yield f"{source.path}:{line} imports {dependency}; its door: {', '.join(doors) or 'none'}"
        if source.path not in ENVIRONMENT:
            allowed = find_settings_defaults(source.tree) if source.room in ASSEMBLY else set()
            if source.room in HANDS_ON:
                allowed |= find_handed_on(source.tree)
            for node in ast.walk(source.tree):
                if is_environment(node) and node not in allowed:
                    line = node.lineno  # type: ignore[attr-defined]
                    yield f"{source.path}:{line} reads the environment; its door: {', '.join(ENVIRONMENT)}"


def find_settings_defaults(tree: ast.AST) -> set[ast.AST]:
    """The `os.environ` of each os.environ.setdefault("DJANGO_SETTINGS_MODULE", …), which entry points say."""
    return {
        node.func.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "setdefault"
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == "DJANGO_SETTINGS_MODULE"
    }


def find_handed_on(tree: ast.AST) -> set[ast.AST]:
    """The `os.environ` of each {**os.environ, …} and os.environ | …: a child process gets it as it is."""
    unpacked = {
        value
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if key is None
    }
    return unpacked | {node.left for node in ast.walk(tree) if isinstance(node, ast.BinOp)}


def is_environment(node: ast.AST) -> bool:
    """Whether the node is os.environ, os.environb or os.getenv, or imports one of them."""
    names = {"environ", "environb", "getenv"}
    if isinstance(node, ast.ImportFrom):
        return node.module == "os" and any(name.name in names for name in node.names)
    return (
        isinstance(node, ast.Attribute)
        and node.attr in names
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    )


def find_impurities(sources: Iterable[Source], stdlib: frozenset[str]) -> Iterator[str]:
    """What a pure file may not have: a foreign package, IO, a clock of its own."""
    for source in sources:
        if not is_one_of(source.path, PURE):
            continue
        for line, name in find_imports(source):
            first = name.split(".")[0]
            is_foreign = first not in stdlib | {"nutshellpbx", "__future__"}
            if is_foreign and not (first == "phonenumbers" and source.room == "phone"):
                yield f"{source.path}:{line} is pure and imports {first}"
            if any(f"{name}.".startswith(f"{module}.") for module in IMPURE):
                yield f"{source.path}:{line} is pure and imports {name}"
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                if called in {"open", "print", "input"} or called.rpartition(".")[2] in CLOCKS:
                    yield f"{source.path}:{node.lineno} is pure and calls {called}()"


def find_vendor_questions(sources: Iterable[Source], kinds: Iterable[str]) -> Iterator[str]:
    """Comparisons with a vendor's kind outside its folder; the lab plays vendors and may ask."""
    vendors = set(kinds)
    for source in sources:
        if source.room == "lab" or re.match(r"nutshellpbx/(pbx|crm)/\w+/", source.path):
            continue
        for node in ast.walk(source.tree):
            asked: list[ast.AST] = []
            if isinstance(node, ast.Compare):
                asked = [node.left, *node.comparators]
            elif isinstance(node, ast.MatchValue):
                asked = [node.value]
            words = {part.value for one in asked for part in ast.walk(one) if isinstance(part, ast.Constant)}
            for vendor in sorted(vendors & words):
                yield f"{source.path}:{node.lineno} asks whether it is {vendor}"  # type: ignore[attr-defined]


def find_vendor_questions_of_pages(texts: Iterable[tuple[str, str]], kinds: Iterable[str]) -> Iterator[str]:
    """The same in templates: a condition that compares with a vendor's kind."""
    question = re.compile(r"{%\s*(el)?if\b[^%]*[\"'](" + "|".join(map(re.escape, kinds)) + r")[\"'][^%]*%}")
    for path, text in texts:
        if path.endswith(".html") and path.startswith("nutshellpbx/") and "/lab/" not in path:
            for match in question.finditer(text):
                yield f"{path}:{text.count(chr(10), 0, match.start()) + 1} asks whether it is {match[2]}"


def find_swallowed(sources: Iterable[Source]) -> Iterator[str]:
    """Broad excepts that neither raise again nor log with logger.exception."""
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ExceptHandler) and is_broad(node.type):
                inside = [part for statement in node.body for part in ast.walk(statement)]
                raises = any(isinstance(part, ast.Raise) for part in inside)
                logs = any(isinstance(part, ast.Attribute) and part.attr == "exception" for part in inside)
                if not raises and not logs:
                    yield f"{source.path}:{node.lineno} swallows every exception"
            elif is_suppress(node) and any(is_broad(argument) for argument in node.args):
                yield f"{source.path}:{node.lineno} swallows every exception"


def is_suppress(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether the node is contextlib.suppress(…)."""
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress")


def is_broad(caught: ast.AST | None) -> bool:
    """Whether this catches everything: nothing named, Exception or BaseException, alone or among others."""
    if caught is None:
        return True
    return any(isinstance(n, ast.Name) and n.id in {"Exception", "BaseException"} for n in ast.walk(caught))


def find_long_files(texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Files past 400 lines; migrations, locks, recordings and other people's files aside."""
    for path, text in texts:
        aside = re.search(r"/(migrations|recordings|vendor)/|^lock/", path)
        if Path(path).suffix in COUNTED and not aside and (lines := text.count("\n")) > LONGEST:
            yield f"{path} has {lines} lines, more than {LONGEST}: split it by meaning"


def find_vague_names(paths: Iterable[str], sources: Iterable[Source]) -> Iterator[str]:
    """Files, folders and classes whose name says nothing; a class may follow a foreign one named so."""
    for path in paths:
        if path.startswith(("nutshellpbx/", "tests/", "tools/", "deploy/")):
            for part in {Path(part).stem for part in Path(path).parts} & VAGUE:
                yield f"{path}: {part} says nothing of what is in it"
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef) and (vague := find_vague_word(node)):
                # Asterisk's own word: its interface for other programs is called the manager.
                if vague == "Manager" and "/asterisk/" in source.path:
                    continue
                yield f"{source.path}:{node.lineno} class {node.name}: {vague} says nothing"


def find_vague_word(node: ast.ClassDef) -> str | None:
    """The word of a class's name that says nothing; None where a foreign base has it too."""
    found = VAGUE_CLASS.search(node.name)
    return found[0] if found and not any(found[0] in ast.unparse(base) for base in node.bases) else None


def find_left_overs(texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Marks of unfinished work."""
    for path, text in texts:
        if "/recordings/" not in path and "/vendor/" not in path:
            for match in LEFT_OVER.finditer(text):
                yield f"{path}:{text.count(chr(10), 0, match.start()) + 1} says {match[0]}"


def find_other_places(texts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Paths of one machine and hosts of package registries."""
    for path, text in texts:
        for match in ELSEWHERE.finditer(text):
            yield f"{path}:{text.count(chr(10), 0, match.start()) + 1} names {match[0]}"


def is_one_of(path: str, patterns: Iterable[str]) -> bool:
    """Whether the path is one of these; `*` in a pattern stands for one name."""
    return any(re.fullmatch(re.escape(pattern).replace(r"\*", "[^/]*"), path) for pattern in patterns)


def demand_none(breaches: Iterable[str]) -> None:
    """Fail with one line per breach."""
    lines = list(breaches)
    assert not lines, "\n".join(["", *lines])
