"""Prices written as formulas, which base.engine.formula compiles: there is no second way to compute an amount.

All price kinds are odd functions: a negative value costs the opposite of what the positive one costs, so that what is
given back is what was taken. Tiers include their upper bound; a value of 0 has entered no tier.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

from everycent.flow.rating.contract import total_before, total_including
from everycent.flow.rating.price import (
    NUMBER,
    FlatPrice,
    GraduatedPrice,
    PackagePrice,
    PercentagePrice,
    PerUnitPrice,
    PriceSpec,
    RateCardPrice,
    TierSpec,
    VolumePrice,
)

#: A price's formula may be longer than one that a person writes.
TOKENS_MAX = 8000


def price_words(spec: PriceSpec) -> dict[tuple[str | int, ...], str]:
    """Every formula that the author wrote in a price, by its path below `price`."""
    assert spec.one is not None, "a price is of one kind"
    found: dict[tuple[str | int, ...], str] = {}
    for word, text in spec.one.model_dump(by_alias=True).items():
        if word in ("of", "from", "amount", "rate", "minimum", "maximum", "quantity", "price", "free", "size") and text:
            found[spec.kind, word] = text
        if word == "tiers":
            parts = ((at, name) for at in range(len(text)) for name in ("rate", "price", "flat"))
            found |= {(spec.kind, word, at, name): text[at][name] for at, name in parts if text[at][name] is not None}
    return found


def described(spec: PriceSpec) -> str:
    """A price in a few words, for messages."""
    one = spec.one
    of = getattr(one, "over", None) or getattr(one, "of", None) or getattr(one, "quantity", None)
    return f"the {spec.kind.replace('_', ' ')} price{'' if of is None else f' of {of}'}"


def price_formula(spec: PriceSpec, exponent: int, looked_up: str) -> str:
    """The price as a formula. `exponent`: the currency's decimals. `looked_up`: the factor that reads a rate card."""
    match spec.one:
        case FlatPrice(amount=amount):
            return f"({amount})"
        case PercentagePrice() as price:
            return _percentage(price)
        case PerUnitPrice(quantity=quantity, price=each, free=free):
            return _beyond(quantity, free, lambda units, _: f"({units}) * ({each})")
        case PackagePrice(quantity=quantity, size=size, price=each, free=free):
            return _beyond(
                quantity, free or "0", lambda units, sign: f"{sign}ceil(({sign}({units})) / ({size})) * ({each})"
            )
        case GraduatedPrice(over=str(total)) as price:
            return _between(f'"{total_before(total)}"', f'"{total_including(total)}"', price.tiers, exponent)
        case GraduatedPrice(from_=None) as price:
            return _by_tier(f"({price.of})", price.tiers, _slices)
        case GraduatedPrice(from_=before) as price:
            return _between(f"({before})", f"(({before}) + ({price.of}))", price.tiers, exponent)
        case VolumePrice(over=str(total)) as price:
            value = f"({price.of})"
            return _by_tier(f'"{total_including(total)}"', price.tiers, lambda _, tiers, __: _wholes(value, tiers, ""))
        case VolumePrice() as price:
            return _by_tier(f"({price.of})", price.tiers, _wholes)
        case RateCardPrice(of=of):
            return f'"{looked_up}"' if of is None else f'({of}) * "{looked_up}"'
    raise AssertionError(f"no such price: {spec.kind}")


def _percentage(price: PercentagePrice) -> str:
    share = f"({price.of}) * ({price.rate})"
    if price.minimum is None and price.maximum is None:
        return share
    above = share if price.minimum is None else f"greatest({share}, {price.minimum})"
    below = share if price.minimum is None else f"least({share}, -({price.minimum}))"
    if price.maximum is not None:
        above, below = f"least({above}, {price.maximum})", f"greatest({below}, -({price.maximum}))"
    return f"case when ({price.of}) < 0 then {below} else {above} end"


