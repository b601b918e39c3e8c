"""The words by which a scenario composes its chain: `load` and `driven` of a side, `check`, `handle` and `trigger`.

A link's own words are those of whoever offers it; `plugged.py` checks them.
"""

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from everycent.base.engine.declaration import Called, Declaration, Duration, Name


def _named(value: Any) -> Any:
    """`log` stands for `{log: {}}`, and `{log: null}` for the same."""
    if isinstance(value, str):
        return {value: {}}
    if isinstance(value, dict):
        return {name: {} if words is None else words for name, words in value.items()}
    return value


def _one(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) != 1:
        raise ValueError(f"one link is named here, not {len(value)}; write for example {{files: {{paths: '*.csv'}}}}")
    return value


def _as_checker(value: Any) -> Any:
    """A rule, {name: ..., when: ...}, stands for `{formula: {name: ..., when: ...}}`."""
    return {"formula": value} if isinstance(value, dict) and {"name", "when"} <= value.keys() else value


def _as_checkers(value: Any) -> Any:
    given = _several(value)
    return [_as_checker(each) for each in given] if isinstance(given, list | tuple) else given


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "object", "minProperties": 1, "maxProperties": 1}]}

#: One link by its entry point's name, with its own words: {postgres: {...}}.
LinkWord = Annotated[
    dict[Name, Any],
    BeforeValidator(_named),
    AfterValidator(_one),
    WithJsonSchema(_SCHEMA),
    Called("link's name, with its words"),
]

#: Links in their order.
LinkWords = Annotated[
    tuple[LinkWord, ...],
    BeforeValidator(_several),
    WithJsonSchema({"anyOf": [*_SCHEMA["anyOf"], {"type": "array", "items": _SCHEMA}]}),
    Called("links, each with its words"),
]


#: Checkers in their order; one written as a rule among them.
CheckWords = Annotated[LinkWords, BeforeValidator(_as_checkers)]


class DrivenSpec(Declaration):
    """This side is looked up by the other's keys (反查): in batches, some of them at once."""

    batch: int = Field(
        default=1_000, ge=1, le=100_000, description="so many keys are asked for at once", examples=[500]
    )
    parallel: int = Field(default=4, ge=1, le=64, description="so many batches are under way at a time", examples=[8])


class LimitsSpec(Declaration):
    """What a link may take before it is given up; the rest of the job goes on."""

    silent: Duration = Field(
        default=timedelta(minutes=5),
        description="how long a link may give nothing before it counts as hanging",
        examples=["2 minutes"],
    )
    memory_mb: int = Field(
        default=2_048, ge=64, description="memory that a link of another package may use, in MB", examples=[512]
    )


LOAD: Final[Any] = Field(
    default=None,
    description="where the rows come from, by the name of a loader (everycent.recon_loaders) with its words",
    examples=[{"postgres": {"database": "ORDERS_DB", "statement": "SELECT order_id, state FROM orders"}}],
)
DRIVEN: Final[Any] = Field(
    default=None, description="the rows of the other side's keys alone are loaded, by look-up; words for how"
)
STATUS_MAP: Final[Any] = Field(
    default_factory=dict,
    description="a status of this side -> what it counts as where statuses are compared; others stay as they are",
    examples=[{"TRADE_SUCCESS": "paid", "2": "paid"}],
)
CHECK: Final[Any] = Field(
    default=(),
    description="further checkers (everycent.recon_checkers), after the comparison; {name, when} is a rule",
    examples=[[{"name": "shipped_unpaid", "when": "right.shipped_at is not null and left.state <> 'paid'"}]],
)
HANDLE: Final[Any] = Field(
    default=(),
    description="what is done with a run's result (everycent.recon_handlers), in order",
    examples=[["log"]],
)
TRIGGER: Final[Any] = Field(
    default=None,
    description="when and for what workers, and `recon run --due`, run it (everycent.recon_triggers)",
    examples=[{"file_arrival": {"paths": "inbox", "settled": "2 minutes"}}],
)
LIMITS: Final[Any] = Field(default_factory=LimitsSpec, description="what a link may take before it is given up")
