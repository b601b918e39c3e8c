"""The SQL of releasing instructions. Callers own the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from everycent.base.platform.database import Connection
from everycent.flow.payments.sealing import sealed_with


@dataclass(frozen=True)
class Ready:
    """An instruction that waits for its release. `digest`: of all that a yes is about. `wished_by`: who asked for it
    before, where somebody did: that money on account is paid back."""

    instruction_id: UUID
    digest: str
    amount_minor: int
    currency: str
    wished_by: str | None


#: Each move makes it another subject, so that an instruction that was declined may be asked for again.
_DIGEST = """md5(concat_ws('|', instruction_id, party_id, legal_entity, currency, direction, amount_minor, channel,
    account, account_id, account_name, as_of, moves))"""
_READY = f"""instruction_id, {_DIGEST}, amount_minor, currency, (
    SELECT p.who FROM payments.instruction_statement AS side JOIN payments.pay_back AS p ON p.tenant = side.tenant
        AND p.model = side.model AND p.pay_back_id::text = side.statement_id
    WHERE side.tenant = i.tenant AND side.model = i.model AND side.instruction_id = i.instruction_id)"""
_WAITS = "tenant = %(tenant)s AND model = %(model)s AND state = 'created' AND released_by IS NULL"


def unasked(connection: Connection, tenant: str, model: str, role: str) -> list[Ready]:
    """Those of a role of which nobody was asked yet, by their ids."""
    rows = connection.execute(
        f"""SELECT {_READY} FROM payments.instruction AS i
        WHERE {_WAITS} AND role = %(role)s AND approval_id IS NULL
        ORDER BY instruction_id FOR UPDATE""",
        {"tenant": tenant, "model": model, "role": role},
    )
    return [Ready(key, digest, int(amount), code, wished_by) for key, digest, amount, code, wished_by in rows]


def digest(connection: Connection, tenant: str, model: str, key: UUID) -> str | None:
    """Of what a yes would be about; None where nothing is to release. Nobody else changes it until the transaction
    ends."""
    # As whoever takes in what is said: instructing takes the whole table, and would wait for the row, and we for it.
    connection.execute("LOCK TABLE payments.instruction IN ROW EXCLUSIVE MODE")
    row = connection.execute(
        f"SELECT {_DIGEST} FROM payments.instruction WHERE {_WAITS} AND instruction_id = %(key)s FOR UPDATE",
        {"tenant": tenant, "model": model, "key": key},
    ).fetchone()
    return None if row is None else str(row[0])


def set_approvals(connection: Connection, tenant: str, requests: Mapping[UUID, UUID], by: str) -> None:
    """Writes on instructions which request is under way for them, and who asked."""
    if not requests:
        return
    change = "jsonb_build_object('approval_id', asked.request_id, 'proposed_by', %(by)s::text)"
    done = connection.execute(
        f"""UPDATE payments.instruction AS known
        SET approval_id = asked.request_id, proposed_by = %(by)s, seal = {sealed_with(change)}
        FROM unnest(%(keys)s::uuid[], %(requests)s::uuid[]) AS asked (key, request_id)
        WHERE known.tenant = %(tenant)s AND known.instruction_id = asked.key""",
        {"tenant": tenant, "by": by, "keys": list(requests), "requests": list(requests.values())},
    )
    assert done.rowcount == len(requests), f"{done.rowcount} of {len(requests)} instructions have their request"


def ask_anew(connection: Connection, tenant: str, key: UUID) -> None:
    """The request of an instruction ended without a decision: the next closing makes another one."""
    change = "jsonb_build_object('approval_id', NULL)"
    connection.execute(
        f"""UPDATE payments.instruction AS known SET approval_id = NULL, seal = {sealed_with(change)}
        WHERE tenant = %s AND instruction_id = %s""",
        (tenant, key),
    )


def request_of(connection: Connection, tenant: str, model: str, key: UUID) -> UUID | None:
    """The request that is under way for the release of an instruction, or that released it."""
    row = connection.execute(
        "SELECT approval_id FROM payments.instruction WHERE tenant = %s AND model = %s AND instruction_id = %s",
        (tenant, model, key),
    ).fetchone()
    return None if row is None else row[0]


def requests_of(connection: Connection, tenant: str, keys: Sequence[UUID]) -> dict[str, list[UUID]]:
    """By model, the requests about these instructions."""
    found: dict[str, list[UUID]] = {}
    for model, request in connection.execute(
        """SELECT model, approval_id FROM payments.instruction
        WHERE tenant = %s AND instruction_id = ANY(%s) AND approval_id IS NOT NULL ORDER BY model, approval_id""",
        (tenant, list(keys)),
    ):
        found.setdefault(model, []).append(request)
    return found
