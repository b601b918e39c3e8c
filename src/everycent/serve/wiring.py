"""What the program is made of: the contexts' migrations, detail tables and sections of the model's language."""

from importlib.resources import files
from pathlib import Path

from everycent.base.engine.declaration import Declaration
from everycent.base.engine.tables import TableSchema
from everycent.flow.clearing.contract import OBLIGATION, SEQUENCED_RECORD, WAITING_CHARGE
from everycent.flow.intake.contract import QUARANTINE, RECORD
from everycent.flow.rating.contract import CHARGE, HELD, RETRY, RETRY_SNAPSHOT, RUNNING, SNAPSHOT
from everycent.proof.recon.contract import ReconSpec

#: Further top words of the settlement model, name -> declaration of one scenario.
SECTIONS: dict[str, type[Declaration]] = {"recon": ReconSpec}

#: Every detail table, in the order in which a batch fills them.
DETAIL_TABLES: tuple[TableSchema, ...] = (
    RECORD,
    QUARANTINE,
    SNAPSHOT,
    CHARGE,
    HELD,
    OBLIGATION,
    RETRY,
    RETRY_SNAPSHOT,
    WAITING_CHARGE,
    SEQUENCED_RECORD,
    CHARGE.ordered,
    HELD.ordered,
    OBLIGATION.ordered,
    RUNNING,
    CHARGE.corrected,
    OBLIGATION.corrected,
)

_MIGRATED = (
    "base.platform",
    "flow.ledger",
    "flow.approvals",
    "flow.parties",
    "flow.intake",
    "flow.rating",
    "flow.clearing",
    "flow.settlement",
    "flow.non_order",
    "flow.payments",
    "proof.recon",
)


def migrations() -> list[Path]:
    """The migrations directories of all contexts, in dependency order."""
    root = Path(str(files("everycent")))
    return [root.joinpath(*name.split("."), "migrations") for name in _MIGRATED]
