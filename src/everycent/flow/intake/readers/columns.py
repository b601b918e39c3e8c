"""The columns of a file against those that a model reads."""

import difflib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from everycent.flow.intake.contract import SourceError


def check_columns(path: Path, there: Sequence[str], wanted: Sequence[str]) -> None:
    """Raises SourceError where a wanted column is missing or a name occurs twice."""
    twice = [name for name, count in Counter(name for name in there if name).items() if count > 1]
    if twice:
        places = ", ".join(str(at + 1) for at, name in enumerate(there) if name == twice[0])
        raise SourceError(f"{path}: the column name '{twice[0]}' occurs twice (columns {places}); rename one of them")
    for name in wanted:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=2, cutoff=0.6)
            advice = f"did you mean {' or '.join(near)}? " if near else ""
            raise SourceError(
                f"{path} has no column '{name}'; {advice}It has: {', '.join(there)}. "
                f"Name the file's column with 'from', or check the encoding and the delimiter"
            )


def empty_table(wanted: Sequence[str]) -> pa.Table:
    """No rows of text columns."""
    return pa.table([pa.array([], pa.string()) for _ in wanted], names=list(wanted))
