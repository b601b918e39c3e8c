"""What a thorough forger does after an alteration: new seals, and lists of parts that agree with them."""

from collections.abc import Iterable
from typing import Any

SEAL = "md5((to_jsonb(t) - 'seal')::text)::uuid"


def reseal(connection: Any, tables: Iterable[str]) -> None:
    """Remakes the seals of the detail tables' hot rows, the digests that batches list, and the seals of batches."""
    for table in tables:
        connection.execute(f"UPDATE {table} t SET seal = {SEAL}")
        connection.execute(
            f"""UPDATE platform.batch_part p SET rows = h.rows, digest = h.digest FROM (
                SELECT batch_no, count(*) AS rows, md5(string_agg(seal::text, '' ORDER BY seal)) AS digest
                FROM {table} GROUP BY batch_no) h WHERE p.batch_no = h.batch_no AND p.table_name = '{table}'"""
        )
    connection.execute(
        """UPDATE platform.batch t SET seal = md5((to_jsonb(t) - 'seal')::text || coalesce((
            SELECT string_agg(to_jsonb(p)::text, '' ORDER BY p.table_name COLLATE "C", p.part_no)
            FROM platform.batch_part p WHERE p.batch_no = t.batch_no), ''))::uuid"""
    )
    connection.execute(f"UPDATE platform.generation t SET seal = {SEAL}")
