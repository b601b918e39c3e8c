"""Factors that charges per share look up by `bearer`: for each party role they are a factor of their own."""

from collections.abc import Collection, Mapping, Sequence

from everycent.flow.rating.contract import BEARER, FETCHED_TABLE, FactorSpec, RatingRefused, factor_of_bearer
from everycent.flow.rating.core.plan import PerShare


def for_bearers(
    charges: Sequence[PerShare], factors: Mapping[str, FactorSpec], known: Collection[str]
) -> dict[str, FactorSpec]:
    """What is looked up for each role, but for what is `known` already. Raises RatingRefused."""
    found = {}
    for charge in charges:
        for name in charge.by_bearer:
            spec = factors[name]
            if str(spec.table).startswith(FETCHED_TABLE):
                message = f"charge {charge.name} uses factor {name}, which is looked up outside by {BEARER}"
                raise RatingRefused(f"{message}; put it into an attached table", ("factors", name, "key"))
            for role in dict.fromkeys(charge.of.rated.values()):
                key = tuple(f"'{role}'" if column == BEARER else column for column in spec.key)
                own = {"key": key, "table_key": spec.table_key or spec.key, "column": spec.column or name}
                found[factor_of_bearer(name, role)] = spec.model_copy(update=own)
    return {name: spec for name, spec in found.items() if name not in known}
