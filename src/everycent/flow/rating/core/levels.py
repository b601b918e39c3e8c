"""The order in which charges that use one another are computed."""

from collections.abc import Mapping, Sequence


class CyclicCharges(Exception):
    """Charges that use one another in a circle; `cycle` names them, the first again at the end."""

    def __init__(self, cycle: Sequence[str]) -> None:
        super().__init__(f"charges use one another in a circle: {' uses '.join(cycle)}; one of them must do without")
        self.cycle = tuple(cycle)


def levels(uses: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The level of each charge: 0 where it uses no other, else one above the highest that it uses.

    `uses` maps each charge to the charges that it uses, all of them keys. Raises CyclicCharges.
    """
    found: dict[str, int] = {}
    for start in uses:
        trail: list[tuple[str, int]] = [(start, 0)]
        while trail:
            charge, tried = trail.pop()
            if charge in found:
                continue
            if tried < len(uses[charge]):
                trail.append((charge, tried + 1))
                base = uses[charge][tried]
                on_trail = [name for name, _ in trail]
                if base in on_trail:
                    raise CyclicCharges([*on_trail[on_trail.index(base) :], base])
                trail.append((base, 0))
            else:
                found[charge] = 1 + max((found[base] for base in uses[charge]), default=-1)
    assert found.keys() == uses.keys(), "each charge has a level"
    assert all(found[base] < found[charge] for charge, bases in uses.items() for base in bases), "bases come first"
    return found
