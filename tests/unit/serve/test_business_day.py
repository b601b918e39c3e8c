"""The business day of a model by its name: its own calendar's, not that of the machine or of UTC."""

from datetime import UTC, date, datetime
from typing import Any

from everycent.serve.business_day import business_day, business_days

CALENDAR = 'model: market\ncalendar: {time_zone: Asia/Shanghai, day_cut: "06:00"}\n'


def test_a_day_is_that_of_the_models_calendar(database: Any) -> None:
    connection = database.connection
    connection.execute(
        "INSERT INTO platform.model_version (tenant, model, model_version, source, files, decision_tables, recorded_at,"
        " seal) VALUES ('default', 'market', 'v', %s, '{}', '{}', now(),"
        " gen_random_uuid())",
        (CALENDAR,),
    )

    def day(hour: int, model: str | None = "market") -> date:
        return business_day(connection, "default", model, datetime(2026, 3, 1, hour, 30, tzinfo=UTC))

    assert [day(21), day(22)] == [date(2026, 3, 1), date(2026, 3, 2)], "05:30 and 06:30 in Shanghai"
    assert day(22, "another") == date(2026, 3, 1), "nothing is known of it yet"
    assert day(22, None) == date(2026, 3, 2), "that of all models"
    at = datetime(2026, 3, 1, 21, 30, tzinfo=UTC)
    assert business_days(connection, "default", at) == {"market": date(2026, 3, 1)}, "each model its own"
