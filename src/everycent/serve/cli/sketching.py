"""`everycent recon sketch` and `everycent recon compare`: reconcile with a partner without sharing rows."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.settings import Settings
from everycent.serve.cli import exits
from everycent.serve.cli.terminal import err, out, print_json, print_table
from everycent.serve.sketching import Side, Taken, compare_sketches, make_sketch, own_rows

ROWS_SHOWN = 20


@contextmanager
def _engine() -> Iterator[LocalEngine]:
    settings = Settings.load()
    with (
        tempfile.TemporaryDirectory(prefix="everycent-recon-") as spill,
        LocalEngine(settings.threads, settings.memory_mb, Path(spill)) as engine,
    ):
        yield engine


def sketch_command(side: Side, differences: int, path: Path) -> int:
    """Writes the sketch whole or not at all."""
    with _engine() as engine:
        content = make_sketch(side, differences, engine)
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    out.print(f"written: {path} ({len(content):,} bytes)", markup=False)
    return exits.OK


def compare_command(left: Path, right: Path, own: Side | None, *, as_json: bool) -> int:
    """0 where both hold the same rows, 1 where they do not."""
    taken = compare_sketches(left, right)
    rows = []
    if own is not None:
        with _engine() as engine:
            rows = own_rows(own, taken, engine).to_pylist()
    if as_json:
        print_json({**_as_dict(taken), "own_rows": rows})
    else:
        _print(taken, rows)
    if not taken.found.complete:
        err.print(
            "the sketches are too small for all that differs: what is said above is right, but not all; make both "
            "again with more --differences, or compare the files",
            markup=False,
        )
    return exits.OK if taken.found.complete and not taken.keys else exits.FAILED


def _as_dict(taken: Taken) -> dict[str, object]:
    counts = taken.found.counts
    return {
        "left_rows": taken.left_rows,
        "right_rows": taken.right_rows,
        "complete": taken.found.complete,
        "keys": taken.keys,
        "left_only": int(counts[counts > 0].sum()),
        "right_only": -int(counts[counts < 0].sum()),
        "key_hashes": sorted({f"{key:012x}" for key in taken.found.keys.tolist()}),
    }


def _print(taken: Taken, rows: list[dict[str, object]]) -> None:
    found = _as_dict(taken)
    out.print(f"{taken.left_rows:,} rows on the left, {taken.right_rows:,} on the right")
    out.print(
        f"{found['keys']:,} keys differ: {found['left_only']:,} rows are on the left only, "
        f"{found['right_only']:,} on the right only"
    )
    if rows:
        shown = [
            [row["source_line"], row["key"], "differs" if row["differs"] else "agrees"] for row in rows[:ROWS_SHOWN]
        ]
        here = f", here {ROWS_SHOWN}; --json has them all" if len(rows) > ROWS_SHOWN else ""
        print_table(
            f"Own rows of these keys: {len(rows):,}{here}", ["line", "key", "this row"], shown, right=frozenset({0})
        )
