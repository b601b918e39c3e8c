"""What a window's ordered charges draw on: their order, their bearers' parties, their pots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.distinct import combinations
from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.core.columns import places_of_ids, places_of_texts, straight, taken, texts
from everycent.flow.clearing.core.plan import ClearingPlan
from everycent.flow.clearing.core.pots import periods, pot_texts
from everycent.flow.clearing.core.window import Coded, Window
from everycent.flow.rating.contract import CHARGE

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Unnamed:
    """A charge that cannot be shared: its place in the window, its place in the plan, and why."""

    place: int
    code: int
    reason: str


@dataclass(frozen=True)
class Drawn:
    """n charges in strict order, then as declared. `charges`: CHARGE rows; `place`: int64[n], of their records in the
    window; `code`: int64[n], of the charge in the plan.

    `stands`: bool[n], false where a bearer or the pot is not known; `unnamed` says why. `pots`: the distinct pots
    (budget, pot, period); `pot`: int64[n], places among them, -1 of one that does not stand. `parties`: by role, the
    party of each record of the window.
    """

    charges: pa.Table
    place: Places
    code: Places
    stands: npt.NDArray[np.bool_]
    unnamed: Sequence[Unnamed]
    pots: pa.Table
    pot: Places
    parties: Mapping[str, Coded]


def draw(plan: ClearingPlan, window: Window, charges: pa.Table, engine: LocalEngine, threads: int = 1) -> Drawn:
    """`charges`: CHARGE rows of ordered charges of the window's records, in any order."""
    charges, place, code = _in_order(plan, window, CHARGE.check(charges))
    stands = np.ones(len(code), dtype=np.bool_)
    unnamed: list[Unnamed] = []
    parties: dict[str, Coded] = {}
    occurs = np.bincount(code, minlength=len(plan.charges)) > 0
    _look_ahead(plan, window, place, code, occurs, threads)
    for role, spec in plan.roles.items():
        rows = _of_charges(code, occurs, _carried_by(plan, role))
        if len(rows) == 0:
            continue
        parties[role] = window.parties(role, spec, _kinds(window, place, rows))
        lacking = rows[taken(parties[role].codes, taken(place, rows)) < 0]
        unnamed += [
            Unnamed(place[row], code[row], window.why_unknown(role, spec, place[row]))
            for row in lacking[stands[lacking]].tolist()
        ]
        stands[lacking] = False
    pots, pot = _pots(plan, window, place, code, occurs, stands, unnamed, engine)
    return Drawn(charges, place, code, stands, unnamed, pots, pot, parties)


def _look_ahead(
    plan: ClearingPlan, window: Window, place: Places, code: Places, occurs: npt.NDArray[np.bool_], threads: int
) -> None:
    """Tells the window which columns of its records' bodies name bearers and pots."""
    if threads == 1:
        return
    asked = [(spec.key, _carried_by(plan, role)) for role, spec in plan.roles.items() if spec.operator is None]
    asked += [(budget.per, _drawing_on(plan, name)) for name, budget in plan.budgets.items() if budget.per]
    found = [(names, _of_charges(code, occurs, users)) for names, users in asked]
    kinds = [(kind, names) for names, rows in found if len(rows) for kind in sorted(_kinds(window, place, rows))]
    window.look_ahead(kinds, threads)


def _carried_by(plan: ClearingPlan, role: str) -> list[int]:
    """The charges that a role bears a share of."""
    return [at for at, charge in enumerate(plan.charges) if charge.budget and role in charge.apportionment.bearers]  # type: ignore[union-attr]


def _drawing_on(plan: ClearingPlan, budget: str) -> list[int]:
    """The charges that draw on a budget."""
    return [at for at, charge in enumerate(plan.charges) if charge.budget == budget]


def _in_order(plan: ClearingPlan, window: Window, charges: pa.Table) -> tuple[pa.Table, Places, Places]:
    place = places_of_ids(charges.column("record_id"), window.sequence.column("record_id"))
    assert (place >= 0).all(), "each charge comes with its record"
    code = places_of_texts(charges.column("charge"), plan.names)
    budgeted = np.array([charge.budget is not None for charge in plan.charges], dtype=np.bool_)
    assert (code >= 0).all() and budgeted[code].all(), "these are the charges that draw on budgets"
    keys = place * len(plan.charges) + code
    if len(keys) and (np.diff(keys) <= 0).any():
        order = np.argsort(keys, kind="stable")
        charges, place, code = charges.take(pa.array(order)), place[order], code[order]
        assert (np.diff(keys[order]) > 0).all(), "a record has each of its charges once"
    return charges, place, code


def _of_charges(code: Places, occurs: npt.NDArray[np.bool_], users: Sequence[int]) -> Places:
    """Where these charges are. (Mostly all are, and nothing has to be looked up.)"""
    wanted = np.zeros(len(occurs), dtype=np.bool_)
    wanted[users] = True
    if wanted[occurs].all():
        return straight(len(code))
    return np.flatnonzero(wanted[code])


def _kinds(window: Window, place: Places, rows: Places) -> set[str]:
    if len(window.kind_names) == 1:
        return set(window.kind_names)
    there = np.bincount(window.kind_of[place[rows]], minlength=len(window.kind_names))
    return {name for name, count in zip(window.kind_names, there, strict=True) if count}


def _pots(
    plan: ClearingPlan,
    window: Window,
    place: Places,
    code: Places,
    occurs: npt.NDArray[np.bool_],
    stands: npt.NDArray[np.bool_],
    unnamed: list[Unnamed],
    engine: LocalEngine,
) -> tuple[pa.Table, Places]:
    """The distinct pots, and each charge's; marks those without as not standing."""
    pot = np.full(len(code), -1, dtype=np.int64)
    found: list[pa.Table] = [_NO_POTS]
    for name, budget in plan.budgets.items():
        rows = _of_charges(code, occurs, _drawing_on(plan, name))
        rows = rows[stands[rows]] if len(unnamed) else rows
        if len(rows) == 0:
            continue
        text = pot_texts(window, budget, _kinds(window, place, rows), engine)
        empty = rows[taken(text.codes, taken(place, rows)) < 0]
        for row in empty.tolist():
            columns = ", ".join(budget.per)
            unnamed.append(
                Unnamed(place[row], code[row], f"{columns} is empty, so the pot of budget {name} is not known")
            )
        stands[empty] = False
        rows = rows[stands[rows]] if len(empty) else rows
        period, mine = periods(window, budget), taken(place, rows)
        pairs = combinations(
            pa.table(
                {
                    "pot": texts(taken(text.codes, mine), text.texts),
                    "period": texts(taken(period.codes, mine), period.texts),
                }
            )
        )
        pot[rows] = pairs.places.to_numpy() + sum(table.num_rows for table in found)
        named = pa.array([name] * pairs.values.num_rows, pa.string())
        found.append(pairs.values.add_column(0, "budget", named).cast(_NO_POTS.schema))
    return pa.concat_tables(found), pot


_NO_POTS = pa.table({name: pa.nulls(0, pa.string()) for name in ("budget", "pot", "period")})
