"""Two companies compare without showing each other rows: each makes a sketch of its side, either takes them apart."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.proof.recon.service import (
    Agreement,
    BadSketch,
    Differences,
    OneSide,
    Reading,
    Sketch,
    hash_sql,
    hashes,
    most_differences,
    plan_side_alone,
    read_sketch,
    refuse_other_words,
    refuse_unlike,
    secret_check,
    seed_of,
    sketch_bytes,
)
from everycent.serve.opening import Given, open_file

_RELATION = "sketched"
_SECRET_BYTES_LEAST = 16


@dataclass(frozen=True)
class Side:
    """A company's own side: its file, the columns of the key and those compared, and the secret that both share."""

    path: Path
    key: Sequence[str]
    compare: Sequence[str]
    secret: Path
    bill_format: str | None = None
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True)
class Taken:
    """What one sketch holds beyond the other. `agreed`: how both were made. `keys`: how many keys differ."""

    left_rows: int
    right_rows: int
    found: Differences
    agreed: Agreement

    @property
    def keys(self) -> int:
        return len(set(self.found.keys.tolist()))


def make_sketch(side: Side, differences: int, engine: LocalEngine) -> bytes:
    """A sketch with room for so many differing rows. Raises SourceError, UnknownFormat, NothingToCompare, BadSketch."""
    if not 0 < differences <= most_differences():
        raise BadSketch(f"--differences {differences}: write a number from 1 to {most_differences()}")
    plan, secret = _planned(side, engine)
    sketch = Sketch.empty(differences, seed_of(secret))
    for keys, rows in hashes(_RELATION, plan.key, plan.compared, secret, engine):
        sketch.add(keys, rows)
    return sketch_bytes(sketch, _agreement(plan, secret))


def compare_sketches(left: Path, right: Path) -> Taken:
    """Takes one from the other. Raises BadSketch where they do not fit."""
    one, other = (read_sketch(path.read_bytes(), str(path)) for path in (left, right))
    refuse_unlike(one, other)
    found, _ = one[0].differences(other[0])
    return Taken(one[0].rows, other[0].rows, found, one[1])


def own_rows(side: Side, taken: Taken, engine: LocalEngine) -> pa.Table:
    """The rows of the own file whose keys differ: source_line, key, and `differs`: whether this very row does. Raises
    BadSketch where the side is not told as its sketch was made: no row of it would be found."""
    plan, secret = _planned(side, engine)
    refuse_other_words(taken.agreed, _agreement(plan, secret), str(side.secret))
    keys, rows = hash_sql(plan.key, plan.compared, secret)
    apart = pa.table({"k": taken.found.keys, "r": taken.found.rows})
    return engine.query(
        f"""SELECT source_line, concat_ws('/', {", ".join(plan.key)}) AS key,
            {rows} IN (SELECT r FROM apart) AS differs
        FROM {identifier(_RELATION)} WHERE {keys} IN (SELECT k FROM apart) ORDER BY source_line""",
        apart=apart,
    )


def _agreement(plan: OneSide, secret: bytes) -> Agreement:
    return Agreement(secret_check(secret), len(plan.key), plan.kinds)


def _planned(side: Side, engine: LocalEngine) -> tuple[OneSide, bytes]:
    secret = side.secret.read_bytes().strip()
    if len(secret) < _SECRET_BYTES_LEAST:
        raise BadSketch(
            f"{side.secret} holds {len(secret)} bytes; a secret that cannot be guessed has at least "
            f"{_SECRET_BYTES_LEAST}, for example from `openssl rand -hex 32`"
        )
    opened = open_file(side.path, _RELATION, Given(format=side.bill_format), engine)
    return plan_side_alone(opened.relation, side.key, side.compare, side.reading, engine), secret
