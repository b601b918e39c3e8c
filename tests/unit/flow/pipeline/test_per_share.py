"""Apportion, then rate: each bearer's share is rated by itself, by golden cases whose figures are reckoned by hand."""

from pathlib import Path
from textwrap import dedent, indent

import pytest

from everycent.base.engine.local import LocalEngine
from everycent.flow.model.contract import ModelRefused
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.golden import run_golden_cases
from everycent.flow.pipeline.plan import plan_model

MODEL = """\
model: festival
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties:
  platform: {operator: shanghai}
  merchant: {key: [merchant]}
  brand: {key: [brand]}
  mall: {key: [mall]}
records:
  sale:
    id: [no]
    occurred_at: at
    columns: {no: text, merchant: text, brand: text, mall: text, kind: text, gift: money, at: timestamp}
    amount: gift
  refund:
    refunds: sale
    of: [sale]
    id: [no]
    occurred_at: at
    columns: {no: text, sale: text, given: money, at: timestamp}
    amount: given
factors:
  fee_rate: {table: fees.csv, key: [bearer], column: rate}
charges:
  gift:
    for: sale
    when: gift > 0
    amount: gift
    creditor: merchant
    apportion: {bearers: {platform: 50, partners: {weight: 50, among: {brand: 70, mall: 30}}}}
  handling:
    for: sale
    per_share_of: gift
    amount: share * fee_rate
    debtor: bearer
    creditor: platform
statements: {merchant: {cycle: daily}, brand: {cycle: daily}, mall: {cycle: daily}}
tests:
  the case:
"""
SALE = """
    sale  no  merchant  brand  mall   kind  gift    at
          A1  m-1       b-1    north  toys  100.01  2026-03-01 10:00
"""
FEES = "bearer,rate\nbrand,0.02\nmall,0.05\n"


def written(folder: Path, model: str, facts: str, expected: str, fees: str = FEES) -> Path:
    text = model
    for word, table in (("facts", facts), ("obligations", expected)):
        text += f"    {word}: |\n{indent(dedent(table).strip(), '      ')}\n"
    (folder / "model.yaml").write_text(text)
    (folder / "fees.csv").write_text(fees)
    return folder / "model.yaml"


def differences(
    folder: Path, engine: LocalEngine, model: str, facts: str, expected: str, fees: str = FEES
) -> list[str]:
    loaded = load_model(written(folder, model, facts, expected, fees), {})
    [outcome] = run_golden_cases(loaded, "default", engine)
    return list(outcome.differences)


def test_each_share_is_rated_by_itself_and_rounded_by_itself(tmp_path: Path, engine: LocalEngine) -> None:
    # 50.01 of the platform, which is the other end; brand 35.00 at 2 %; mall 15.00 at 5 %
    expected = """
        charge    debtor    creditor  amount
        gift      platform  m-1       50.01
        gift      b-1       m-1       35.00
        gift      north     m-1       15.00
        handling  b-1       platform  0.70
        handling  north     platform  0.75
    """
    assert differences(tmp_path, engine, MODEL, SALE, expected) == []


def test_the_charge_is_the_sum_of_its_bearers_amounts(tmp_path: Path, engine: LocalEngine) -> None:
    model = (
        MODEL + "    charges: |\n      charge    debtor  creditor  amount\n      gift      -       m-1       100.01\n"
    )
    model += "      handling  -       platform  1.45\n"
    assert differences(tmp_path, engine, model, SALE, "charge  amount") != []
    loaded = load_model(tmp_path / "model.yaml", {})
    [outcome] = run_golden_cases(loaded, "default", engine)
    assert not [line for line in outcome.differences if line.startswith("charges")]


