"""The examples of business kinds: their pages' commands are run as written, and all are owed what a hand reckons."""

import re
import shlex
import shutil
from pathlib import Path
from textwrap import dedent
from typing import Any

import pyarrow.parquet as pq
import pytest

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

ROOT = Path(__file__).parents[2]
KINDS = ["commission", "performance-commission", "technical-service-fee", "goods-marketing", "four-flows"]
#: What each party is owed at the end of the month, in cents, reckoned by hand from the example's few rows.
OWED = {
    "commission": {
        # S1 and both its refunds: nothing is left. S4: 0.99 - 0.10 - 0.50. S5: 1000.00 - 40.00 - 0.50
        "merchant:m-1": 39 + 95950,
        # S2: 100.00 - 8.00 - 0.50
        "merchant:m-2": 9150,
        # S3: 100.00 - 25.00 - 0.50; R3, half of it: -50.00 + 12.50, and the whole 0.50
        "merchant:m-3": 7450 - 3700,
    },
    "performance-commission": {
        # S1 35.00, S2 31.00 less half of it, S3 from 950.00 on: 238.50, S5 from 3950.00 on: 129.00, S6 in April: 10.00
        # the first thousand: S2's goes back with R1, S3 reaches it again
        "promoter:p-1": 3500 + 3100 - 1550 + 23850 + 12900 + 1000 + 2000,
        # S4: 50.00 rounded; S7: 50.01 of the total less that, and the first thousand
        "promoter:p-2": 5000 + 1 + 2000,
        # S1, S3 at 3 %, S4, S5 at 2 %
        "store:s-1": 619999 - 2100 - 9000 - 2000 - 3000,
        # S2 less R1, S7, S6 in the second quarter, at 3 % all
        "store:s-2": 45010 - 1500 + 750 - 0 - 600,
    },
    "technical-service-fee": {
        # P1: 705.12 - 4.23. P2: 70600.00 - 25.00. Messages, calls, labels: 135.00, 850.00, 1050.00
        "merchant:m-1": 70089 + 7057500 - 13500 - 85000 - 105000,
        # P3: 47.00 - 0.50. P4: 1000.00 - 6.00. Storage, labels: 4.50, 80.80
        "merchant:m-2": 4650 + 99400 - 450 - 8080,
    },
    "goods-marketing": {
        # R2 gives back half of A3: 5.72 of the platform's 11.43, 2.28 of the mall's 4.57, 0.70 and 1.30 of the partners
        # goods of A1, A3, R2; what others carry of their coupons
        "merchant:m-7": 9000 + 8000 - 4000 + 880 + 1740 - 870,
        # goods of A2, A4; what others carry of their coupons, all of A4's
        "merchant:m-8": 9000 + 9000 + 880 + 1000,
        # goods of A5, P1 to P3, R1; what others carry of A5's coupon and of three promotions, less R1's 6.00
        "merchant:m-9": 9000 + 3 * 8800 - 5867 + 880 + 3 * 1000 - 600,
        "mall:north": -(200 + 200 + 457 + 443 - 228),
        "mall:south": -(200 + 3 * 200),
        "supplier:b-2": -(180 + 180 + 140 - 70 + 180),
        "supplier:b-3": -(300 + 200),
    },
    "four-flows": {
        # A1: 1800.00 + 200.00 - 100.00 - 2.00 - 70.61; A2: 90.00 + 9.99 - 5.00 - 2.00; R1: half of A1, some is kept
        "merchant:m-1": 180000 + 20000 - 10000 - 200 - 7061 + 9999 - 500 - 200 - 90000 - 10000 + 5000,
        # A3: 50.00 - 2.50 - 2.00 - 35.50
        "merchant:m-2": 1000,
        # A1: 70.00 and 1.40, half of which goes back; A2: 3.49 and the minimum of 0.30
        "brand:b-1": -3500 - 70,
        "brand:b-2": -349 - 30,
        # A1: 30.00 and 1.50, half of which goes back; A2: 1.50 and the minimum
        "mall:north": -1500 - 75 - 150 - 30,
        "mall:south": 0,
        # 2.5 km, 7 km, 1 km
        "courier:c-1": 500 + 1000 + 200,
    },
    "neighbourhood-market": {
        # A1/1: 89.99 - 5.00 + 10.00; A1/2: 20.00 - 1.60; R1: -45.00 + 5.00 - 5.00; A3: 90.00 - 5.00 + 10.00
        "merchant:m-7/s-1": 9499 + 1840 - 4500 + 9500,
        # A2: 300,000.00 - 100,000.00 + 1,700,000.00
        "merchant:m-8/s-1": 190_000_000,
        # of the suppliers' 300,000.00, which are used up to the cent
        "brand:b-2": -21_000_000,
        "brand:b-4": 0,
        "distributor:d-3": -9_000_000,
    },
}


