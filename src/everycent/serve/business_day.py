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
    days = business_days(connection, tenant, now)
    if model is not None:
        return days.get(model, now.date())
    return max(days.values(), default=now.date())


def business_days(connection: Connection, tenant: str, now: datetime) -> dict[str, date]:
    """By model of which a version is stored, the day on which its business is at `now`."""
    days = {}
    for (name,) in connection.execute(_MODELS, (tenant,)).fetchall():
        try:
            calendar = declared(connection, Asked(tenant, name))["calendar"]
        except LookupError:
            continue
        days[name] = BusinessCalendar.parse(calendar["time_zone"], calendar.get("day_cut", "00:00")).today(now)
    return days
