"""The pipeline's own SQL: model versions, and what is already there of a kind."""

import hashlib
import json

from everycent.base.platform.database import Connection
from everycent.flow.model.contract import LoadedModel


def register_version(connection: Connection, tenant: str, model: LoadedModel) -> None:
    """Keeps the text of a model's version, once; everything computed under it can be explained from it."""
    files = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in model.files.items()}
    connection.execute(
        "INSERT INTO platform.model_version (tenant, model, model_version, source, files)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (tenant, model.name, model.version_hash, model.text, json.dumps(files, sort_keys=True)),
    )


def accepted_rows(connection: Connection, tenant: str, model: str, kind: str) -> int:
    """How many records of a kind were accepted so far."""
    row = connection.execute(
        "SELECT coalesce(sum(accepted), 0) FROM platform.batch WHERE tenant = %s AND model = %s AND kind = %s",
        (tenant, model, kind),
    ).fetchone()
    assert row is not None
    return int(row[0])
