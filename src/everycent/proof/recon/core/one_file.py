"""One side by itself, as a company sketches it: its key, and what is compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.core.cells import Column, Kind, Reading, text_sql, value_sql
from everycent.proof.recon.core.columns import NothingToCompare
from everycent.proof.recon.core.kinds import readable, types_of


@dataclass(frozen=True)
class OneSide:
    """A side by itself, for a sketch: SQL texts of its key, and SQL values of what is compared, with their kinds."""

    key: tuple[str, ...]
    compared: tuple[tuple[str, str], ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for _, kind in self.compared)


def plan_side_alone(
    relation: str, key: Sequence[str], compare: Sequence[str], reading: Reading, engine: LocalEngine
) -> OneSide:
    """key: columns. compare: columns, each perhaps with its kind, `amount:number`, `paid_at:time` or `status:text`.

    Raises NothingToCompare.
    """
    types = types_of(relation, engine)
    for own in ("source_file", "source_line"):
        types.pop(own, None)
    compared = []
    for word in (part.strip() for text in compare for part in text.split(",")):
        name, _, said = word.partition(":")
        if said and said not in ("number", "time", "text"):
            raise NothingToCompare(f"'{word}': a column is compared as number, time or text")
        _there([name], types)
        (read,) = readable(relation, [Column(name, types[name])], reading, 0, engine)
        found = next(kind for kind in ("number", "time", "text") if kind in read.kinds)
        kind = cast(Kind, said or found)
        compared.append((value_sql(read.column, kind, reading), kind))
    columns = [part.strip() for text in key for part in text.split(",")]
    _there(columns, types)
    return OneSide(tuple(text_sql(name, reading) for name in columns), tuple(compared))


def _there(names: Sequence[str], types: Mapping[str, str]) -> None:
    for name in names:
        if name not in types:
            raise NothingToCompare(f"the file has no column '{name}'; it has: {', '.join(types)}")
