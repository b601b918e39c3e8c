"""A scenario's words of handling as they are kept with what was observed under them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from everycent.base.engine.declaration import Declaration
from everycent.proof.recon.handling import HandlingSpec


@dataclass(frozen=True)
class Words:
    """What holds for a scenario's breaks now; amounts in words are in its currency."""

    scenario: str
    currency: str
    handling: HandlingSpec


def written(spec: Declaration) -> dict[str, Any]:
    """The words that were given, as a model would say them; `HandlingSpec.model_validate` reads them back."""
    given = spec.model_dump(by_alias=True, exclude_defaults=True)
    return {name: _plain(value) for name, value in given.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return f"{value // timedelta(minutes=1)} minutes"
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