@pytest.mark.parametrize("cut", ["", "refund  no  sale  given  at"])
def test_refunds_go_back_to_who_had_an_amount_in_proportion(cut: str, tmp_path: Path, engine: LocalEngine) -> None:
    """In one batch, or in a batch each."""
    facts = (
        SALE
        + f"""
    refund  no  sale  given  at
            R1  A1    50.00  2026-03-02 10:00
    {cut}
            R2  A1    50.01  2026-03-03 10:00
    """
    )
    # 1.45 × 50.00 / 100.01 is 0.72: 0.35 (.347) and 0.37 (.372); what is left goes back with the rest
    expected = """
        record  charge    debtor    amount
        A1      gift      platform  50.01
        A1      gift      b-1       35.00
        A1      gift      north     15.00
        A1      handling  b-1       0.70
        A1      handling  north     0.75
        R1      gift      platform  -25.00
        R1      gift      b-1       -17.50
        R1      gift      north     -7.50
        R1      handling  b-1       -0.35
        R1      handling  north     -0.37
        R2      gift      platform  -25.01
        R2      gift      b-1       -17.50
        R2      gift      north     -7.50
        R2      handling  b-1       -0.35
        R2      handling  north     -0.38
    """
    assert differences(tmp_path, engine, MODEL, facts, expected) == []


CARD = MODEL.replace(
    "amount: share * fee_rate", "price: {percentage: {of: share, rate: fee_rate, minimum: 0.80, maximum: 5.00}}"
)
PAID = MODEL.replace("debtor: bearer\n    creditor: platform", "debtor: platform\n    creditor: bearer")
WHEN = MODEL.replace("per_share_of: gift\n", "per_share_of: gift\n    when: bearer = 'mall' and kind = 'toys'\n")


@pytest.mark.parametrize(
    ("model", "handling"),
    [
        (CARD, "handling  b-1       platform  0.80\nhandling  north     platform  0.80\n"),
        (PAID, "handling  platform  b-1       0.70\nhandling  platform  north     0.75\n"),
        (WHEN, "handling  north     platform  0.75\n"),
        (WHEN.replace("toys'", "pots'"), ""),
        (MODEL.replace("share * fee_rate", "(gift - share) / 10"),
         "handling  b-1       platform  6.50\nhandling  north     platform  8.50\n"),
        (MODEL.replace("share * fee_rate", "share / gift * fee_rate * 100"),
         "handling  b-1       platform  0.70\nhandling  north     platform  0.75\n"),
        (MODEL.replace("amount: share * fee_rate",
                       "price: {rate_card: {by: [bearer, kind], table: card.csv, column: rate, of: share}}"),
         "handling  b-1       platform  3.50\nhandling  north     platform  3.00\n"),
    ],
)  # fmt: skip
def test_the_language_of_a_share(model: str, handling: str, tmp_path: Path, engine: LocalEngine) -> None:
    (tmp_path / "card.csv").write_text("bearer,kind,rate\nbrand,toys,0.1\nmall,toys,0.2\nmall,pots,0.3\n")
    expected = "charge    debtor    creditor  amount\ngift      platform  m-1       50.01\n"
    expected += "gift      b-1       m-1       35.00\ngift      north     m-1       15.00\n" + handling
    assert differences(tmp_path, engine, model, SALE, expected) == []


def test_each_record_s_shares_are_in_its_own_currency(tmp_path: Path, engine: LocalEngine) -> None:
    listed = "kind: {type: text, in: [CNY, JPY, KWD]}"
    model = MODEL.replace("kind: text", listed).replace("sale: text, given", f"sale: text, {listed}, given")
    model = model.replace("    amount: gift\n  refund:", "    amount: gift\n    currency: kind\n  refund:")
    model = model.replace("    amount: given\n", "    amount: given\n    currency: kind\n")
    facts = """
        sale  no  merchant  brand  mall   kind  gift    at
              A1  m-1       b-1    north  JPY   1001    2026-03-01 10:00
              A2  m-1       b-1    north  KWD   10.005  2026-03-01 10:00
              A3  m-1       b-1    north  CNY   100.01  2026-03-01 10:00

        refund  no  sale  kind  given  at
                R1  A2    KWD   5.000  2026-03-02 10:00
    """
    # JPY: 501, 350, 150. KWD: 5.003, 3.501, 1.501; R1 gives back 0.072 (.0724) of 0.145, in the proportion 70 : 75
    expected = """
        record  charge    debtor    amount
        A1      gift      platform  501
        A1      gift      b-1       350
        A1      gift      north     150
        A1      handling  b-1       7
        A1      handling  north     8
        A2      gift      platform  5.003
        A2      gift      b-1       3.501
        A2      gift      north     1.501
        A2      handling  b-1       0.070
        A2      handling  north     0.075
        A3      gift      platform  50.01
        A3      gift      b-1       35.00
        A3      gift      north     15.00
        A3      handling  b-1       0.70
        A3      handling  north     0.75
        R1      gift      platform  -2.500
        R1      gift      b-1       -1.750
        R1      gift      north     -0.750
        R1      handling  b-1       -0.035
        R1      handling  north     -0.037
    """
    assert differences(tmp_path, engine, model, facts, expected) == []


