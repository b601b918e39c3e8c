"""The model's JSON Schema, by which editors complete words and mark mistakes while one types."""

from collections.abc import Mapping
from typing import Any

from everycent.base.engine.declaration import Declaration
from everycent.flow.model.contract import compose


def json_schema(sections: Mapping[str, type[Declaration]]) -> dict[str, Any]:
    """JSON Schema 2020-12 of the settlement model, with the words as the YAML writes them."""
    schema = compose(sections).model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "everycent settlement model", **schema}
