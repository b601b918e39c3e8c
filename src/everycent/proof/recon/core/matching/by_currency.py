"""Rules whose amounts are in currencies: rows of each are paired by its own. 5 minor units are 0.05 CNY, or 5 JPY."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.core.matching.found import DIFFERENCE, EXPLANATION, GIVEN_UP, VERDICT, Found
from everycent.proof.recon.core.matching.pairs import Pairing, assigned, candidates


@dataclass(frozen=True)
class PairByCurrency:
    """`each`: by code, how rows in that currency are paired; `others`: how those in any other are, None where the rule
    says nothing of them. Rows in two currencies are never a pair."""

    each: Mapping[str, Pairing]
    others: Pairing | None
    currency: str  # of rows that name none

    def find(self, left: pa.Table, right: pa.Table, engine: LocalEngine) -> Found:
        """Left and right: ITEM."""
        sides = [(items, pc.fill_null(items["currency"], self.currency)) for items in (left, right)]
        parts: list[tuple[Pairing, list[pa.Table]]] = [
            (pairing, [items.filter(pc.equal(money, code)) for items, money in sides])
            for code, pairing in self.each.items()
        ]
        if self.others is not None:
            named = pa.array(list(self.each), pa.string())
            parts.append((self.others, [items.filter(pc.invert(pc.is_in(money, named))) for items, money in sides]))
        return _together(
            [
                assigned(pairing, *candidates(pairing, ours, theirs, engine), engine)
                for pairing, (ours, theirs) in parts
                if ours.num_rows and theirs.num_rows
            ]
        )


def _together(parts: Sequence[Found]) -> Found:
    """What was found in rows that have nothing to do with each other, numbered as one."""
    explanations = knots = given_up = 0
    numbered: list[Found] = []
    for part in parts:
        numbered.append(
            Found(
                explanations=_moved(part.explanations, "explanation", explanations),
                verdicts=_moved(_moved(part.verdicts, "explanation", explanations), "knot", knots),
                given_up=_moved(part.given_up, "knot", -given_up),
                differences=_moved(part.differences, "explanation", explanations),
            )
        )
        explanations += pc.max(part.verdicts["explanation"]).as_py() or 0
        knots += 1 + (pc.max(part.verdicts["knot"]).as_py() or 0)
        given_up -= pc.min(part.given_up["knot"]).as_py() or 0
    tables = ("explanations", "verdicts", "given_up", "differences")
    schemas = (EXPLANATION, VERDICT, GIVEN_UP, DIFFERENCE)
    joined = (
        pa.concat_tables([schema.empty_table(), *(getattr(part, name) for part in numbered)])
        for name, schema in zip(tables, schemas, strict=True)
    )
    return Found(*joined)


def _moved(table: pa.Table, name: str, by: int) -> pa.Table:
    """The table with these numbers moved on; a knot of -1 is none."""
    numbers = table[name]
    moved = pc.if_else(pc.equal(numbers, -1), numbers, pc.add(numbers, by)) if by else numbers
    return table.set_column(table.column_names.index(name), table.field(name), moved)
