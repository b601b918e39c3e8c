"""A rule's amount or price as one formula, in the charge's currency."""

from dataclasses import replace

from everycent.base.engine.formula import Formula
from everycent.base.money.rounding import Rounding
from everycent.flow.intake.contract import RECORDS_OWN
from everycent.flow.rating.contract import RatingRefused, RuleSpec, exchange_factor, quoted_code, rate_card_factor
from everycent.flow.rating.core.names import Names, Path
from everycent.flow.rating.core.prices import TOKENS_MAX, described, price_formula, price_words
from everycent.flow.rating.price import ConvertSpec, PriceSpec


def amount_formula(rule: RuleSpec, place: str, names: Names, path: Path, rounding: Rounding) -> tuple[Formula, Path]:
    """The formula of a rule's amount or price, in the charge's currency, and its path."""
    if rule.amount is not None:
        text, path, shown = rule.amount, (*path, "amount"), rule.amount
    else:
        assert rule.price is not None, "a rule without an amount has a price"
        text, path, shown = _priced(rule.price, place, names, (*path, "price"), rounding, rule.convert)
    if rule.convert is not None:
        if rule.amount is not None:
            names.formula(text, path)  # alone, so that brackets belong together
        if names.several:
            _check_converted(names.formula(text, path, TOKENS_MAX), rule.convert, names, path)
        text, shown = _converted(text, rule.convert, place, names, path), f"{shown}, converted"
    elif rule.amount is not None:
        return _in_charge(names.formula(text, path), names, path), path
    formula = replace(names.formula(text, path, TOKENS_MAX), text=shown)
    return formula if rule.convert is not None else _in_charge(formula, names, path), path


def _in_charge(formula: Formula, names: Names, path: Path) -> Formula:
    """The formula, whose money is in the charge's currency. Raises RatingRefused where it is not."""
    found = names.currency_of(formula, path)
    if found not in (None, names.charge.said):
        message = f"'{formula.text}' is in {found}, the charge in {names.charge.said}"
        raise RatingRefused(f"{message}; say with 'convert' at which rate, or leave out the charge's 'currency'", path)
    return formula


def _check_converted(formula: Formula, convert: ConvertSpec, names: Names, path: Path) -> None:
    """Refuses to convert from what the amount is not in, or into what differs from record to record."""
    found, where = names.currency_of(formula, path), (*beside(path), "convert")
    if names.charge.said == RECORDS_OWN:
        message = "a conversion is into one currency; name it with the charge's 'currency'"
        raise RatingRefused(message, where)
    said = RECORDS_OWN if convert.from_ == names.currency_column else convert.from_
    if found not in (None, said):
        message = f"'{formula.text}' is in {found}, and is converted from {said}"
        raise RatingRefused(f"{message}; name the column or code of {found} in 'from'", (*where, "from"))


def _priced(
    price: PriceSpec, place: str, names: Names, path: Path, rounding: Rounding, convert: ConvertSpec | None
) -> tuple[str, Path, str]:
    """A price as a formula, where it stands, and what it is called. Each word is read by itself first."""
    for words, text in price_words(price).items():
        formula = names.formula(text, (*path, *words))
        if not formula.root.is_number:
            raise RatingRefused(f"a number is needed here; '{text}' is {formula.type}", (*path, *words))
    slices = None if price.graduated is None else price.graduated.over or price.graduated.from_
    if price.graduated is not None and slices is not None and rounding != Rounding.HALF_UP:
        word = "over" if price.graduated.over else "from"
        message = "a slice of a running total is the difference of two rounded prices, which are rounded half_up"
        raise RatingRefused(f"{message}; write 'round: half_up', or leave it out", (*path, "graduated", word))
    tiered = price.graduated or price.volume
    if tiered is not None and tiered.over is not None and not names.has_total(tiered.over):
        message = f"'{tiered.over}' is no accumulator under 'factors', so tiers cannot run over it"
        raise RatingRefused(message, (*path, price.kind, "over"))
    text = price_formula(
        price, names.record.currency.exponent if convert else names.charge.currency.exponent, rate_card_factor(place)
    )
    return text, (*path, price.kind), described(price)


def _converted(text: str, convert: ConvertSpec, place: str, names: Names, path: Path) -> str:
    """The amount times or by the rate; as it is where it is in the charge's own currency."""
    rate = f'"{exchange_factor(place)}"'
    code = quoted_code(convert.from_)
    where = (*beside(path), "convert", "from")
    if code is None:
        known = names.columns.get(convert.from_)
        if known is None or known.type.kind != "text":
            message = f"'{convert.from_}' is no text column of this record kind and no currency's code"
            raise RatingRefused(f"{message}; write for example USD, or the column that holds the code", where)
        own = f"\"{convert.from_}\" = '{names.charge.currency.code}'"
        rate = f"case when {own} then 1 when {rate} is not null then {rate} end"
    elif convert.from_ == names.charge.currency.code:
        raise RatingRefused(f"the charge is in {convert.from_} already; leave 'convert' out", where)
    return f"({text}) {'*' if convert.direction == 'multiply' else '/'} ({rate})"


def beside(path: Path) -> Path:
    """The path of the rule whose amount or price is at `path`."""
    return path[: max(at for at, word in enumerate(path) if word in ("amount", "price"))]
