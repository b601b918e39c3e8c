"""The words of a scenario that is checked while things happen: `live` (events, soon after) and `inline` (at once)."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from everycent.base.engine.declaration import Called, Declaration, Duration, Name, NumberText

#: Of so many parts of the keys `sample` keeps some: a share has six decimals.
SAMPLE_PARTS = 1_000_000


def _share(text: str) -> str:
    share = Decimal(text)
    if not 0 < share <= 1 or share * SAMPLE_PARTS % 1:
        raise ValueError(f"{text} is no share; write more than 0 and at most 1, with at most six decimals, as 0.05")
    return text


def _within(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d{1,6}) (ms|second|seconds)", value.strip())
    length = (
        timedelta(0) if found is None else timedelta(milliseconds=int(found[1]) * (1 if found[2] == "ms" else 1000))
    )
    if not timedelta(0) < length <= timedelta(minutes=1):
        raise ValueError(
            f"'{value}' is no time to answer in; write for example '200 ms' or '2 seconds', at most a minute"
        )
    return length


Share = Annotated[NumberText, AfterValidator(_share)]
ShortTime = Annotated[
    timedelta,
    BeforeValidator(_within),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,6} (ms|seconds?)$"}),
    Called("short time"),
]


class LiveSpec(Declaration):
    """Events of both sides are taken in as they happen, and each key is checked soon after its last one."""

    delay: Duration = Field(
        default=timedelta(0),
        description="how long after its last event a key is checked, so that the other side has had its time",
        examples=["10 minutes"],
    )
    counted_from: Literal["occurred_at", "arrival"] = Field(
        default="occurred_at",
        description="what the delay is counted from: occurred_at, the event's own time, or its arrival",
    )
    left: Name | None = Field(
        default=None,
        description="the topic whose events are the left side's, where they name no scenario",
        examples=["orders"],
    )
    right: Name | None = Field(default=None, description="the same for the right side", examples=["payments"])
    sample: Share = Field(
        default="1",
        description="the share of keys that is checked; which ones goes by a hash of the key, on both sides alike",
        examples=["0.05"],
    )
    keys_per_second: int | None = Field(
        default=None,
        ge=1,
        description="at most so many keys are checked a second, by all watchers together",
        examples=["500"],
    )
    queue: int = Field(
        default=1_000_000,
        ge=1,
        description="while so many keys wait to be checked, no further event is taken",
        examples=["100000"],
    )
    batch: int = Field(
        default=20_000, ge=1, le=100_000, description="how many keys are checked at once", examples=["1000"]
    )

    keep: Duration | None = Field(
        default=None,
        description="events and verdicts of keys on which both sides agree are cleared away when they are so old; "
        "without this word they stay",
        examples=["30 days"],
    )

    @property
    def parts_kept(self) -> int:
        """The sample, in parts of SAMPLE_PARTS."""
        return int(Decimal(self.sample) * SAMPLE_PARTS)


class InlineSpec(Declaration):
    """A settlement step asks whether it may go on, and is answered in time."""

    within: ShortTime = Field(
        default=timedelta(milliseconds=200), description="how soon the answer is there", examples=["200 ms"]
    )
    otherwise: Literal["go_on", "hold"] = Field(
        default="go_on",
        description="go_on or hold: the answer where it cannot be told in time, for not all is known or nobody answers",
    )
    sees: Literal["events", "runs", "both"] = Field(
        default="events",
        description="what it is told from: events that `live` has taken in, runs (the breaks that stand), or both",
        examples=["both"],
    )
