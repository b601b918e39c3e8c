"""Each table of figures by its name, out of what is stored."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import OBLIGATION
from everycent.serve.figures.asked import Asked, Figures
from everycent.serve.figures.books import ageing, balances, payouts, revenue
from everycent.serve.figures.shared import SHARED_COLUMNS, cost, shared_charges
from everycent.serve.figures.waiting import waiting

#: All tables, in the order in which people read them.
NAMES = ("ageing", "revenue", "cost", "balances", "payouts", "waiting")
_VIEW = "figures_obligation"


def collected(
    connection: Connection, details: Details, engine: LocalEngine, name: str, asked: Asked, now: datetime
) -> Figures:
    """The table called so. A LookupError where the database holds nothing of the model."""
    source = declared(connection, asked)
    match name:
        case "ageing":
            return ageing(connection, asked)
        case "revenue":
            return revenue(connection, asked, deposits_of(source))
        case "cost":
            details.attach(engine, _VIEW, OBLIGATION, asked.model, columns=SHARED_COLUMNS)
            return cost(engine, _VIEW, shared_charges(source), asked)
        case "balances":
            return balances(connection, asked, deposits_of(source))
        case "payouts":
            return payouts(connection, asked, None if asked.on is None else _end_of(asked.on, source))
        case _:
            assert name == "waiting", name
            return waiting(connection, asked, now)


def declared(connection: Connection, asked: Asked) -> Mapping[str, Any]:
    """The model's newest stored version, as its author wrote it."""
    row = connection.execute(
        "SELECT source FROM platform.model_version WHERE tenant = %s AND model = %s ORDER BY recorded_at DESC LIMIT 1",
        (asked.tenant, asked.model),
    ).fetchone()
    if row is None:
        raise LookupError(f"there is nothing of a model '{asked.model}' in the database")
    document: dict[str, Any] = yaml.load(row[0], yaml.CBaseLoader)
    return document


def deposits_of(source: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds of non-order charges that another one gives back."""
    kinds = source.get("non_order_charges") or {}
    return tuple(sorted({str(told["returns"]) for told in kinds.values() if "returns" in told}))


def _end_of(day: date, source: Mapping[str, Any]) -> datetime:
    """The moment at which a business day ends."""
    calendar = source["calendar"]
    cut = time.fromisoformat(str(calendar.get("day_cut", "00:00")))
    return datetime.combine(day + timedelta(days=1), cut, ZoneInfo(str(calendar["time_zone"])))
