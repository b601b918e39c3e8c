"""Scenarios through their chains: loaded, compared, checked, kept and handled; a link that fails harms no other."""

import gzip
import json
import time
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from chained import Chains, keys, package

from everycent.base.engine.local import LocalEngine
from everycent.flow.model.contract import ModelRefused
from everycent.proof.recon import plugged
from everycent.proof.recon.chain import Link, LinkFailed
from everycent.proof.recon.loading import LimitsSpec
from everycent.proof.recon.service import RunKey, Work, asked, choose, raw_rows_of
from everycent.proof.verify.service import verify

PAID = "order_id,state,amount\nA1,paid,1.00\nA2,paid,2.00\nA3,paid,3.00\n"
ORDERS = "id,state,amount\nA1,PAID,1.00\nA2,WAIT,2.00\nA4,PAID,9.00\n"

TWO_FILES = """
  paid_but_waiting:
    left:
      load: {files: {paths: "pay*.csv"}}
      columns: {order_id: text, state: text, amount: money}
      key: order_id
      amount: amount
      status: state
    right:
      load: {files: {paths: %s}}
      columns: {order_id: {type: text, from: id}, state: {type: text, map: {PAID: paid, WAIT: waiting}}, amount: money}
      key: order_id
      amount: amount
      status: state
"""


@pytest.fixture
def chains(database: Any, engine: LocalEngine, tmp_path: Path) -> Chains:
    return Chains(database, engine, tmp_path / "scenarios")


def test_two_files_through_the_chain_with_their_rows_as_they_came(chains: Chains) -> None:
    chains.write("pay1.csv", PAID)
    chains.write("orders.csv", ORDERS)
    done = chains.one(TWO_FILES % "orders.csv")
    assert keys(done) == {"A2": "status_differs", "A3": "missing_right", "A4": "missing_left"}
    assert done.result is not None and done.result.changed and not done.agrees
    kept = raw_rows_of(chains.session.connection, RunKey("default", "checks", done.result.run_id))
    assert kept.equals(done.result.raw_rows)
    assert [(row["side"], row["source_line"], json.loads(row["raw"])) for row in kept.to_pylist()] == [
        ("left", 3, {"order_id": "A2", "state": "paid", "amount": "2.00"}),
        ("left", 4, {"order_id": "A3", "state": "paid", "amount": "3.00"}),
        ("right", 3, {"id": "A2", "state": "WAIT", "amount": "2.00"}),
        ("right", 4, {"id": "A4", "state": "PAID", "amount": "9.00"}),
    ]


WAITING = """
  paid_but_waiting:
    left: {load: {files: {paths: pay1.csv}}, columns: {order_id: text, state: text}, key: order_id, status: state}
    right: {load: {files: {paths: orders.csv}}, columns: {id: text, state: text}, key: id, status: state}
    check:
      - statuses: {combinations: {waits: {left: paid, right: WAIT, say: it waits}}}
"""


@pytest.mark.parametrize(
    "tamper",
    [
        "UPDATE recon.raw_row SET raw = replace(raw, 'paid', 'back') WHERE source_line = 3",
        "DELETE FROM recon.raw_row",
        "UPDATE recon.finding SET reason = 'all is well'",
        "DELETE FROM recon.finding",
        "INSERT INTO recon.finding SELECT tenant, model, run_id, 'mine', 9, 'A2', 'mine', 'why' FROM recon.run",
    ],
)
def test_what_a_run_kept_and_its_checkers_found_is_not_altered_unseen(chains: Chains, tamper: str) -> None:
    chains.write("pay1.csv", PAID)
    chains.write("orders.csv", ORDERS)
    first, again = (chains.one(WAITING) for _ in range(2))
    assert first.result is not None and again.result is not None and not again.result.changed
    session = chains.session
    look = (session.connection, session.details, session.engine, "default", "checks")
    assert verify(*look).ok
    session.connection.execute(tamper)
    names = {check.name for check in verify(*look).checks if check.bad}
    assert "each reconciliation's rows are those it found" in names


