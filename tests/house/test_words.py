"""What is said, and what is left unsaid."""

import ast
import re
from pathlib import Path

import pytest
from sources import PACKAGE, contexts, parsed, python_files, shown

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!')")
HOMELESS = {"utils.py", "helpers.py", "common.py", "misc.py"}

SOURCES = python_files("src")


@pytest.mark.parametrize("file", SOURCES, ids=shown)
def test_nothing_is_left_for_later(file: Path) -> None:
    text = file.read_text(encoding="utf-8").replace("(XXX, ", "(")  # a currency's code, in base/money/currency.py
    unfinished = [f"{shown(file)}: {line.strip()}" for line in text.splitlines() if UNFINISHED.search(line)]
    assert not unfinished, "finish it, or file an issue:\n" + "\n".join(unfinished)


def test_a_thing_lives_where_it_belongs() -> None:
    homeless = [shown(file) for file in SOURCES if file.name in HOMELESS]
    assert not homeless, f"{homeless}: name the file after what it holds"


@pytest.mark.parametrize("file", [file for file in SOURCES if file.stat().st_size > 0], ids=shown)
def test_what_is_public_is_documented(file: Path) -> None:
    tree = parsed(file)
    silent = [] if ast.get_docstring(tree) else [f"{shown(file)}: the module"]
    silent += [
        f"{shown(file)}:{node.lineno}: {node.name}"
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and not _is_a_migration(file)
    ]
    assert not silent, "say what it is for, its units and its errors:\n" + "\n".join(silent)


def _is_a_migration(file: Path) -> bool:
    return file.parent.name == "migrations"


@pytest.mark.parametrize(
    "room", [*contexts(), PACKAGE / "base" / "money", PACKAGE / "base" / "engine" / "kernels"], ids=shown
)
def test_there_is_a_readme_at_each_door(room: Path) -> None:
    readme = room / "README.md"
    assert readme.exists(), f"{shown(room)} has no README.md: what enters, what leaves, the invariants"
    assert len(readme.read_text(encoding="utf-8").splitlines()) <= 60, f"{shown(readme)}: half a page"
