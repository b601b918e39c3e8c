"""Who carried how much of what is shared, out of the obligations in both tiers."""

from collections.abc import Mapping
from typing import Any

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.serve.figures.asked import Asked, Figures, columns, whole

#: The columns of obligations that are read.
SHARED_COLUMNS = ("charge", "bearer", "debtor", "creditor", "amount_minor", "currency", "booked_on", "budget")


def shared_charges(source: Mapping[str, Any]) -> dict[str, str]:
    """The apportioned charges of a model's document, each with the end on which its bearers are: debtor or creditor."""
    charges = source.get("charges", {})
    return {
        name: "creditor" if "debtor" in told else "debtor"
        for name, told in charges.items()
        if isinstance(told, dict) and "apportion" in told
    }


def cost(engine: LocalEngine, view: str, bearers: Mapping[str, str], asked: Asked) -> Figures:
    """What each bearer carries of each shared charge, refunds taken off. `view`: of obligations, SHARED_COLUMNS at
    least; `bearers`: as `shared_charges` gives."""
    heads = columns(["charge", "budget", "bearer"], ["amount"], counts=["obligations"])
    title = f"Cost by bearer and budget{'' if asked.on is None else f', at the end of {asked.on}'}"
    if not bearers:
        return Figures("cost", title, heads, ())
    bearer = " ".join(f"WHEN {literal(charge)} THEN {end}" for charge, end in bearers.items())
    who = "split_part(who, ':', 1)" if asked.by == "role" else "who"
    names = ", ".join(map(literal, bearers))
    since, on = asked.values["since"], asked.values["on"]
    rows = engine.query(
        f"""WITH carried AS (
            SELECT charge, coalesce(budget, '') AS budget, CASE charge {bearer} END AS who, amount_minor, currency
            FROM {view}
            WHERE charge IN ({names}) AND bearer > 0
                AND booked_on BETWEEN DATE {literal(since.isoformat())} AND DATE {literal(on.isoformat())})
        SELECT charge, budget, {who} AS bearer, count(*) AS obligations,
            CAST(sum(amount_minor) AS DECIMAL(38, 0)) AS amount, currency
        FROM carried GROUP BY ALL ORDER BY currency, charge, budget, amount DESC, bearer"""
    )
    return Figures("cost", title, heads, whole(row.values() for row in rows.to_pylist()))
