"""What a run's factors are read from: attached tables, and values gathered from outside before a batch is rated."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from everycent.base.platform.database import Connection
from everycent.flow.intake.service import Attached
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session
from everycent.flow.rating import store as rating_store
from everycent.flow.rating.service import Gatherer


@dataclass(frozen=True)
class Gathered:
    """The tables that a batch is rated with, by name; `gathering` names what was fetched for it, if anything was."""

    tables: Mapping[str, pa.Table]
    gathering: str | None


@dataclass(frozen=True)
class Sourcing:
    """The attached tables, and who asks outside. One is used for a whole run."""

    attached: Mapping[str, Attached]
    gatherer: Gatherer

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The rows of the attached tables, by name."""
        return {name: table.rows for name, table in self.attached.items()}

    def gather(self, session: Session, plan: ModelPlan, kind: str, records: pa.Table, content: str) -> Gathered:
        """What rating the records takes; `content` names their batch, so that it is gathered once."""
        if kind not in plan.rating:
            return Gathered(self.tables, None)
        fetched = self.gatherer.gather(plan.rating[kind], records, content, session.engine)
        return Gathered({**self.tables, **fetched}, content if fetched else None)

    def write(self, connection: Connection, tenant: str, model: str, batch_no: int, gathered: Gathered) -> None:
        """Keeps, in a batch's transaction, what it was rated with."""
        hashes = {name: table.content_hash for name, table in self.attached.items()}
        rating_store.write_sources(connection, tenant, model, batch_no, hashes, gathered.gathering)


def sourcing(session: Session, plan: ModelPlan, attached: Mapping[str, Attached]) -> Sourcing:
    """The sources of a run of the model."""
    model = plan.model
    gatherer = Gatherer(session.connection, session.tenant, model.name, model.spec.factors, model.currency.exponent)
    return Sourcing(attached, gatherer)
