"""The base of every part of the model's language: frozen, strict about unknown words, written from strings.

YAML scalars arrive as strings and are typed here, so `1.00`, `on` and `no` mean what they say.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

#: A length of time at most: a hundred years, so that a date and it make a date.
_LONGEST = timedelta(days=36_500)
_UNITS = {"minute": "minutes", "hour": "hours", "day": "days", "week": "weeks"}


class Declaration(BaseModel):
    """One part of a settlement model. Subclasses name its words as fields; an alias stands for Python keywords."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


@dataclass(frozen=True)
class Written:
    """How a text must be written: as `pattern`, and `right` says it to people; `words` are offered where one is near.

    `editors` stands for the pattern in the JSON Schema: to editors, which are written in JavaScript, `\\w` is ASCII.
    """

    pattern: str
    right: str
    words: tuple[str, ...] = ()
    editors: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": self.editors or self.pattern}

    def _check(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is not None:
            return text
        near = get_close_matches(text, self.words, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise ValueError(f"'{text}' does not fit; {hint}write {self.right}")


@dataclass(frozen=True)
class OrOne:
    """That one word may stand for a list of it, in the JSON Schema."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


@dataclass(frozen=True)
class Called:
    """What people call a way of writing, where the model's words are described."""

    label: str


def or_alone(word: str) -> Any:
    """For a declaration's `json_schema_extra`: the value of its most important word may stand for all of it."""

    def extend(schema: dict[str, Any]) -> None:
        full = dict(schema)
        schema.clear()
        schema["anyOf"] = [full, full["properties"][word]]

    return extend


def _encoding(text: str) -> str:
    try:
        "".encode(text)
    except LookupError:
        raise ValueError(f"'{text}' is not an encoding; write for example utf-8, gbk or utf-16") from None
    return text


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+) (minute|hour|day|week)s?", value.strip())
    if found is None:
        raise ValueError(
            f"'{value}' is not a duration; write minutes, hours, days or weeks, as '10 minutes' or '7 days'"
        )
    try:
        length = timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        length = timedelta.max
    if length > _LONGEST:
        raise ValueError(f"'{value}' is longer than {_LONGEST.days} days; write for example '7 days'")
    return length


def as_list(value: Any) -> Any:
    """One word, which may stand for a list of it."""
    return [value] if isinstance(value, str) else value


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


#: A name that a model gives to something of its own; Chinese and other letters are welcome.
Name = Annotated[
    str,
    Written(
        r"^[^\W\d][\w-]{0,62}$",
        "a name of letters, digits, '_' and '-' that begins with a letter, without blanks, of at most 63 characters",
        editors=r"^[^\s0-9!-/:-@\[-\^`{-~][^\s!-,./:-@\[-\^`{-~]{0,62}$",
    ),
    Called("name"),
]

_TYPES = ("text", "integer", "decimal", "money", "boolean", "timestamp", "date")

#: A column's type; `decimal(4)` has four decimals.
TypeText = Annotated[
    str,
    Written(
        r"^(text|integer|decimal(\(([0-9]|1[0-8])\))?|money|boolean|timestamp|date)$",
        "text, integer, decimal(0) to decimal(18), money, boolean, timestamp or date",
        _TYPES,
    ),
    Called("type"),
]

#: A file's encoding, by any name that Python knows it by.
EncodingText = Annotated[str, AfterValidator(_encoding), Called("encoding")]

#: What stands between the cells of a line.
DelimiterText = Annotated[
    str, Written(r'^[^"\r\n]$', "one character, for example ',' or ';' (a tab: \"\\t\")"), Called("one character")
]

#: A number or a word, kept as it was written.
ScalarText = Annotated[
    str, BeforeValidator(_as_text), WithJsonSchema({"type": ["string", "number"]}), Called("text or number")
]

#: An SQL scalar expression over the names in scope.
FormulaText = Annotated[
    str, BeforeValidator(_as_text), WithJsonSchema({"type": ["string", "number"]}), Called("formula")
]

#: A number written exactly, kept as text until its unit is known.
NumberText = Annotated[
    str,
    BeforeValidator(_as_text),
    Written(r"^-?[0-9]+(\.[0-9]+)?$", "a number with all its digits, for example 0.05 or 1000"),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}]}),
    Called("number"),
]

#: A length of time: `7 days`, `10 minutes`.
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ (minute|hour|day|week)s?$"}),
    Called("length of time"),
]

#: One word, or a list of them.
Words = Annotated[
    tuple[str, ...],
    BeforeValidator(as_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    Called("one, or a list"),
]

#: The name of an environment variable; what it holds is no part of the model.
Variable = Annotated[
    str,
    Written(r"^[A-Z][A-Z0-9_]*$", "the name of an environment variable, for example PRICES_URL"),
    Called("environment variable"),
]
