"""The rule `reference`: the same amount, and references that are similar once case, blanks and signs are gone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz.distance import Indel
from rapidfuzz.process import cpdist

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import Currency
from everycent.proof.recon.core.matching.found import Found
from everycent.proof.recon.core.matching.pairs import Pairing, assigned, candidates
from everycent.proof.recon.core.matching.words import days
from everycent.proof.recon.rules import ReferenceRuleSpec

#: Letters and digits alone, without case; null where none are left.
_PLAIN = r"nullif(lower(regexp_replace(nfc_normalize(reference), '[^\p{L}\p{N}]+', '', 'g')), '')"


@dataclass(frozen=True)
class ReferenceRule:
    """The further the less similar; `similar` is of 100, of all letters those that need not be put in or taken out."""

    pairing: Pairing
    similar: int

    def find(self, left: pa.Table, right: pa.Table, engine: LocalEngine) -> Found:
        """Left and right: ITEM."""
        pairs, given_up = candidates(self.pairing, left, right, engine)
        texts = engine.query(
            f"""WITH l AS (SELECT row_no, {_PLAIN} AS plain FROM left_items),
            r AS (SELECT row_no, {_PLAIN} AS plain FROM right_items)
            SELECT p.* EXCLUDE (distance), l.plain AS one, r.plain AS other FROM pairs AS p
            JOIN l ON l.row_no = p.left_row JOIN r ON r.row_no = p.right_row""",
            pairs=pairs,
            left_items=left,
            right_items=right,
        )
        distance = pa.array(100 - _similar(texts["one"], texts["other"]))
        near = texts.append_column("distance", distance).filter(pc.less_equal(distance, 100 - self.similar))
        return assigned(self.pairing, near, given_up, engine)


def _similar(one: pa.ChunkedArray, other: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """How similar, 0 to 100, rounded down: whole numbers all the way."""
    both: npt.NDArray[np.int64] = pc.add(pc.utf8_length(one), pc.utf8_length(other)).to_numpy().astype(np.int64)
    if not len(both):
        return both
    apart = cpdist(one.to_pylist(), other.to_pylist(), scorer=Indel.distance, dtype=np.int32)
    found: npt.NDArray[np.int64] = 100 * (both - apart.astype(np.int64)) // both
    return found


def plan_reference(spec: ReferenceRuleSpec, currency: Currency) -> ReferenceRule:
    """A row without a letter or digit in its reference takes no part."""
    given = "nullif(regexp_replace({}.reference, '[^\\p{{L}}\\p{{N}}]+', '', 'g'), '') IS NOT NULL"
    pairing = Pairing(
        by=("amount", *(word for word in spec.by if word not in ("amount", "currency")), "currency"),
        currency=currency.code,
        within_days=days(spec.within),
        later=spec.later,
        pairs_max=spec.pairs,
        budget=spec.budget,
        where=f"{given.format('l')} AND {given.format('r')}",
        clear_by=spec.clear_by,
    )
    return ReferenceRule(pairing, spec.similar)
