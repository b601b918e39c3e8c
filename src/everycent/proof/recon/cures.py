"""What a repair handler is given and gives back: the interface that any installed package may fill."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID


class RepairEnd(StrEnum):
    """How an attempt ended."""

    DONE = "done"
    FAILED = "failed"  # surely nothing was changed
    IN_DOUBT = "in_doubt"  # it is not known


@dataclass(frozen=True)
class RepairOutcome:
    """The end, and a line for people."""

    end: RepairEnd
    said: str = ""


@dataclass(frozen=True)
class RepairAttempt:
    """One attempt to repair one break. `idempotency_key` is the same in all tries of it, and in no other attempt.

    found: the break: break_id, model, scenario, kind, key, cause, currency, left_amount_minor, right_amount_minor,
    difference_minor, left_status, right_status, and the places of its rows.
    """

    tenant: str
    rule: str
    attempt_no: int
    idempotency_key: UUID
    dry_run: bool
    found: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """What services and programs get, as JSON."""
        return {
            "tenant": self.tenant,
            "rule": self.rule,
            "attempt": self.attempt_no,
            "idempotency_key": str(self.idempotency_key),
            "dry_run": self.dry_run,
            "break": dict(self.found),
        }


class RepairHandler(Protocol):
    """A standard cure; an entry point of group `everycent.recon_repairs`, by the name that a rule's `handler` says.

    What it raises counts as in doubt: it may have changed something before.
    """

    def repair(self, attempt: RepairAttempt) -> RepairOutcome:
        """Repairs, or with `dry_run` says whether it would and changes nothing."""

    def ask(self, idempotency_key: UUID) -> RepairOutcome | None:
        """What became of an attempt that nobody heard the end of; None: it cannot say."""
