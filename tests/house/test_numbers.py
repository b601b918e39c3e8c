"""House numbers: nothing grows beyond what one can read at a sitting."""

import statistics
from pathlib import Path

import pytest
from sources import functions, parsed, python_files, shown

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 60

FILES = python_files("src", "tests", "benchmarks", "examples")


@pytest.mark.parametrize("file", FILES, ids=shown)
def test_files_and_functions_stay_short(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES_MAX, f"{shown(file)} has {lines} lines; split it where its subject splits"
    for function in functions(parsed(file)):
        long = (function.end_lineno or function.lineno) - function.lineno + 1
        assert long <= FUNCTION_LINES_MAX, f"{shown(file)}:{function.lineno}: {function.name} has {long} lines"


def test_most_files_and_functions_are_small() -> None:
    sources = python_files("src")
    files = [len(file.read_text(encoding="utf-8").splitlines()) for file in sources]
    spans = [(found.end_lineno or 0) - found.lineno + 1 for file in sources for found in functions(parsed(file))]
    assert statistics.median(files) <= 120
    assert statistics.median(spans) <= 12
