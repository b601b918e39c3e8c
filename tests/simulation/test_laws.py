"""The laws, on the real command: once, in any cut, by two commands at once, in currencies of 0 and of 3 decimals.

Each place has a database of the session's server; test_kills.py shows what a place of its own adds.
"""

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from lxml import etree
from server_folders import server_folder
from workplace import Commands, Done, Place, finish, run_arguments

from everycent.flow.payments.core.bank_file import validate_pain001
from everycent.serve.demo.marketplace import DemoFiles, generate

#: What the law of the cut speaks of, by the names of the export and of the dump.
CUT = {"charges": b"rating.charge\t", "obligations": b"clearing.obligation\t"}


@pytest.fixture
def folder() -> Iterator[Path]:
    made = server_folder("everycent-places-")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    made = Commands()
    yield made
    made.close()


class Places:
    """Places with a new database each, by name."""

    def __init__(self, databases: Any, folder: Path, commands: Commands, held: ExitStack) -> None:
        self.databases, self.folder, self.commands, self.held = databases, folder, commands, held

    def named(self, name: str, settings: Mapping[str, str] | None = None) -> Place:
        """A new place, whose commands have these settings."""
        database = self.held.enter_context(self.databases.fresh(self.folder / name))
        return Place(self.folder / name, {"EVERYCENT_DATABASE_URL": str(database.database_url), **(settings or {})})

    def run(self, place: Place, arguments: Sequence[str]) -> Done:
        """A command from its beginning to its end."""
        return self.commands.run(place, arguments)


@pytest.fixture
def places(databases: Any, folder: Path, commands: Commands) -> Iterator[Places]:
    with ExitStack() as held:
        yield Places(databases, folder, commands, held)


@pytest.fixture
def market(folder: Path) -> DemoFiles:
    return generate(folder / "market", 120, seed=11)


def answer(done: Done) -> dict:
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_the_same_input_again_changes_nothing_and_says_so(places: Places, market: DemoFiles):
    place = places.named("place")
    first = answer(places.run(place, run_arguments(market, "--json")))
    before = place.examine()
    second = answer(places.run(place, run_arguments(market, "--json")))
    assert (first["changed"], second["changed"]) == (True, False)
    assert all(file["again"] and file["accepted"] == 0 for file in second["files"])
    for file in market.records:
        file.rename(file.with_stem(f"{file.stem}_copy"))
    told = places.run(place, run_arguments(market))
    assert "nothing changed: all of this was there already" in told.out, "a renamed copy is known again"
    assert place.examine().dump_hash == before.dump_hash


def test_the_same_ids_with_other_content_are_conflicts_with_their_place(
    places: Places, folder: Path, market: DemoFiles
):
    place = places.named("place")
    places.run(place, run_arguments(market))
    before = place.examine()
    header, *rows = csv.reader((market.folder / "data" / "item_delivered.csv").read_text().splitlines())
    price = header.index("price")
    for row in rows[10:13]:
        row[price] = str(Decimal(row[price]) + Decimal("0.01"))
    changed = folder / "item_delivered_again.csv"
    changed.write_text("\n".join(map(",".join, [header, *rows])) + "\n")
    arguments = ["run", str(market.model), "--records", str(changed), "--as-of", "2026-05-25", "--out", "out", "--json"]
    taken = answer(places.run(place, arguments))
    counts = taken["files"][0]
    assert (counts["conflict"], counts["duplicate"], counts["accepted"]) == (3, len(rows) - 3, 0)
    aside = pq.read_table(place.out / "quarantine.parquet").to_pylist()
    places = [(row["source_file"], row["source_line"]) for row in aside if row["outcome"] == "conflict"]
    assert [(changed.name, line) for line in (12, 13, 14)] == [place for place in places if place[0] == changed.name]
    reason = "the same id came before with other content: item_delivered.csv, line 12"
    assert reason in {row["reason"] for row in aside if row["source_file"] == changed.name}
    assert f"{changed.name}:12" in {told["example"] for told in taken["set_aside"]}
    found = place.examine()
    assert found.verified
    for prefix in CUT.values():
        assert of(found.lines, prefix) == of(before.lines, prefix), "a conflict moves no money"


def of(dump: Sequence[bytes], prefix: bytes) -> list[str]:
    """A table's rows in the dump without the number of the batch that brought them."""
    rows = [json.loads(line.removeprefix(prefix)) for line in dump if line.startswith(prefix)]
    return [json.dumps({name: value for name, value in row.items() if name != "batch_no"}) for row in rows]


#: Rows of a batch, and from how many rows its tables go into the lake.
CUTS = [("13", "50000"), ("7", "1")]
MORE_CUTS = [("1", "50000"), ("1", "1"), ("3", "50000"), ("7", "50000"), ("1000", "1")]


@pytest.mark.parametrize("cuts", [CUTS, pytest.param(MORE_CUTS, marks=pytest.mark.soak)], ids=["some", "more"])
def test_any_cut_gives_the_same_charges_and_obligations(places: Places, folder: Path, cuts: Sequence[tuple[str, str]]):
    """Many goods are given back in parts, so that an item and its refunds lie on both sides of most cuts."""
    market = generate(folder / "market", 30, seed=3)
    refund_in_parts(market)
    expected = charges_and_obligations(places, places.named("whole"), market)
    for cut, lake_from in cuts:
        settings = {"EVERYCENT_BATCH_ROWS": cut, "EVERYCENT_LAKE_FROM_ROWS": lake_from}
        given = charges_and_obligations(places, places.named(f"cut-{cut}-{lake_from}", settings), market)
        assert given == expected, f"cut every {cut} rows, into the lake from {lake_from} rows"


