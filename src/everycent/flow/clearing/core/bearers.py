"""Who the bearers of an apportioned charge are: parties found in its record."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.distinct import Combinations, combinations, over_combinations
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.flow.clearing.core.columns import texts
from everycent.flow.parties.contract import PartySpec, party_id_sql

Places = npt.NDArray[np.int64]


class Bearers:
    """The parties that bear charges of a batch, by role; each found once for all records."""

    def __init__(self, records: pa.Table, engine: LocalEngine) -> None:
        self._records, self._engine = records, engine
        self._found: dict[str, pa.DictionaryArray] = {}
        self._distinct: dict[tuple[str, ...], Combinations] = {}

    def of(self, role: str, spec: PartySpec) -> pa.DictionaryArray:
        """Each record's party id in this role, null where a key column is empty."""
        if role not in self._found:
            if spec.operator is not None:
                self._found[role] = texts(np.zeros(self._records.num_rows, dtype=np.int32), [role])
            else:
                named = _named(spec.key)
                sql = party_id_sql(role, spec, named.__getitem__)
                self._found[role] = over_combinations(self._engine, self.distinct(spec.key), sql)
        return self._found[role]

    def distinct(self, names: tuple[str, ...]) -> Combinations:
        """The distinct values of some columns of the records' bodies, as c0, c1 …; found once."""
        if names not in self._distinct:
            self._distinct[names] = combinations(self._columns(names))
        return self._distinct[names]

    def unknown(self, role: str, spec: PartySpec, records: Places) -> npt.NDArray[np.bool_]:
        """Which of these records do not name their bearer in this role."""
        party = self.of(role, spec)
        if party.indices.null_count == 0:
            return np.zeros(len(records), dtype=np.bool_)
        nulls: npt.NDArray[np.bool_] = party.indices.is_null().to_numpy(zero_copy_only=False)
        return nulls[records]

    def reasons(self, role: str, spec: PartySpec, records: Places) -> list[str]:
        """Why each of these records names no bearer in this role: the first key column that is empty."""
        columns, named = self._columns(spec.key), _named(spec.key)
        cases = " ".join(
            f"WHEN nullif(CAST({sql} AS VARCHAR), '') IS NULL"
            f" THEN {literal(f'column {name} is empty, so bearer {role} is not known')}"
            for name, sql in named.items()
        )
        keys = columns.take(pa.array(records)).append_column("pos", pa.array(np.arange(len(records))))
        found = self._engine.query(f"SELECT CASE {cases} END AS reason FROM unnamed ORDER BY pos", unnamed=keys)
        reasons: list[str] = found.column("reason").to_pylist()
        assert None not in reasons, "a party is unknown only where a key column is empty"
        return reasons

    def _columns(self, names: tuple[str, ...]) -> pa.Table:
        body = self._records.column("body")
        parts = dict(zip([field.name for field in body.type], body.flatten(), strict=True))
        return pa.table({column: parts[name] for name, column in _named(names).items()})


def _named(names: tuple[str, ...]) -> dict[str, str]:
    """What each column is called in SQL."""
    return {name: f"c{at}" for at, name in enumerate(names)}
