"""`everycent recon put`, `watch` and `check`: events of a model's scenarios, and the gate before statements close."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from repair_service import repair_service

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import BREAK
from everycent.proof.recon.service import Watched, breaks_standing
from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

MODEL = """\
model: corner-shop
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties: {platform: {operator: shanghai}, merchant: {key: [merchant]}}
records:
  sale:
    id: [sale]
    occurred_at: at
    columns: {sale: text, merchant: text, price: money, at: timestamp}
charges:
  goods: {for: sale, amount: price, debtor: platform, creditor: merchant}
statements: {merchant: {cycle: daily}}
recon:
  paid:
    left: {records: sale, key: sale, amount: price}
    right:
      file: pay_*.csv
      columns: {order: text, paid: money, state: text}
      when: state = 'ok'
      key: order
      amount: paid
    live: {right: payments, LIVE}
    INLINE
"""
SALES = """\
sale,merchant,price,at
S1,ann,10.00,2026-03-01 10:00
S2,ann,20.00,2026-03-01 11:00
S3,bob,30.00,2026-03-01 12:00
"""
BILL = """\
order,paid,state
S1,10.00,ok
S2,20.01,ok
S9,1.00,ok
S8,7.00,no
S7,much,ok
S3,30.00,ok
S3,30.00,ok
"""


@pytest.fixture(autouse=True)
def own_database(database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> "Shop":
    return Shop(tmp_path, capsys)


class Shop:
    """A folder with a model, its sales, and events of what was paid."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        (folder / "sales.csv").write_text(SALES)
        (folder / "pay_1.csv").write_text(BILL)
        self.written()

    def written(self, live: str = "delay: 0 minutes", inline: str = "") -> None:
        self.model = self.folder / "model.yaml"
        self.model.write_text(MODEL.replace("LIVE", live).replace("INLINE", inline))

    def events(self, *lines: dict[str, Any] | str) -> str:
        path = self.folder / "events.jsonl"
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return str(path)

    def run(self, *arguments: str) -> tuple[int, Any]:
        code = run_app([*arguments, "--json"])
        return code, json.loads(self.capsys.readouterr().out)

    def put(self, *lines: dict[str, Any] | str) -> tuple[int, Any]:
        return self.run("recon", "put", str(self.model), self.events(*lines))

    def watch(self) -> Any:
        code, told = self.run("recon", "watch", str(self.model), "--once")
        assert code == exits.OK
        return told["scenarios"]["paid"]

    def day(self, as_of: str, *more: str) -> Any:
        sales = str(self.folder / "sales.csv")
        _, told = self.run("run", str(self.model), "--records", sales, "--as-of", as_of, *more)
        return told


def paid(event_id: str, order: str, amount: Any, state: str = "ok", **more: Any) -> dict[str, Any]:
    columns = {"order": order, "paid": amount, "state": state}
    return {"id": event_id, "topic": "payments", "occurred_at": "2026-03-01T10:00:00+08:00", "columns": columns, **more}


def of_the_bill() -> list[dict[str, Any]]:
    """The bill's lines as they happened, each with its place in the bill."""
    rows = [line.split(",") for line in BILL.splitlines()[1:]]
    return [
        paid(f"e{number}", order, amount, state, file="pay_1.csv", line=number)
        for number, (order, amount, state) in enumerate(rows, 2)
    ]


def test_at_the_end_of_the_day_the_run_over_the_bill_finds_what_the_events_gave(
    shop: Shop, database: Any, engine: LocalEngine
) -> None:
    code, told = shop.put(*reversed(of_the_bill()[:4]), *of_the_bill()[3:])
    assert (code, told["outcomes"]["duplicate"]) == (exits.OK, 1)
    shop.day("2026-03-01")
    watched = shop.watch()
    assert (watched["waiting"], watched["verdicts"]) == (0, {"equal": 1, "within_tolerance": 0, "break": 3})
    assert shop.day("2026-03-01", "--bill", str(shop.folder / "pay_1.csv"), "--out", str(shop.folder / "out"))
    run = pq.read_table(shop.folder / "out" / "breaks.parquet", columns=BREAK.names)
    live, _ = breaks_standing(database.connection, engine, Watched("default", "corner-shop", "paid"))
    assert live == run.cast(live.schema) and live.num_rows == 3


def test_what_was_checked_is_stored_as_a_run_whose_breaks_stand(shop: Shop, database: Any) -> None:
    shop.day("2026-03-01")
    shop.put(*of_the_bill())
    watch = ("recon", "watch", str(shop.model), "--once", "--run")
    assert [shop.run(*watch)[1]["scenarios"]["paid"]["run"] for _ in range(2)] == [1, 1]
    standing = "SELECT key, kind FROM recon.standing_break WHERE state <> 'closed' ORDER BY 1"
    assert database.connection.execute(standing).fetchall() == [
        ("S2", "amount_differs"), ("S3", "duplicated_right"), ("S9", "missing_left"),
    ]  # fmt: skip
    code, told = shop.run("verify")
    assert code == exits.OK and told["verified"]


