"""The business day of a model of which only its name is known: by the calendar of its newest stored version."""

from datetime import date, datetime

from everycent.base.money.calendar import BusinessCalendar
from everycent.base.platform.database import Connection
from everycent.serve.figures.asked import Asked
from everycent.serve.figures.collecting import declared


def business_day(connection: Connection, tenant: str, model: str | None, now: datetime) -> date:
    """The day on which the model's business is at `now`; in UTC where no version of it is stored yet."""
    try:
        calendar = {} if model is None else declared(connection, Asked(tenant, model))["calendar"]
    except LookupError:
        calendar = {}
    return BusinessCalendar.parse(calendar.get("time_zone", "UTC"), calendar.get("day_cut", "00:00")).today(now)
