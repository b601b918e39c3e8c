"""A model is loaded, or every mistake in it is named with its line, its column and what would be right."""

from pathlib import Path

import pytest

from everycent.flow.model.contract import ModelRefused
from everycent.flow.model.service import load_model

GOOD = """\
model: corner-shop
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai, day_cut: "00:00"}
parties:
  platform: {operator: shop-holding}
  merchant: {key: [merchant]}
records:
  sale:
    file: sales*.csv
    id: [sale_no]
    occurred_at: sold_at
    columns: {sale_no: text, merchant: text, price: money, sold_at: timestamp}
charges:
  goods:
    for: sale
    amount: price
    debtor: platform
    creditor: merchant
statements:
  merchant: {cycle: weekly}
"""


def load(tmp_path: Path, text: str):
    path = tmp_path / "model.yaml"
    path.write_text(text, encoding="utf-8")
    return load_model(path, {})


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(ModelRefused) as refused:
        load(tmp_path, text)
    return str(refused.value).replace(f"{tmp_path}/", "")


def test_a_good_model_is_loaded_with_its_parts_typed(tmp_path: Path) -> None:
    model = load(tmp_path, GOOD)
    assert model.name == "corner-shop"
    assert model.spec.records["sale"].columns["price"].type == "money"
    assert model.operator == "shop-holding"
    assert model.currency.exponent == 2


def test_scalars_mean_what_they_say(tmp_path: Path) -> None:
    model = load(tmp_path, GOOD.replace("amount: price", "amount: price\n    enabled: no"))
    assert model.spec.charges["goods"].enabled is False
    model = load(tmp_path, GOOD.replace("version: 1", "version: 1.00"))
    assert model.spec.version == "1.00"


def test_the_version_hash_covers_the_rate_tables_beside_the_model(tmp_path: Path) -> None:
    text = GOOD + "factors:\n  rate: {table: rates.csv, key: [merchant]}\n"
    (tmp_path / "rates.csv").write_text("merchant,rate\nm-1,0.05\n")
    before = load(tmp_path, text).version_hash
    assert load(tmp_path, text).version_hash == before
    (tmp_path / "rates.csv").write_text("merchant,rate\nm-1,0.06\n")
    assert load(tmp_path, text).version_hash != before


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("currency: CNY", "curency: CNY", "model.yaml:3:1: curency: unknown word 'curency'; did you mean 'currency'?"),
        ("currency: CNY", "currency: CNZ", "model.yaml:3:11: currency: "),
        ("Asia/Shanghai", "Asia/Shangai", "model.yaml:4:23: calendar.time_zone: there is no time zone 'Asia/Shangai'"),
        ("price: money", "price: moneys", "model.yaml:13:"),
        (
            "occurred_at: sold_at",
            "occurred_at: sold",
            "model.yaml:12:18: records.sale.occurred_at: there is no column 'sold'; did you mean 'sold_at'?",
        ),
        (
            "creditor: merchant",
            "creditor: marchant",
            "model.yaml:19:15: charges.goods.creditor: there is no party role 'marchant'; did you mean 'merchant'?",
        ),
        (
            "  merchant: {cycle: weekly}",
            "  merchant: {cycle: fortnightly}",
            "model.yaml:21:21: statements.merchant.cycle: 'fortnightly' does not fit; write daily, weekly",
        ),
        ("    debtor: platform\n", "", "model.yaml:15:3: charges.goods: a charge is owed either by its 'debtor'"),
        (
            "version: 1",
            "version: 1\nversion: 2",
            "model.yaml:3:1: version: 'version' is written twice, first in line 2; keep one",
        ),
        ("  platform: {operator: shop-holding}\n", "", "one party role is the operator"),
        ("for: sale", "for: sales", "there is no record kind 'sales'; did you mean 'sale'?"),
        ("statements:\n  merchant: {cycle: weekly}\n", "", "role 'merchant' has no statements"),
        ("parties:", "parties: [", "this is not YAML"),
        (
            "    debtor: platform\n",
            "    apportion: {by: ratio, bearers: {platform: 99999999999999999999, merchant: 1}}\n",
            "apportion.bearers.platform.weight: this is 1000000000000 or less, not '99999999999999999999'",
        ),
        (
            "statements:",
            "order: {by: [sold_at], window: 99999999999999999999}\nstatements:",
            "order.window: this is 1000000000 or less, not '99999999999999999999'",
        ),
        ("{cycle: weekly}", "{cycle: weekly, ready_after: 99999999 days}", "'99999999 days' is longer than 36500 days"),
        ("{cycle: weekly}", "{cycle: weekly, ready_after: 999999999999 days}", "is longer than 36500 days"),
    ],
)
def test_each_mistake_is_named_with_its_place(tmp_path: Path, wrong: str, right: str, message: str) -> None:
    assert wrong in GOOD
    assert message in refusal(tmp_path, GOOD.replace(wrong, right))


def test_an_empty_file_and_a_list_are_no_models(tmp_path: Path) -> None:
    assert "the file is empty" in refusal(tmp_path, "")
    assert "a model is a mapping" in refusal(tmp_path, "- a\n- b\n")


def test_anchors_are_refused(tmp_path: Path) -> None:
    text = GOOD.replace("{key: [merchant]}", "&m {key: [merchant]}").replace("creditor: merchant", "creditor: *m")
    assert "anchors and aliases are not part of the model's language" in refusal(tmp_path, text)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace("for: sale", "for: sales").replace("occurred_at: sold_at", "occurred_at: sold")
    lines = refusal(tmp_path, text).splitlines()
    assert [line.split(":")[1] for line in lines] == ["12", "16"]


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="there is no such file"):
        load_model(tmp_path / "none.yaml", {})