def test_what_became_of_each_event_is_told(shop: Shop) -> None:
    code, told = shop.put(
        paid("e1", "S1", 10.00),
        paid("e1", "S1", 10.01),
        paid("e2", "S2", "x"),
        paid("e3", "S2", "1", "no"),
        paid("e4", "S1", 1) | {"topic": "orders"},
        paid("e5", "S1", 1) | {"occurred_at": "2026-03-01 10:00"},
        {"id": "e6", "scenario": "paid", "side": "left", "occurred_at": "2026-03-01T10:00:00Z", "columns": {}},
        paid("e7", "S1\0", 1),
        "nonsense",
    )
    assert code == exits.FAILED
    assert told["outcomes"] == {
        "taken": 1, "left_out": 1, "refused": 1, "duplicate": 0, "conflict": 1, "too_late": 0, "sampled_out": 0,
        "malformed": 5,
    }  # fmt: skip
    reasons = {row["line"]: row["reason"] for row in told["told"]}
    assert reasons[2] == "an event with this id has other content"
    assert reasons[5] == "no scenario takes the topic 'orders'; the topics are payments"
    assert reasons[6].startswith('"occurred_at" is no time with its zone')
    assert reasons[7] == "the left side of paid is records, which come from the store; put no events of it"
    assert shop.put(paid("e1", "S1", 10.00))[1]["outcomes"]["duplicate"] == 1


def test_a_key_waits_for_its_delay(shop: Shop) -> None:
    shop.written("delay: 36500 days", "inline: {within: 60 seconds}")
    shop.put(paid("e1", "S1", 10))
    watched = shop.watch()
    assert (watched["waiting"], sum(watched["verdicts"].values())) == (1, 0)
    assert shop.run("recon", "check", str(shop.model), "--key", "S1") == (
        exits.OK,
        {
            "scenario": "paid",
            "keys": ["S1"],
            "answer": "go_on",
            "told": False,
            "reason": "S1: the sides differ, but it is not due before 2126-02-05 02:00:00 UTC",
            "breaks": [],
        },
    )


def test_while_too_many_keys_wait_nothing_more_is_taken(shop: Shop) -> None:
    shop.written("delay: 36500 days, queue: 1")
    assert shop.put(paid("e1", "S1", 10))[0] == exits.OK
    more = shop.events(paid("e2", "S2", 20))
    assert run_app(["recon", "put", str(shop.model), more, "--no-wait"]) == exits.UNAVAILABLE
    assert "1 keys wait to be checked; start a watcher" in shop.capsys.readouterr().err


def test_a_statement_with_a_break_is_held_until_the_break_is_gone(shop: Shop) -> None:
    shop.written(inline="inline: {within: 60 seconds, otherwise: hold}")
    shop.put(paid("e1", "S1", 10), paid("e2", "S2", 20), paid("e3", "S3", 29))
    told = shop.day("2026-03-02")
    assert told["closed_statements"] == 1 and told["instructions"] == 1 and told["verified"]
    assert told["held_statements"] == [
        {
            "statement_id": "corner-shop/merchant:bob/2026-03-01/CNY/shanghai",
            "reason": "paid: S3 is a break: amount_differs",
            "records": 1,
        }
    ]
    code, answer = shop.run("recon", "check", str(shop.model), "--key", "S3")
    assert (code, answer["answer"], answer["told"]) == (exits.FAILED, "hold", True)
    assert answer["breaks"][0]["difference_minor"] == 100
    shop.model.write_text(shop.model.read_text().replace("amount: paid", "amount: paid\n      rows: sum"))
    shop.model.write_text(shop.model.read_text().replace("amount: price}", "amount: price, rows: sum}", 1))
    shop.put(paid("e4", "S3", 1))
    told = shop.day("2026-03-03")
    assert (told["closed_statements"], told["held_statements"], told["verified"]) == (1, [], True)


@pytest.mark.parametrize(("otherwise", "closed"), [("hold", 0), ("go_on", 2)])
def test_a_gate_that_cannot_tell_does_what_was_declared(shop: Shop, database: Any, otherwise: str, closed: int) -> None:
    shop.written("delay: 36500 days, counted_from: arrival", f"inline: {{within: 60 seconds, otherwise: {otherwise}}}")
    told = shop.day("2026-03-02")
    assert told["closed_statements"] == closed
    reasons = [held["reason"] for held in told["held_statements"]]
    assert reasons == ["paid: S1 is not checked yet", "paid: S3 is not checked yet"][: 2 - closed]


