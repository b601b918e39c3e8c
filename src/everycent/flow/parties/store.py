"""All SQL of parties. Callers own the transaction."""

import pyarrow as pa

from everycent.base.engine.sql import literal
from everycent.base.platform.bulk import copy_in, copy_out
from everycent.base.platform.database import Connection
from everycent.flow.parties.contract import PARTY
from everycent.flow.parties.contract_store import contract_numbers, contract_periods

__all__ = ["contract_numbers", "contract_periods", "read", "write"]

_STAGED = "CREATE TEMPORARY TABLE staged_party (LIKE parties.party) ON COMMIT DROP"

#: First written wins; among batches that bring the same party, the lowest number stays, in whatever order they commit.
_INSERT = """
    INSERT INTO parties.party AS known (tenant, model, party_id, role, party_key, first_batch_no)
    SELECT tenant, model, party_id, role, party_key, first_batch_no
    FROM staged_party
    ORDER BY party_id
    ON CONFLICT (tenant, model, party_id) DO UPDATE SET first_batch_no = excluded.first_batch_no
    WHERE excluded.first_batch_no < known.first_batch_no
"""


def write(connection: Connection, tenant: str, model: str, batch_no: int, parties: pa.Table) -> None:
    """Keeps the PARTY rows that are new."""
    PARTY.check(parties)
    if parties.num_rows == 0:
        return
    connection.execute(_STAGED)
    constants: dict[str, str | int] = {"tenant": tenant, "model": model, "first_batch_no": batch_no}
    copied = copy_in(connection, "pg_temp.staged_party", parties, constants)
    connection.execute(_INSERT)
    connection.execute("DROP TABLE pg_temp.staged_party")
    assert copied == parties.num_rows, f"{copied} of {parties.num_rows} parties reached the database"


def read(connection: Connection, tenant: str, model: str) -> pa.Table:
    """All parties of a model, PARTY rows ordered by party_id."""
    query = f"""
        SELECT party_id, role, party_key
        FROM parties.party
        WHERE tenant = {literal(tenant)} AND model = {literal(model)}
        ORDER BY party_id COLLATE "C"
    """
    return copy_out(connection, query, PARTY.columns)
