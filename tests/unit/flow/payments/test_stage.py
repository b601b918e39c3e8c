"""Closed statements in, instructions out."""

from collections.abc import Callable
from datetime import date

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.flow.intake.contract import TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.payments.contract import INSTRUCTED_STATEMENT, PayoutSpec
from everycent.flow.payments.stage import Instructed, PaymentPlan, instruct, plan_payments
from everycent.flow.payments.store import SETTLED
from everycent.flow.settlement.contract import STATEMENT

Read = Callable[..., pa.Table]

ROLES = {"platform": PartySpec(operator="shanghai"), "merchant": PartySpec(key=("merchant", "store"))}
AS_OF = date(2026, 3, 9)


def plan(code: str = "CNY", tables: dict[str, TableSpec] | None = None, **words: object) -> PaymentPlan:
    return plan_payments({"merchant": PayoutSpec.model_validate(words)}, ROLES, tables or {}, [code])


def run(engine: LocalEngine, statements: pa.Table, made: PaymentPlan, settled: pa.Table | None = None) -> Instructed:
    known = SETTLED.empty_table() if settled is None else settled
    return instruct(made, statements, known, {}, engine, tenant="t", model="market", as_of=AS_OF)


def paid(result: Instructed) -> set[tuple[str, str, str, int]]:
    return {
        (row["party_id"], row["legal_entity"], row["direction"], int(row["amount_minor"]))
        for row in result.instructions.to_pylist()
    }


def outcomes(result: Instructed) -> list[tuple[str, str, int, str]]:
    INSTRUCTED_STATEMENT.check(result.statements)
    return [
        (row["statement_id"], row["side"], int(row["amount_minor"]), row["outcome"])
        for row in result.statements.to_pylist()
    ]


def test_statements_of_a_party_are_netted_into_one_instruction(engine: LocalEngine, closed: Read) -> None:
    statements = closed("""
        statement_id party_id      legal_entity payable receivable
        s1           merchant:a/x  shanghai      100.00      5.00
        s2           merchant:a/x  shanghai       10.00      0.00
        s3           merchant:a/x  beijing         0.00      7.50
        s4           merchant:b/x  shanghai       20.00     20.00
    """)
    result = run(engine, statements, plan())
    assert paid(result) == {("merchant:a/x", "shanghai", "pay", 10500), ("merchant:a/x", "beijing", "collect", 750)}
    assert outcomes(result) == [
        ("s1", "net", 9500, "instructed"),
        ("s2", "net", 1000, "instructed"),
        ("s3", "net", -750, "instructed"),
        ("s4", "net", 0, "zero"),
    ]
    moved = {(t["debit_account"], t["credit_account"], int(t["amount_minor"])) for t in result.transfers.to_pylist()}
    assert moved == {
        ("party/merchant:a/x", "channel/bank_file", 10500),
        ("channel/bank_file", "party/merchant:a/x", 750),
    }


def test_gross_keeps_payable_and_receivable_apart(engine: LocalEngine, closed: Read) -> None:
    statements = closed("""
        statement_id party_id      mode  payable receivable
        s1           merchant:a/x  gross  100.00      5.00
        s2           merchant:b/x  gross   -3.00      0.00
    """)
    result = run(engine, statements, plan())
    assert paid(result) == {
        ("merchant:a/x", "shanghai", "pay", 10000),
        ("merchant:a/x", "shanghai", "collect", 500),
        ("merchant:b/x", "shanghai", "collect", 300),
    }
    assert outcomes(result)[2:] == [("s2", "payable", -300, "instructed"), ("s2", "receivable", 0, "zero")]


def test_sides_that_are_settled_are_not_paid_again(engine: LocalEngine, closed: Read) -> None:
    statements = closed("statement_id party_id mode payable receivable\ns1 merchant:a/x gross 100.00 5.00")
    settled = pa.Table.from_pylist([{"statement_id": "s1", "side": "payable"}], schema=SETTLED)
    assert paid(run(engine, statements, plan(), settled)) == {("merchant:a/x", "shanghai", "collect", 500)}


