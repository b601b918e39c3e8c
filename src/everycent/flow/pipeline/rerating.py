"""Re-rate: chosen records corrected, batch by batch; first planned, then done; done again, it changes nothing."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg
import pyarrow as pa

from everycent.base.engine.sql import literal
from everycent.base.platform.batches import run_lock
from everycent.base.platform.database import Connection
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.intake.contract import RECORD
from everycent.flow.model.contract import LoadedModel
from everycent.flow.pipeline import store
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.contract_terms import under_its_contracts
from everycent.flow.pipeline.corrected_batch import write_correction
from everycent.flow.pipeline.correcting import Correction, Wish, corrected
from everycent.flow.pipeline.plan import ModelPlan, plan_model
from everycent.flow.pipeline.rewinding import building
from everycent.flow.pipeline.run import attached_table
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.sourcing import Gathered, Sourcing, sourcing
from everycent.flow.pipeline.versions import refuse_left_behind
from everycent.flow.rating.contract import contract_factor
from everycent.flow.rating.stage import RatingPlan
from everycent.flow.settlement import store as settlement_store

_VIEW = "chosen_record"


@dataclass(frozen=True)
class Chosen:
    """The records that are asked for: by `names` (key, kind:key or uuid), or all of a `kind` whose business date is
    from `since` up to `until`, as far as these are given."""

    names: tuple[str, ...] = ()
    kind: str | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class Rerated:
    """What a correction did, or would do.

    `records`: how many were rated again. `changes`: record (kind:key), charge, before_minor, after_minor, currency of
    each charge that was corrected. `refused`: record (kind:key) and reason. `parties`: party, currency, change_minor
    (what it is owed more, or less). `statements`: those that the obligations stand on.
    """

    records: int
    changes: pa.Table
    refused: pa.Table
    statements: tuple[str, ...]
    parties: pa.Table


def rerate(
    session: Session,
    model: LoadedModel,
    tables: Mapping[str, Path],
    chosen: Chosen,
    wish: Wish,
    report: Callable[[str, int, int | None], None],
    on_wait: Callable[[str], None],
    now: str,
    *,
    dry_run: bool = False,
) -> Rerated:
    """Corrects the chosen records. `tables` are the attached tables' files; `now` tells look-ups of tries apart.

    A dry run is the same path, rolled back. Raises InputRefused, ModelRefused, SourceError, AmbiguousFactor,
    StorageFailed.
    """
    plan = plan_model(model, session.tenant, tables)
    _check(plan, wish)
    with (
        run_lock(session.details, model.name, on_wait, dry_run=dry_run),
        session.connection.transaction() if dry_run else nullcontext() as transaction,
    ):
        if building(session, model.name) is not None:
            raise InputRefused(f"a rewind of '{model.name}' broke off; end it first, with everycent rewind run")
        refuse_left_behind(session, plan, always=True)
        plan = under_its_contracts(session, plan)
        attached = {name: attached_table(session, plan, tables, name) for name in plan.tables}
        store.register_version(session.connection, session.tenant, plan)
        work = _Work(session, plan, sourcing(session, plan, attached), wish, now)
        done = work.all_of(_families(session, plan, chosen), report)
        if transaction is not None:
            raise psycopg.Rollback(transaction)
    return done


def _check(plan: ModelPlan, wish: Wish) -> None:
    for name in wish.charges:
        if name not in plan.model.spec.charges:
            known = ", ".join(plan.model.spec.charges)
            raise InputRefused(f"the model '{plan.model.name}' has no charge '{name}'; it has {known}")
        if name in plan.clearing.in_turn:
            raise InputRefused(
                f"charge '{name}' is computed from what came before it in strict order, so it is not corrected by"
                " itself; use everycent rewind, which computes all that follows anew"
            )
    for rated in plan.rating.values() if wish.charges else ():
        _check_built_on(rated, wish.charges)
        if wish.look_up:
            _check_looked_up(rated, wish.charges)


def _check_built_on(rated: RatingPlan, asked: Sequence[str]) -> None:
    """Raises InputRefused where of two charges, one computed from the other, one is asked for and not the other."""
    names = [charge.name for charge in rated.charges]
    columns = {column.name for column in rated.columns}
    built = {charge.name: {names[place] for place in charge.bases} for charge in rated.charges}
    built |= {each.name: {each.of.base, *(set(each.names) & set(names) - columns)} for each in rated.per_share}
    for name, bases in built.items():
        for base in sorted(bases.difference(rated.in_turn)) if name not in rated.in_turn else ():
            if (base in asked) != (name in asked):
                raise InputRefused(f"charge '{name}' is computed from '{base}'; name both with --charge")


def _check_looked_up(rated: RatingPlan, asked: Sequence[str]) -> None:
    """Raises InputRefused where a value would be looked up anew that a charge was computed from that stays: a record
    has one value of each."""
    contracts = {contract_factor(role) for role in rated.roles}
    looked_up = {factor.name for factor in rated.factors if factor.lookup is not None} - contracts
    for name, names in rated.computed_from.items():
        for factor in names if name not in (*asked, *rated.in_turn) else ():
            other = next((each for each in asked if factor in rated.computed_from.get(each, ())), None)
            if factor in looked_up and other is not None:
                raise InputRefused(
                    f"'{other}' and '{name}' are both computed from '{factor}', of which a record has one value; name"
                    " both with --charge, or correct without --look-up"
                )


def _families(session: Session, plan: ModelPlan, chosen: Chosen) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """The chosen originals, by kind and then by id, so many at a time. Raises InputRefused."""
    columns = ["record_id", "kind", "key", "business_date"]
    session.details.attach(session.engine, _VIEW, RECORD, plan.model.name, columns=columns)
    if chosen.names and (chosen.kind, chosen.since, chosen.until) != (None, None, None):
        raise InputRefused("--record names the records; leave out --kind, --since and --until, or --record")
    condition = _named(session, plan, chosen) if chosen.names else _of_kind(plan, chosen)
    for kind in plan.rating:
        ids = session.engine.query(
            f"SELECT record_id FROM {_VIEW} WHERE kind = {literal(kind)} AND {condition} ORDER BY record_id"
        ).column("record_id")
        for start in range(0, len(ids), session.settings.batch_rows):
            yield kind, ids.slice(start, session.settings.batch_rows)


def _named(session: Session, plan: ModelPlan, chosen: Chosen) -> str:
    """The condition on the records that have these names; each names one."""
    for name in chosen.names:
        asked = literal(name.strip())
        match = f"CAST(record_id AS VARCHAR) = lower({asked}) OR key = {asked} OR kind || ':' || key = {asked}"
        found = session.engine.query(f"SELECT kind, key FROM {_VIEW} WHERE {match} ORDER BY kind, key LIMIT 5")
        named = [f"{row['kind']}:{row['key']}" for row in found.to_pylist()]
        if not named:
            raise InputRefused(
                f"model {plan.model.name} has no stored record '{name}'; name it by its key, kind:key or uuid"
            )
        if len(named) > 1:
            raise InputRefused(f"'{name}' names several records: {', '.join(named)}; ask for one of these")
        kind = named[0].partition(":")[0]
        if kind not in plan.rating:
            raise InputRefused(f"{named[0]} is a refund; name the record that it refunds, both are corrected together")
    names = ", ".join(literal(name.strip()) for name in chosen.names)
    return (
        f"(key IN ({names}) OR kind || ':' || key IN ({names}) OR CAST(record_id AS VARCHAR) IN (SELECT lower(unnest("
        f"[{names}]))))"
    )


def _of_kind(plan: ModelPlan, chosen: Chosen) -> str:
    if chosen.kind is None:
        raise InputRefused("say which records: --record with a record's key (again for more), or --kind with its kind")
    if chosen.since is not None and chosen.until is not None and chosen.since > chosen.until:
        raise InputRefused(f"--since {chosen.since} is after --until {chosen.until}; exchange them")
    if chosen.kind not in plan.rating:
        raise InputRefused(f"'{chosen.kind}' is no kind that is charged; there are {', '.join(plan.rating)}")
    since = "true" if chosen.since is None else f"business_date >= DATE {literal(chosen.since.isoformat())}"
    until = "true" if chosen.until is None else f"business_date <= DATE {literal(chosen.until.isoformat())}"
    return f"kind = {literal(chosen.kind)} AND {since} AND {until}"


class _Work:
    """Corrections of one command."""

    def __init__(self, session: Session, plan: ModelPlan, sources: Sourcing, wish: Wish, now: str) -> None:
        self.session, self.plan, self.sources, self.wish, self.now = session, plan, sources, wish, now
        self.engine, self.model = session.engine, plan.model.name
        self.open_on = settlement_store.open_on(session.connection, session.tenant, self.model)

    def all_of(
        self, families: Iterator[tuple[str, pa.ChunkedArray]], report: Callable[[str, int, int | None], None]
    ) -> Rerated:
        """Corrects family after family."""
        records, changes, refused, owed = 0, [_CHANGES.empty_table()], [_REFUSALS.empty_table()], []
        chosen = list(families)
        looked_at, total = 0, sum(len(ids) for _, ids in chosen)
        for kind, ids in chosen:
            report("rerate", looked_at, total)
            looked_at += len(ids)
            found = corrected(self.session, self.plan, kind, ids, self.wish, self._gather, self.open_on)
            records += len(ids) - found.refused.num_rows
            for ordered in (False, True):
                part = found.part(ordered=ordered)
                if part.charges.num_rows:
                    owed.append(self._commit(kind, part, ordered=ordered))
            changes.append(self._named(found.changes, _CHANGES))
            refused.append(self._named(found.refused, _REFUSALS))
        obligations = pa.concat_tables([OBLIGATION.empty(), *owed])
        ends = [obligations.column(name) for name in ("debtor_statement", "creditor_statement")]
        statements = sorted({text for end in ends for text in end.unique().to_pylist() if text is not None})
        moved = self.engine.query(_PARTIES, obligations=obligations)
        return Rerated(records, pa.concat_tables(changes), pa.concat_tables(refused), tuple(statements), moved)

    def _gather(self, kind: str, records: pa.Table) -> Gathered:
        first = str(records.column("record_id")[0].as_py()) if records.num_rows else ""
        return self.sources.gather(
            self.session, self.plan, kind, records, f"corrected {kind}/{_hash([self.now, first])}"
        )

    def _commit(self, kind: str, part: Correction, *, ordered: bool) -> pa.Table:
        """Writes what arrival decided, or what order did; gives its OBLIGATION rows."""
        session = self.session

        def write(connection: Connection, batch_no: int) -> None:
            self.sources.write(connection, session.tenant, self.model, batch_no, part.gathered)

        return write_correction(session, self.plan, kind, part, write, ordered=ordered)

    def _named(self, rows: pa.Table, schema: pa.Schema) -> pa.Table:
        """The rows with the names of their records for `record_id`."""
        listed = ", ".join(f"rows.{name}" for name in schema.names[1:])
        return self.engine.query(
            f"SELECT kind || ':' || key AS record, {listed} FROM rows JOIN {_VIEW} USING (record_id) ORDER BY ALL",
            rows=rows,
        ).cast(schema)


_MINOR = pa.int64()
_CHANGES = pa.schema(
    [("record", pa.string()), ("charge", pa.string()), ("before_minor", _MINOR), ("after_minor", _MINOR),
     ("currency", pa.string())]
)  # fmt: skip
_REFUSALS = pa.schema([("record", pa.string()), ("reason", pa.string())])
_PARTIES = """
    SELECT party, currency, CAST(sum(change) AS DECIMAL(38, 0)) AS change_minor FROM (
        SELECT creditor AS party, currency, amount_minor AS change FROM obligations UNION ALL
        SELECT debtor, currency, -amount_minor FROM obligations
    ) GROUP BY party, currency HAVING sum(change) <> 0 ORDER BY abs(sum(change)) DESC, party, currency
"""


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
