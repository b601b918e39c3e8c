"""A market in several currencies: each amount in its own, from the row to the bank; nothing is added across them."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.base.money.amount import format_minor
from everycent.base.money.currency import currency
from everycent.flow.model.contract import ModelRefused
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.golden import run_golden_cases
from everycent.flow.pipeline.plan import plan_model
from everycent.proof.verify.service import verify
from everycent.serve.wiring import SECTIONS

EXAMPLE = Path(__file__).parents[2] / "examples" / "several-currencies"
MODEL = (EXAMPLE / "model.yaml").read_text(encoding="utf-8")
FILES = {path.name: path.read_text(encoding="utf-8") for path in [EXAMPLE / "fx.csv", *(EXAMPLE / "data").glob("*")]}


def test_each_amount_stays_in_its_currency_from_the_row_to_the_bank(tell: Any) -> None:
    told = tell(MODEL, FILES, as_of="2026-04-30")
    assert told.rows("SELECT reason FROM intake.quarantine ORDER BY source_file DESC, source_line") == [
        ("price: '1200.50' has 1 decimal, JPY has 0; write 1200 or 1201",),
        ("price: '9.999' has 3 decimals, CNY has 2; write 9.99 or 10.00",),
        ("price: '9.99' is in no known currency: 'EUR' is none of CNY, JPY, KWD",),
        ("refunds sale S3, which is in KWD; this refund is in CNY",),
    ]
    assert told.rows(
        "SELECT party_id, currency, payable_minor, receivable_minor FROM settlement.statement ORDER BY 1, 2"
    ) == [
        # S1: 100.00, commission 3.33, fee 0.50; the fees of S2 and S8: 2.35, and 700 * 0.046 * 0.5 % = 0.161
        ("merchant:m-1", "CNY", 10000, 333 + 50 + 235 + 16),
        # S2: 9,999 - 5,000, commission 333 - 167; S8: 700, 23.31
        ("merchant:m-1", "JPY", 9999 - 5000 + 700, 333 - 167 + 23),
        # S3: 12.345 * 23.40 * 0.5 % = 1.444...; S4: 2.500 * 23.50 * 0.5 % = 0.29375
        ("merchant:m-2", "CNY", 0, 144 + 29),
        # S3 and S4: 12.345 and 2.500, commission 0.411 and 0.083
        ("merchant:m-2", "KWD", 12345 + 2500, 411 + 83),
    ]
    rows = told.rows("SELECT party_id, direction, currency, amount_minor FROM payments.instruction ORDER BY 1, 3")
    assert [(party, way, code, format_minor(int(minor), currency(code))) for party, way, code, minor in rows] == [
        ("merchant:m-1", "pay", "CNY", "93.66"),
        ("merchant:m-1", "pay", "JPY", "5510"),
        ("merchant:m-2", "collect", "CNY", "1.73"),
        ("merchant:m-2", "pay", "KWD", "14.351"),
    ]
    assert told.rows(
        "SELECT currency, sum(debits_minor) - sum(credits_minor) FROM ledger.account GROUP BY 1 ORDER BY 1"
    ) == [("CNY", 0), ("JPY", 0), ("KWD", 0)]
    for change, named in TAMPERED.items():
        with told.session.connection.transaction(force_rollback=True):
            assert told.rows(f"WITH changed AS ({change} RETURNING 1) SELECT count(*) > 0 FROM changed") == [(True,)]
            who = (told.session.details, told.session.engine, told.session.tenant, told.model)
            found = [check.name for check in verify(told.session.connection, *who).findings]
        assert any(named in name for name in found), (change, found)


#: What was changed in the database, and words of the check that finds it.
TAMPERED = {
    "UPDATE clearing.obligation SET currency = 'CNY' WHERE currency = 'JPY' AND charge = 'goods'": "one currency",
    "UPDATE rating.charge SET currency = 'CNY' WHERE currency = 'KWD' AND charge = 'commission'": "in its currency",
    "UPDATE settlement.statement SET currency = 'USD' WHERE currency = 'KWD'": "statement",
    "UPDATE payments.instruction SET currency = 'CNY' WHERE currency = 'KWD'": "instruction",
    "UPDATE ledger.transfer SET currency = 'CNY' WHERE currency = 'KWD'": "transfers",
}


def test_a_check_that_fails_shows_the_amounts_of_its_row(tell: Any) -> None:
    rows = "sale_no,merchant,paid_in,price,coupon,sold_at\nS1,m-1,JPY,100,200,2026-03-01\nS2,m-1,KWD,1,2,2026-03-01\n"
    told = tell(MODEL, {"fx.csv": FILES["fx.csv"], "sales.csv": rows}, as_of="2026-04-30")
    said = "coupon within price: coupon between 0 and price is not so; coupon = {}, price = {}"
    assert told.rows("SELECT reason FROM intake.quarantine ORDER BY source_line") == [
        (said.format("200", "100"),),
        (said.format("2.000", "1.000"),),
    ]


def checked(text: str, folder: Path) -> str:
    """What `model check` says of the model."""
    (folder / "model.yaml").write_text(text, encoding="utf-8")
    (folder / "fx.csv").write_text(FILES["fx.csv"], encoding="utf-8")
    try:
        model = load_model(folder / "model.yaml", SECTIONS)
        plan_model(model, "default", model.files)
    except ModelRefused as refused:
        return str(refused)
    return "the model can be used"


REFUSED = {
    "amounts of two currencies added": (
        "    amount: paid * 0.005\n    convert:",
        "    amount: paid + commission_cny\n    convert:",
        "charges:\n",
        "charges:\n  commission_cny:\n    for: sale\n    currency: CNY\n    amount: '1'\n"
        "    debtor: merchant\n    creditor: platform\n",
        "'paid + commission_cny' puts amounts of different currencies together: paid is in the record's currency, "
        "commission_cny is in CNY",
    ),
    "a charge in another currency, not converted": (
        "    convert: {from: paid_in, rates: fx, rate: mid, direction: multiply, find: latest}\n",
        "",
        "'paid * 0.005' is in the record's currency, the charge in CNY; say with 'convert' at which rate",
    ),
    "converted from what it is not in": (
        "convert: {from: paid_in",
        "convert: {from: USD",
        "'paid * 0.005' is in the record's currency, and is converted from USD",
    ),
    "converted into no one currency": (
        "    currency: CNY\n    amount: paid",
        "    amount: paid",
        "a conversion is into one currency; name it with the charge's 'currency'",
    ),
    "a currency column without codes": (
        "      paid_in: {type: text, in: [CNY, JPY, KWD]}\n      price",
        "      paid_in: text\n      price",
        "list the codes that there are, for example in: [CNY, JPY]",
    ),
    "a code that is none": (
        "in: [CNY, JPY, KWD]}\n      price",
        "in: [CNY, JPY, DMK]}\n      price",
        "'DMK' is not a current ISO 4217 currency",
    ),
    "a minimum without its currency": (
        "minimum: {CNY: 1.00, JPY: 100, KWD: 0.100}",
        "minimum: 1.00",
        "the model pays in 3 currencies, so a minimum names its own",
    ),
    "a minimum that its currency cannot hold": (
        "JPY: 100,",
        "JPY: 0.5,",
        "'0.5' has 1 decimals, JPY has 0",
    ),
    "a refund that has no currency": (
        "    currency: paid_in                  # has to be that of the sale\n",
        "",
        "a refund is in the currency of what it refunds",
    ),
    "a fixed share of charges in several currencies": (
        "    price: {percentage: {of: paid, rate: 0.0333}}\n    debtor: merchant\n",
        "    price: {percentage: {of: paid, rate: 0.0333}}\n"
        "    apportion: {by: fixed, bearers: {platform: {fixed: 1}, merchant: {}}}\n",
        "'fixed: 1' is of one currency, but 'commission' is in each record's own",
    ),
    "a budget that counts another currency": (
        "    price: {percentage: {of: paid, rate: 0.0333}}\n    debtor: merchant\n",
        "    price: {percentage: {of: paid, rate: 0.0333}}\n    apportion: {budget: spring, bearers: {merchant: 1}}\n",
        "charges:\n",
        "budgets: {spring: {currency: JPY}}\norder: {by: occurred_at}\ncharges:\n",
        "budget 'spring' counts JPY, and 'commission' is in each record's own currency",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_mix_currencies_is_refused_by_name(case: str, tmp_path: Path) -> None:
    *changes, said = REFUSED[case]
    text = MODEL[: MODEL.index("\ntests:")]
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert old in text
        text = text.replace(old, new, 1)
    assert said in checked(text, tmp_path)


SALES = st.lists(
    st.tuples(st.sampled_from(["CNY", "JPY", "KWD"]), st.integers(1, 10**9), st.sampled_from(["m-1", "m-2"])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=20, deadline=None)
@given(SALES)
def test_money_balances_in_each_currency(sales: list[tuple[str, int, str]]) -> None:
    """By an oracle in whole minor units: commission by the currency's decimals, the fee in fen; never across."""
    lines = ["sale  sale_no  merchant  paid_in  price  sold_at"]
    want = []
    rates = {"CNY": 1, "JPY": 47, "KWD": 23400}  # thousandths of a yuan
    for at, (code, minor, merchant) in enumerate(sales):
        unit = currency(code)
        lines.append(f"  S{at}  {merchant}  {code}  {format_minor(minor, unit)}  2026-03-01 10:00")
        commission = (minor * 333 * 2 + 10000) // 20000
        thousandths = 1000 if code == "CNY" else rates[code]
        # minor / units * rate * 0.005 yuan, in fen, half up
        numerator, denominator = minor * thousandths * 5 * 100, unit.units * 1000 * 1000
        fee = (2 * numerator + denominator) // (2 * denominator)
        for charge, ends, amount, of in (
            ("goods", ("platform", merchant), minor, unit),
            ("commission", (merchant, "platform"), commission, unit),
            ("service_fee", (merchant, "platform"), fee, currency("CNY")),
        ):
            want.append(f"S{at}  {charge}  {ends[0]}  {ends[1]}  {format_minor(amount, of)}  {of.code}")
    case = ["tests:", "  drawn:", "    facts: |", *(f"      {line}" for line in lines), "    obligations: |"]
    case += [f"      {line}" for line in ("record  charge  debtor  creditor  amount  currency", *want)]
    assert golden(MODEL[: MODEL.index("\ntests:") + 1] + "\n".join(case) + "\n") == ()


def golden(text: str) -> tuple[str, ...]:
    """What differs in the model's one golden case."""
    with TemporaryDirectory() as name, LocalEngine(threads=1, memory_mb=512, temp_dir=Path(name) / "spill") as engine:
        (Path(name) / "model.yaml").write_text(text, encoding="utf-8")
        (Path(name) / "fx.csv").write_text(FILES["fx.csv"], encoding="utf-8")
        [outcome] = run_golden_cases(load_model(Path(name) / "model.yaml", SECTIONS), "default", engine)
    return outcome.differences