def test_small_amounts_wait(engine: LocalEngine, closed: Read) -> None:
    statements = closed("""
        statement_id party_id      payable receivable
        s1           merchant:a/x     0.99       0.00
        s2           merchant:b/x     1.00       0.00
        s3           merchant:c/x     0.00       0.50
        s4           merchant:d/x     0.60       0.00
        s5           merchant:d/x     0.60       0.00
    """)
    result = run(engine, statements, plan(minimum="1.00"))
    assert paid(result) == {("merchant:b/x", "shanghai", "pay", 100), ("merchant:d/x", "shanghai", "pay", 120)}
    waiting = [row for row in outcomes(result) if row[3] == "carried"]
    assert waiting == [("s1", "net", 99, "carried"), ("s3", "net", -50, "carried")]


def test_ids_are_derived_from_what_is_paid(engine: LocalEngine, closed: Read) -> None:
    head = "statement_id party_id payable receivable\n"
    one, again = (run(engine, closed(f"{head}s1 merchant:a/x 5.00 0.00"), plan()).instructions for _ in range(2))
    other = run(engine, closed(f"{head}s2 merchant:a/x 5.00 0.00"), plan()).instructions
    assert one.equals(again)
    assert one["instruction_id"] != other["instruction_id"]


def test_the_partys_key_is_its_account_unless_a_table_says(engine: LocalEngine, closed: Read) -> None:
    statements = closed("statement_id party_id payable receivable\ns1 merchant:a/x 5.00 0.00")
    row = run(engine, statements, plan()).instructions.to_pylist()[0]
    assert (row["state"], row["account"], row["account_name"], row["reason"]) == ("created", "a/x", "a/x", None)


def test_a_role_without_accounts_waits_where_another_has_them(engine: LocalEngine, closed: Read) -> None:
    head = "statement_id party_id role payable receivable\n"
    statements = closed(f"{head}s1 merchant:a/x merchant 5.00 0.00\ns2 brand:b brand 1.00 0.00")
    roles = {**ROLES, "brand": PartySpec(key=("brand",))}
    words = {"merchant": {"account": {"table": "accounts"}}}
    table = pa.table({"m": ["a"], "s": ["x"], "account": ["62220001"]})
    accounts = {"accounts": TableSpec(file="a.csv", key=["m", "s"], columns=dict.fromkeys(table.column_names, "text"))}

    def reasons(**more: object) -> dict[str, object]:
        given = {role: PayoutSpec.model_validate(word) for role, word in {**words, **more}.items()}
        made = plan_payments(given, roles, accounts, ["CNY"])
        known = {"accounts": table}
        result = instruct(made, statements, SETTLED.empty_table(), known, engine, tenant="t", model="m", as_of=AS_OF)
        return {row["party_id"]: row["reason"] or row["account"] for row in result.instructions.to_pylist()}

    assert reasons() == {
        "merchant:a/x": "62220001",
        "brand:b": "no account of brand:b is known: say in payouts, brand, account which table has it",
    }
    assert reasons(brand={"account": {}})["brand:b"] == "b"


def test_an_account_can_be_of_one_currency(engine: LocalEngine, closed: Read) -> None:
    head = "statement_id party_id payable receivable\n"
    statements = pa.concat_tables(
        [closed(f"{head}s1 merchant:a/x 5 0", "JPY"), closed(f"{head}s2 merchant:a/x 5.000 0", "KWD")]
    )
    columns = {"m": "text", "s": "text", "takes": "text", "account": "text"}
    accounts = {"accounts": TableSpec(file="a.csv", key=["m", "s", "takes"], columns=columns)}
    words = {"merchant": PayoutSpec.model_validate({"account": {"table": "accounts", "currency": "takes"}})}
    table = pa.table({"m": ["a"], "s": ["x"], "takes": ["JPY"], "account": ["62220001"]})
    result = instruct(
        plan_payments(words, ROLES, accounts, ["CNY", "JPY", "KWD"]),
        statements,
        SETTLED.empty_table(),
        {"accounts": table},
        engine,
        tenant="t",
        model="m",
        as_of=AS_OF,
    )
    found = {row["currency"]: row["reason"] or row["account"] for row in result.instructions.to_pylist()}
    assert found == {"JPY": "62220001", "KWD": "table accounts has no account of merchant:a/x in KWD; add it there"}


TABLE = TableSpec(
    file="accounts.csv",
    key=["m", "s"],
    valid=("from", "to"),
    columns={"m": "text", "s": "text", "from": "date", "to": "date", "account": "text", "account_name": "text"},
)


def account(m: str, number: str | None, first: date | None = None, end: date | None = None, name: str = "N") -> dict:  # type: ignore[type-arg]
    return {"m": m, "s": "x", "from": first, "to": end, "account": number, "account_name": name}


