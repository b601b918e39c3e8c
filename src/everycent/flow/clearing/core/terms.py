"""A plan's apportionments as the kernel takes them."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.carrying import HOLD, REFUSE, UNBOUNDED, Packed, Terms, pack
from everycent.base.money.allotment import RemainderPolicy
from everycent.flow.clearing.contract import HOLD as HOLD_WORD
from everycent.flow.clearing.contract import REFUSE as REFUSE_WORD
from everycent.flow.clearing.contract import BearersRefund, OverCap, SharedBy
from everycent.flow.clearing.core.plan import Apportionment


def terms_of(
    apportionments: Sequence[Apportionment],
    nodes: Sequence[Mapping[str, int]],
    caps: Sequence[Mapping[str, int | None]],
) -> Packed:
    """`nodes`: for each, where the totals of its groups and leaves are in the blocks of its budget's pots. `caps`: for
    each, the caps of these totals in minor units, by name; the whole pot's under ""."""

    def flags(found: Sequence[bool]) -> npt.NDArray[np.bool_]:
        return np.array(found, dtype=np.bool_)

    def numbers(found: Sequence[int]) -> npt.NDArray[np.int64]:
        return np.array(found, dtype=np.int64)

    def most(names: Sequence[str], of: Mapping[str, int | None]) -> list[int]:
        return [UNBOUNDED if cap is None else cap for cap in map(of.get, names)]

    among = [inner for each in apportionments for inner in each.among]
    terms = Terms(
        bearer_starts=numbers(np.cumsum([0, *(len(each.names) for each in apportionments)]).tolist()),
        leaf_starts=numbers(np.cumsum([0, *(1 if inner is None else len(inner) for inner in among)]).tolist()),
        in_order=flags([each.by is not SharedBy.RATIO for each in apportionments]),
        cut=flags([each.over_cap is OverCap.CUT for each in apportionments]),
        reverse=flags([each.refund is BearersRefund.REVERSE for each in apportionments]),
        largest=flags([each.odd_cent is RemainderPolicy.LARGEST_REMAINDER for each in apportionments]),
        last=numbers([_last(each) for each in apportionments]),
        weights=numbers([weight for each in apportionments for weight in each.weights]),
        limits=numbers([UNBOUNDED if it is None else it for each in apportionments for it in each.limits]),
        turns=numbers([turn for each in apportionments for turn in _turns(each)]),
        nodes=numbers([at[name] for each, at in zip(apportionments, nodes, strict=True) for name in each.names]),
        leaf_weights=numbers([weight for inner in among for weight in ((1,) if inner is None else inner)]),
        leaf_nodes=numbers([at[leaf] for each, at in zip(apportionments, nodes, strict=True) for leaf in each.leaves]),
        root_caps=numbers([cap for of in caps for cap in most([""], of)]),
        caps=numbers([cap for each, of in zip(apportionments, caps, strict=True) for cap in most(each.names, of)]),
        leaf_caps=numbers(
            [cap for each, of in zip(apportionments, caps, strict=True) for cap in most(each.leaves, of)]
        ),
    )
    return pack(terms)


def _last(terms: Apportionment) -> int:
    """Who takes the rest; where nobody is named there is none, and holding would show it."""
    words = {None: HOLD, HOLD_WORD: HOLD, REFUSE_WORD: REFUSE}
    return words[terms.last] if terms.last in words else terms.names.index(terms.last)


def _turns(terms: Apportionment) -> list[int]:
    """The order in which bearers carry; with fixed amounts, the one that carries the rest comes last."""
    places = list(range(len(terms.names)))
    return sorted(places, key=lambda place: terms.limits[place] is None) if terms.by is SharedBy.FIXED else places
