"""Whose books a transfer is in, where its accounts do not say: what caused it knows."""

import re
from collections.abc import Sequence
from uuid import UUID

from everycent.base.platform.database import Connection
from everycent.flow.payments import store as payments_store
from everycent.flow.settlement import store as settlement_store

#: The cause of a transfer that books what became of a payment names its instruction (payments.core.results).
_RESULT = re.compile(r"payment ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) ")


def legal_entities_of(
    connection: Connection, tenant: str, model: str, asked: Sequence[tuple[UUID, str]]
) -> dict[UUID, str]:
    """The companies of transfers (id, cause) that pay, or give back, an instruction, or are lines of statements."""
    instructions = {transfer: _instruction(transfer, cause) for transfer, cause in asked}
    by_instruction = payments_store.legal_entities(connection, tenant, model, sorted({*instructions.values()}))
    by_line = settlement_store.legal_entities_of_lines(connection, tenant, model, list(instructions))
    paid = {transfer: by_instruction[one] for transfer, one in instructions.items() if one in by_instruction}
    return by_line | paid


def _instruction(transfer_id: UUID, cause: str) -> UUID:
    """The instruction that a transfer would be of, if it were of one: of its own id, or named by its cause."""
    result = _RESULT.match(cause)
    return transfer_id if result is None else UUID(result[1])
