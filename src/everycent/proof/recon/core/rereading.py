"""The second reading of a side: of the rows of the keys that differ, where it is known which rows these are."""

import numpy as np
import pyarrow as pa

from everycent.base.engine.arrays import fixed
from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import ROW
from everycent.proof.recon.core.differing import Found, key_hash_sql
from everycent.proof.recon.core.sketch.places import PREFIX_SHIFT, prefixes_of

#: What `nearby` makes in the engine.
NEAR = "recon_near"

#: More rows than these are looked for by their keys.
_ROWS_MOST = 1_000_000


def nearby(side: str, found: Found, number: int, engine: LocalEngine) -> str:
    """A relation of the engine that has all rows of the keys found: few rows of the side as the table NEAR, or the side
    itself. side: a table or view. number: 0 left, 1 right."""
    names = engine.query("FROM recon_rows LIMIT 0", recon_rows=side).column_names
    if found.rows is None or ROW not in names or len(found.rows[number]) > _ROWS_MOST:
        return side
    rows = found.rows[number]
    engine.query(
        f"""CREATE OR REPLACE TABLE {NEAR} AS SELECT * EXCLUDE ({ROW})
        FROM recon_rows SEMI JOIN recon_numbers USING ({ROW})""",
        recon_rows=side,
        recon_numbers=pa.table({ROW: pa.array(rows)}),
    )
    return NEAR if _met(found.keys, engine) == len(rows) else side


def _met(keys: pa.Table, engine: LocalEngine) -> int:
    """How many rows of NEAR have a key as it was noted of one of these keys: all of them, if the rows were counted in
    the order in which they were read."""
    noted = f"({key_hash_sql('key')} >> {PREFIX_SHIFT})"
    wanted = pa.table({"p": pa.array(np.unique(prefixes_of(fixed(keys["k"].combine_chunks(), np.uint64))))})
    met = engine.query(f"SELECT count(*) AS n FROM {NEAR} SEMI JOIN wanted ON p = {noted}", wanted=wanted)
    return int(met["n"][0].as_py())
