"""The pipeline's own SQL: model versions, and what is already there of a kind."""

import hashlib
import json
import re
from typing import Any

import yaml

from everycent.base.platform.batches import seal_sql
from everycent.base.platform.database import Connection
from everycent.flow.model.contract import LoadedModel
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.settlement import service as settlement
from everycent.flow.settlement.stage import CalendarRefused

_SAID_VERSION = re.compile(r"""^version:\s*["']?([^"'\s#]+)""", re.MULTILINE)


def register_version(connection: Connection, tenant: str, plan: ModelPlan) -> None:
    """Keeps the text of a model's version, once, and the rules that its decision tables' rows are; everything computed
    under it can be explained from it. Raises InputRefused where its calendars contradict what stands."""
    model = plan.model
    try:
        settlement.keep_calendars(connection, tenant, model.name, plan.settlement.calendars)
    except CalendarRefused as refused:
        raise InputRefused(f"{model.path}: {refused}") from None
    files = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in model.files.items()}
    connection.execute(
        f"""INSERT INTO platform.model_version
            (tenant, model, model_version, source, files, decision_tables, recorded_at, seal)
        SELECT kept.*, {seal_sql("kept")} FROM (
            SELECT %s::text AS tenant, %s::text AS model, %s::text AS model_version, %s::text AS source,
                %s::jsonb AS files, %s::jsonb AS decision_tables, clock_timestamp() AS recorded_at
        ) AS kept ON CONFLICT DO NOTHING""",
        (
            *(tenant, model.name, model.version_hash, model.text),
            *(json.dumps(each, sort_keys=True) for each in (files, _rules(plan))),
        ),
    )


def _rules(plan: ModelPlan) -> dict[str, list[dict[str, Any]]]:
    """The rows of decision tables as rules, by charge."""
    return {
        charge: [row.model_dump(mode="json", by_alias=True, exclude_unset=True) for row in rows]
        for rated in plan.rating.values()
        for charge, rows in rated.rows.items()
    }


def says_the_same(connection: Connection, tenant: str, plan: ModelPlan, version_hash: str) -> bool:
    """Whether a version says in its words and decision tables what this one says; other files beside them may differ,
    such as rate tables: what was looked up in these is frozen."""
    row = connection.execute(
        "SELECT source, decision_tables FROM platform.model_version"
        " WHERE tenant = %s AND model = %s AND model_version = %s",
        (tenant, plan.model.name, version_hash),
    ).fetchone()
    words = [json.dumps(yaml.load(text, yaml.CBaseLoader)) for text in (plan.model.text, row[0] if row else "")]
    return row is not None and words[0] == words[1] and row[1] == _rules(plan)


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
    connection: Connection, tenant: str, model: LoadedModel, starts_at: int, cause: str, through_batch: int
) -> None:
    """Begins the model's next generation; there is at most one that is being built."""
    with connection.transaction():
        connection.execute(
            "INSERT INTO platform.generation"
            " (tenant, model, generation, starts_at, state, cause, through_batch, model_version)"
            " SELECT %(tenant)s, %(model)s, coalesce(max(generation), 0) + 1, %(starts_at)s, 'building', %(cause)s,"
            " %(through)s, %(version)s FROM platform.generation WHERE tenant = %(tenant)s AND model = %(model)s",
            {"tenant": tenant, "model": model.name, "starts_at": starts_at, "cause": cause, "through": through_batch,
             "version": model.version_hash},
        )  # fmt: skip
        connection.execute(_SEAL_GENERATION, (tenant, model.name, "building"))


def make_effective(connection: Connection, tenant: str, model: str, generation: int) -> None:
    """From here on, what the generation made stands. Belongs into the transaction of what changes with it."""
    _end_generation(connection, tenant, model, generation, "effective")


def abandon(connection: Connection, tenant: str, model: str, generation: int) -> None:
    """What the generation made so far will never stand."""
    with connection.transaction():
        _end_generation(connection, tenant, model, generation, "abandoned")


def _end_generation(connection: Connection, tenant: str, model: str, generation: int, state: str) -> None:
    ended = connection.execute(
        "UPDATE platform.generation SET state = %s"
        " WHERE tenant = %s AND model = %s AND generation = %s AND state = 'building'",
        (state, tenant, model, generation),
    ).rowcount
    assert ended == 1, f"generation {generation} of {model} is being built"
    connection.execute(_SEAL_GENERATION, (tenant, model, state))


def last_version(connection: Connection, tenant: str, model: str) -> str | None:
    """The version that the model's last batch was committed with; None before the first."""
    row = connection.execute(
        "SELECT model_version FROM platform.batch WHERE tenant = %s AND model = %s ORDER BY batch_no DESC LIMIT 1",
        (tenant, model),
    ).fetchone()
    return None if row is None else str(row[0])


def version_named(connection: Connection, tenant: str, model: str, version_hash: str) -> str:
    """A version, as people know it: by its author's number and the beginning of its hash."""
    row = connection.execute(
        "SELECT source FROM platform.model_version WHERE tenant = %s AND model = %s AND model_version = %s",
        (tenant, model, version_hash),
    ).fetchone()
    said = None if row is None else _SAID_VERSION.search(row[0])
    return f"version {'?' if said is None else said[1]} ({version_hash[:8]})"
