"""Money, core and stages: no clock, no chance, no files, no environment, no binary fractions.

They are what the laws (cut, replay, order) rest on: the same input gives the same bytes at any time, anywhere.
"""

import ast
from pathlib import Path

import pytest
from sources import PACKAGE, parsed, shown

CLOCK = "the same input would give other rows tomorrow; take the time as an argument"
CHANCE = "the same input would give other rows each time; derive the value from the input"
OUTSIDE = "what the machine holds is not in the batch; have the caller read it and pass it in"
BINARY = "a binary fraction loses cents; use integer minor units, Decimal or Fraction"

FORBIDDEN = {
    "time.time": CLOCK,
    "time.time_ns": CLOCK,
    "time.monotonic": CLOCK,
    "datetime.now": CLOCK,
    "datetime.today": CLOCK,
    "datetime.utcnow": CLOCK,
    "date.today": CLOCK,
    "random": CHANCE,
    "secrets": CHANCE,
    "np.random": CHANCE,
    "uuid4": CHANCE,
    "uuid.uuid4": CHANCE,
    "uuid.uuid1": CHANCE,
    "open": OUTSIDE,
    "os.environ": OUTSIDE,
    "os.getenv": OUTSIDE,
    "float": BINARY,
    "np.float64": BINARY,
    "pa.float64": BINARY,
}


def faults(tree: ast.Module) -> list[tuple[int, str]]:
    """(line, what it prevents) of everything that a pure file may not hold."""
    found = []
    for node in ast.walk(tree):
        name = _name(node)
        if name is not None:
            found += [(node.lineno, f"{name}: {FORBIDDEN[name]}")]  # type: ignore[attr-defined]
        elif isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            found += [(node.lineno, f"{node.value}: {BINARY}")]
    return sorted(found)


def _name(node: ast.AST) -> str | None:
    """The forbidden name that a node is, if it is one; `datetime.datetime.now` counts as `datetime.now`."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
        return next((name for name in names if name in ("random", "secrets", "uuid4")), None)
    if not isinstance(node, ast.Name | ast.Attribute):
        return None
    written = ".".join(ast.unparse(node).split(".")[-2:])
    return written if written in FORBIDDEN else None


def pure_files() -> list[Path]:
    stages = [*PACKAGE.glob("flow/*/stage.py"), *PACKAGE.glob("proof/*/stage.py")]
    cores = [*PACKAGE.glob("flow/*/core/**/*.py"), *PACKAGE.glob("proof/*/core/**/*.py")]
    return sorted([*(PACKAGE / "base" / "money").rglob("*.py"), *cores, *stages])


@pytest.mark.parametrize("file", pure_files(), ids=shown)
def test_it_is_pure(file: Path) -> None:
    found = [f"{shown(file)}:{line}: {reason}" for line, reason in faults(parsed(file))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "import random",
        "from uuid import uuid4",
        "at = datetime.now(UTC)",
        "at = datetime.datetime.utcnow()",
        "day = date.today()",
        "started = time.time()",
        "text = open('rates.csv').read()",
        "zone = os.environ['TZ']",
        "rate = 0.006",
        "def fee(amount: float) -> int: ...",
        "column = values.astype(np.float64)",
    ],
)
def test_impurity_is_noticed(line: str) -> None:
    assert faults(ast.parse(line))


@pytest.mark.parametrize("line", ["calendar.today(now)", "day = file.opened", "rate = Decimal('0.006')", "n = 10**18"])
def test_purity_is_not_mistaken(line: str) -> None:
    assert not faults(ast.parse(line))
