"""The story from the contract to the bank: its page is played as written, and all are paid to the cent."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from beancount.loader import load_file

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app
from everycent.serve.demo.story import Line, scenes, spread, write_story

ROOT = Path(__file__).parents[2]


#: What the story says, as single spaces join it.
LINES = (
    "HT-04 1 unknown_system",
    "merchant:silk/east ****1231 refused",
    "merchant:silk/east ****1240 verified",
    "statements closed 8 owed to parties 3,564.35 owed by parties 100.00",
    "merchant:kites/east closed 2026-03-08 bob the festival is over ends a period",
    "some more above_ratio 30.00 of at most 36.00 are shared, and it asks for 10.00",
    "CNY 2 of 2 finance yes, by dora approved",
    "stall:lanterns festival_end 2026-03-08 record of festival_ends.csv ends a period",
    "70.75 4.25 75.00 CNY issued lantern-",
    "38.00 CNY approved payment carried to the",
    "instructions to pay 5 3,001.60",  # less a deposit, a fine, and what the flower shop has; 30.40 are held back
    "merchant:kites/east 100.00 CNY 20.00 free",
    "20.00 CNY goes back to merchant:kites/east; the next run instructs it",
    "instructions to pay 8 3,187.85",  # 99.75, 66.50 and 20.00 more
    "balance/lantern-shanghai/stall:lanterns 305.00 550.00 245.00",
    "approved merchant:flowers/west 84.00 CNY wechat",
    "approved merchant:books/west 577.60 CNY rest",
    "begin moved submitted 2 lose moved unknown 1 pay moved succeeded 2 bills/rest-bill.csv bills/wechat-bill.csv",
    "paid 5 refused 0 returned 1",
    "returned pay 1 99.75 CNY",
    "succeeded collect 4 -785.00 CNY succeeded pay 7 3,088.10 CNY",
    "succeeded merchant:kites/east 66.50 CNY bank_file",
    "succeeded merchant:tea/east 1,080.00 CNY bank_file",
    "statements_and_instructions, run 1 Where each row ends left rows right rows left right left - right equal 8 9 "
    "3,393.10 3,393.10 0.00 missing right 1 0 99.75 0.00 99.75",
    "charges_and_instructions, run 1 Where each row ends left rows right rows left right left - right equal 5 5 "
    "-1,080.00 -1,080.00 0.00",
    "instructions_bills_and_ledger/bill, run 1 Where each row ends left rows right rows left right left - right "
    "equal 2 2 661.60 661.60 0.00",
    "instructions_bills_and_ledger/ledger, run 1 Where each row ends left rows right rows left right left - right "
    "equal 2 2 661.60 661.60 0.00",
    "statements_and_instructions, run 2 Where each row ends left rows right rows left right left - right equal 8 9 "
    "3,393.10 3,393.10 0.00 11. What",
    "shares_and_ledger, run 1 Where each row ends left rows right rows left right left - right equal 1 1 30.00",
    "transfers_and_ledger, run 1 Where each row ends left rows right rows left right left - right equal 1 1 100.00",
    "confirm confirmed everycent nobody disputed it in time",
    "operations a parked statement, to let go",
    "merchant:tea/east 2,005.00 1,625.00 380.00 300.00 0.00",
    "reserve held -30.40, until 2026-04-08",
    "instruction 577.60 CNY went out by rest",
    "merchant:books/west 672.40 680.00 -7.60 0.00",
    "0 accepted, 0 not, 11 taken and not decided yet by call-back: 11 accepted, 0 not",
    "11 2,350.40 CNY accepted 2026-03/0008",
)


@pytest.fixture(autouse=True)
def own_workspace(database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    monkeypatch.chdir(tmp_path)


def asked_on() -> list[list[str]]:
    """What the top page types in the folder after the story was played."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    (typed,) = re.findall(r"cd demo/contract-to-bank\n(.*?)```", page, re.DOTALL)
    return [shlex.split(line, comments=True)[1:] for line in typed.splitlines()]


def test_the_story_goes_as_it_is_written(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_app(["story", "--folder", "mall"]) == exits.OK
    told = capsys.readouterr()
    said = re.sub(r"[ \n]+", " ", told.out)
    assert [line for line in LINES if line not in said] == []
    assert said.count("Breaks:") == 1, "the noodle bar's alone"
    assert "tea-house asked for it" in told.err
    assert said.count("verified: every cent accounted for") == 5

    monkeypatch.chdir("mall")
    for line in asked_on():
        assert run_app(line) == exits.OK, line
    asked = re.sub(r"[ \n]+", " ", capsys.readouterr().out)
    assert "99.75 CNY return: returned: AC01" in asked and "park by bob: asks for its new account" in asked
    assert "Breaks:" not in asked and asked.endswith("verified: every cent accounted for ")
    assert run_app(["payments", "events"]) == exits.OK
    kinds = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert sorted(kinds) == ["money_on_account", "payment_returned", *["payment_succeeded"] * 11]
    assert run_app(["statement", "list", "--waits-for", "unpark", "--json"]) == exits.OK
    (parked,) = json.loads(capsys.readouterr().out)["statements"]
    assert parked["party_id"] == "merchant:noodles/west"
    assert run_app(["explain", parked["statement_id"]]) == exits.OK
    assert re.search(r"net 99.75, to be paid by instruction [0-9a-f-]+ \(returned\)", capsys.readouterr().out)
    sheets = sorted(path.suffix for path in Path("sheets").iterdir())
    assert sheets == [".csv", ".pdf", ".xlsx"] and Path("report.html").is_file()
    assert Path("payouts.xlsx").is_file() and Path("balances.xlsx").is_file()
    assert load_file("books.beancount")[1] == [], "Beancount comes to the same balances"


def test_a_story_that_was_played_is_verified_again(capsys: pytest.CaptureFixture[str]) -> None:
    write_story(Path("mall"))
    assert run_app(["story", "--folder", "mall", "--json"]) == exits.FAILED, "nothing is stored in this database"
    said = json.loads(capsys.readouterr().out)
    assert [line["line"] for line in said["lines"]] == ["everycent verify"] and not said["played"]
    Path("notes").mkdir()
    assert run_app(["story", "--folder", "notes"]) == exits.REFUSED
    assert "notes is there and holds no story" in capsys.readouterr().err


def test_a_story_that_was_interrupted_begins_anew(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed: list[str] = []

    def first_alone(folder: Path) -> Any:
        return [scene for scene in scenes(folder) if typed.append(scene.title) or len(typed) == 1]

    write_story(Path("mall"))
    Path("mall/.unfinished").touch()
    Path("mall/data/sales.csv").unlink()
    monkeypatch.setattr("everycent.serve.cli.telling.scenes", first_alone)
    assert run_app(["story", "--folder", "mall"]) == exits.OK
    assert "6 taken, 1 refused" in capsys.readouterr().out
    assert Path("mall/data/sales.csv").is_file() and not Path("mall/.unfinished").exists()
    Path("mall/.unfinished").touch()
    assert run_app(["story", "--folder", "mall"]) == exits.REFUSED, "this database outlives the folder"
    said = " ".join(capsys.readouterr().err.split())
    assert "story_begun_before" in said and "set EVERYCENT_TENANT to a new name, such as default-2" in said
    typed.clear()
    monkeypatch.setenv("EVERYCENT_TENANT", "default-2")
    assert run_app(["story", "--folder", "mall"]) == exits.OK


def test_lines_are_read_as_a_shell_does(tmp_path: Path) -> None:
    typed = "everycent a 'b c' \\\n    x-*.xml  # ends with 1: so"
    page = f"# A\n\nfirst\n\n## One\n\nsays\n\n```\n{typed}\n```\n\n## Two\n\n```\n"
    (tmp_path / "README.md").write_text(f"{page}export K=$(everycent new k1)\n```\n", encoding="utf-8")
    one, two = scenes(tmp_path)
    assert one.title == "One" and one.parts[0] == "says"
    assert one.parts[1] == (
        Line("everycent a 'b c' \\\n    x-*.xml  # ends with 1: so", ("a", "b c", "x-*.xml"), None, True),
    )
    assert two.parts == ((Line("export K=$(everycent new k1)", ("new", "k1"), "K", False),),)
    assert spread(one.parts[1][0].words) == ["a", "b c", "x-*.xml"]
    for name in ("x-2.xml", "x-1.xml"):
        Path(name).touch()
    assert spread(one.parts[1][0].words) == ["a", "b c", "x-1.xml", "x-2.xml"]
