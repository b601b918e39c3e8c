"""How a charge is shared, in the words of its model: what each bearer was to carry, and what kept it from that."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from everycent.base.money.allotment import RemainderPolicy, allot
from everycent.base.money.amount import format_minor
from everycent.base.money.currency import Currency

_DEFAULTS = {"by": "ratio", "over_cap": "pass_on", "refund": "proportional", "odd_cent": "largest_remainder"}


@dataclass(frozen=True)
class _Leaf:
    """A bearer that owes: by itself, or as one of those among whom a bearer's share is split."""

    bearer: str
    leaf: str | None
    part: Mapping[str, Any]  # what is said of it under `among`

    @property
    def name(self) -> str:
        return self.bearer if self.leaf is None else f"{self.bearer}/{self.leaf}"


class Sharing:
    """The apportionment of one charge. `told` is its declaration; `caps` are all caps of its budget, by bearer."""

    def __init__(self, told: Mapping[str, Any], caps: Mapping[str, str]) -> None:
        self._told = {**_DEFAULTS, **told}
        self._caps = caps
        self._bearers = {name: _spec(value) for name, value in told.get("bearers", {}).items()}
        self._leaves = [
            _Leaf(bearer, leaf, _spec(part))
            for bearer, spec in self._bearers.items()
            for leaf, part in (spec.get("among") or {None: {}}).items()
        ]

    def line(self) -> str:
        """The whole declaration on one line."""
        said = [f"by {self._told['by'].replace('_', ' ')}: {', '.join(map(self._bearer, self._bearers))}"]
        if "budget" in self._told:
            said += [f"budget {self._told['budget']}", f"over a cap: {self._told['over_cap'].replace('_', ' ')}"]
        if "when_all_capped" in self._told:
            said.append(f"when all are capped: {self._told['when_all_capped']}")
        return "; ".join([*said, f"odd cent: {self._told['odd_cent'].replace('_', ' ')}"])

    def given_back(self) -> str:
        """To whom a refund goes back."""
        words = {
            "proportional": "to each in proportion to what it still carried",
            "reverse": "to the last declared first",
        }
        return words.get(str(self._told["refund"]), str(self._told["refund"]))

    def facts(self, place: int, charged_minor: int, carried_minor: int, money: Currency) -> list[tuple[str, str]]:
        """What the bearer at `place` was to carry of a charge, its caps, and how far what it carries is from that."""
        if place >= len(self._leaves):  # no such bearer is declared: verify names the row
            return []
        leaf = self._leaves[place]
        share, share_minor = self._share(place, charged_minor, money)
        facts = [("share", share), *self._capped(leaf)]
        if share_minor is not None and share_minor != carried_minor:
            apart = f"{format_minor(abs(carried_minor - share_minor), money)} {money}"
            less = f"{apart} less than its share: there was no room for more under a cap"
            more = f"{apart} more than its share: others had no room for it"
            facts.append(("took", less if carried_minor < share_minor else more))
        return facts

    def _share(self, place: int, charged_minor: int, money: Currency) -> tuple[str, int | None]:
        leaf = self._leaves[place]
        spec = self._bearers[leaf.bearer]
        if self._told["by"] == "ratio":
            weights = {name: int(each.get("weight", 0)) for name, each in self._bearers.items()}
            share = dict(zip(weights, self._split(charged_minor, list(weights.values())), strict=True))[leaf.bearer]
            charged = format_minor(charged_minor, money)
            text = f"{weights[leaf.bearer]} of {sum(weights.values())} of {charged}: {format_minor(share, money)}"
        elif self._told["by"] == "in_order":
            at = list(self._bearers).index(leaf.bearer) + 1
            text, share = f"turn {at} of {len(self._bearers)}, {_most(spec)}", None
        else:
            text, share = (f"fixed {spec['fixed']}" if "fixed" in spec else "the rest"), None
        if leaf.leaf is None:
            return text, share
        among = [each for each in self._leaves if each.bearer == leaf.bearer]
        parts = [int(each.part.get("weight", 0)) for each in among]
        own = parts[among.index(leaf)]
        if share is None:
            return f"{text}; {own} of {sum(parts)} of that", None
        inner = self._split(share, parts)[among.index(leaf)]
        return f"{text}; {own} of {sum(parts)} of that: {format_minor(inner, money)}", inner

    def _split(self, amount_minor: int, weights: list[int]) -> list[int]:
        return allot(amount_minor, weights, RemainderPolicy(self._told["odd_cent"]))

    def _capped(self, leaf: _Leaf) -> list[tuple[str, str]]:
        named = {"": "all together", leaf.bearer: leaf.bearer, leaf.name: leaf.name}
        found = [f"{self._caps[name]} for {told}" for name, told in named.items() if name in self._caps]
        return [("cap", ", ".join(found))] if found else []

    def _bearer(self, name: str) -> str:
        spec = self._bearers[name]
        limit = {"ratio": spec.get("weight", "0"), "in_order": _most(spec)}.get(
            self._told["by"], spec.get("fixed", "the rest")
        )
        inner = ", ".join(
            f"{leaf} {_spec(part).get('weight', '0')}" for leaf, part in (spec.get("among") or {}).items()
        )
        return f"{name} {limit}{f' ({inner})' if inner else ''}"


def caps_of(document: Mapping[str, Any], budget: str | None) -> dict[str, str]:
    """The caps of a budget by bearer ("suppliers", "suppliers/brand"), its own by ""; whichever charge writes them."""
    if budget is None:
        return {}
    found = _named({"": _spec(document.get("budgets", {}).get(budget, {}))})
    for charge in document.get("charges", {}).values():
        told = charge.get("apportion") if isinstance(charge, dict) else None
        if isinstance(told, dict) and told.get("budget") == budget:
            for name, spec in ((name, _spec(value)) for name, value in told.get("bearers", {}).items()):
                inner = {f"{name}/{leaf}": _spec(part) for leaf, part in (spec.get("among") or {}).items()}
                found |= _named({name: spec, **inner})
    return found


def _named(specs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: str(spec["cap"]) for name, spec in specs.items() if "cap" in spec}


def _spec(value: Any) -> Mapping[str, Any]:
    """A weight may stand alone."""
    return value if isinstance(value, dict) else {"weight": value}


def _most(spec: Mapping[str, Any]) -> str:
    return f"up to {spec['up_to']}" if "up_to" in spec else "the rest"
