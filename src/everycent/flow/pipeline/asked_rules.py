"""The rules of a stored record's charges, asked about: which were tried, with the values that its snapshot froze."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.sql import literal
from everycent.flow.intake.contract import RECORD
from everycent.flow.model.contract import LoadedModel
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.plan import plan_model, rating_terms
from everycent.flow.pipeline.replay import factor_tables, nothing_stored
from everycent.flow.pipeline.session import Session
from everycent.flow.rating import stage as rating
from everycent.flow.rating import store as rating_store

_VIEW = "asked_record"


@dataclass(frozen=True)
class RecordTried:
    """A stored record, as people name it, and its charges with their rules."""

    kind: str
    key: str
    record_id: str
    charges: tuple[rating.ChargeTried, ...]


def rules_of_record(session: Session, model: LoadedModel, text: str) -> RecordTried:
    """What the model's rules make of a stored record, named as `A1`, `item_sold:A1` or by its uuid.

    Factors that its snapshot froze keep their values; others are looked up in the model's own tables; nobody outside is
    asked. Raises InputRefused, ModelRefused.
    """
    plan = plan_model(model, session.tenant, model.files)
    kind, key, record_id = _record(session, model, text.strip())
    if kind not in plan.rating:
        raise InputRefused(
            f"{kind} {key} is a refund, or no kind of this model: it gives charges back, no rule is tried"
        )
    ids = pa.chunked_array([record_id])
    body = plan.intake[kind].body_type
    columns = RECORD.columns.names
    record = session.details.lookup(session.engine, RECORD, model.name, "record_id", ids, columns, body)
    terms = rating_terms(plan, kind)
    frozen = _frozen(session, model.name, terms, ids)
    tables = {**factor_tables(session, plan), **nothing_stored(terms.plan, record, session.engine)}
    tried = rating.rules_tried(terms, record, frozen, tables, session.engine)
    return RecordTried(kind, key, str(record_id[0].as_py()), tried)


def _record(session: Session, model: LoadedModel, text: str) -> tuple[str, str, pa.Array]:
    """Kind, key and record id (an array of one)."""
    session.details.attach(session.engine, _VIEW, RECORD, model.name, columns=["record_id", "kind", "key"])
    asked = literal(text)
    found = session.engine.query(
        f"SELECT record_id, kind, key FROM {_VIEW} WHERE CAST(record_id AS VARCHAR) = lower({asked}) OR key = {asked}"
        f" OR kind || ':' || key = {asked} ORDER BY kind, key LIMIT 5"
    )
    names = [f"{row['kind']}:{row['key']}" for row in found.select(["kind", "key"]).to_pylist()]
    if not names:
        raise InputRefused(f"model {model.name} has no stored record '{text}'; name it by its key, kind:key or uuid")
    if len(names) > 1:
        raise InputRefused(f"'{text}' names several records: {', '.join(names)}; ask for one of these")
    kind, _, key = names[0].partition(":")
    ids = found.column("record_id").combine_chunks()
    return kind, key, ids


def _frozen(session: Session, model: str, terms: rating.RatingTerms, ids: pa.ChunkedArray) -> pa.Table:
    """One row with the newest value of each factor that was looked up for the record; no row without a snapshot."""
    if not terms.plan.factors:
        return pa.table({})
    found = rating_store.snapshots(session.details, session.engine, model, ids, terms.plan.snapshot_type)
    if found.num_rows == 0:
        return pa.table({})
    newest = found.sort_by([("attempt", "descending")]).column("body").combine_chunks()
    return pa.table({field.name: _first(newest.field(at)) for at, field in enumerate(newest.type)})


def _first(values: pa.Array) -> pa.Array:
    known = pc.drop_null(values)
    return known.slice(0, 1) if len(known) else pa.nulls(1, values.type)
