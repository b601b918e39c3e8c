"""The workspace that `everycent init` and `everycent demo` begin with: the model of harbour-market and its tables.

model.yaml and commission_rates.csv beside this file are the only copy; they are written for CNY and reprinted for any
other currency with the same minor units.
"""

from importlib.resources import files
from pathlib import Path

from everycent.base.money.amount import format_minor, parse_minor
from everycent.base.money.currency import Currency, currency
from everycent.serve.demo.files import write_small_csv

_HOME_CURRENCY = currency("CNY")


def write_workspace(folder: Path, money_of: Currency = _HOME_CURRENCY) -> Path:
    """Writes model.yaml and its rate table into `folder` and returns the model's path.

    In another currency than CNY the golden tests are left out: their amounts are written in CNY's two decimals.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = (files(__name__) / "model.yaml").read_text(encoding="utf-8")
    rates = (files(__name__) / "commission_rates.csv").read_text(encoding="utf-8")
    if money_of != _HOME_CURRENCY:
        assert "\ncurrency: CNY\n" in model and "\ntests:\n" in model
        model = model.replace("\ncurrency: CNY\n", f"\ncurrency: {money_of.code}\n")[: model.index("\ntests:\n")] + "\n"
        rates = _reprinted(rates, money_of)
    path = folder / "model.yaml"
    path.write_text(model, encoding="utf-8")
    (folder / "commission_rates.csv").write_text(rates, encoding="utf-8")
    return path


def _reprinted(rates: str, money_of: Currency) -> str:
    """The rate table with its minima, the last column, in the same minor units of another currency."""
    header, *lines = rates.splitlines()
    assert header.endswith(",minimum")
    printed = [header]
    for line in lines:
        left, _, minimum = line.rpartition(",")
        printed.append(f"{left},{format_minor(parse_minor(minimum, _HOME_CURRENCY), money_of)}")
    return "\n".join([*printed, ""])


def write_payout_accounts(folder: Path, sellers: list[str]) -> Path:
    """Made-up bank accounts of the sellers, sixteen digits that begin with 99."""
    path = folder / "payout_accounts.csv"
    rows = [[seller, f"99{n * 104_729 % 10**14:014}", f"Harbour {seller} Ltd"] for n, seller in enumerate(sellers, 1)]
    write_small_csv(path, ["seller_id", "account", "account_name"], rows)
    return path