def test_the_same_sides_again_change_nothing(chains: Chains) -> None:
    chains.write("pay1.csv", PAID)
    chains.write("orders.csv", ORDERS)
    first, again = (chains.one(TWO_FILES % "orders.csv") for _ in range(2))
    assert first.result is not None and again.result is not None
    assert first.result.changed and not again.result.changed
    assert first.result.run_id == again.result.run_id
    assert again.result.raw_rows.equals(first.result.raw_rows)


def test_a_side_in_an_archive_is_the_same_side(chains: Chains) -> None:
    chains.write("pay1.csv", PAID)
    orders = chains.write("orders.csv", ORDERS)
    with zipfile.ZipFile(chains.folder / "orders.zip", "w") as packed:
        packed.write(orders, "../../2026/orders.csv")  # a path that leads out of the folder is only a name
    (chains.folder / "orders.csv.gz").write_bytes(gzip.compress(ORDERS.encode()))
    for name, place in (("orders.zip", "orders.zip/../../2026/orders.csv"), ("orders.csv.gz", "orders.csv.gz")):
        done = chains.one(TWO_FILES % name)
        assert keys(done) == {"A2": "status_differs", "A3": "missing_right", "A4": "missing_left"}
        assert done.result is not None and done.result.breaks["right_file"].to_pylist() == [place, None, place]


def test_what_cannot_be_loaded_is_told_and_the_next_scenario_runs(chains: Chains) -> None:
    chains.write("pay1.csv", PAID)
    chains.write("orders.csv", ORDERS)
    (chains.folder / "broken.zip").write_bytes(b"PK\x03\x04 cut off")
    done = chains.run((TWO_FILES % "broken.zip") + (TWO_FILES % "orders.csv").replace("paid_but_waiting", "next"))
    assert done["paid_but_waiting"].failure is not None
    assert "broken.zip cannot be unpacked" in done["paid_but_waiting"].failure
    assert done["next"].result is not None


def test_sides_given_with_the_command(chains: Chains) -> None:
    sides = "{file: '*.csv', columns: {order_id: text}, key: order_id}"
    recon = f"  given:\n    left: {sides}\n    right: {sides}\n"
    one, other = chains.write("a.csv", "order_id\nA\nB\n"), chains.write("b.csv", "order_id\nB\nC\n")
    assert keys(chains.one(recon, {"left": [one], "right": [other]})) == {"A": "missing_right", "C": "missing_left"}
    told = chains.one(recon, {"left": [one]}).failure
    assert told == "the right side is a file like *.csv, and none was given; name it with --right"


CHECKED = (
    TWO_FILES % "orders.csv"
    + """
    check:
      - statuses: {combinations: {paid_but_waiting: {left: paid, right: waiting, say: still waits for payment}}}
      - %s
      - statuses: {combinations: {never_ordered: {left: missing, right: paid}}}
    handle: [log, %s, {command: {run: [sh, -c, "cat > told.json"]}}]
    limits: {silent: 1 minute, memory_mb: 200}
"""
)

