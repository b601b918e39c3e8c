"""Takes one file of one record kind through the stages, shard by shard, each shard one committed batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import structlog

from everycent.base.platform.database import Connection
from everycent.base.platform.tasks import Mark, Result
from everycent.flow.clearing import store as clearing_store
from everycent.flow.clearing.contract import RefundState
from everycent.flow.intake import stage as intake
from everycent.flow.intake import store as intake_store
from everycent.flow.intake.contract import RawRows, Source
from everycent.flow.pipeline.committing import Origin, commit
from everycent.flow.pipeline.compute import Batch, rate_and_clear
from everycent.flow.pipeline.delivery import Delivery
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.sourcing import Gathered, Sourcing

_log = structlog.get_logger()

#: What a file's rows are counted by: `rows` is the sum of the four outcomes; `held` are charges that wait.
OUTCOMES = ("accepted", "duplicate", "conflict", "quarantined")
COUNTED = ("rows", *OUTCOMES, "held")


@dataclass
class FileTask:
    """A file of one kind as a sharded task: each shard is read, taken through the stages and committed once.

    `sourcing` has what factors are read from. `beside` are the other kinds that read the same file, if it falls to this
    one to say which rows nobody took. `rows` is how many rows the file has, where they were counted.
    """

    session: Session
    plan: ModelPlan
    kind: str
    source: Source
    delivery: Delivery
    sourcing: Sourcing
    open_on: date
    beside: Sequence[str] = ()
    rows: int | None = None
    _shards: Iterator[RawRows] | None = field(default=None, init=False)
    _next: int = field(default=0, init=False)

    def split(self, given: int) -> Sequence[int]:
        """The shard numbers of a file that is cut every `given` rows."""
        rows = self.source.count_rows() if self.rows is None else self.rows
        return range(max(1, -(-rows // given)))

    def do(self, shard: int, mark: Mark) -> None:
        """Reads a shard and commits it as one batch, with its mark."""
        rows = self._read(shard)
        taken = self._take_in(rows)
        content = f"{self.kind}/{self.plan.model.version_hash}/{self.delivery.content_key}/{shard}"
        gathered = self.sourcing.gather(self.session, self.plan, self.kind, taken.records, content)
        batch = rate_and_clear(
            self.plan,
            self.kind,
            taken,
            None if self._refunds is None else self._originals(taken.records),
            gathered.tables,
            self.session.engine,
        )
        self._commit(shard, batch, gathered, mark)

    def merge(self, results: Sequence[Result]) -> Result:
        """The counts of all shards together."""
        counts = {name: sum(result[name] for result in results) for name in (*COUNTED, "charges", "obligations")}
        return {**counts, "originals": self.delivery.originals}

    @property
    def _refunds(self) -> str | None:
        return self.plan.model.spec.records[self.kind].refunds

    def _read(self, shard: int) -> RawRows:
        """Shards come one after another; after a crash the stream starts at the first that is not done."""
        if self._shards is None or self._next != shard:
            self._shards = self.source.shards(self.session.settings.batch_rows, first=shard)
        rows = next(self._shards)
        assert rows.shard_no == shard, f"asked for shard {shard}, got {rows.shard_no}"
        self._next = shard + 1
        return rows

    def _take_in(self, rows: RawRows) -> intake.Intake:
        session, model = self.session, self.plan.model.name
        plan = self.plan.intake[self.kind]
        prepared = intake.prepare(plan, rows, self.sourcing.tables, session.engine)
        known = intake_store.known(session.details, session.engine, model, prepared.candidates["record_id"])
        asked = prepared.candidates["refund_of"]
        refunded = None if self._refunds is None else self.plan.model.spec.records[self._refunds]
        currency = None if refunded is None else refunded.currency
        originals = intake_store.originals(session.details, session.engine, model, asked, currency)
        taken = intake.decide(plan, prepared, known, originals, self.open_on, session.engine)
        if not self.beside:
            return taken
        others = [
            intake.prepare(self.plan.intake[kind], rows, self.sourcing.tables, session.engine) for kind in self.beside
        ]
        lost = intake.unclaimed(rows, [prepared, *others], session.engine)
        counts = {**taken.counts, "quarantined": taken.counts["quarantined"] + lost.num_rows}
        return intake.Intake(taken.records, pa.concat_tables([taken.quarantine, lost]), counts)

    def _originals(self, refunds: pa.Table) -> RefundState:
        session, model = self.session, self.plan.model.name
        return clearing_store.refund_state(session.details, session.engine, model, refunds)

    def _commit(self, shard: int, batch: Batch, gathered: Gathered, mark: Mark) -> None:
        where = Origin(self.kind, self.source.path.name, shard, self.delivery.content_key)
        found = batch.intake.counts
        result = {
            "rows": sum(found[name] for name in OUTCOMES),
            **{name: found[name] for name in OUTCOMES},
            "held": batch.held.num_rows,
            "charges": batch.charges.num_rows,
            "obligations": batch.obligations.num_rows,
        }

        def and_then(connection: Connection, batch_no: int) -> None:
            self.sourcing.write(connection, self.session.tenant, self.plan.model.name, batch_no, gathered)
            mark.done(connection, result, batch_no)

        batch_no = commit(self.session, self.plan.model, where, batch, and_then)
        _log.info(
            "batch committed", batch_no=batch_no, kind=self.kind, file=self.source.path.name, shard=shard, **result
        )
