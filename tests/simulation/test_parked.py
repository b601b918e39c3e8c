"""Parked charges on the real command: once, in any cut, and over a kill, the same charges as if nothing had waited."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from server_folders import server_folder
from workplace import Found, Place

MODEL = """
    model: waiting
    version: 1
    currency: KWD
    calendar: {time_zone: Asia/Kuwait}
    parties: {platform: {operator: kuwait}, merchant: {key: [merchant]}}
    records:
      sold:
        file: sold.csv
        id: [id]
        occurred_at: at
        amount: price
        columns: {id: text, merchant: text, category: text, price: money, at: date}
      returned:
        file: returned.csv
        refunds: sold
        of: [id]
        id: [refund]
        occurred_at: at
        amount: refunded
        columns: {refund: text, id: text, refunded: money, at: date}
    factors: {rate: {table: rates.csv, key: [category]}, levy: {table: levies.csv, key: [category]}}
    charges:
      goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
      commission: {for: sold, amount: price * rate, debtor: merchant, creditor: platform}
      duty: {for: sold, amount: commission * levy, debtor: merchant, creditor: platform}
    statements: {merchant: {cycle: monthly, mode: net}}
    payouts: {}
"""
CATEGORIES = ("toys", "books", "pots")
MENDED = {"rates.csv": "category,rate\ntoys,0.05\nbooks,0.1\npots,0.37\n",
          "levies.csv": "category,levy\ntoys,0.3\nbooks,0.2\npots,0.7\n"}  # fmt: skip
POOR = {"rates.csv": "category,rate\ntoys,0.05\n", "levies.csv": "category,levy\nbooks,0.2\n"}
RUN = ["run", "model.yaml", "--records", "data", "--as-of", "2026-03-01", "--json"]
RATE = ["rate", "model.yaml", "--parked", "--json"]


@pytest.fixture
def folder() -> Iterator[Path]:
    made = server_folder("everycent-places-")
    yield made
    for place in made.iterdir():
        Place(place).clear()
    shutil.rmtree(made, ignore_errors=True)


def place_of(folder: Path, name: str, cut: str, tables: dict[str, str]) -> Place:
    """A workspace with 30 sales and a refund of every second one, in parts."""
    place = Place(folder / name, {"EVERYCENT_BATCH_ROWS": cut})
    (place.folder / "data").mkdir()
    (place.folder / "model.yaml").write_text(dedent(MODEL))
    sold = [f"A{at},m-{at % 4},{CATEGORIES[at % 3]},{at}.{at:03},2026-03-0{1 + at % 9}" for at in range(1, 31)]
    back = [f"R{at}-{part},A{at},0.{at:03},2026-03-1{part}" for part in range(3) for at in range(2, 31, 2)]
    (place.folder / "data" / "sold.csv").write_text("\n".join(["id,merchant,category,price,at", *sold]) + "\n")
    (place.folder / "data" / "returned.csv").write_text("\n".join(["refund,id,refunded,at", *back]) + "\n")
    mend(place, tables)
    return place


def mend(place: Place, tables: dict[str, str]) -> None:
    for name, text in tables.items():
        (place.folder / name).write_text(text)


def of(found: Found, table: bytes) -> list[str]:
    """A table's rows without the number of the batch that brought them."""
    rows = [json.loads(line.partition(b"\t")[2]) for line in found.lines if line.startswith(table + b"\t")]
    return [json.dumps({name: value for name, value in row.items() if name != "batch_no"}) for row in rows]


def taken(place: Place, arguments: list[str]) -> dict:
    done = place.run(arguments)
    assert done.code == 0, done.err
    return json.loads(done.out)


#: Rows of a batch, and where the first try dies.
Cuts = list[tuple[str, tuple[str, str] | None]]


@pytest.mark.parametrize(
    "cuts",
    [
        [("11", ("before", "3"))],
        pytest.param([("1000", None), ("4", ("before", "3")), ("7", ("after", "1"))], marks=pytest.mark.soak),
    ],
)
def test_rated_late_is_as_rated_at_once_in_any_cut_and_over_a_kill(folder: Path, cuts: Cuts) -> None:
    at_once = place_of(folder, "at-once", "1000", MENDED)
    taken(at_once, RUN)
    wanted = at_once.examine()
    assert len(of(wanted, b"rating.charge")) == 3 * 30 + 3 * 45
    for cut, spot in cuts:
        place = place_of(folder, f"cut-{cut}", cut, POOR)
        assert taken(place, RUN)["parked"]["waiting"] > 0
        mend(place, MENDED)
        if spot is not None:
            deadly = ["everycent.base.platform.batches:OpenBatch.commit", *spot, "self"]
            assert place.run(RATE, deadly).code == -signal.SIGKILL
        released = taken(place, RATE)
        assert (released["waiting"], released["verified"]) == (0, True)
        found = place.examine()
        assert found.verified
        for table in (b"rating.charge", b"clearing.obligation", b"settlement.statement", b"ledger.account"):
            assert of(found, table) == of(wanted, table), f"{table!r} cut every {cut}"
        again = taken(place, RATE)
        assert set(again["outcomes"].values()) == {0}
        assert place.examine().dump_hash == found.dump_hash, "once more changes nothing"
