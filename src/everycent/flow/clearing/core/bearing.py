"""From charges to obligations: a charge is owed whole by its debtor, or in shares by its bearers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.flow.clearing.contract import OBLIGATION, Cleared
from everycent.flow.clearing.core.apportion import apportion
from everycent.flow.clearing.core.bearers import Bearers
from everycent.flow.clearing.core.columns import days_of, encoded, minor, places_of_ids, places_of_texts, texts
from everycent.flow.clearing.core.legal_entities import settled_by
from everycent.flow.clearing.core.plan import Apportionment, ClearingPlan
from everycent.flow.rating.contract import HELD

Minor = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Shared:
    """The rows of one apportioned charge: their places among the charges, and those of their records."""

    at: int
    terms: Apportionment
    rows: Places
    records: Places


def bear(plan: ClearingPlan, records: pa.Table, charges: pa.Table, bearers: Bearers) -> Cleared:
    """OBLIGATION rows of CHARGE rows, in their order, then by bearer.

    A charge with a bearer whom its record does not name is taken out of the charges and held, whole.
    """
    named = _shared(plan, records, charges)
    lacking, held = _without_bearer(plan, charges, named, bearers)
    if held.num_rows:
        charges = charges.filter(pa.array(~lacking))
        named = _shared(plan, records, charges)
    return Cleared(charges, _obligations(plan, records, charges, named, bearers), held)


def _shared(plan: ClearingPlan, records: pa.Table, charges: pa.Table) -> list[_Shared]:
    codes = places_of_texts(charges.column("charge"), plan.names)
    assert (codes >= 0).all(), "each charge is one of the model's"
    found = []
    for at, charge in enumerate(plan.charges):
        rows = np.flatnonzero(codes == at) if charge.apportionment is not None else np.empty(0, dtype=np.int64)
        if charge.apportionment is not None and len(rows):
            ids = charges.column("record_id").take(pa.array(rows))
            places = places_of_ids(ids, records.column("record_id"))
            assert (places >= 0).all(), "each charge comes with its record"
            found.append(_Shared(at, charge.apportionment, rows, places))
    return found


def _without_bearer(
    plan: ClearingPlan, charges: pa.Table, named: Sequence[_Shared], bearers: Bearers
) -> tuple[npt.NDArray[np.bool_], pa.Table]:
    """Which charges have a bearer that is not known, and their HELD rows in the charges' order."""
    lacking = np.zeros(charges.num_rows, dtype=np.bool_)
    why: dict[int, str] = {}
    for shared in named:
        for role in dict.fromkeys(shared.terms.bearers):
            spec = plan.roles[role]
            new = bearers.unknown(role, spec, shared.records) & ~lacking[shared.rows]
            if new.any():
                lacking[shared.rows[new]] = True
                why |= zip(shared.rows[new].tolist(), bearers.reasons(role, spec, shared.records[new]), strict=True)
    rows = np.flatnonzero(lacking)
    held = pa.table(
        {
            "record_id": charges.column("record_id").take(pa.array(rows)),
            "charge": pc.cast(charges.column("charge").take(pa.array(rows)), pa.string()),
            "state": pa.array(["held"] * len(rows), pa.string()),
            "reason": pa.array([why[row] for row in rows.tolist()], pa.string()),
        }
    )
    return lacking, HELD.check(held)


def _obligations(
    plan: ClearingPlan, records: pa.Table, charges: pa.Table, named: Sequence[_Shared], bearers: Bearers
) -> pa.Table:
    amounts = minor(charges.column("amount_minor"))
    debtors = encoded(charges.column("debtor"))
    if not named:
        source, numbers = None, np.zeros(charges.num_rows, dtype=np.int16)
        owed, debtor = amounts, debtors
    else:
        source, numbers, owed, debtor = _spread(plan, amounts, debtors, named, bearers)
    rows = charges if source is None else charges.take(pa.array(source))
    codes = places_of_texts(rows.column("charge"), plan.names)
    entity, entities = settled_by(plan.settled, codes, lambda: days_of(rows, records))
    nothing = pa.nulls(rows.num_rows, pa.string())
    obligations = pa.table(
        {
            "record_id": rows.column("record_id"),
            "charge": rows.column("charge"),
            "bearer": pa.array(numbers.astype(np.int16, copy=False)),
            "debtor": debtor,
            "creditor": rows.column("creditor"),
            "amount_minor": pa.array(owed),
            "currency": rows.column("currency"),
            "legal_entity": texts(entity, entities),
            "booked_on": rows.column("booked_on"),
            "refund_of": rows.column("refund_of"),
            "debtor_statement": nothing,
            "creditor_statement": nothing,
        }
    )
    _assert_conserved(amounts, source, owed)
    assert debtor.indices.null_count == 0, "each obligation is owed by somebody"
    return OBLIGATION.check(obligations)


def _spread(
    plan: ClearingPlan, amounts: Minor, debtors: pa.DictionaryArray, named: Sequence[_Shared], bearers: Bearers
) -> tuple[Places, npt.NDArray[np.int16], Minor, pa.DictionaryArray]:
    """Each obligation's charge (its place), bearer number, amount and debtor; bearers are numbered from 1."""
    sizes = np.ones(len(amounts), dtype=np.int64)
    for shared in named:
        sizes[shared.rows] = len(shared.terms.bearers)
    starts = np.cumsum(sizes) - sizes
    source = np.repeat(np.arange(len(sizes)), sizes)
    numbers = np.zeros(len(source), dtype=np.int16)
    owed = amounts[source]
    dictionary = [debtors.dictionary]
    debtor = pc.fill_null(debtors.indices, -1).to_numpy(zero_copy_only=False)[source]
    for shared in named:
        shares = apportion(amounts[shared.rows], shared.terms)
        for number, role in enumerate(shared.terms.bearers):
            target = starts[shared.rows] + number
            party = bearers.of(role, plan.roles[role])
            owed[target] = shares[:, number]
            numbers[target] = number + 1
            codes = pc.fill_null(party.indices, -1).to_numpy(zero_copy_only=False)[shared.records]
            debtor[target] = codes + sum(map(len, dictionary))
            dictionary.append(party.dictionary)
    assert (debtor >= 0).all(), "each charge has a debtor or bearers"
    distinct = pa.concat_arrays(dictionary).dictionary_encode()  # a party may bear one charge and owe another
    return source, numbers, owed, texts(distinct.indices.to_numpy()[debtor], distinct.dictionary)


def _assert_conserved(amounts: Minor, source: Places | None, owed: Minor) -> None:
    """Each charge's obligations add up to it. (int64 sums wrap alike on both sides, so equality is still exact.)"""
    if source is None:
        assert owed is amounts, "a charge without shares is owed as it is"
        return
    starts = np.flatnonzero(np.diff(source, prepend=-1))
    sums = np.add.reduceat(owed, starts) if len(starts) else owed
    assert np.array_equal(sums, amounts), "obligations add up to their charge"
