"""Till, acquirer and bank: sales in JSON, cards and cash in fixed width; made-up ones, and a government's real ones."""

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from real_bills import needs, real

from everycent.base.engine.local import LocalEngine
from everycent.flow.pipeline.service import Session
from everycent.proof.recon.contract import Surroundings
from everycent.serve.chaining import Chained, run_chain
from everycent.serve.loading import Place
from everycent.serve.many_sides import ManySides
from everycent.serve.reconciling import plan_scenarios
from everycent.serve.scenario_files import load_scenario_file

EXAMPLE = Path(__file__).parents[2] / "examples" / "point-of-sale"
REAL = "bcgov-pos-recon"
Ran = tuple[dict[str, Chained], dict[str, pa.Table]]


@pytest.fixture
def run(database: Any, engine: LocalEngine, tmp_path: Path) -> Callable[[Path], Ran]:
    """All pairs of a scenario file's sides, and what all sides say of what parts."""

    def ran(path: Path) -> Ran:
        file = load_scenario_file(path)
        session = Session(database.settings, database.connection, engine, database.details)
        place = Place(session, file, file, Surroundings(path.parent, date(2026, 3, 2), tmp_path))
        beside = ManySides(engine)
        done = {planned.name: run_chain(place, planned, {}, beside=beside) for planned in plan_scenarios(file, file)}
        return done, beside.told()

    return ran


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(EXAMPLE, tmp_path / "point-of-sale")


def parting(done: dict[str, Chained]) -> dict[str, dict[str, tuple[str, int]]]:
    found = {}
    for name, each in done.items():
        assert each.result is not None, each.failure
        breaks = each.result.breaks.to_pylist()
        found[name] = {row["key"]: (row["bucket"], int(row["difference_minor"])) for row in breaks}
    return found


def lies_of(done: dict[str, Chained]) -> Iterator[str]:
    for each in done.values():
        assert each.scenario is not None, each.failure
        yield from (str(stated) for stated in each.scenario.stated if not stated.control.agrees)


def test_the_example_parts_where_its_page_says(run: Callable[[Path], Ran], folder: Path) -> None:
    done, across = run(folder / "scenarios.yaml")
    assert parting(done) == {
        "takings/acquirer": {"hill/20260302/card": ("amount_differs", 4500)},
        "takings/bank": {
            "harbour/20260302/cash": ("amount_differs", 50),
            "park/20260302/cash": ("missing_right", 1250),
            "station/20260302/cash": ("missing_left", -2200),
        },
    }
    assert list(lies_of(done)) == []
    assert [len(each.scenario.stated) for each in done.values() if each.scenario] == [3, 3]
    sides = across["takings"].to_pylist()
    assert [(row["key"], row["till_rows"], row["acquirer_rows"], row["bank_rows"]) for row in sides] == [
        ("harbour/20260302/cash", 3, 0, 1), ("hill/20260302/card", 2, 1, 0), ("park/20260302/cash", 1, 0, 0),
        ("station/20260302/cash", 0, 0, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "given", "instead", "figure"),
    [
        ("cards.txt", "7  000003", "7  000004", "count"),
        ("cash.txt", "0000000037915", "0000000037914", "total"),
        ("sales.json", '"total": 45.0', '"total": 44.0', "a sale's total, object 5"),
    ],
)
def test_a_file_that_contradicts_itself_is_compared_and_told(
    run: Callable[[Path], Ran], folder: Path, file: str, given: str, instead: str, figure: str
) -> None:
    path = folder / "data" / file
    text = path.read_text()
    assert text.count(given) == 1
    path.write_text(text.replace(given, instead))
    done, _ = run(folder / "scenarios.yaml")
    lies = set(lies_of(done))
    (lie,) = lies
    assert lie.startswith(f"data/{file}") and figure in lie


CARDS, CASH = {"11", "12", "13", "17", "18", "19"}, {"01", "02", "09", "14", "15"}


def real_shops() -> dict[str, dict[str, str]]:
    """By what each side calls it, a shop's number."""
    with (real(REAL) / "apps/backend/master_data/locations.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    return {
        "till": {f"{int(row['location_id']):05d}": row["location_id"] for row in rows},
        "acquirer": {row["merchant_id"]: row["location_id"] for row in rows if row["method"] in ("V", "M", "P", "AX")},
        "bank": {row["pt_location_id"]: row["location_id"] for row in rows if row["method"] == "Bank"},
    }