@pytest.fixture(autouse=True)
def own_workspace(database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")


@pytest.mark.parametrize("kind", OWED)
def test_the_page_of_a_business_kind_goes_as_it_is_written(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "examples" / kind / "README.md").read_text(encoding="utf-8")
    typed = [shlex.split(line)[1:] for line in page.splitlines() if line.startswith("everycent ")]
    assert [words[:2] for words in typed[:2]] == [["model", "check"], ["model", "test"]] and typed[-1] == ["verify"]
    for words in typed:
        assert run_app(words) == exits.OK, words
    said = capsys.readouterr().out
    assert said.count("verified: every cent accounted for") >= 2 and ", 0 failed" in said
    how_to = (ROOT / "docs" / "how-to" / f"{kind}.md").read_text(encoding="utf-8") if kind in KINDS else ""
    for line in re.findall(r"^  value: (.*)$", how_to, re.MULTILINE):
        assert line in re.sub(r"\s+", " ", said)
    statements = pq.read_table("out/statements.parquet", columns=["party_id", "net_minor"]).to_pylist()
    owed: dict[str, int] = {}
    for row in statements:
        owed[row["party_id"]] = owed.get(row["party_id"], 0) + int(row["net_minor"])
    assert owed == OWED[kind]


def test_each_obligation_goes_out_with_the_contracts_of_its_ends() -> None:
    place = "examples/four-flows"
    ran = ["run", f"{place}/model.yaml", "--records", f"{place}/data", "--out", "out", "--as-of", "2026-04-30"]
    assert run_app(ran) == exits.OK
    rows = pq.read_table("out/obligations.parquet").to_pylist()
    keys = {row["record_id"]: row["key"] for row in pq.read_table("out/records.parquet").to_pylist()}
    found = {
        (keys[row["record_id"]], row["creditor"], row["creditor_contract"]) for row in rows if row["charge"] == "goods"
    }
    assert found == {
        ("A1", "merchant:m-1", "C-2025-014"), ("R1", "merchant:m-1", "C-2025-014"),
        ("A2", "merchant:m-1", "C-2026-031"), ("A3", "merchant:m-2", "C-2026-007"),
    }  # fmt: skip
    owing = {(row["debtor"], row["debtor_contract"]) for row in rows if row["charge"] == "commission"}
    assert owing == {("merchant:m-1", "C-2025-014"), ("merchant:m-1", "C-2026-031"), ("merchant:m-2", "C-2026-007")}
    assert len(rows) == len({(row["record_id"], row["charge"], row["bearer"]) for row in rows})


def test_a_coupon_at_its_caps_is_explained_step_by_step(capsys: pytest.CaptureFixture[str]) -> None:
    place = "examples/neighbourhood-market"
    ran = ["run", f"{place}/model.yaml", "--records", f"{place}/data", "--out", "out", "--as-of", "2026-04-30"]
    assert run_app(ran) == exits.OK
    capsys.readouterr()
    assert run_app(["explain", "item_delivered:A2/1"]) == exits.OK
    said = " ".join(capsys.readouterr().out.split())
    assert "in numbers greatest(2000000.00 * 0.05, 0.30) = 100000.00" in said
    assert "shared by ratio: platform 60, suppliers 40 (brand 70, distributor 30); budget spring-2026" in said
    assert (
        "obligation 2: brand:b-2 owes merchant:m-8/s-1 209997.20 CNY booked on 2026-03-02 settled by market-shanghai "
        "share 40 of 100 of 1700000.00: 680000.00; 70 of 100 of that: 476000.00 cap 300000.00 for suppliers "
        "took 266002.80 CNY less than its share: there was no room for more under a cap "
        "carried suppliers/brand had carried 2.80 of budget spring-2026, then 210000.00"
    ) in said


@pytest.mark.parametrize("kind", [*KINDS, "several-currencies"])
def test_what_a_how_to_shows_stands_in_its_example(kind: str) -> None:
    page = (ROOT / "docs" / "how-to" / f"{kind}.md").read_text(encoding="utf-8")
    model = (ROOT / "examples" / kind / "model.yaml").read_text(encoding="utf-8")
    shown = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert shown
    for text in shown:
        assert text in model, text


def test_check_says_which_pots_wait_for_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["model", "check", "examples/goods-marketing/model.yaml"]) == exits.OK
    said = capsys.readouterr().out
    page = (ROOT / "docs/how-to/goods-marketing.md").read_text(encoding="utf-8")
    (quoted,) = re.findall(r"   ```\n(.*?)   ```", page, re.DOTALL)
    assert dedent(quoted).splitlines() == dedent(said[said.index("  parallel") :]).splitlines()
