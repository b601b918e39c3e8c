"""What the rest of flow asks of parties: which of them there are."""

from collections.abc import Sequence

from everycent.base.platform.database import Connection


def known_parties(connection: Connection, tenant: str, model: str, named: Sequence[str]) -> frozenset[str]:
    """Those of the parties named that the model has."""
    rows = connection.execute(
        "SELECT party_id FROM parties.party WHERE tenant = %s AND model = %s AND party_id = ANY(%s)",
        (tenant, model, list(named)),
    )
    return frozenset(str(party) for (party,) in rows)
