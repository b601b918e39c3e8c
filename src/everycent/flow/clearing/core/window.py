"""A window of ordered records as columns: all kinds in one strict order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.distinct import Combinations
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.side_by_side import side_by_side
from everycent.flow.clearing.contract import SEQUENCE
from everycent.flow.clearing.core.bearers import Bearers
from everycent.flow.clearing.core.columns import encoded, places_of_ids
from everycent.flow.intake.contract import RECORD
from everycent.flow.parties.contract import PartySpec

Places = npt.NDArray[np.int64]

_PLAIN = [name for name in RECORD.columns.names if name != RECORD.body]
_NOTHING = RECORD.empty().select(_PLAIN)


@dataclass(frozen=True)
class Coded:
    """A text for each record of the window by its place in `texts`; -1 where it has none."""

    codes: npt.NDArray[np.int32]
    texts: pa.Array


class Window:
    """The records of a window. `size` of them, known by their place in the sequence."""

    def __init__(self, sequence: pa.Table, records: Mapping[str, pa.Table], engine: LocalEngine) -> None:
        """`sequence`: SEQUENCE rows; `records`: RECORD rows of each kind in it, in any order; more do no harm."""
        assert sequence.schema.names == SEQUENCE.names, f"a sequence has {SEQUENCE.names}"
        numbers = sequence.column("sequence_no").to_numpy()
        assert (np.diff(numbers) > 0).all(), "the numbers of a sequence rise strictly"
        self.sequence, self.size, self._engine = sequence, sequence.num_rows, engine
        self.kinds = {kind: RECORD.check(table) for kind, table in records.items() if table.num_rows}
        kind = encoded(sequence.column("kind"))
        self.kind_names: list[str] = kind.dictionary.to_pylist()
        self.kind_of = kind.indices.to_numpy()
        self._bearers = {name: Bearers(table, engine) for name, table in self.kinds.items()}

    @cached_property
    def row_of(self) -> Places:
        """Where each record stands among its kind's."""
        ids = self.sequence.column("record_id")
        rows = np.full(self.size, -1, dtype=np.int64)
        for code, kind in enumerate(self.kind_names):
            known = self.kinds[kind].column("record_id")
            if len(self.kind_names) == 1:
                rows = places_of_ids(ids, known)
            else:
                mine = self.places_of_kind(code)
                rows[mine] = places_of_ids(ids.take(pa.array(mine)), known)
        assert (rows >= 0).all(), "each record of the sequence comes with its row"
        return rows

    @cached_property
    def straight(self) -> bool:
        """Whether all records are of one kind, whose rows stand in the window's order."""
        if len(self.kind_names) != 1:
            return False
        rows = self.kinds[self.kind_names[0]].num_rows
        return rows == self.size and np.array_equal(self.row_of, np.arange(self.size))

    def places_of_kind(self, code: int) -> Places:
        """Where records of a kind are in the sequence."""
        return np.flatnonzero(self.kind_of == code)

    @cached_property
    def plain(self) -> pa.Table:
        """RECORD rows without their body, in order."""
        tables = [self.kinds[kind].select(_PLAIN) for kind in self.kind_names]
        if not tables:
            return _NOTHING
        if len(tables) == 1:
            return tables[0] if self.straight else tables[0].take(pa.array(self.row_of))
        starts = np.cumsum([0, *(table.num_rows for table in tables)])
        return pa.concat_tables(tables).take(pa.array(starts[self.kind_of] + self.row_of))

    def look_ahead(self, wanted: Iterable[tuple[str, tuple[str, ...]]], threads: int) -> None:
        """Finds the distinct values of columns of kinds side by side, which take longest; later they are at hand."""
        asked = list(dict.fromkeys(wanted))
        if threads == 1 or len(asked) < 2:
            return
        side_by_side([partial(self.distinct, *each) for each in asked], threads)

    def distinct(self, kind: str, names: tuple[str, ...]) -> Combinations:
        """The distinct values of some columns of a kind's bodies, as c0, c1 …"""
        return self._bearers[kind].distinct(names)

    def parties(self, role: str, spec: PartySpec, kinds: set[str]) -> Coded:
        """The party of each record of these kinds in a role."""
        return self.gather({kind: self._bearers[kind].of(role, spec) for kind in sorted(kinds)})

    def why_unknown(self, role: str, spec: PartySpec, place: int) -> str:
        """Why a record names nobody in a role."""
        kind = self.kind_names[self.kind_of[place]]
        return self._bearers[kind].reasons(role, spec, self.row_of[[place]])[0]

    def gather(self, found: Mapping[str, pa.DictionaryArray]) -> Coded:
        """Texts of each kind's rows, brought into the window's order."""
        if self.straight and self.kind_names[0] in found:
            one = found[self.kind_names[0]]
            return Coded(_codes(one), one.dictionary)
        codes = np.full(self.size, -1, dtype=np.int32)
        dictionaries: list[pa.Array] = []
        for code, kind in enumerate(self.kind_names):
            if kind not in found:
                continue
            mine = self.places_of_kind(code)
            indices = _codes(found[kind])[self.row_of[mine]]
            base = sum(map(len, dictionaries))
            codes[mine] = np.where(indices < 0, -1, indices + base)
            dictionaries.append(found[kind].dictionary)
        if len(dictionaries) == 1:
            return Coded(codes, dictionaries[0])
        distinct = pa.concat_arrays([pa.array([], pa.string()), *dictionaries]).dictionary_encode()
        again = np.append(distinct.indices.to_numpy(), -1).astype(np.int32)  # the last one stands for -1
        return Coded(again[codes], distinct.dictionary)


def _codes(texts: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    """Each text's place in the dictionary, -1 for none."""
    indices = texts.indices if texts.indices.null_count == 0 else texts.indices.fill_null(-1)
    codes: npt.NDArray[np.int32] = indices.to_numpy(zero_copy_only=False)
    return codes
