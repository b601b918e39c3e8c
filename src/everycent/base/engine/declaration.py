"""The base of every part of the model's language: frozen, strict about unknown words, written from strings.

YAML scalars arrive as strings and are typed here, so `1.00`, `on` and `no` mean what they say.
"""

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema

_UNITS = {"minute": "minutes", "hour": "hours", "day": "days", "week": "weeks"}


class Declaration(BaseModel):
    """One part of a settlement model. Subclasses name their YAML words as fields; an alias stands for Python keywords."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+) (minute|hour|day|week)s?", value.strip())
    if found is None:
        raise ValueError(f"'{value}' is not a duration; write for example '7 days' or '10 minutes'")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


#: A name that a model gives to something of its own; Chinese and other letters are welcome.
Name = Annotated[str, StringConstraints(pattern=r"^[^\W\d][\w-]*$", max_length=63)]

#: An SQL scalar expression over the names in scope.
FormulaText = Annotated[str, BeforeValidator(_as_text), WithJsonSchema({"type": ["string", "number"]})]

#: A number written exactly, kept as text until its unit is known.
NumberText = Annotated[
    str,
    BeforeValidator(_as_text),
    StringConstraints(pattern=r"^-?\d+(\.\d+)?$"),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}]}),
]

#: A length of time: `7 days`, `10 minutes`.
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ (minute|hour|day|week)s?$"}),
]

#: One word, or a list of them.
Words = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
