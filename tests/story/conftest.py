"""What the stories are told with: a model as text, files as text, and what came out as plain rows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from everycent.base.money.amount import format_minor
from everycent.base.money.currency import currency
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.session import Session, local_engine
from everycent.serve.cli.running import Outcome, run_model
from everycent.serve.wiring import SECTIONS


@dataclass(frozen=True)
class Told:
    """One run and what is stored after it."""

    outcome: Outcome
    session: Session
    model: str

    def obligations(self) -> list[tuple[Any, ...]]:
        """(charge, debtor, creditor, amount), in the order of records' keys and charges."""
        rows = self.session.connection.execute(
            "SELECT o.charge, o.debtor, o.creditor, o.amount_minor FROM clearing.obligation o"
            " JOIN intake.record r USING (tenant, model, record_id) WHERE model = %s"
            " ORDER BY r.kind, r.key, o.charge, o.bearer",
            (self.model,),
        )
        money = currency(self.outcome.report.currency)
        return [(charge, debtor, creditor, format_minor(minor, money)) for charge, debtor, creditor, minor in rows]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Any query of the stored tables."""
        return self.session.connection.execute(query).fetchall()

    def counts(self, kind: str) -> Mapping[str, int]:
        """What became of the rows of a kind in this run."""
        return next(taken.counts for taken in self.outcome.summary.files if taken.kind == kind)


Tell = Callable[..., Told]


@pytest.fixture
def tell(database: Any, tmp_path: Path) -> Iterator[Tell]:
    """`tell(model, {"sales.csv": "..."}, as_of="2026-03-31")` runs the model over files in a database of its own."""
    with local_engine(database.settings) as engine:
        session = Session(database.settings, database.connection, engine, database.details)

        def run(model: str, files: Mapping[str, str], as_of: str, bills: Mapping[str, str] | None = None) -> Told:
            folder = tmp_path / "workspace"
            folder.mkdir(exist_ok=True)
            (folder / "model.yaml").write_text(dedent(model), encoding="utf-8")
            given: list[list[str]] = []
            for texts in (files, bills or {}):
                for name, text in texts.items():
                    (folder / name).write_text(dedent(text), encoding="utf-8")
                given.append([str(folder / name) for name in texts])
            loaded = load_model(folder / "model.yaml", SECTIONS)
            outcome = run_model(
                session, loaded, given[0], given[1], None, date.fromisoformat(as_of), lambda stage, done, total: None
            )
            assert outcome.verdict.ok, [finding.first_bad for finding in outcome.verdict.findings]
            return Told(outcome, session, loaded.name)

        yield run
