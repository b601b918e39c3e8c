"""The model's JSON Schema, by which editors complete words and mark mistakes while one types."""

from collections.abc import Mapping
from typing import Any

from everycent.base.engine.declaration import Declaration
from everycent.flow.model.contract import compose

#: A parser of YAML 1.1 takes yes and no for booleans, one of YAML 1.2 takes them for texts; both are the model's.
_YES_AND_NO = [True, False, "yes", "no", "true", "false", "on", "off"]


def json_schema(sections: Mapping[str, type[Declaration]]) -> dict[str, Any]:
    """JSON Schema 2020-12 of the settlement model, with the words as the YAML writes them."""
    schema = _as_parsed(compose(sections).model_json_schema(by_alias=True))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "everycent settlement model"}


def _as_parsed(schema: Any) -> Any:
    """The schema as other parsers give the values: we read every scalar as a text, they read 1, 1.00 and no as such."""
    if isinstance(schema, list):
        return [_as_parsed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {word: _as_parsed(value) for word, value in schema.items() if not _is_noise(word, value)}
    if plain.get("type") == "string" and "pattern" not in plain and "enum" not in plain:
        plain["type"] = ["string", "number", "boolean"]
    if plain.get("type") == "integer":
        plain |= {"type": ["integer", "string"], "pattern": "^-?[0-9]+$"}
    if plain.get("type") == "boolean":
        del plain["type"]
        plain["enum"] = _YES_AND_NO
    return plain


def _is_noise(word: str, value: Any) -> bool:
    """Titles say the word again; a default of nothing says nothing."""
    return (word == "title" and isinstance(value, str)) or (word == "default" and value in (None, [], {}))
