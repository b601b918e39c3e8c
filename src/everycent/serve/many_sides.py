"""Scenarios of more than two sides: each side against the basis, and one table of what all of them say."""

from collections.abc import Iterator, Mapping

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.proof.recon.contract import ReconSpec
from everycent.proof.recon.service import ReconRun, across

Path = tuple[str, ...]
#: Stands between a scenario's name and a day, where its days are told apart.
DAY_APART = "@"


def each_pair(specs: Mapping[str, ReconSpec]) -> Iterator[tuple[str, ReconSpec, Path, tuple[Path, Path]]]:
    """Each comparison of two sides: its name (of more sides: NAME/SIDE), its words, and where they stand."""
    for name, spec in specs.items():
        if not spec.sides:
            yield name, spec, ("recon", name), (("left",), ("right",))
        for side, pair in spec.pairs.items():
            yield f"{name}/{side}", pair, ("recon", name), (("sides", str(spec.basis)), ("sides", side))


class ManySides:
    """Keeps the sides of scenarios of more than two until all of them were compared."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self._tables: dict[str, dict[str, str]] = {}
        self._breaks: dict[str, list[pa.Table]] = {}
        self._currency: dict[str, str] = {}

    def keep(
        self, scenario: str, names: tuple[str, str], tables: tuple[str, str], run: ReconRun, currency: str
    ) -> None:
        """Takes the tables of a pair of sides; of the basis each row but once. `currency`: the scenario's."""
        kept = self._tables.setdefault(scenario, {})
        for name, table in zip(names, tables, strict=True):
            if name in kept:  # the basis: of it each pair has the rows that the other side covers
                self._engine.connection.execute(
                    f"""INSERT INTO {identifier(kept[name])} BY NAME FROM {identifier(table)}
                    ANTI JOIN {identifier(kept[name])} USING (source_file, source_line, key)"""
                )
                continue
            kept[name] = f"recon_across_{sum(map(len, self._tables.values()))}"
            rename = f"ALTER TABLE {identifier(table)} RENAME TO {identifier(kept[name])}"
            self._engine.connection.execute(rename)
        self._breaks.setdefault(scenario, []).append(run.reconciled.breaks)
        self._currency[scenario] = currency

    def told(self) -> dict[str, pa.Table]:
        """By scenario, what each side says of the keys on which some part; the sides are let go."""
        found = {
            name: across(tables, self._breaks[name], self._currency[name], self._engine)
            for name, tables in self._tables.items()
        }
        for tables in self._tables.values():
            for table in tables.values():
                self._engine.connection.execute(f"DROP TABLE {identifier(table)}")
        return found
