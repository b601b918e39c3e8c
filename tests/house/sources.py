"""The house's own source files, as the tests in this folder look at them."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "everycent"


def python_files(*folders: str) -> list[Path]:
    """All Python files under the given folders of the repository, in order."""
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def shown(file: Path) -> str:
    """A file as its place in the repository."""
    return file.relative_to(ROOT).as_posix()


def parsed(file: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def contexts() -> list[Path]:
    """The folders that are a context: those of flow and of proof."""
    rooms = [room for wing in ("flow", "proof") for room in (PACKAGE / wing).iterdir()]
    return sorted(room for room in rooms if (room / "__init__.py").exists())
