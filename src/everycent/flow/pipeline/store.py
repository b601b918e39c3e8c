"""The pipeline's own SQL: model versions, and what is already there of a kind."""

import hashlib
import json

from everycent.base.platform.batches import seal_sql
from everycent.base.platform.database import Connection
from everycent.flow.model.contract import LoadedModel


def register_version(connection: Connection, tenant: str, model: LoadedModel) -> None:
    """Keeps the text of a model's version, once; everything computed under it can be explained from it."""
    files = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in model.files.items()}
    decisions = {file for charge in model.spec.charges if (file := model.spec.decision_file(charge)) is not None}
    texts = {file: model.files[file].read_text(encoding="utf-8-sig") for file in decisions}
    connection.execute(
        f"""INSERT INTO platform.model_version
            (tenant, model, model_version, source, files, decision_tables, recorded_at, seal)
        SELECT kept.*, {seal_sql("kept")} FROM (
            SELECT %s::text AS tenant, %s::text AS model, %s::text AS model_version, %s::text AS source,
                %s::jsonb AS files, %s::jsonb AS decision_tables, clock_timestamp() AS recorded_at
        ) AS kept ON CONFLICT DO NOTHING""",
        (
            *(tenant, model.name, model.version_hash, model.text),
            *(json.dumps(each, sort_keys=True) for each in (files, texts)),
        ),
    )


def accepted_rows(connection: Connection, tenant: str, model: str, kind: str) -> int:
    """How many records of a kind were accepted so far."""
    row = connection.execute(
        "SELECT coalesce(sum(accepted), 0) FROM platform.batch WHERE tenant = %s AND model = %s AND kind = %s",
        (tenant, model, kind),
    ).fetchone()
    assert row is not None
    return int(row[0])


def last_batch(connection: Connection) -> int:
    """The number of the batch that was committed last, 0 before the first."""
    row = connection.execute("SELECT coalesce(max(batch_no), 0) FROM platform.batch").fetchone()
    assert row is not None
    return int(row[0])


#: A generation's seal is remade by each statement that changes it, in the statement's own transaction.
_SEAL_GENERATION = f"""
    UPDATE platform.generation AS made SET seal = {seal_sql("made")}
    WHERE tenant = %s AND model = %s AND state = %s AND generation = (
        SELECT max(generation) FROM platform.generation AS last
        WHERE last.tenant = made.tenant AND last.model = made.model)
"""


def begin_generation(
    connection: Connection, tenant: str, model: str, starts_at: int, cause: str, through_batch: int
) -> None:
    """Begins the model's next generation; there is at most one that is being built."""
    with connection.transaction():
        connection.execute(
            "INSERT INTO platform.generation (tenant, model, generation, starts_at, state, cause, through_batch)"
            " SELECT %(tenant)s, %(model)s, coalesce(max(generation), 0) + 1, %(starts_at)s, 'building', %(cause)s,"
            " %(through)s FROM platform.generation WHERE tenant = %(tenant)s AND model = %(model)s",
            {"tenant": tenant, "model": model, "starts_at": starts_at, "cause": cause, "through": through_batch},
        )
        connection.execute(_SEAL_GENERATION, (tenant, model, "building"))


def make_effective(connection: Connection, tenant: str, model: str, generation: int) -> None:
    """From here on, what the generation made stands. Belongs into the transaction of what changes with it."""
    made = connection.execute(
        "UPDATE platform.generation SET state = 'effective'"
        " WHERE tenant = %s AND model = %s AND generation = %s AND state = 'building'",
        (tenant, model, generation),
    ).rowcount
    assert made == 1, f"generation {generation} of {model} is being built"
    connection.execute(_SEAL_GENERATION, (tenant, model, "effective"))
