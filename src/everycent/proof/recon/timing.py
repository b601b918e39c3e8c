"""The words of a schedule: when a scenario is run by the clock, on the business calendar."""

from datetime import date, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from everycent.base.engine.declaration import Called, Declaration, Duration, Words

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LAST = "last"
_TIME = r"^([01]\d|2[0-3]):[0-5]\d$"


def _times(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        hour, _, minute = text.partition(":")
        fits = len(text) == 5 and hour.isdigit() and minute.isdigit() and int(hour) < 24 and int(minute) < 60
        if not fits:
            raise ValueError(f"'{text}' is not a time of day; write for example '02:30'")
    return texts


def _as_texts(value: Any) -> Any:
    given = value if isinstance(value, list | tuple) else [value]
    return tuple(str(each) if isinstance(each, int) and not isinstance(each, bool) else each for each in given)


def _days(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        of_month = word.isascii() and word.isdigit() and 1 <= int(word) <= 31
        if not of_month and word not in (*WEEKDAYS, LAST):
            raise ValueError(
                f"'{word}' is no day; write a weekday such as monday, a day of the month from 1 to 31, or last"
            )
    return words


def _weekdays(words: tuple[str, ...]) -> tuple[str, ...]:
    for word in words:
        if word not in WEEKDAYS:
            raise ValueError(f"'{word}' is no weekday; write {', '.join(WEEKDAYS)}")
    return words


def _dates(value: Any) -> Any:
    """Days and spans of days (`2026-10-01/2026-10-07`) as the days that they hold."""
    found: list[date] = []
    for text in [value] if isinstance(value, str) else value:
        if isinstance(text, date):
            found.append(text)
            continue
        first, slash, last = str(text).partition("/")
        try:
            begin, end = date.fromisoformat(first), date.fromisoformat(last if slash else first)
        except ValueError:
            raise ValueError(f"'{text}' is no day; write for example 2026-10-01, or 2026-10-01/2026-10-07") from None
        if not timedelta(0) <= end - begin <= timedelta(days=366):
            raise ValueError(f"'{text}' is no span of days; write the first, then the last, at most a year later")
        found += [begin + timedelta(days=n) for n in range((end - begin).days + 1)]
    return tuple(found)


def _whole_days(length: timedelta) -> timedelta:
    if length % timedelta(days=1):
        raise ValueError("how long after is counted in days; write for example '1 day'")
    return length


def _some(length: timedelta) -> timedelta:
    if length <= timedelta(0):
        raise ValueError("0 minutes is no time between two runs; write for example '15 minutes'")
    return length


_ONE_OR_MORE: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_DAYS = {"anyOf": [{"type": ["string", "integer"]}, {"type": "array", "items": {"type": ["string", "integer"]}}]}

Times = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_texts),
    AfterValidator(_times),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _TIME},
                {"type": "array", "items": {"type": "string", "pattern": _TIME}},
            ]
        }
    ),
    Called("time of day, or a list"),
]
Days = Annotated[
    tuple[str, ...], BeforeValidator(_as_texts), AfterValidator(_days), WithJsonSchema(_DAYS), Called("days, or a list")
]
Dates = Annotated[tuple[date, ...], BeforeValidator(_dates), WithJsonSchema(_ONE_OR_MORE), Called("dates, or a list")]


class ScheduleSpec(Declaration):
    """When a scenario is run, by the clock on the model's wall and its business days."""

    daily: Times = Field(default=(), description="at these times of day", examples=["02:30"])
    every: Annotated[Duration, AfterValidator(_some)] | None = Field(
        default=None,
        description="instead: again after so long, counted from 1970-01-01 00:00 UTC",
        examples=["15 minutes"],
    )
    on: Days = Field(
        default=(),
        description="on these days only: weekdays, days of the month, or the month's `last`",
        examples=["monday", [1, 15]],
    )
    after: Annotated[Duration, AfterValidator(_whole_days)] = Field(
        default=timedelta(0),
        description="how many days before the moment's own business day the one is that is reconciled; 1 day is T+1. "
        "Business days are counted where `closed` is skip or next",
        examples=["1 day"],
    )
    closed: Literal["run", "skip", "next"] = Field(
        default="run",
        description="a day without business: run as on others, skip it, or next: run on the next business day",
    )
    weekend: Annotated[Words, AfterValidator(_weekdays)] = Field(
        default=("saturday", "sunday"), description="the days of the week without business", examples=["friday"]
    )
    holidays: Dates = Field(default=(), description="further days without business", examples=["2026-10-01/2026-10-07"])
    workdays: Dates = Field(
        default=(), description="days of business though the week or a holiday says otherwise", examples=["2026-10-10"]
    )
    missed: Literal["once", "each", "skip"] = Field(
        default="once",
        description="times without a worker: the last is caught up, once; each of them is; or skip: none is",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.daily) == (self.every is not None):
            raise ValueError(
                "a schedule is either 'daily' or 'every'; write for example {daily: \"02:30\", after: 1 day}"
            )
        return self
