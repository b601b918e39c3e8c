"""From candidates to accepted records: the arrays that the arrival kernel works on, and the reasons for the rest."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.flow.intake.contract import QUARANTINE, RawRows
from everycent.flow.intake.core import arrival, asides
from everycent.flow.intake.core.plan import IntakePlan

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Decided:
    """Parallel to the candidates; what the arrays hold is said at arrival.decide_arrivals."""

    outcome: npt.NDArray[np.uint8]
    first: Codes
    refunded_before: Codes
    original: Codes


def decide_candidates(
    plan: IntakePlan, rows: RawRows, candidates: pa.Table, known: pa.Table, originals: pa.Table, engine: LocalEngine
) -> tuple[npt.NDArray[np.bool_], pa.Table]:
    """Which candidates (in arrival order) are accepted, and the QUARANTINE rows of the others."""
    decided = _decide(plan, candidates, known, originals)
    accepted: npt.NDArray[np.bool_] = decided.outcome == arrival.ACCEPTED
    aside = np.flatnonzero(~accepted)
    if aside.size == 0:
        return accepted, QUARANTINE.empty()
    reasons = _reasons(plan, candidates, decided, aside, known, originals, engine)
    chosen = candidates.take(aside)
    set_aside = asides.table(
        rows,
        plan.kind,
        lines=chosen.column("source_line"),
        outcomes=pa.array(np.array(["", "duplicate", "conflict", *["quarantined"] * 5])[decided.outcome[aside]]),
        reasons=reasons,
        keys=chosen.column("key"),
        record_ids=chosen.column("record_id"),
        raws=asides.raw_rows(rows, chosen.column("source_line").to_numpy(), engine),
    )
    assert set_aside.num_rows + int(accepted.sum()) == candidates.num_rows, "a candidate was lost"
    return accepted, set_aside


def _decide(plan: IntakePlan, candidates: pa.Table, known: pa.Table, originals: pa.Table) -> _Decided:
    count = candidates.num_rows
    record, known_record = _codes(candidates.column("record_id"), known.column("record_id"))
    content, known_content = _codes(candidates.column("content_hash"), known.column("content_hash"))
    records = int(max(record.max(initial=-1), known_record.max(initial=-1))) + 1
    stored = np.full(records, arrival.NONE, np.int64)
    stored[known_record] = known_content
    is_refund = plan.spec.refunds is not None
    original = (
        _places(candidates.column("refund_of"), originals.column("record_id")) if is_refund else np.empty(0, np.int64)
    )
    worth = originals.column("amount_minor")
    theirs = pc.take(originals.column("currency"), _indices(original)) if is_refund else None
    decided = _Decided(np.empty(count, np.uint8), np.full(count, arrival.NONE), np.zeros(count, np.int64), original)
    arrival.decide_arrivals(
        record,
        content,
        stored,
        is_refund,
        original,
        np.ones(count, np.bool_) if theirs is None else _same(plan, candidates, theirs),
        _int64(candidates.column("amount_minor")),
        worth.is_valid().to_numpy(),
        _int64(worth),
        _int64(originals.column("refunded_minor")),
        decided.outcome,
        decided.first,
        decided.refunded_before,
    )
    return decided


def _indices(places: Codes) -> pa.Array:
    """The places as indices to take; null where there is none."""
    return pa.array(places, mask=places == arrival.NONE)


def _same(plan: IntakePlan, candidates: pa.Table, theirs: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    """Whether each candidate is in the currency of its original; true where there is but the model's."""
    if plan.money.column is None:
        return np.ones(candidates.num_rows, np.bool_)
    own = pc.struct_field(candidates.column("body"), plan.money.column)
    same: npt.NDArray[np.bool_] = pc.fill_null(pc.equal(own, theirs), False).to_numpy()
    return same


def _codes(column: pa.ChunkedArray, other: pa.ChunkedArray) -> tuple[Codes, Codes]:
    """Dense codes of the UUIDs of both columns, equal where the values are."""
    both = pa.chunked_array([*_binary(column).chunks, *_binary(other).chunks], pa.binary(16))
    encoded = both.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes: Codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return codes[: len(column)], codes[len(column) :]


