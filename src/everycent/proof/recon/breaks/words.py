"""A scenario's words of handling as they are kept with what was observed under them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from everycent.base.engine.declaration import Declaration
from everycent.proof.recon.core.booking import Booking
from everycent.proof.recon.handling import HandlingSpec

#: Beside the words of handling, the name of those of booking.
_BOOKING = "booking"


@dataclass(frozen=True)
class Words:
    """What holds for a scenario's breaks now; amounts in words are in its currency."""

    scenario: str
    currency: str
    handling: HandlingSpec
    booking: Booking | None = None

    def kept(self) -> dict[str, Any]:
        """As an observation keeps them."""
        booked = {} if self.booking is None else {_BOOKING: asdict(self.booking)}
        return {**written(self.handling), **booked}

    @classmethod
    def read(cls, scenario: str, currency: str, kept: Mapping[str, Any]) -> "Words":
        """What `kept` gave."""
        handling = {name: value for name, value in kept.items() if name != _BOOKING}
        booking = Booking(**kept[_BOOKING]) if _BOOKING in kept else None
        return cls(scenario, currency, HandlingSpec.model_validate(handling), booking)


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
