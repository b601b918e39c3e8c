"""Which currency a kind's money is in, and SQL that goes by the currency of each row."""

from collections.abc import Callable, Mapping

from everycent.base.engine.formula import Formula
from everycent.base.engine.sql import literal
from everycent.base.money.currency import Currency, UnknownCurrency, currency
from everycent.flow.intake.contract import RECORDS_OWN, ColumnSpec, RecordMoney, RecordSpec
from everycent.flow.intake.core.refusal import IntakeRefused, Word


def record_money(root: Word, spec: RecordSpec, model: Currency) -> RecordMoney:
    """What the money of a kind's columns is in. Raises IntakeRefused."""
    currencies = (model,) if spec.currency is None else _currencies(root, spec)
    own = model.code if spec.currency is None else RECORDS_OWN
    of = {name: column.currency or own for name, column in spec.columns.items() if column.type == "money"}
    return RecordMoney(spec.currency, currencies, of)


def money_in(path: Word, name: str, spec: ColumnSpec, otherwise: Currency) -> Currency:
    """The currency of a column that names one, `otherwise` of one that does not. Raises IntakeRefused."""
    if spec.currency is None:
        return otherwise
    if spec.type != "money":
        raise IntakeRefused((*path, "currency"), f"{name} is {spec.type}; only money has a currency")
    try:
        return currency(spec.currency)
    except UnknownCurrency as unknown:
        raise IntakeRefused((*path, "currency"), str(unknown)) from None


def chosen(money: RecordMoney, code: str, arms: Mapping[Currency, str]) -> str:
    """SQL of the arm of each row's currency, whose code is the SQL `code`; NULL where it has none of them."""
    assert tuple(arms) == money.currencies, "each currency has its arm"
    different = dict.fromkeys(arms.values())
    if len(different) == 1:
        return next(iter(different))
    whens = " ".join(f"WHEN {literal(each.code)} THEN {sql}" for each, sql in arms.items())
    return f"(CASE {code} {whens} END)"


def each(money: RecordMoney, code: str, build: Callable[[Currency], str]) -> str:
    """`chosen`, of what `build` gives for each currency."""
    return chosen(money, code, {known: build(known) for known in money.currencies})


def one_currency(path: Word, formula: Formula, of: Mapping[str, str]) -> str | None:
    """What the money in a formula is in, None where it names none. Raises IntakeRefused where that is more than one."""
    named = {name: of[name] for name in formula.columns if name in of}
    if len(set(named.values())) > 1:
        said = ", ".join(f"{name} is in {what}" for name, what in named.items())
        raise IntakeRefused(
            path, f"'{formula.text}' puts amounts of different currencies together: {said}; convert them in a charge"
        )
    return next(iter(named.values()), None)


def _currencies(root: Word, spec: RecordSpec) -> tuple[Currency, ...]:
    name, path = str(spec.currency), (*root, "currency")
    column = spec.columns.get(name)
    if column is None:
        raise IntakeRefused(path, f"'{name}' is not a column of this kind; it has {', '.join(spec.columns)}")
    if column.type != "text" or not column.required:
        raise IntakeRefused(path, f"'{name}' holds each record's currency, so it is a required text")
    if not column.allowed:
        message = f"'{name}' holds each record's currency; list the codes that there are, for example in: [CNY, JPY]"
        raise IntakeRefused((*root, "columns", name), message)
    try:
        return tuple(currency(code) for code in dict.fromkeys(column.allowed))
    except UnknownCurrency as unknown:
        raise IntakeRefused((*root, "columns", name, "in"), str(unknown)) from None