def test_accounts_come_from_the_table_or_the_instruction_waits_with_a_reason(engine: LocalEngine, closed: Read) -> None:
    text = "statement_id party_id payable receivable\n"
    statements = closed(text + "\n".join(f"s{name} merchant:{name}/x 5.00 0.00" for name in "abcdefgh"))
    schema = pa.schema(
        [(name, pa.date32() if spec.type == "date" else pa.string()) for name, spec in TABLE.columns.items()]
    )
    table = pa.Table.from_pylist(
        [
            account("a", " 6222 0001 ", name="Alpha Ltd"),
            account("b", "old", end=date(2026, 3, 9)),
            account("b", "new", first=date(2026, 3, 9)),
            account("c", "one"),
            account("c", "two"),
            account("d", None),
            account("e", "1" * 35),
            account("f", "12\x0034"),
            account("h", "1" * 34, name=" "),
        ],
        schema=schema,
    )
    made = plan(tables={"accounts": TABLE}, account={"table": "accounts"})
    result = instruct(
        made, statements, SETTLED.empty_table(), {"accounts": table}, engine, tenant="t", model="m", as_of=AS_OF
    )
    rows = {row["party_id"][9]: row for row in result.instructions.to_pylist()}
    found = {name: row["account"] for name, row in rows.items() if row["state"] == "created"}
    assert found == {"a": "6222 0001", "b": "new", "h": "1" * 34}
    assert (rows["a"]["account_name"], rows["h"]["account_name"]) == ("Alpha Ltd", "h/x")
    assert {name: row["reason"] for name, row in rows.items() if row["state"] == "waiting"} == {
        "c": "table accounts has 2 accounts of merchant:c/x; leave one",
        "d": "the account number of merchant:d/x is empty",
        "e": "the account number of merchant:e/x has 35 characters; a bank file takes 34",
        "f": "the account number of merchant:f/x holds characters that cannot be printed",
        "g": "table accounts has no account of merchant:g/x; add it there",
    }


def test_an_amount_that_no_file_can_hold_waits(engine: LocalEngine, closed: Read) -> None:
    rows = "\n".join(f"s{at} merchant:a/x {9 * 10**18} 0" for at in range(2))
    row = run(engine, closed(f"statement_id party_id payable receivable\n{rows}", "JPY"), plan("JPY")).instructions
    assert row["amount_minor"].to_pylist() == [18 * 10**18]
    assert row["reason"].to_pylist() == ["the amount has more than 18 digits, which no bank file takes"]


def test_nothing_closed_nothing_paid(engine: LocalEngine) -> None:
    result = run(engine, STATEMENT.empty(), plan())
    assert (result.instructions.num_rows, result.statements.num_rows, result.transfers.num_rows) == (0, 0, 0)


statement = st.tuples(
    st.sampled_from(["merchant:a/x", "merchant:b/x"]),
    st.sampled_from(["shanghai", "beijing"]),
    st.sampled_from(["net", "gross"]),
    st.integers(-500, 500),
    st.integers(-500, 500),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.lists(statement, min_size=1, max_size=10), st.integers(0, 300))
def test_what_is_owed_is_instructed_carried_or_nothing(
    engine: LocalEngine, closed: Read, rows: list[tuple[str, str, str, int, int]], minimum: int
) -> None:
    head = "statement_id party_id legal_entity mode payable receivable\n"
    statements = closed(head + "\n".join(f"s{at} {' '.join(map(str, row))}" for at, row in enumerate(rows)), "JPY")
    result = run(engine, statements, plan("JPY", minimum=str(minimum)))
    sides = result.statements.to_pylist()
    signed = {
        row["instruction_id"]: int(row["amount_minor"]) * (1 if row["direction"] == "pay" else -1)
        for row in result.instructions.to_pylist()
    }
    for instruction_id, amount in signed.items():
        assert abs(amount) >= max(1, minimum)
        assert amount == sum(row["amount_minor"] for row in sides if row["instruction_id"] == instruction_id)
    rest = {
        outcome: sum(int(row["amount_minor"]) for row in sides if row["outcome"] == outcome)
        for outcome in ("carried", "zero")
    }
    assert rest["zero"] == 0
    assert sum(signed.values()) + rest["carried"] == sum(row[3] - row[4] for row in rows)
