"""The business day of models of which only the names are known: by the calendars of their newest stored versions."""

from datetime import date, datetime

from everycent.base.money.calendar import BusinessCalendar
from everycent.base.platform.database import Connection
from everycent.serve.figures.asked import Asked
from everycent.serve.figures.collecting import declared

_MODELS = "SELECT DISTINCT model FROM platform.model_version WHERE tenant = %s ORDER BY model"


def business_day(connection: Connection, tenant: str, model: str | None, now: datetime) -> date:
    """The day on which the model's business is at `now`, or that of all models, the latest one where they are on
    different days; in UTC where no version is stored yet."""
    named = [model] if model is not None else [name for (name,) in connection.execute(_MODELS, (tenant,))]
    days = []
    for name in named:
        try:
            calendar = declared(connection, Asked(tenant, name))["calendar"]
        except LookupError:
            continue
        days.append(BusinessCalendar.parse(calendar["time_zone"], calendar.get("day_cut", "00:00")).today(now))
    return max(days, default=now.date())
