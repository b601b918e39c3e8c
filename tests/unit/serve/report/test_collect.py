"""What the report takes from stored reconciliations: each currency's rows and breaks stand on its own page."""

from datetime import date
from typing import Any

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.proof.recon.contract import REFUSED, SIDE, ReconSpec
from everycent.proof.recon.core.plan import plan_recon
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.service import run
from everycent.serve.report.collect import collect
from everycent.serve.report.sections import recon_section

FILE = {"file": "a.csv", "columns": {"id": "text", "paid": "money", "code": "text"}, "key": "id", "amount": "paid"}
SPEC = ReconSpec.model_validate({"left": {**FILE, "currency": "code"}, "right": {**FILE, "currency": "code"}})


def side(*rows: tuple[str, int, str | None]) -> SideRows:
    """Rows of a side: key, minor units, currency."""
    listed = [
        {"source_file": "f", "source_line": line, "key": key, "amount_minor": minor, "currency": code}
        for line, (key, minor, code) in enumerate(rows, 1)
    ]
    columns = SIDE.append(pa.field("currency", pa.string()))
    return SideRows(pa.Table.from_pylist(listed, columns), REFUSED.empty_table(), 0)


def test_each_currency_of_a_reconciliation_stands_on_its_own_page(database: Any, engine: LocalEngine) -> None:
    connection = database.connection
    connection.execute(
        "INSERT INTO platform.model_version (tenant, model, model_version, source, files, seal)"
        " VALUES ('default', 'shop', 'v', 'currency: CNY\nversion: 1', '{}', gen_random_uuid())"
    )
    left = side(("A", 100, None), ("B", 500, "JPY"), ("C", 700, "CNY"), ("D", 5, "JPY"), ("E", 123, None))
    right = side(("A", 90, "CNY"), ("B", 400, "JPY"), ("C", 700, "USD"), ("D", 5, "JPY"), ("E", 123, "CNY"))
    plan = plan_recon("bill", SPEC, currency("CNY"))
    run(connection, engine, "default", "shop", "CNY", plan, left, right, day=date(2026, 3, 1))
    yuan = collect(connection, database.details, engine, "default", "shop")
    pages = {one.currency: one for one in (yuan, *yuan.others)}
    assert {
        code: [(row.bucket, row.left_minor, row.right_minor) for row in page.buckets] for code, page in pages.items()
    } == {
        "CNY": [("amount_differs", 100, 90), ("equal", 123, 123), ("status_differs", 700, 0)],
        "JPY": [("amount_differs", 500, 400), ("equal", 5, 5)],
        "USD": [("status_differs", 0, 700)],
    }
    assert {
        code: [(row.key, row.difference_minor, row.in_several) for row in page.breaks] for code, page in pages.items()
    } == {
        "CNY": [("A", 10, ""), ("C", None, "7.00 CNY | 7.00 USD")],
        "JPY": [("B", 100, "")],
        "USD": [],
    }
    assert {code: page.breaks_by_scenario for code, page in pages.items()} == {
        "CNY": {"bill": 2}, "JPY": {"bill": 1}, "USD": {},
    }  # fmt: skip
    assert "(7.00 CNY | 7.00 USD)" in recon_section(yuan) and ">500<" in recon_section(pages["JPY"])
