"""What a model's kept versions declare, as tables beside the stored ones: which charges are per share of which."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import yaml

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection

_PER_SHARE = pa.schema([(name, pa.string()) for name in ("model_version", "charge", "base", "bearer_is")])


@contextmanager
def declared_tables(connection: Connection, engine: LocalEngine, tenant: str, model: str) -> Iterator[None]:
    """Within it, the engine has `declared.per_share`: model_version, charge, base, bearer_is (debtor or creditor)."""
    kept = connection.execute(
        "SELECT model_version, source FROM platform.model_version WHERE tenant = %s AND model = %s ORDER BY 1",
        (tenant, model),
    ).fetchall()
    rows = [{"model_version": version, **told} for version, source in kept for told in _per_share(source)]
    duck = engine.connection
    duck.execute("CREATE SCHEMA IF NOT EXISTS declared")
    duck.register("told", pa.Table.from_pylist(rows, _PER_SHARE))
    try:
        duck.execute("CREATE OR REPLACE TABLE declared.per_share AS FROM told")
        yield
    finally:
        duck.unregister("told")
        duck.execute("DROP SCHEMA declared CASCADE")


def _per_share(source: str) -> list[dict[str, str]]:
    try:
        document: Any = yaml.load(source, Loader=yaml.BaseLoader)  # BaseLoader makes strings only
    except yaml.YAMLError:  # an altered text: its seal says so
        return []
    charges = document.get("charges", {}) if isinstance(document, dict) else {}
    return [
        {
            "charge": name,
            "base": str(told["per_share_of"]),
            "bearer_is": "debtor" if told.get("debtor") == "bearer" else "creditor",
        }
        for name, told in (charges.items() if isinstance(charges, dict) else ())
        if isinstance(told, dict) and "per_share_of" in told
    ]