def test_the_gate_sees_what_runs_found_where_that_is_declared(shop: Shop) -> None:
    shop.written(inline="inline: {within: 60 seconds, sees: runs}")
    shop.model.write_text(shop.model.read_text().replace("    live: {right: payments, delay: 0 minutes}\n", ""))
    bill = ("--bill", str(shop.folder / "pay_1.csv"))
    assert shop.day("2026-03-01", *bill)["held_statements"] == [], "no run was before"
    told = shop.day("2026-03-02", *bill)
    assert told["closed_statements"] == 0
    assert {(held["statement_id"].split(":")[1].split("/")[0], held["reason"]) for held in told["held_statements"]} == {
        ("ann", "paid: S2 is a break that stands: amount_differs"),
        ("bob", "paid: S3 is a break that stands: duplicated_right"),
    }
    check = ("recon", "check", str(shop.model), "--key")
    assert shop.run(*check, "S2")[1]["reason"] == "S2: a break that stands: amount_differs"
    code, answer = shop.run(*check, "S1")
    assert (code, answer["told"]) == (exits.OK, False), "no break stands, which is not the same as agreement"
    (shop.folder / "pay_1.csv").write_text("order,paid,state\nS1,10.00,ok\nS2,20.00,ok\nS3,30.00,ok\n")
    shop.day("2026-03-02", *bill)
    told = shop.day("2026-03-03", *bill)
    assert (told["held_statements"], told["closed_statements"]) == ([], 2)


ALERT = """breaks:
      alert: {to: [{webhook: {url: URL}}], group_by: none}"""


def test_whom_a_scenario_names_is_told_of_a_break_once(shop: Shop) -> None:
    with repair_service() as hook:
        shop.written(inline=ALERT.replace("URL", hook.url))
        shop.day("2026-03-01")
        shop.put(*of_the_bill()[:3])
        for _ in range(2):
            shop.watch()
        assert sorted(body["title"].partition(",")[0] for _, body in hook.got) == [
            "paid: S2 (amount_differs)", "paid: S3 (missing_right)", "paid: S9 (missing_left)",
        ]  # fmt: skip
        shop.put(of_the_bill()[5], paid("e9", "S7", "7"))
        shop.watch()
        assert [body["breaks"][0]["key"] for _, body in hook.got[3:]] == ["S7"]
    _, told = shop.run("breaks", "list", "--json")
    standing = {each["key"]: each["state"] for each in told["breaks"]}
    assert standing.get("S3") is None, "the other side came, and it stands no more"
    assert shop.run("verify")[1]["verified"]


def test_a_receiver_that_does_not_answer_is_told_of_and_the_watch_goes_on(shop: Shop) -> None:
    shop.written(inline=ALERT.replace("URL", "http://127.0.0.1:1/nobody"))
    shop.put(paid("e1", "S1", 10))
    assert run_app(["recon", "watch", str(shop.model), "--once"]) == exits.OK
    assert "not delivered, tried again later: paid" in shop.capsys.readouterr().err


def test_one_who_only_reconciles_watches_a_scenario_file(shop: Shop) -> None:
    shop.model.write_text(
        """\
name: order-checks
currency: CNY
calendar: {time_zone: Asia/Shanghai}
recon:
  paid:
    left: {columns: {order: text, price: money}, key: order, amount: price}
    right: {columns: {order: text, paid: money, state: text}, key: order, amount: paid}
    live: {left: orders, right: payments, keep: 1 day}
    inline: {within: 60 seconds, otherwise: hold}
"""
    )
    sold = {"id": "o1", "topic": "orders", "occurred_at": "2026-03-01T10:00:00+08:00"}
    assert shop.put(sold | {"columns": {"order": "S1", "price": 10}}, paid("e1", "S1", 10.00))[0] == exits.OK
    assert shop.run("recon", "check", str(shop.model), "--key", "S1")[1]["answer"] == "go_on"
    questions = shop.folder / "questions.txt"
    questions.write_text("S1\n\nS1\tS2\n")
    assert run_app(["recon", "check", str(shop.model), "--keys", str(questions)]) == exits.OK
    answers = [json.loads(line) for line in shop.capsys.readouterr().out.splitlines()]
    assert [(each["answer"], each["reason"]) for each in answers] == [
        ("go_on", "both sides agree"), ("hold", "S2: no event of it has come"),
    ]  # fmt: skip
    watched = shop.watch()
    assert watched["verdicts"] == {"equal": 1, "within_tolerance": 0, "break": 0}
    assert "cleared" not in watched["counts"], "it happened long ago, but it came just now"
