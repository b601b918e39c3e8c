"""Whole models with prices: tables beside them, golden cases, the version's hash, mistakes with their place."""

from pathlib import Path

import pytest

from everycent.base.engine.local import LocalEngine
from everycent.flow.model.contract import ModelRefused
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.golden import run_golden_cases
from everycent.flow.pipeline.plan import plan_model

MODEL = """\
model: harbour
version: 1
currency: JPY
calendar: {time_zone: Asia/Tokyo}
parties: {platform: {operator: tokyo}, merchant: {key: [merchant]}}
records:
  sale:
    id: [sale]
    occurred_at: at
    columns: {sale: text, merchant: text, category: text, paid: decimal(3), paid_in: text, qty: integer, at: timestamp}
charges:
  goods:
    for: sale
    amount: paid
    convert: {from: paid_in, rates: fx.csv, dated: day, direction: multiply}
    debtor: platform
    creditor: merchant
  handling:
    for: sale
    price: {rate_card: {by: category, table: card.csv, column: each, of: qty}}
    debtor: merchant
    creditor: platform
  storage:
    for: sale
    rules:
      - {when: category = 'toys', price: {package: {quantity: qty, size: 10, price: 100}}}
      - {price: {graduated: {of: qty, tiers: [{up_to: 2, price: 50}, {price: 20}]}}}
    debtor: merchant
    creditor: platform
statements: {merchant: {cycle: daily}}
tests:
  paid in dinars and in yen:
    facts: |
      sale  sale  merchant  category  paid    paid_in  qty  at
            S1    m-1       toys      10.005  KWD      11   2026-03-01 10:00
            S2    m-1       food      700     JPY      3    2026-03-01 10:00
    charges: |
      record  charge    rule            amount
      S1      goods     goods           4803
      S1      handling  handling        17
      S1      storage   storage rule 1  200
      S2      goods     goods           700
      S2      handling  handling        9
      S2      storage   storage rule 2  120
"""
FX = "currency,day,rate\nKWD,2026-02-27,480.1\nKWD,2026-03-02,490\n"
CARD = "category,each\ntoys,1.5\nfood,3\n"


def write(folder: Path, model: str = MODEL, fx: str = FX, card: str = CARD) -> Path:
    for name, text in (("model.yaml", model), ("fx.csv", fx), ("card.csv", card)):
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "model.yaml"


def test_the_golden_case_of_a_model_with_prices(tmp_path: Path, engine: LocalEngine) -> None:
    [outcome] = run_golden_cases(load_model(write(tmp_path), {}), "t", engine)
    assert outcome.differences == ()


@pytest.mark.parametrize("changed", [{"fx": FX.replace("490", "491")}, {"card": CARD.replace("1.5", "1.6")}])
def test_tables_of_prices_belong_to_the_version(tmp_path: Path, changed: dict[str, str]) -> None:
    before = load_model(write(tmp_path), {}).version_hash
    assert load_model(write(tmp_path, **changed), {}).version_hash != before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "of: qty}}",
            "of: qt}}",
            "20:74: charges.handling.price.rate_card.of: there is no 'qt' here; did you mean qty?",
        ),
        ("column: each,", "column: much,", "rate_card.column: card.csv has no column 'much'; it has category, each"),
        ("dated: day", "dated: date", "15:52: charges.goods.convert.dated: fx.csv has no column 'date'; did you mean"),
        ("from: paid_in", "from: payed", "15:21: charges.goods.convert.from: 'payed' is no text column"),
        ("size: 10", "size: -10", "26:74: charges.storage.rules.0.price.package.size: -10 is not above 0"),
        ("up_to: 2, ", "", "tier 1 has no 'up_to'; only the last one goes on without end"),
        ("{up_to: 2, price: 50}", "{up_to: 2, prize: 50}", "unknown word 'prize'; did you mean 'price'?"),
    ],
)
def test_a_mistake_in_a_price_is_told_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert MODEL.count(old) == 1
    with pytest.raises(ModelRefused) as refused:
        model = load_model(write(tmp_path, MODEL.replace(old, new)), {})
        plan_model(model, "t", model.files)
    assert said in str(refused.value)


DECIDED = MODEL.replace(
    """    rules:
      - {when: category = 'toys', price: {package: {quantity: qty, size: 10, price: 100}}}
      - {price: {graduated: {of: qty, tiers: [{up_to: 2, price: 50}, {price: 20}]}}}
""",
    "    rules: {table: storage.csv}\n",
)
STORAGE = "name,when category,amount\nstorage rule 1,toys,200\nstorage rule 2,,qty * 40\n"


def decided(folder: Path, rows: str = STORAGE, model: str = DECIDED) -> Path:
    (folder / "storage.csv").write_text(rows, encoding="utf-8")
    return write(folder, model)


def test_a_decision_table_beside_the_model(tmp_path: Path, engine: LocalEngine) -> None:
    model = load_model(decided(tmp_path), {})
    [outcome] = run_golden_cases(model, "t", engine)
    assert outcome.differences == ()
    assert load_model(decided(tmp_path, STORAGE + "never,maps,1\n"), {}).version_hash != model.version_hash
    named = DECIDED.replace("charges:", "tables: {storage: {file: storage.csv, columns: {name: text}}}\ncharges:", 1)
    [outcome] = run_golden_cases(
        load_model(decided(tmp_path, model=named.replace("{table: storage.csv}", "{table: storage}")), {}), "t", engine
    )
    assert outcome.differences == ()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (STORAGE.replace("qty", "qtty"), "25:12: charges.storage.rules: storage.csv line 3: there is no 'qtty' here"),
        (STORAGE.replace(",,", ","), "25:20: charges.storage.rules.table: storage.csv line 3: 2 cells for 3 columns"),
        ('a,"b', "storage.csv is not CSV: unexpected end of data"),
    ],
)
def test_a_mistake_in_a_decision_table_is_told_with_its_line(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(ModelRefused) as refused:
        model = load_model(decided(tmp_path, rows), {})
        plan_model(model, "t", model.files)
    assert said in str(refused.value)


def test_a_decision_table_that_is_not_there(tmp_path: Path) -> None:
    model = load_model(write(tmp_path, DECIDED), {})
    with pytest.raises(ModelRefused, match=r"rules.table: there is no file storage.csv beside the model"):
        plan_model(model, "t", model.files)