def _beyond(quantity: str, free: str | None, cost: Callable[[str, str], str]) -> str:
    """`cost` (of units, and the sign that makes them positive) of what goes beyond the free units on either side."""
    if free is None:
        return cost(quantity, "")
    above, below = cost(f"({quantity}) - ({free})", ""), cost(f"({quantity}) + ({free})", "-")
    return f"case when ({quantity}) > ({free}) then {above} when ({quantity}) < -({free}) then {below} else 0 end"


def _between(before: str, after: str, tiers: Sequence[TierSpec], exponent: int) -> str:
    """The slice from `before` to `after`: the rounded price of all less the rounded price of what came before, so that
    the slices of a period add up to the price of its total."""
    prices = [f"round({_by_tier(value, tiers, _slices)}, {exponent})" for value in (after, before)]
    return " - ".join(prices)


def _by_tier(value: str, tiers: Sequence[TierSpec], costs: Callable[[str, Sequence[TierSpec], str], list[str]]) -> str:
    """CASE over the tiers, from 0 upwards and then from 0 downwards; `costs` gives each tier's, for a sign."""
    bounds = [tier.up_to for tier in tiers[:-1]]
    up, down = costs(value, tiers, ""), costs(value, tiers, "-")
    arms = [f"when {value} = 0 then 0"] if any(tier.flat is not None for tier in tiers) else []
    arms += [f"when {value} >= 0 and {value} <= {bound} then {cost}" for bound, cost in zip(bounds, up, strict=False)]
    arms.append(f"when {value} >= 0 then {up[-1]}")
    arms += [f"when {value} >= -{bound} then {cost}" for bound, cost in zip(bounds, down, strict=False)]
    return f"case {' '.join(arms)} else {down[-1]} end"


def _wholes(value: str, tiers: Sequence[TierSpec], sign: str) -> list[str]:
    return [" ".join([f"{value} * ({_each(tier)})", *_flats([tier], sign)]) for tier in tiers]


def _slices(value: str, tiers: Sequence[TierSpec], sign: str) -> list[str]:
    """A tier's cost: all slices below it whole, its own slice, and what was paid to enter it and those below."""
    lower = ["0", *(tier.up_to or "" for tier in tiers[:-1])]
    back = "+" if sign else "-"
    found = []
    for at, tier in enumerate(tiers):
        full = [
            (str(_decimal(Fraction(upper) - Fraction(start))), _each(below))
            for (start, upper), below in zip(pairwise(lower[: at + 1]), tiers, strict=False)
        ]
        own = f"({value} {back} {lower[at]}) * ({_each(tier)})"
        found.append(" ".join([own, *_whole_slices(full, sign), *_flats(tiers[: at + 1], sign)]))
    return found


def _each(tier: TierSpec) -> str:
    """What one unit of the tier costs, or one unit of money."""
    return tier.rate or tier.price or "0"


def _flats(tiers: Sequence[TierSpec], sign: str) -> list[str]:
    return [f"{sign or '+'} ({tier.flat})" for tier in tiers if tier.flat is not None]


def _whole_slices(full: Sequence[tuple[str, str]], sign: str) -> list[str]:
    """The cost of slices that are full; one number where their prices are numbers."""
    if not full:
        return []
    if all(NUMBER.fullmatch(each) for _, each in full):
        known = _decimal(sum((Fraction(width) * Fraction(each) for width, each in full), Fraction(0)))
        if len(known) <= 18:
            return [f"{sign or '+'} ({known})"]
    return [f"{sign or '+'} {width} * ({each})" for width, each in full]


def _decimal(value: Fraction) -> str:
    """A fraction that has finitely many decimals, with all of them."""
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
        assert places <= 72, "products of written numbers have finitely many decimals"
    digits = str(abs(int(value * 10**places))).zfill(places + 1)
    whole = digits if places == 0 else f"{digits[:-places]}.{digits[-places:]}"
    return f"-{whole}" if value < 0 else whole
