"""Which bank file each instruction goes into: one per legal entity and direction for those that are filed together,
direct debits apart from what people collect."""

from datetime import date

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal

_SLUG_CHARACTERS_MAX = 40


def assign_files(ready: pa.Table, as_of: date, engine: LocalEngine) -> pa.Table:
    """For each INSTRUCTION row of `ready`, the name of its file without ending: columns instruction_id, file.

    The name tells the legal entity and the day, and ends in a digest of the instructions, so that the same instructions
    always make the same file and others never take its name. Ordered by instruction_id.
    """
    ids = "string_agg(CAST(instruction_id AS VARCHAR), ',' ORDER BY instruction_id)"
    sql = f"""
        WITH named AS (
            SELECT legal_entity, direction, mandate IS NOT NULL AS debited,
                CASE WHEN direction = 'pay' THEN 'payments' WHEN debited THEN 'direct_debits' ELSE 'collections' END
                    || '-' || substr(regexp_replace(legal_entity, '[^\\pL\\pN]+', '_', 'g'), 1, {_SLUG_CHARACTERS_MAX})
                    || '-' || {literal(as_of.isoformat())}
                    || '-' || substr(sha256({ids}), 1, 8) AS file
            FROM ready GROUP BY legal_entity, direction, debited
        )
        SELECT instruction_id, named.file FROM ready JOIN named ON (named.legal_entity, named.direction, debited)
            = (ready.legal_entity, ready.direction, ready.mandate IS NOT NULL)
        ORDER BY instruction_id
    """
    files = engine.query(sql, ready=ready)
    assert files.num_rows == ready.num_rows, "each instruction goes into one file"
    assert files["file"].null_count == 0, "each file has a name"
    return files
