"""A small market in a real database, into which facts come in several deliveries, and which can be rewound."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from small_market import COLUMNS, Fact, market, written

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.intake.contract import RECORD
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.ordered_pass import rewind_from
from everycent.flow.pipeline.parked import Tried
from everycent.flow.pipeline.service import (
    Chosen,
    Inputs,
    Rerated,
    RunSummary,
    Session,
    Wish,
    find_inputs,
    plan_model,
    rate_parked,
    rerate,
    run,
)
from everycent.flow.rating.contract import RUNNING
from everycent.proof.verify.service import verify

#: What is compared: all that is effective, but for the generation and the batch that it is from.
EFFECTIVE = """
    SELECT r.key, o.charge, bearer, debtor, creditor, o.amount_minor, o.booked_on, debtor_statement, creditor_statement,
        total_before_minor, total_after_minor, budget, pot, period, leaf, adjusts, sequence_no
    FROM seen o JOIN named r USING (record_id) ORDER BY ALL
"""
FIRST_DAY, LATER = date(2026, 3, 1), date(2026, 5, 1)


class MarketPlace:
    """A model, its facts, and what came of them. `tables` are files beside the model, by name; `columns` the first
    lines of its files of facts, by kind."""

    def __init__(
        self,
        session: Session,
        folder: Path,
        model: str | None = None,
        tables: Mapping[str, str] | None = None,
        columns: Mapping[str, str] = COLUMNS,
    ) -> None:
        self.session, self.folder, self.columns, self.deliveries = session, folder, columns, 0
        folder.mkdir(exist_ok=True)
        self.written(model or market(), tables or {})

    def about(
        self, model: str, tables: Mapping[str, str] | None = None, columns: Mapping[str, str] | None = None
    ) -> "MarketPlace":
        """This place with another model."""
        other = MarketPlace(self.session, self.folder, model, tables, columns or self.columns)
        other.deliveries = self.deliveries
        return other

    def written(self, model: str, tables: Mapping[str, str]) -> None:
        """The model and its tables, as they are from now on."""
        (self.folder / "model.yaml").write_text(model)
        for name, text in tables.items():
            (self.folder / name).write_text(text)
        self.model = load_model(self.folder / "model.yaml", {})

    def deliver(self, facts: Sequence[Fact], as_of: date = FIRST_DAY) -> RunSummary:
        """A run over the facts as new files."""
        self.deliveries += 1
        inbox = self.folder / f"in{self.deliveries}"
        written(facts, inbox, str(self.deliveries), self.columns)
        inputs = find_inputs(self.model, [str(inbox)]) if facts else Inputs((), self.model.files, ())
        now = datetime(2026, 3, 1, tzinfo=UTC)
        return run(self.session, self.model, inputs, as_of, lambda *_: None, print, now)

    def rate_parked(self) -> Tried:
        """`everycent rate --parked`."""
        return rate_parked(self.session, self.model, self.model.files, print, datetime(2026, 3, 1, tzinfo=UTC))

    def rewind(self, start: str, *, dry_run: bool = False) -> Any:
        """`everycent rewind run --to`, or `plan`."""
        plan = plan_model(self.model, self.session.tenant, self.model.files)
        return rewind_from(self.session, plan, start, lambda *_: None, print, dry_run=dry_run)

    def rerate(self, *records: str, dry_run: bool = False, **asked: Any) -> Rerated:
        """`everycent rerate run --record`, or `plan`; without records, of all that was sold."""
        among = {name: asked.pop(name) for name in ("kind", "since", "until") if name in asked}
        chosen = Chosen(records, **({} if records else {"kind": "sold"}) | among)
        wish, where = Wish(**asked), (lambda *_: None, print, "2026-03-01T00:00:00")
        return rerate(self.session, self.model, self.model.files, chosen, wish, *where, dry_run=dry_run)

    def effective(self) -> list[dict[str, Any]]:
        """All obligations that stand."""
        session = self.session
        columns = [name for name in OBLIGATION.ordered.columns.names if name != "generation"]
        session.details.attach(session.engine, "seen", OBLIGATION, self.model.name, columns=columns)
        session.details.attach(session.engine, "named", RECORD, self.model.name, columns=["record_id", "key"])
        found: list[dict[str, Any]] = session.engine.query(EFFECTIVE).to_pylist()
        return found

    def numbers(self) -> list[tuple[str, int]]:
        """Each record's key and its number."""
        seen = {row["key"]: row["sequence_no"] for row in self.effective() if row["sequence_no"] is not None}
        return sorted(seen.items(), key=lambda item: item[1])

    def statements(self) -> list[tuple[Any, ...]]:
        """Statements with their amounts and states."""
        found = self.session.connection.execute(
            "SELECT statement_id, payable_minor, receivable_minor, obligations, state FROM settlement.statement"
            " WHERE tenant = %s ORDER BY 1",
            (self.session.tenant,),
        )
        return found.fetchall()

    def sums(self, *, of: Iterable[str] = ("key", "charge", "bearer", "debtor", "creditor")) -> dict[Any, int]:
        """What is owed, in minor units; nothing is left out."""
        names, found = tuple(of), {}
        for row in self.effective():
            key = tuple(row[name] for name in names)
            found[key] = found.get(key, 0) + row["amount_minor"]
        return {key: amount for key, amount in found.items() if amount}

    def totals(self) -> list[tuple[Any, ...]]:
        """What stands of running totals: number, key, factor, pot, period, amount, total and quantity after."""
        session, names = self.session, "factor, pot, period, amount, total_after, quantity_after"
        session.details.attach(session.engine, "moved", RUNNING, self.model.name)
        session.details.attach(session.engine, "named", RECORD, self.model.name, columns=["record_id", "key"])
        rows = session.engine.query(
            f"SELECT sequence_no, key, {names} FROM moved JOIN named USING (record_id)"
            f" WHERE {session.details.effective(self.model.name)} ORDER BY ALL"
        ).to_pylist()
        return [tuple(row.values()) for row in rows]

    def proven(self) -> None:
        """The verifier has nothing to say."""
        session = self.session
        verdict = verify(session.connection, session.details, session.engine, session.tenant)
        assert verdict.ok, verdict.findings


def opened(
    database: Any, engine: LocalEngine, folder: Path, *, tenant: str = "default", lake_from_rows: int = 50_000
) -> MarketPlace:
    """A market place in a test's database; tables of `lake_from_rows` rows go to the lake."""
    settings = replace(database.settings, threads=1, tenant=tenant, lake_from_rows=lake_from_rows)
    details = Details(database.connection, settings.lake_dir, tenant, lake_from_rows)
    return MarketPlace(Session(settings, database.connection, engine, details), folder)