BAD_LINKS = """
import time
from everycent.base.engine.declaration import Declaration
from everycent.proof.recon.contract import FINDING

class Words(Declaration):
    pass

class Bad:
    words = Words
    def __init__(self, name):
        self.name = name
    def check(self, words, sides, around):
        return self.act()
    def handle(self, words, result, around):
        return self.act()
    def act(self):
        if self.name == "throws":
            raise ZeroDivisionError("by nothing")
        if self.name == "eats":
            return [bytearray(64 << 20) for _ in range(1000)]
        if self.name == "dies":
            import os
            os._exit(9)
        if self.name == "kills":
            import os
            import signal
            os.kill(os.getpid(), signal.SIGKILL)
        if self.name == "native":
            import ctypes
            ctypes.CDLL(None).pause()
        if self.name == "crashes":
            import ctypes
            ctypes.string_at(0)
        if self.name == "forks":
            import os
            child = os.fork()
            if not child:
                time.sleep(3600)  # and holds all that its parent held
            with open(os.environ["FORKED"], "w") as file:
                file.write(str(child))
            os._exit(4)
        if self.name == "prints":
            import os
            import subprocess
            print("hello from Python")
            os.write(1, b"hello from the system")
            subprocess.run(["echo", "hello from a program"])
            return FINDING.empty_table()
        if self.name == "floods":
            import sys
            print("the flood begins")
            for _ in range(64):
                sys.stdout.write("x" * (1 << 20))
            return FINDING.empty_table()
        if self.name == "alien":
            return Alien()
        if self.name == "unpickled":
            return lambda: None
        return "no table"

class Alien:
    def __reduce__(self):
        return (int, ("no number",))

print("hello from the module")
NAMES = ("throws", "eats", "dies", "other", "kills", "native", "crashes", "forks", "prints", "floods", "alien",
         "unpickled")
THROWS, EATS, DIES, OTHER, KILLS, NATIVE, CRASHES, FORKS, PRINTS, FLOODS, ALIEN, UNPICKLED = map(Bad, NAMES)
"""
BAD = (
    "throws", "eats", "dies", "other", "kills", "native", "crashes", "forks", "prints", "floods", "alien", "unpickled"
)  # fmt: skip


@pytest.fixture
def bad_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    names = {name: name.upper() for name in BAD}
    offers = {"everycent.recon_checkers": names, "everycent.recon_handlers": names}
    with package(tmp_path / "site", "bad_links", BAD_LINKS, offers, monkeypatch):
        yield


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("throws", "checker 'throws' failed: ZeroDivisionError: by nothing"),
        ("eats", "checker 'eats' used up its memory"),
        ("dies", "checker 'dies' ended by itself (exit code 9)"),
        ("other", "checker 'other' gave str; it is to give a table of FINDING"),
    ],
)
def test_a_link_of_another_package_harms_no_other(chains: Chains, bad_links: Any, name: str, told: str) -> None:
    chains.write("pay1.csv", PAID)
    chains.write("orders.csv", ORDERS)
    handler = "other" if name == "other" else "log"
    done = chains.one(CHECKED % (name, handler))
    assert done.result is not None and not done.agrees
    first, bad, last = done.result.checked
    assert first.findings.to_pylist() == [
        {"key": "A2", "kind": "paid_but_waiting", "reason": "still waits for payment", "left_file": "pay1.csv",
         "left_line": 3, "right_file": "orders.csv", "right_line": 3}
    ]  # fmt: skip
    assert bad.failure is not None and bad.failure.startswith(told)
    assert last.findings["key"].to_pylist() == ["A4"]
    stored = chains.session.connection.execute("SELECT checker, kind, key FROM recon.finding ORDER BY 1, 3").fetchall()
    assert (name, "checker_failed", "") in stored and ("statuses", "never_ordered", "A4") in stored
    assert json.loads((chains.folder / "told.json").read_text())["breaks"] == 3
    assert [each.failure for each in done.handled] == [None, None, None]


@pytest.mark.parametrize(
    ("name", "silent_s", "told"),
    [
        ("native", 1, "gave nothing for 0:00:01; it was given up"),
        ("kills", 60, "ended by itself (exit code -9)"),
        ("crashes", 60, "ended by itself (exit code -11)"),
        ("alien", 60, "gave what cannot be taken: ValueError: invalid literal for int"),
        ("unpickled", 60, "failed: "),
    ],
)
def test_a_link_that_gives_nothing_is_given_up(bad_links: Any, name: str, silent_s: int, told: str) -> None:
    limits = LimitsSpec(silent=timedelta(seconds=silent_s), memory_mb=512)
    with pytest.raises(LinkFailed) as failed:
        asked(choose(Link.CHECKER, {name: {}}), "check", (None, None), limits)
    assert str(failed.value).startswith(f"checker '{name}' {told}")