def charges_and_obligations(places: Places, place: Place, market: DemoFiles) -> list[object]:
    done = places.run(place, run_arguments(market))
    assert done.code == 0, done.err
    assert "verified: every cent accounted for" in done.out
    found = place.examine(verified=True)
    assert len(of(found.lines, CUT["obligations"])) > 300
    stored = [of(found.lines, prefix) for prefix in CUT.values()]
    return [*stored, *(pq.read_table(place.out / f"{name}.parquet") for name in CUT)]


def refund_in_parts(market: DemoFiles) -> None:
    """Gives every third item back in three parts that do not divide evenly, the parts of one item far apart."""
    items = list(csv.DictReader((market.folder / "data" / "item_delivered.csv").read_text().splitlines()))
    file = market.folder / "data" / "item_refunded.csv"
    known = {(row["order_id"], row["line_no"]) for row in csv.DictReader(file.read_text().splitlines())}
    chosen = [item for item in items if (item["order_id"], item["line_no"]) not in known][::3]
    rows = []
    for part in range(3):
        for item in chosen:
            paid = Decimal(item["price"]) - Decimal(item["coupon"]) + Decimal(item["freight"])
            third = (paid / 3).quantize(Decimal("0.01"), "ROUND_DOWN")
            back = third if part < 2 else paid - 2 * third
            key = f"{item['order_id']},{item['line_no']}"
            rows.append(f"part-{part}-{key.replace(',', '-')},{key},{back},2026-05-{10 + part} 12:00:00\n")
    with file.open("a") as out:
        out.writelines(rows)
    assert len(rows) > 24, "there is something to cut"


def test_two_commands_at_once_end_as_one_after_the_other(places: Places, folder: Path, market: DemoFiles):
    lines = (market.folder / "data" / "item_delivered.csv").read_text().splitlines(keepends=True)
    halves = [folder / "item_delivered_one.csv", folder / "item_delivered_two.csv"]
    for file, rows in zip(halves, (lines[1:90], lines[90:]), strict=True):
        file.write_text("".join([lines[0], *rows]))
    commands = [
        ["run", str(market.model), "--records", str(half), "--as-of", "2026-05-25", "--out", f"out-{half.stem}"]
        for half in halves
    ]
    settings = {"EVERYCENT_BATCH_ROWS": "40"}
    possible = set()
    for order in (commands, commands[::-1]):
        place = places.named(f"after-{len(possible)}", settings)
        assert [places.run(place, command).code for command in order] == [0, 0]
        possible.add(place.examine().dump_hash)
    together = places.named("together", settings)
    ended = [finish(command) for command in [together.start(command) for command in commands]]
    assert [done.code for done in ended] == [0, 0], [done.err for done in ended]
    assert together.examine().dump_hash in possible and len(possible) == 2
    assert together.leftovers() == []


def test_two_commands_with_the_same_input_take_it_in_once(places: Places, market: DemoFiles):
    settings = {"EVERYCENT_BATCH_ROWS": "60"}
    alone, together = places.named("alone", settings), places.named("together", settings)
    assert places.run(alone, run_arguments(market)).code == 0
    both = [together.start(run_arguments(market, "--json")) for _ in range(2)]
    one, other = [answer(finish(command)) for command in both]
    taken = [[file["again"] for file in told["files"]] for told in (one, other)]
    assert len(set(taken[0])) == len(set(taken[1])) == 1 and taken[0] != taken[1], "one takes in all of the files"
    assert one["recon"] and one["recon"].keys() == other["recon"].keys()
    for name in one["recon"]:
        compared = [told["recon"][name]["changed"] for told in (one, other)]
        assert sorted(compared) == [False, True], "the one that comes first compares, be it the one that took in or not"
    assert together.examine().dump_hash == alone.examine().dump_hash
    assert together.leftovers() == []


@pytest.mark.parametrize(("code", "decimals"), [("JPY", 0), ("KWD", 3)])
def test_other_currencies_go_all_the_way(places: Places, code: str, decimals: int):
    place = places.named("place")
    done = places.run(place, ["demo", "--currency", code, "--orders", "300", "--json"])
    told = answer(done)
    assert told["verified"] and told["instructions"] > 0
    out = place.folder / "demo" / f"{code.lower()}-300-orders-seed-1" / "out"
    charges = pq.read_table(out / "charges.parquet")
    assert charges["amount"].type.scale == decimals
    assert all(
        amount.scaleb(decimals) == minor
        for amount, minor in zip(charges["amount"].to_pylist(), charges["amount_minor"].to_pylist(), strict=True)
    )
    (file,) = out.glob("payments-*.xml")
    with file.open("rb") as written:
        validate_pain001(written)
    amounts = [(found.get("Ccy"), found.text) for found in etree.parse(file).iterfind(".//{*}InstdAmt")]
    assert len(amounts) > 10 and {currency for currency, _ in amounts} == {code}
    assert {-Decimal(text).as_tuple().exponent for _, text in amounts} == {decimals}
    instructed = pq.read_table(out / "instructions.parquet").to_pylist()
    paid = sum(row["amount_minor"] for row in instructed if row["direction"] == "pay" and row["state"] == "filed")
    assert sum(Decimal(text) for _, text in amounts).scaleb(decimals) == paid