def _places(column: pa.ChunkedArray, among: pa.ChunkedArray) -> Codes:
    """Each UUID's place in `among`, or NONE."""
    found = pc.index_in(_binary(column), value_set=_binary(among).combine_chunks())
    places: Codes = found.fill_null(arrival.NONE).to_numpy().astype(np.int64)
    return places


def _binary(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.binary(16))


def _int64(column: pa.ChunkedArray) -> Codes:
    """A copy that may be written to; 0 where there is no value."""
    values: Codes = np.array(column.fill_null(0).to_numpy(), np.int64)
    return values


def _reasons(
    plan: IntakePlan,
    candidates: pa.Table,
    decided: _Decided,
    aside: npt.NDArray[np.intp],
    known: pa.Table,
    originals: pa.Table,
    engine: LocalEngine,
) -> pa.ChunkedArray:
    """Why each of the rows `aside` is not accepted, in their order."""
    chosen = candidates.take(aside).append_column("place", pa.array(np.arange(aside.size)))
    chosen = chosen.append_column("outcome", pa.array(decided.outcome[aside]))
    chosen = chosen.append_column("refunded_before", pa.array(decided.refunded_before[aside]))
    first = decided.first[aside]
    chosen = chosen.append_column("earlier", pa.array(first, mask=first == arrival.NONE))
    places = np.unique(first[first != arrival.NONE])
    earlier = candidates.take(places).append_column("row", pa.array(places, pa.int64()))
    original = decided.original[aside] if decided.original.size else np.full(aside.size, arrival.NONE)
    for name in ("amount_minor", "currency"):
        chosen = chosen.append_column(f"original_{name}", pc.take(originals.column(name), _indices(original)))
    sql = f"""
        SELECT aside.place, CASE aside.outcome {_reason_cases(plan)} END AS reason
        FROM aside LEFT JOIN earlier ON aside.earlier = earlier.row LEFT JOIN known ON aside.record_id = known.record_id
        ORDER BY aside.place
    """
    return engine.query(sql, aside=chosen, earlier=earlier, known=known).column("reason")


def _reason_cases(plan: IntakePlan) -> str:
    code = plan.code_sql("aside.body")
    line = "coalesce(earlier.source_line, known.source_line)"
    place = f"coalesce(earlier.source_file, known.source_file) || ', line ' || {line}"
    differs = "".join(
        f", CASE WHEN aside.body.{name} IS DISTINCT FROM earlier.body.{name} THEN {literal(plain + ' is ')} || "
        f"coalesce({plan.written(column, f'aside.body.{name}', code)}, 'missing') || ' and was ' || "
        f"coalesce({plan.written(column, f'earlier.body.{name}', plan.code_sql('earlier.body'))}, 'missing') END"
        for plain, column in plan.columns.items()
        for name in [identifier(plain)]
    )
    original = f"{literal(f'{plan.spec.refunds} ')} || aside.refund_key"
    refunded, before, worth = (
        f"{plan.written_amount(name, code)} || ' ' || {code}"
        for name in ("aside.amount_minor", "refunded_before", "original_amount_minor")
    )
    left = f"{plan.written_amount('(original_amount_minor - refunded_before)', code)} || ' ' || {code}"
    return f"""
        WHEN {arrival.DUPLICATE} THEN 'the same row came before: ' || {place}
        WHEN {arrival.CONFLICT} THEN 'the same id came before with other content: ' || {place} ||
            CASE WHEN earlier.row IS NULL THEN '' ELSE '; ' || concat_ws(', '{differs}) END
        WHEN {arrival.NOT_A_REFUND_AMOUNT} THEN 'a refund must be above 0; this one is ' || {refunded}
        WHEN {arrival.ORIGINAL_UNKNOWN} THEN 'refunds ' || {original} ||
            ', which has not arrived; take it in first, then run this file again'
        WHEN {arrival.ORIGINAL_WITHOUT_AMOUNT} THEN 'refunds ' || {original} ||
            ', which has no amount to measure against'
        WHEN {arrival.OTHER_CURRENCY} THEN 'refunds ' || {original} || ', which is in ' || original_currency ||
            '; this refund is in ' || {code}
        WHEN {arrival.ABOVE_ORIGINAL} THEN 'refunds ' || {refunded} || ' of ' || {original} || ', which is worth ' ||
            {worth} || ' and of which ' || {before} || ' is refunded already; at most ' || {left} || ' is left'
    """