def declared(folder: Path, files: dict[str, str]) -> Path:
    """The example's scenario, with the real files' shops and words."""
    told = yaml.safe_load((EXAMPLE / "scenarios.yaml").read_text())
    sides = told["recon"]["takings"]["sides"]
    shops = real_shops()
    for side, column in (("till", "shop"), ("acquirer", "merchant"), ("bank", "account")):
        sides[side]["load"] = {"files": {"paths": files[side]}}
        sides[side]["columns"][column]["map"] = shops[side]
    sides["till"]["format"]["json_objects"]["columns"] = {
        "shop": "source.location_id", "day": "fiscal_close_date", "method": "payments.method",
        "amount": "payments.amount",
    }  # fmt: skip
    sides["till"]["format"]["json_objects"]["controls"]["a sale's total"]["at"] = "payment_total"
    how = dict.fromkeys(CARDS, "card") | dict.fromkeys(CASH, "cash")
    sides["till"]["columns"]["how"]["map"] = how
    sides["till"].pop("when")
    for name in files.values():
        shutil.copy(next((real(REAL) / "apps/backend").rglob(name)), folder / name)
    path = folder / "real.yaml"
    path.write_text(yaml.safe_dump(told, sort_keys=False))
    return path


def added_up(folder: Path, files: dict[str, str]) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """What each side says by shop, day and means, from nothing but its bytes, in cents."""
    shops, till, cards, cash = real_shops(), dict[str, int](), dict[str, int](), dict[str, int]()

    def add(sums: dict[str, int], key: str, cents: int) -> None:
        sums[key] = sums.get(key, 0) + cents

    for sale in json.loads((folder / files["till"]).read_text(), parse_float=Decimal):
        said = sale["source"]["location_id"]  # one of them is not among the published shops
        shop = shops["till"].get(said, said)
        for payment in sale["payments"]:
            how = "card" if payment["method"] in CARDS else "cash"
            add(till, f"{shop}/{sale['fiscal_close_date']}/{how}", int(payment["amount"] * 100))
    for line in (folder / files["acquirer"]).read_text().splitlines():
        if line.startswith("2"):
            add(cards, f"{shops['acquirer'][line[1:9]]}/{line[47:55]}/card", int(line[80:89]))
    for line in (folder / files["bank"]).read_text().splitlines():
        if line.startswith("2"):
            cents = int(line[95:107]) * (-1 if line[107] == "-" else 1)
            add(cash, f"{shops['bank'][line[15:20]]}/{line[7:15]}/cash", cents)
    return till, cards, cash


def expected(ours: dict[str, int], theirs: dict[str, int], how: str) -> dict[str, tuple[str, int]]:
    found = {}
    for key in {key for key in ours if key.endswith(how)} | set(theirs):
        if key in ours and key in theirs:
            if ours[key] != theirs[key]:
                found[key] = ("amount_differs", ours[key] - theirs[key])
        else:
            found[key] = ("missing_right" if key in ours else "missing_left", ours.get(key, 0) - theirs.get(key, 0))
    return found


DAY = {
    "till": "SBC_SALES_2023_03_08_23_17_53.JSON",
    "acquirer": "PROD_SBC_F08TDI34_20230309.DAT",
    "bank": "PROD_SBC_F08TDI17_20230309.DAT",
}


@needs(REAL)
def test_a_real_day_of_till_acquirer_and_bank(run: Callable[[Path], Ran], tmp_path: Path) -> None:
    """The published files are of one day and of different shops, so nearly all parts; figures are added up by hand."""
    done, across = run(declared(tmp_path, DAY))
    till, cards, cash = added_up(tmp_path, DAY)
    assert (sum(till.values()), sum(cards.values()), sum(cash.values())) == (123433, 46580, 1116930)
    assert parting(done) == {
        "takings/acquirer": expected(till, cards, "card"), "takings/bank": expected(till, cash, "cash"),
    }  # fmt: skip
    assert parting(done)["takings/bank"]["1/20230308/cash"] == ("missing_right", 123433)
    assert list(lies_of(done)) == []  # every sale's total, both trailers
    assert across["takings"].num_rows == len({*expected(till, cards, "card"), *expected(till, cash, "cash")})


@needs(REAL)
def test_the_published_samples_and_a_sale_whose_total_is_not_its_payments(
    run: Callable[[Path], Ran], tmp_path: Path
) -> None:
    files = {"till": "garmsSample.json", "acquirer": "TDI34.TXT", "bank": "TDI17.TXT"}
    done, _ = run(declared(tmp_path, files))
    till, cards, cash = added_up(tmp_path, files)
    assert parting(done) == {
        "takings/acquirer": expected(till, cards, "card"), "takings/bank": expected(till, cash, "cash"),
    }  # fmt: skip
    # a sale that was partly paid in a foreign currency: its payments are not of one currency
    assert set(lies_of(done)) == {"garmsSample.json: a sale's total, object 2 is stated as 999.02, its rows give 935.2"}
    assert till["40/20221025/card"] == 80000 and till["40/20221024/cash"] == 2885 + 25000 + 20100 - 1930 + 20000
