"""The form that all benchmarks share: arguments, one process for each contender, a table, and JSON as the last line."""

import argparse
import json
import multiprocessing
import platform
import resource
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

#: The same for every contender.
THREADS = 2
MEMORY_MB = 6_000


@dataclass(frozen=True)
class Measured:
    """What one contender took and found. `answer` is compared between contenders."""

    seconds: float
    answer: Any
    peak_mb: float
    notes: Mapping[str, Any]


def arguments(description: str, rows: int, seed: int | None = None, **flags: str) -> argparse.Namespace:
    """--rows and --json, as every benchmark takes them, --seed where it has one, and flags with what they do."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=rows, help=f"rows to generate (default {rows:,})")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    if seed is not None:
        parser.add_argument("--seed", type=int, default=seed, help=f"what the data is made from (default {seed})")
    for name, help_text in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=help_text)
    return parser.parse_args()


def alone(contender: Callable[..., tuple[float, Any, Mapping[str, Any]]], *arguments: Any) -> Measured:
    """Runs a contender, a function of a module, in a process of its own, so that its peak memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (contender, arguments))


def in_turns(
    contenders: Mapping[str, tuple[Callable[..., tuple[float, Any, Mapping[str, Any]]], tuple[Any, ...]]], rounds: int
) -> dict[str, Measured]:
    """Runs all contenders one after the other, `rounds` times, and takes the fastest of each.

    What others do on a shared machine only ever adds time, and so does memory that a virtual machine touches for the
    first time: the fastest of several is nearest to what the work itself takes. All rounds must give the same answer.
    """
    fastest: dict[str, Measured] = {}
    for _ in range(rounds):
        for name, (contender, given) in contenders.items():
            found = alone(contender, *given)
            known = fastest.setdefault(name, found)
            assert found.answer == known.answer, f"{name} gave two answers: {known.answer}, {found.answer}"
            fastest[name] = min(found, known, key=lambda measured: measured.seconds)
    return fastest


def _measured(contender: Callable[..., tuple[float, Any, Mapping[str, Any]]], arguments: tuple[Any, ...]) -> Measured:
    seconds, answer, notes = contender(*arguments)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured(seconds, answer, peak_mb, notes)


def temporary() -> tempfile.TemporaryDirectory[str]:
    """A folder for what spills, gone at the end."""
    return tempfile.TemporaryDirectory(prefix="everycent-benchmark-")


def report(
    name: str,
    rows: int,
    ours: Measured,
    references: Mapping[str, Measured],
    packages: list[str],
    as_json: bool,
    figures: Mapping[str, int] | None = None,
) -> None:
    """Prints the table (name, ours, reference, ratio: above 1 is faster than the reference), and JSON where asked.

    `figures`: what else is measured, for the JSON.
    """
    table = Table(title=f"{name}: {rows:,} rows, {THREADS} threads, peak {ours.peak_mb:,.0f} MB")
    for heading in ("reference", "ours s", "reference s", "ratio", "reference peak MB"):
        table.add_column(heading, justify="left" if heading == "reference" else "right")
    ratios = {key: found.seconds / ours.seconds for key, found in references.items()}
    for key, found in references.items():
        row = (f"{ours.seconds:.2f}", f"{found.seconds:.2f}", f"{ratios[key]:.2f}", f"{found.peak_mb:,.0f}")
        table.add_row(key, *row)
    Console().print(table)
    for key, note in ours.notes.items():
        print(f"{key}: {note}")
    if as_json:
        found = {
            "name": name,
            "rows": rows,
            "ours_s": round(ours.seconds, 4),
            "references": {key: round(found.seconds, 4) for key, found in references.items()},
            "ratios": {key: round(ratio, 4) for key, ratio in ratios.items()},
            "peak_mb": round(ours.peak_mb),
            "versions": {"python": platform.python_version()} | {package: version(package) for package in packages},
        }
        found |= {"figures": dict(figures)} if figures is not None else {}
        print(json.dumps(found))


def scratch(folder: str) -> Path:
    """Where an engine spills."""
    return Path(folder) / "spill"
