"""Each record's content against its hash, tier by tier, with the columns that the record's own model version declares.

The hash is restated here: the first 128 bits of SHA-256 over the declared columns that have a value, by name: name,
U+001F, length of the canonical text in bytes, U+001F, canonical text, U+001E. The canonical text of a decimal ends
neither in zeros nor in a point, that of a timestamp is its microseconds since 1970-01-01 00:00 on its own wall clock,
that of all else is its usual text. Tags, which a body holds too, are no part of it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.bulk import copy_into_engine
from everycent.base.platform.database import Connection
from everycent.proof.verify.contract import Check
from everycent.proof.verify.tables import LakeFile

Columns = Mapping[str, str]  #: of a record kind: name to type, as its model writes it

_NAME = "each record's content gives its content hash"


def check_content(
    connection: Connection, engine: LocalEngine, tenant: str, model: str, files: Sequence[LakeFile]
) -> Check:
    """Every record of both tiers; `files` are the whole ones. A record of a kind without columns is a finding."""
    declared = _declared(connection, tenant, model)
    rows, found = 0, []
    for (kind, version), hot in _hot(connection, tenant, model).items():
        rows += hot
        columns = declared.get((kind, version))
        if columns is None:
            found += _undeclared(kind, version, hot)
        else:
            found += _hot_faults(connection, engine, tenant, model, (kind, version), columns)
    for (kind, version), paths in _lake(connection, files).items():
        columns = declared.get((kind, version))
        scan = f"read_parquet([{', '.join(literal(str(path)) for path in paths)}])"
        ((held,),) = engine.connection.execute(f"SELECT count(*) FROM {scan}").fetchall()
        rows += held
        found += _undeclared(kind, version, held) if columns is None else _lake_faults(engine, scan, columns)
    found.sort()
    return Check(model, _NAME, rows, len(found), found[0] if found else None)


def _undeclared(kind: str, version: str, rows: int) -> list[str]:
    if not rows:
        return []
    return [f"{rows} records of kind {kind}: model version {version} is not kept, or does not declare the kind"]


def _declared(connection: Connection, tenant: str, model: str) -> dict[tuple[str, str], Columns]:
    """The columns of each kind in each kept version of the model."""
    kept = connection.execute(
        "SELECT model_version, source FROM platform.model_version WHERE tenant = %s AND model = %s", (tenant, model)
    ).fetchall()
    return {
        (kind, version): {name: spec["type"] if isinstance(spec, dict) else spec for name, spec in columns.items()}
        for version, source in kept
        for kind, columns in _kinds(source).items()
    }


def _kinds(source: str) -> dict[str, dict[str, Any]]:
    try:
        document = yaml.load(source, Loader=yaml.CBaseLoader)  # CBaseLoader makes strings only
        return {kind: dict(spec["columns"]) for kind, spec in document["records"].items()}
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, ValueError):
        return {}


def _hot(connection: Connection, tenant: str, model: str) -> dict[tuple[str, str], int]:
    counted = connection.execute(
        "SELECT r.kind, b.model_version, count(*) FROM intake.record r JOIN platform.batch b USING (batch_no)"
        " WHERE r.tenant = %s AND r.model = %s GROUP BY 1, 2 ORDER BY 1, 2",
        (tenant, model),
    ).fetchall()
    return {(kind, version): rows for kind, version, rows in counted}


def _lake(connection: Connection, files: Sequence[LakeFile]) -> dict[tuple[str, str], list[Path]]:
    of = {
        number: (kind, version)
        for number, kind, version in connection.execute("SELECT batch_no, kind, model_version FROM platform.batch")
    }
    paths: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for each in files:
        if each.table == "intake.record":
            paths[of[each.batch_no]].append(each.file)
    return paths


def _hot_faults(
    connection: Connection, engine: LocalEngine, tenant: str, model: str, shape: tuple[str, str], columns: Columns
) -> list[str]:
    """The hot rows go to the engine as text, so that a body that was spoilt is a finding and not an error."""
    kind, version = shape
    named = {f"c{at}": name for at, name in enumerate(columns)}
    texts = "".join(f", r.body ->> {literal(name)}" for name in named.values())
    query = f"""SELECT r.kind, r.record_id, r.key, r.content_hash{texts}
        FROM intake.record r JOIN platform.batch b USING (batch_no)
        WHERE r.tenant = {literal(tenant)} AND r.model = {literal(model)} AND r.kind = {literal(kind)}
            AND b.model_version = {literal(version)}"""
    types = {"kind": pa.string(), "record_id": pa.uuid(), "key": pa.string(), "content_hash": pa.uuid()}
    fields = pa.schema(list((types | dict.fromkeys(named, pa.string())).items()))
    copy_into_engine(connection, query, fields, engine.connection, "verified_content")
    try:
        return _faults(engine, "verified_content", {name: (at, columns[name]) for at, name in named.items()})
    finally:
        engine.connection.execute("DROP TABLE verified_content")


def _lake_faults(engine: LocalEngine, scan: str, columns: Columns) -> list[str]:
    return _faults(engine, scan, {name: (f"body.{identifier(name)}", type_) for name, type_ in columns.items()})


def _faults(engine: LocalEngine, scan: str, values: Mapping[str, tuple[str, str]]) -> list[str]:
    """`values`: by column, the SQL of its value and its type."""
    content = " || ".join(_part(name, _canonical(*values[name])) for name in sorted(values))
    found = engine.connection.execute(
        f"""SELECT kind, record_id, key, content_hash, actual FROM (
            SELECT *, CAST(left(sha256({content}), 32) AS UUID) AS actual FROM {scan})
        WHERE content_hash <> actual ORDER BY record_id"""
    )
    return [
        f"record {record_id} ({kind} {key}): its content gives the hash {actual}, stored is {stored}"
        for kind, record_id, key, stored, actual in found.fetchall()
    ]


def _canonical(value: str, type_: str) -> str:
    """The canonical text of a value; NULL where it has none."""
    if type_ == "timestamp":
        return f"CAST(epoch_us(TRY_CAST({value} AS TIMESTAMP)) AS VARCHAR)"
    text = f"CAST({value} AS VARCHAR)"
    if type_.startswith("decimal"):
        return f"CASE WHEN {text} LIKE '%.%' THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
    return text


def _part(name: str, text: str) -> str:
    said = f"{literal(name + chr(31))} || strlen({text}) || {literal(chr(31))} || {text} || {literal(chr(30))}"
    return f"coalesce({said}, '')"
