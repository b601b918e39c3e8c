"""The demo's model speaks the contracts' language, and follows the currency it is written for."""

from pathlib import Path

import yaml

from everycent.base.money.currency import currency
from everycent.flow.clearing.contract import ChargeSpec
from everycent.flow.intake.contract import RecordSpec, TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.payments.contract import PayoutSpec
from everycent.flow.rating.contract import FactorSpec
from everycent.flow.settlement.contract import StatementSpec
from everycent.proof.recon.contract import ReconSpec
from everycent.serve.demo.workspace import write_payout_accounts, write_workspace

PARTS = {
    "parties": PartySpec,
    "tables": TableSpec,
    "records": RecordSpec,
    "factors": FactorSpec,
    "charges": ChargeSpec,
    "statements": StatementSpec,
    "payouts": PayoutSpec,
    "recon": ReconSpec,
}
OLIST = Path(__file__).parents[4] / "examples" / "olist" / "model.yaml"


def check_parts(path: Path) -> dict[str, object]:
    # BaseLoader: every scalar is a string, as the model's own reader has it.
    model: dict[str, dict[str, object]] = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    for word, spec in PARTS.items():
        for part in model[word].values():
            spec.model_validate(part)
    roles = set(model["parties"])
    for charge in map(ChargeSpec.model_validate, model["charges"].values()):
        assert {charge.creditor, charge.debtor} - {None} <= roles
        assert set(charge.for_) <= set(model["records"])
    return dict(model)


def test_each_part_of_the_model_is_valid(tmp_path: Path) -> None:
    model = check_parts(write_workspace(tmp_path))
    assert model["currency"] == "CNY" and model["tests"]


def test_each_part_of_the_olist_example_is_valid() -> None:
    assert check_parts(OLIST)["currency"] == "BRL"


def test_another_currency_keeps_the_minor_units(tmp_path: Path) -> None:
    dinars, yen = tmp_path / "kwd", tmp_path / "jpy"
    assert check_parts_currency(write_workspace(dinars, currency("KWD"))) == "KWD"
    assert check_parts_currency(write_workspace(yen, currency("JPY"))) == "JPY"
    assert ",groceries,0.0300,0.010\n" in (dinars / "commission_rates.csv").read_text()
    assert ",groceries,0.0300,10\n" in (yen / "commission_rates.csv").read_text()


def check_parts_currency(path: Path) -> object:
    model = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    assert "tests" not in model, "the golden amounts are CNY's"
    return model["currency"]


def test_every_seller_has_an_account_of_its_own(tmp_path: Path) -> None:
    sellers = [f"seller-{n}" for n in range(1000)]
    lines = write_payout_accounts(tmp_path, sellers).read_text().splitlines()[1:]
    accounts = {line.split(",")[1] for line in lines}
    assert len(accounts) == 1000 and all(len(account) == 16 for account in accounts)
