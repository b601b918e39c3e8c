"""The real Olist marketplace, settled and reconciled, against an independent count in pandas and plain integers."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

REPOSITORY = Path(__file__).parents[2]
MODEL = REPOSITORY / "examples" / "olist" / "model.yaml"
DATA = Path(os.environ.get("EVERYCENT_SHARED_DATA", REPOSITORY.parent / "shared" / "data")) / "olist"
ITEMS, PAYMENTS = "olist_order_items_dataset.csv", "olist_order_payments_dataset.csv"
ORDERS, PRODUCTS = "olist_orders_dataset.csv", "olist_products_dataset.csv"
GIVEN_BACK = ["canceled", "unavailable"]

pytestmark = pytest.mark.skipif(
    not (DATA / ITEMS).is_file(),
    reason=f"the Olist dataset may not be shipped and is not in {DATA}; EVERYCENT_SHARED_DATA names its parent folder",
)


@dataclass(frozen=True)
class Run:
    """One run's answer, and the tables that it wrote."""

    answer: dict[str, Any]
    folder: Path
    env: dict[str, str]

    def table(self, name: str) -> pd.DataFrame:
        return pq.read_table(self.folder / f"{name}.parquet").to_pandas()


def everycent(env: dict[str, str], *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "everycent.serve.cli", *arguments, "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def settle(data: Path, home: Path) -> Run:
    """Runs the model in a database of its own."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("EVERYCENT_")}
    env["EVERYCENT_DATA_DIR"] = str(home / "data")
    records = [argument for name in (ITEMS, PAYMENTS, ORDERS, PRODUCTS) for argument in ("--records", str(data / name))]
    bill = ("--bill", str(data / PAYMENTS))
    answer = everycent(env, "run", str(MODEL), *records, *bill, "--out", str(home / "out"), "--as-of", "2018-12-31")
    return Run(answer, home / "out", env)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    yield settle(DATA, tmp_path_factory.mktemp("olist"))


def read(name: str, data: Path = DATA) -> pd.DataFrame:
    return pd.read_csv(data / name, dtype=str, keep_default_na=False)


def cents(column: "pd.Series[str]") -> "pd.Series[int]":
    return column.map(lambda text: int(Decimal(text) * 100))


def both_sides(data: Path = DATA) -> pd.DataFrame:
    """Per order: what its items cost and what was paid for it, in cents; NaN where there is nothing."""
    items, payments = read(ITEMS, data), read(PAYMENTS, data)
    cost = (cents(items["price"]) + cents(items["freight_value"])).groupby(items["order_id"]).sum()
    paid = cents(payments["payment_value"]).groupby(payments["order_id"]).sum()
    return pd.DataFrame({"cost": cost, "paid": paid})


def differing(data: Path = DATA) -> set[str]:
    """Orders whose two sides do not agree, or of which one is missing."""
    sides = both_sides(data)
    return set(sides.index[sides["cost"] != sides["paid"]])


def by_hand() -> dict[str, int]:
    """What each seller is owed for delivered items, in cents: price and freight, less the commission."""
    items = read(ITEMS).merge(read(ORDERS), on="order_id").merge(read(PRODUCTS), on="product_id")
    items = items[items["order_status"] == "delivered"]
    rates = pd.read_csv(MODEL.parent / "commission_rates.csv", dtype=str).set_index("category")
    category = items["product_category_name"].replace("", "sem_categoria")
    rate = category.map(rates["rate"]).map(lambda text: int(Decimal(text) * 10_000))  # of ten thousand
    least = cents(category.map(rates["minimum"]))
    price = cents(items["price"])
    commission = ((price * rate + 5_000) // 10_000).clip(lower=least)  # half up; amounts are positive
    owed = (price + cents(items["freight_value"]) - commission).groupby(items["seller_id"]).sum()
    return {seller: int(amount) for seller, amount in owed.items()}


def test_the_sample_is_the_one_that_was_counted_beforehand() -> None:
    sides = both_sides().dropna(subset=["cost"])
    apart = (sides["cost"] - sides["paid"]).abs()
    assert (len(sides), int((apart == 0).sum()), int((apart > 0).sum()), int((apart > 1).sum())) == (7360, 7318, 42, 26)
    assert int(both_sides()["cost"].isna().sum()) == 775


def test_every_cent_is_accounted_for(run: Run) -> None:
    assert run.answer["verified"] is True
    assert everycent(run.env, "verify")["verified"] is True
    assert (run.folder / "report.html").stat().st_size > 20_000


def test_every_row_is_accepted(run: Run) -> None:
    counts = {(file["kind"]): file for file in run.answer["files"]}
    orders = read(ORDERS).set_index("order_id")["order_status"]
    items, payments = read(ITEMS), read(PAYMENTS)
    for kind, rows in (("item_sold", len(items)), ("payment_received", len(payments))):
        assert (counts[kind]["rows"], counts[kind]["accepted"]) == (rows, rows)
    cancelled = int(items["order_id"].map(orders).isin(GIVEN_BACK).sum())
    assert counts["item_cancelled"]["accepted"] == cancelled


def test_sellers_are_owed_what_a_calculation_by_hand_says(run: Run) -> None:
    obligations = run.table("obligations")
    obligations = obligations[obligations["charge"].isin(["goods", "freight", "commission"])]
    credit = obligations.groupby("creditor")["amount_minor"].sum()
    debit = obligations.groupby("debtor")["amount_minor"].sum()
    owed = credit.sub(debit, fill_value=0)
    ours = {party.removeprefix("seller:"): int(a) for party, a in owed.items() if str(party).startswith("seller:")}
    assert {seller: amount for seller, amount in ours.items() if amount} == by_hand()


def test_vouchers_are_carried_by_the_platform(run: Run) -> None:
    obligations = run.table("obligations")
    with_vouchers = obligations[
        (obligations["debtor"] == "channel:voucher") | (obligations["creditor"] == "channel:voucher")
    ]
    assert set(with_vouchers["charge"]) == {"received", "voucher"}
    net = with_vouchers.groupby("charge")["amount_minor"].sum()
    assert net["received"] == net["voucher"] > 0


def test_orders_on_their_way_are_held_and_not_lost(run: Run) -> None:
    orders = read(ORDERS).set_index("order_id")["order_status"]
    on_their_way = ~read(ITEMS)["order_id"].map(orders).isin([*GIVEN_BACK, "delivered"])
    # goods and commission of each of them, and freight where there is any
    charges = 2 * int(on_their_way.sum()) + int((cents(read(ITEMS)["freight_value"])[on_their_way] > 0).sum())
    held = {file["kind"]: file["held"] for file in run.answer["files"]}
    assert held["item_sold"] == charges


def test_the_differences_are_those_that_pandas_finds(run: Run) -> None:
    breaks = run.table("breaks")
    assert breaks["bucket"].value_counts().to_dict() == {"missing_left": 775, "amount_differs": 42}
    assert set(breaks["key"]) == differing()
    sides = both_sides().fillna(0)
    expected = (sides["cost"] - sides["paid"]).astype(int)
    assert {row.key: int(row.difference_minor) for row in breaks.itertuples()} == {
        key: int(expected[key]) for key in breaks["key"]
    }


def test_injected_faults_are_found_and_no_others(tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(DATA, data, copy_function=shutil.copyfile)
    data.chmod(0o755)
    injected = inject_faults(data, count=25, seed=20261122)
    run = settle(data, tmp_path / "home")
    assert len(injected) == 25 and injected.isdisjoint(differing())
    assert set(run.table("breaks")["key"]) == differing() | injected


def inject_faults(data: Path, count: int, seed: int) -> set[str]:
    """Damages the payments of `count` orders that agreed, and names them: changed, taken out, or put in twice."""
    chance = random.Random(seed)
    payments = read(PAYMENTS)
    agreed = sorted(set(payments["order_id"]) - differing())
    faulty = chance.sample(agreed, count)
    pieces = []
    for at, order in enumerate(faulty):
        rows = payments[payments["order_id"] == order]
        rows = rows.iloc[
            cents(rows["payment_value"]).argsort()[::-1]
        ].copy()  # the largest first: some vouchers are 0.00
        payments = payments[payments["order_id"] != order]
        if at % 3 == 0:
            rows.iloc[0, rows.columns.get_loc("payment_value")] = str(
                Decimal(rows.iloc[0]["payment_value"]) + Decimal("0.01")
            )
        elif at % 3 == 1:
            continue  # taken out
        else:
            again = rows.iloc[[0]].copy()
            again["payment_sequential"] = str(90)
            rows = pd.concat([rows, again])
        pieces.append(rows)
    pd.concat([payments, *pieces]).to_csv(data / PAYMENTS, index=False)
    return set(faulty)