def test_what_a_link_begins_ends_with_it(bad_links: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORKED", str(tmp_path / "forked"))
    with pytest.raises(LinkFailed, match=r"checker 'forks' ended by itself \(exit code 4\)"):
        asked(choose(Link.CHECKER, {"forks": {}}), "check", (None, None), LimitsSpec())
    state = Path("/proc", (tmp_path / "forked").read_text(), "stat")
    while state.exists() and state.read_text().rpartition(") ")[2][:1] != "Z":
        time.sleep(0.05)  # it was killed, and ends when the system comes to it


def test_what_a_link_prints_is_no_part_of_what_is_printed(bad_links: Any, capfd: pytest.CaptureFixture[str]) -> None:
    found = asked(choose(Link.CHECKER, {"prints": {}}), "check", (None, None), LimitsSpec())
    assert found.num_rows == 0
    printed = capfd.readouterr()
    assert printed.out == ""
    for who in ("Python", "the system", "a program", "the module"):
        assert f"hello from {who}" in printed.err


def test_a_flood_of_prints_is_told_by_its_beginning(bad_links: Any, capfd: pytest.CaptureFixture[str]) -> None:
    found = asked(choose(Link.CHECKER, {"floods": {}}), "check", (None, None), LimitsSpec())
    assert found.num_rows == 0, "it works to its end"
    beginning, told = capfd.readouterr().err.split("\neverycent: ")
    beginning = beginning.removeprefix("hello from the module\n")  # in this process, where it was chosen
    assert beginning.startswith("hello from the module\nthe flood begins\nxxx") and len(beginning) == 65_536
    assert told == "checker 'floods' printed 67,108,903 bytes; these are the first 65,536, the others are left out\n"


def test_the_start_of_a_process_is_no_silence_of_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine: the process takes half a minute to begin, and a link may be silent for a second."""
    now = [0.0]
    give: dict[str, Any] = {}

    def started(*arguments: Any) -> None:
        give["put"] = arguments[4]

    monkeypatch.setattr(plugged, "monotonic", lambda: now[0])
    monkeypatch.setattr(plugged, "_in_process", started)
    chosen = replace(
        choose(Link.CHECKER, {"statuses": {"combinations": {"a": {"left": "b", "right": "c"}}}}), own=False
    )
    work = Work(chosen, "check", (), LimitsSpec(silent=timedelta(seconds=1)))
    now[0] = 30
    assert work.take(0) is None
    give["put"]("begun", None)
    assert work.take(0) is None and work.take(0) is None
    now[0] = 32
    with pytest.raises(LinkFailed, match="gave nothing for 0:00:01; it was given up"):
        work.take(0)


def test_a_link_that_cannot_be_started_is_told(bad_links: Any) -> None:
    with pytest.raises(LinkFailed, match=r"checker .throws. cannot be started: .*lambda"):
        asked(choose(Link.CHECKER, {"throws": {}}), "check", (lambda: None,), LimitsSpec())


def test_a_handler_that_fails_keeps_none_from_working(chains: Chains) -> None:
    chains.write("pay1.csv", PAID)
    chains.write("orders.csv", ORDERS)
    handle = """
    handle: [{command: {run: [sh, -c, "echo no such desk >&2; exit 3"]}}, {command: {run: [./nothing]}}, log]
"""
    done = chains.one((TWO_FILES % "orders.csv") + handle)
    assert [each.failure for each in done.handled] == [
        "handler 'command': sh ended with code 3: no such desk",
        "handler 'command': ./nothing does not start: No such file or directory",
        None,
    ]
    assert len((chains.folder / "recon.jsonl").read_text().splitlines()) == 1


def refusal(chains: Chains, recon: str) -> str:
    with pytest.raises(ModelRefused) as refused:
        chains.run(recon)
    return str(refused.value)


def test_wrong_words_are_told_before_anything_is_loaded(chains: Chains) -> None:
    good = TWO_FILES % "orders.csv"
    assert (
        "scenario.yaml:8:14: recon.paid_but_waiting.left.load.filez: there is no loader 'filez'; installed are: "
        in (refusal(chains, good.replace('{files: {paths: "pay', '{filez: {paths: "pay')))
    )
    assert "loader 'files' has no word 'path'" in refusal(chains, good.replace("paths: orders.csv", "path: orders.csv"))
    assert "'paths' is missing here" in refusal(chains, good.replace("{paths: orders.csv}", "{}"))
    assert "a side is one of 'records' (a kind of this model), 'file' and 'load'" in (
        refusal(chains, good.replace("load: {files: {paths: orders.csv}}", "encoding: gbk"))
    )
    assert "loader 'files' does not look up by key" in (
        refusal(
            chains,
            good.replace(
                "      load: {files: {paths: orders.csv}}\n",
                "      load: {files: {paths: orders.csv}}\n      driven: {}\n",
            ),
        )
    )
    assert "one link is named here, not 2" in refusal(
        chains, good.replace("{files: {paths: orders.csv}}", "{files: {}, http: {}}")
    )


DRIVEN = """
  looked_up:
    left:
      load: {files: {paths: left.csv}}
      columns: {order_id: text, line: text, amount: money}
      key: [order_id, line]
      amount: amount
    right:
      load:
        %s
      driven: {batch: 2, parallel: 3}
      columns: {order_id: text, line: text, amount: money}
      key: [order_id, line]
      amount: amount
"""


def test_one_sides_keys_drive_the_look_up_of_the_other(chains: Chains) -> None:
    connection, url = chains.session.connection, chains.session.settings.database_url
    connection.execute("CREATE TABLE public.lines (order_id text, line text, amount numeric)")
    connection.execute(
        """INSERT INTO public.lines SELECT 'A/' || n, n::text, n FROM generate_series(1, 9) n WHERE n <> 4;
        UPDATE public.lines SET amount = 60 WHERE order_id = 'A/6'"""
    )
    assert url is not None
    chains.environ = {"LINES_DB": url}
    chains.write("left.csv", "order_id,line,amount\n" + "".join(f"A/{n},{n},{n}.00\n" for n in range(1, 8)))
    keys_asked = "SELECT * FROM unnest(%(order_id)s::text[], %(line)s::text[])"
    statement = f"SELECT * FROM public.lines WHERE (order_id, line) IN ({keys_asked})"
    done = chains.one(DRIVEN % f'postgres: {{database: LINES_DB, statement: "{statement}"}}')
    assert keys(done) == {"A\\/4/4": "missing_right", "A\\/6/6": "amount_differs"}  # of 8 and 9 nobody asked
    assert done.result is not None
    assert done.result.breaks["right_file"].to_pylist() == [None, "postgres:LINES_DB#3"]
    again = chains.one(DRIVEN % f'postgres: {{database: LINES_DB, statement: "{statement}"}}')
    assert again.result is not None and not again.result.changed


def test_a_side_of_the_own_tables(chains: Chains) -> None:
    chains.session.connection.execute(
        """INSERT INTO settlement.statement (tenant, model, statement_id, party_id, role, period, period_first,
            period_last, closes_on, currency, legal_entity, mode, payable_minor, receivable_minor, obligations, state)
        SELECT 'default', 'market', 's' || n, 'p', 'merchant', '2026-03', '2026-03-01', '2026-03-31', '2026-04-01',
            'CNY', 'e', 'net', n * 100, 0, 1, 'open' FROM generate_series(1, 3) n"""
    )
    chains.write("bank.csv", "statement,paid\ns1,1.00\ns2,2.50\ns3,3.00\n")
    done = chains.one("""
  statements_against_bank:
    left:
      load: {everycent: {table: statements, model: market}}
      columns: {statement_id: text, net: {type: money, from: net_minor, unit: minor}}
      key: statement_id
      amount: net
    right:
      load: {files: {paths: bank.csv}}
      columns: {statement_id: {type: text, from: statement}, paid: money}
      key: statement_id
      amount: paid
""")
    assert keys(done) == {"s2": "amount_differs"}


def test_sides_without_a_common_key_and_keys_that_repeat(chains: Chains) -> None:
    side = "{load: {files: {paths: %s.csv}}, columns: {id: text, amount: money}, key: id, amount: amount}"
    recon = f"  odd:\n    left: {side % 'a'}\n    right: {side % 'b'}\n"
    chains.write("a.csv", "id,amount\nA,1.00\nB,2.00\n")
    chains.write("b.csv", "id,amount\nX,1.00\nY,2.00\n")
    assert set(keys(chains.one(recon)).values()) == {"missing_left", "missing_right"}
    chains.write("a.csv", "id,amount\nA,1.00\nA,1.00\nA,3.00\n")
    chains.write("b.csv", "id,amount\nA,1.00\nA,2.00\n")
    done = chains.one(recon)
    assert done.result is not None
    assert sorted(done.result.breaks["bucket"].to_pylist()) == [
        "duplicated_left",
        "duplicated_left",
        "duplicated_right",
    ]
    chains.write("b.csv", "amount\n1.00\n")
    assert "b.csv has no column 'id'" in str(chains.one(recon).failure)


def test_a_line_without_end_is_refused_by_name(chains: Chains, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everycent.flow.intake.readers.csv_rows.LINE_BYTES_MAX", 1 << 20)
    side = "{load: {files: {paths: %s.csv}}, columns: {id: text, amount: money}, key: id, amount: amount}"
    chains.write("a.csv", "id,amount\nA,1.00\n")
    chains.write("b.csv", "id,amount\nA,1.00\n" + "9" * (12 << 20))
    failure = chains.one(f"  long:\n    left: {side % 'a'}\n    right: {side % 'b'}\n").failure
    assert failure is not None and "b.csv: line 3 is longer than 1 MiB" in failure


def test_a_loader_of_another_package(chains: Chains, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
import pyarrow as pa
from everycent.base.engine.declaration import Declaration
from everycent.flow.intake.contract import MALFORMED, RawRows

class Words(Declaration):
    rows: int

class Counting:
    name, words, drivable = "counting", Words, False
    def load(self, words, around, keys):
        for start in range(0, words.rows, 2):
            ids = [str(n) for n in range(start, min(start + 2, words.rows))]
            lines = pa.array([int(each) + 1 for each in ids], pa.int64())
            table = pa.table({"id": ids, "day": [str(around.as_of)] * len(ids)})
            yield RawRows(0, table, lines, MALFORMED.empty_table(), "counted")

LOADER = Counting()
"""
    recon = """
  counted:
    left: {load: {counting: {rows: %s}}, columns: {id: text, day: date}, key: [id, day]}
    right: {load: {counting: {rows: 3}}, columns: {id: text, day: date}, key: [id, day]}
"""
    with package(
        tmp_path / "site", "counting_rows", text, {"everycent.recon_loaders": {"counting": "LOADER"}}, monkeypatch
    ):
        assert keys(chains.one(recon % 5)) == {"3/2026-03-01": "missing_right", "4/2026-03-01": "missing_right"}
        assert "should be a valid integer" in refusal(chains, recon % "many")


def test_the_package_of_the_how_to_works_as_it_is_written(
    chains: Chains, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "write-a-link.md").read_text(encoding="utf-8")
    code, scenario = (page.split(f"```{kind}\n")[1].split("```")[0] for kind in ("python", "yaml"))
    offers = {"everycent.recon_loaders": {"count": "COUNT"}, "everycent.recon_checkers": {"round": "ROUND"}}
    with package(tmp_path / "site", "odd_links", code, offers, monkeypatch):
        done = chains.one(scenario.split("recon:\n")[1])
    assert keys(done) == {"N3": "missing_right"}
    assert done.result is not None
    (checked,) = done.result.checked
    assert checked.failure is None
    assert [(row["key"], row["kind"]) for row in checked.findings.to_pylist()] == [("N2", "round")]