def test_without_the_shared_charge_there_is_none_per_share(tmp_path: Path, engine: LocalEngine) -> None:
    facts = SALE.replace("100.01", "0.00")
    assert differences(tmp_path, engine, MODEL, facts, "charge  amount") == []


@pytest.mark.parametrize(
    ("model", "fees", "held"),
    [
        (MODEL, "bearer,rate\nbrand,0.02\n", "held: handling: for mall: factor fee_rate was not found"),
        (MODEL.replace("amount: share * fee_rate", "amount: share / (share - 15)"), FEES,
         "held: handling: for mall: share / (share - 15) divides by zero with share = 15.00"),
        (MODEL.replace("share * fee_rate", "share - 20"), FEES,
         "held: handling: it is owed to some bearers and by others; make two charges of it,"
         " each with a when"),
        (MODEL.replace("amount: gift\n    creditor", "amount: gift / (gift - 100.01)\n    creditor"), FEES,
         "held: handling: held because charge gift is held"),
    ],
)  # fmt: skip
def test_all_bearers_are_rated_or_none(model: str, fees: str, held: str, tmp_path: Path, engine: LocalEngine) -> None:
    found = differences(tmp_path, engine, model, SALE, "charge  amount\nnone  1.00", fees)
    assert [line for line in found if line.startswith("held: handling")] == [held]
    assert not [line for line in found if "charge handling" in line and "not expected" in line]


def test_what_depends_on_what_came_before_is_refused(tmp_path: Path) -> None:
    total = "factors:\n  sold: {accumulator: {add: {sale: gift}, per: [merchant], period: month}, type: money}\n"
    for old, new in (("amount: share * fee_rate", "amount: share + sold"),
                     ("amount: gift\n    creditor", "amount: gift + sold\n    creditor")):  # fmt: skip
        text = MODEL.replace("factors:\n", total).replace(old, new)
        text = text.replace("statements:", "order: {by: [occurred_at, no]}\nstatements:")
        with pytest.raises(ModelRefused, match="depends on what came before, so it is computed in strict order"):
            model = load_model(written(tmp_path, text, SALE, "charge  amount"), {})
            plan_model(model, "t", model.files)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("per_share_of: gift", "per_share_of: gifts", "there is no apportioned charge 'gifts'; did you mean 'gift'?"),
        ("debtor: bearer", "debtor: brand", "each bearer of 'gift' is one end of it: write 'debtor: bearer'"),
        ("creditor: platform", "creditor: bearer", "each bearer of 'gift' is one end of it"),
        ("amount: share * fee_rate", "rules: [{amount: share}]", "write a price with a rate card by bearer"),
        ("gift: money, at", "gift: money, share: money, at", "'share' is what a charge per share calls a part of"),
        ("when: gift > 0", "when: gift > handling", "charge handling has an amount for each bearer"),
        ("key: [bearer]", "key: [kind, bearer]", "fees.csv has no column 'kind'"),
        ("    when: gift > 0\n", "    enabled: no\n", "'gift' is switched off (enabled: no), so it has no shares"),
        ("amount: share * fee_rate", "amount: share * fee_rat", "there is no 'fee_rat' here; did you mean fee_rate?"),
        ("amount: gift\n    creditor", "amount: gift * fee_rate\n    creditor",
         "looked up by bearer, which only a charge with per_share_of has"),
        ("bearers: {platform: 50, partners: {weight: 50, among: {brand: 70, mall: 30}}}", "bearers: {platform: 50}",
         "every bearer of 'gift' is at the other end of 'handling' too"),
        ("  mall: {key: [mall]}\n", "  mall: {key: [mall]}\n  bearer: {key: [kind]}\n", "call this party role another"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_what_would_be_right(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert MODEL.count(old) == 1, old
    with pytest.raises(ModelRefused) as refused:
        model = load_model(written(tmp_path, MODEL.replace(old, new), SALE, "charge  amount"), {})
        plan_model(model, "t", model.files)
    assert said in str(refused.value)
