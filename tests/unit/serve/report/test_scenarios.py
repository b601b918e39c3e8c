"""The page of scenarios: each with its picture, kinds, ages and breaks; failures; three sides beside each other."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from chained import Chains

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.breaks.standing import Chosen, ages
from everycent.serve.report.scenarios import RunPage, render_scenarios

SIDE = "{load: {files: {paths: %s.csv}}, columns: {id: text, state: text, paid: money}, key: id, amount: paid%s}"
STATES = "{load: {files: {paths: %s.csv}}, columns: {id: text, state: text}, key: id, status: state}"
SCENARIOS = f"""
  three:
    sides:
      till: {SIDE % ("till", ", status: state")}
      acquirer: {SIDE % ("cards", ", status: state")}
      bank: {SIDE % ("bank", "")}
    basis: till
  rounded:
    left: {SIDE % ("till", "")}
    right: {SIDE % ("cards", "")}
    tolerance: "0.02"
  states:
    left: {STATES % "till"}
    right: {STATES % "cards"}
  torn:
    left: {SIDE % ("till", "")}
    right: {SIDE % ("nowhere", "")}
"""
TILL = "id,state,paid\nA1,ok,1000.00\nA2,ok,20.00\n<b>A3,ok,30.00\n" + f"{'K' * 90},ok,1.00\n"
CARDS = "id,state,paid\nA1,ok,1000.00\nA2,ok,20.01\n<b>A3,late,31.00\n"
BANK = "id,state,paid\nA1,ok,1000.00\nA2,ok,20.00\nB9,ok,\n"


@pytest.fixture(scope="module")
def page(databases: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    with databases.opened(folder / "everycent") as database, LocalEngine(1, 512, folder / "spill") as engine:
        return _page(Chains(database, engine, folder / "scenarios"), folder / "r.html")


def _page(chains: Chains, path: Path) -> str:
    for name, text in (("till", TILL), ("cards", CARDS), ("bank", BANK)):
        chains.write(f"{name}.csv", text)
    done = chains.run(SCENARIOS)
    session = chains.session
    old = {
        name: ages(session.connection, session.tenant, Chosen("checks", name), datetime(2099, 1, 1, tzinfo=UTC))
        for name in done
    }
    render_scenarios(RunPage("checks", "2026-03-01", list(done.values()), chains.across, old), path)
    return path.read_text(encoding="utf-8")


def part(page: str, name: str) -> str:
    """A scenario's text, in English."""
    html = page.split(f'<section id="{name}">')[1].split("</section>")[0]
    html = re.sub(r'<(span|tspan) data-lang="zh">[^<]*</(span|tspan)>', "", html)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_each_scenario_has_its_picture_kinds_ages_and_breaks(page: str) -> None:
    told = part(page, "three/acquirer")
    for words in ("Left minus right -0.01 CNY", "1,051.00", "1,051.01", "over 30 days", "ok | late", "till.csv:4"):
        assert words in told, words
    assert "bank.csv:4" in part(page, "three/bank").partition("Rows that were not compared")[2]
    assert "within tolerance" in part(page, "rounded")


def test_what_failed_is_said_and_the_verdict_counts(page: str) -> None:
    assert "nowhere.csv" in part(page, "torn")
    assert "0 of 5 reconciliations agree" in page


def test_three_sides_stand_beside_each_other(page: str) -> None:
    told = part(page, "three")
    assert "till acquirer bank" in told and "31.00 · late" in told


def test_each_side_of_three_is_told_in_its_own_currencies(tmp_path: Path) -> None:
    columns = {
        "key": ["A"], "till_rows": [1], "till_amount_minor": [500], "till_currency": ["JPY"], "till_amounts": [None],
        "till_statuses": [None], "bank_rows": [2], "bank_amount_minor": [None], "bank_currency": ["JPY+USD"],
        "bank_amounts": ['{"JPY": 500, "USD": 123}'], "bank_statuses": ["ok"],
    }  # fmt: skip
    path = tmp_path / "r.html"
    render_scenarios(RunPage("checks", "2026-03-01", [], {"three": pa.table(columns)}, {}), path)
    assert "500 JPY 500 JPY + 1.23 USD · ok" in part(path.read_text(encoding="utf-8"), "three")


def test_without_amounts_nothing_is_said_of_them(page: str) -> None:
    told = part(page, "states")
    assert "the statuses differ" in told and "late" in told
    assert "0.00" not in told and "amounts agree" not in told


def test_nothing_of_the_data_is_markup(page: str) -> None:
    assert "<b>A3" not in page and "&lt;b&gt;A3" in page
    assert f'<code class="wide">{"K" * 90}</code>' in page
