"""The parties' stage: records → the parties that they name."""

from collections.abc import Mapping

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.flow.parties.contract import PARTY, PartySpec, party_id_sql, party_key_sql
from everycent.flow.parties.core.onboarding import OnboardingRefused, plan_onboarding

__all__ = ["OnboardingRefused", "identify", "plan_onboarding"]


def identify(roles: Mapping[str, PartySpec], records: pa.Table, engine: LocalEngine) -> pa.Table:
    """RECORD rows of one kind → PARTY rows: the operator, and each distinct party that a record names.

    A role is found where the kind's body has all of the role's key columns; a record with a NULL or empty key value
    names nobody. Ordered by party_id.
    """
    body = records.schema.field("body").type
    found = [_operator_sql(role, spec) for role, spec in roles.items() if spec.operator is not None]
    found += [_named_sql(role, spec) for role, spec in roles.items() if spec.key and _has_all(body, spec.key)]
    if not found:
        return PARTY.empty()
    every = " UNION ALL ".join(found)
    parties = engine.query(f"SELECT * FROM ({every}) WHERE party_id IS NOT NULL ORDER BY party_id", records=records)
    ids = parties["party_id"]
    assert len(ids.unique()) == parties.num_rows, "two parties share an id"
    return PARTY.check(parties.cast(PARTY.columns))


def _has_all(body: pa.StructType, key: tuple[str, ...]) -> bool:
    return all(body.get_field_index(column) >= 0 for column in key)


def _operator_sql(role: str, spec: PartySpec) -> str:
    assert spec.operator is not None, role
    return (
        f"SELECT {party_id_sql(role, spec)} AS party_id, {literal(role)} AS role, {literal(spec.operator)} AS party_key"
    )


def _named_sql(role: str, spec: PartySpec) -> str:
    # Distinct key values first: there are far fewer parties than records to build texts for.
    values = ", ".join(f"records.body.{identifier(column)} AS {identifier(column)}" for column in spec.key)
    key = party_key_sql(tuple(identifier(column) for column in spec.key))
    return f"""
        SELECT DISTINCT {party_id_sql(role, spec)} AS party_id, {literal(role)} AS role, {key} AS party_key
        FROM (SELECT DISTINCT {values} FROM records)
    """
