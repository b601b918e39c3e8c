"""Money that came in is explained from both ends: the bank's line, and what it paid."""

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bank import notice
from counter import Counter, credit
from small_books import Books

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.batches import seal_sql
from everycent.flow.pipeline.paying import Cashier
from everycent.proof.explain.contract import Explanation, NothingFound
from everycent.proof.explain.service import explain, replay


def test_a_line_and_what_it_paid_tell_of_each_other(database: Any, engine: LocalEngine, tmp_path: Path) -> None:
    """Of a's 3.00 one comes, then five; c's 1.00 comes as it is."""
    counter = Counter(Books(database, engine), tmp_path)
    where = (database.connection, database.details, engine, counter.books.tenant)

    def told(ident: object) -> Explanation:
        return explain(*where, str(ident))

    counter.cashier.read(counter.file(("a300", "1.00", "R-1"), ("c100", "1.00", "R-2")))
    part = dict(told(counter.ids["a300"]).facts)
    assert part["came in"].startswith("1.00 on 2026-03-04: bank ") and "R-1 (bank file camt054.xml)" in part["came in"]
    assert part["lacks"] == "2.00; what came in stays on account until then" and "paid by" not in part
    counter.at(database.connection, 5).read(counter.file(("a300", "5.00", "R-3")))
    whole = told(counter.ids["a300"])
    said = [value for name, value in whole.facts if name == "came in"]
    assert len(said) == 2 and said[1].startswith("2.00 of 5.00 on 2026-03-05")
    facts = dict(whole.facts)
    assert "R-3 (bank file camt054.xml)" in facts["paid by"] and "lacks" not in facts
    line = told("R-3")
    assert facts["on account"] == f"3.00 of receipt {line.id} is for nothing yet"
    assert line.kind == "receipt" and line.text.endswith("5.00 CNY from merchant:a")
    assert dict(line.facts)["on account"] == "3.00 CNY is for nothing yet"
    (used,) = line.parts
    assert "2.00 of 3.00 to collect, used" in used.text and told(line.id) == line
    assert told("R-2").id == str(counter.ids["c100"]), "a line that paid a debt as it is, is that payment's"
    with pytest.raises(NothingFound):
        told("R-9")


def test_a_life_tells_what_came_in_for_its_payment(hot_market: Any, tmp_path: Path) -> None:
    market = hot_market
    market.sql("UPDATE payments.instruction SET state = 'processing' WHERE direction = 'collect'")
    market.sql(f"UPDATE payments.instruction AS t SET seal = {seal_sql('t')}")
    ((key,),) = market.sql("SELECT instruction_id FROM payments.instruction WHERE direction = 'collect'")
    session: Any = SimpleNamespace(connection=market.database.connection, tenant="default", engine=market.engine)
    path = tmp_path / "camt054.xml"
    path.write_text(notice(["<!-- -->", credit(key.hex, "20.00", "R-1")]), encoding="utf-8")
    Cashier(session, datetime(2026, 4, 2, 9, tzinfo=UTC), date(2026, 4, 2)).read(path)
    life = replay(market.database.connection, market.details, market.engine, "default", "A1")
    (came,) = [event for event in life.events if event.kind == "receipt"]
    assert came.text.startswith("20.00 CNY came in for 22.00 to be collected, on account until it is whole: bank ")
    assert came.text.endswith("R-1") and came.place == "camt054.xml"
