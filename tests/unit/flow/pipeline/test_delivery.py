"""A file is known again by its content, the model's version and the tables that its rows are joined with."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from everycent.base.engine.local import LocalEngine
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.delivery import Delivery, find_delivery, kinds_beside
from everycent.flow.pipeline.inputs import Assigned, Inputs
from everycent.flow.pipeline.plan import ModelPlan, plan_model
from everycent.flow.pipeline.session import Session

MODEL = """\
model: corner-shop
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties: {platform: {operator: shanghai}, merchant: {key: [merchant]}}
tables:
  products: {file: products.csv, key: [product], columns: {product: text, category: text}}
records:
  sale:
    when: kind = 'sale'
    id: [sale]
    occurred_at: at
    columns: {sale: text, kind: text, merchant: text, price: money, at: timestamp,
              product: text, category: {type: text, from: products.category}}
    amount: price
  refund:
    when: kind = 'refund'
    refunds: sale
    of: [of]
    id: [sale]
    occurred_at: at
    columns: {sale: text, kind: text, of: text, price: money, at: timestamp}
    amount: price
charges:
  goods: {for: sale, amount: price, debtor: platform, creditor: merchant}
statements: {merchant: {cycle: daily}}
"""


@pytest.fixture
def session(database: Any, engine: LocalEngine) -> Session:
    return Session(database.settings, database.connection, engine, database.details)


def plan(folder: Path, version: int = 1) -> ModelPlan:
    (folder / "model.yaml").write_text(MODEL.replace("version: 1", f"version: {version}"))
    (folder / "products.csv").write_text("product,category\n")
    model = load_model(folder / "model.yaml", {})
    return plan_model(model, "default", model.files)


def delivery(session: Session, plan: ModelPlan, kind: str, content: str = "c1", products: str = "p1") -> Delivery:
    attached: Any = {"products": SimpleNamespace(content_hash=products)}
    return find_delivery(session, plan, kind, content, attached)


def take_in(session: Session, delivered: Delivery, quarantined: int) -> None:
    result = json.dumps({"rows": 2, "quarantined": quarantined, "originals": delivered.originals})
    session.connection.execute(
        "INSERT INTO platform.task (tenant, task_id, name, state, shards, result) VALUES (%s, %s, '', 'done', 1, %s)",
        (session.tenant, delivered.identity, result),
    )


def originals_arrive(session: Session, plan: ModelPlan, accepted: int) -> None:
    session.connection.execute(
        "INSERT INTO platform.batch (tenant, batch_no, model, model_version, kind, source_file, source_shard,"
        " content_hash, rows_read, accepted, duplicates, conflicts, quarantined)"
        " SELECT %s, coalesce(max(batch_no), 0) + 1, %s, '', 'sale', 'sales.csv', 0, %s, %s, %s, 0, 0, 0"
        " FROM platform.batch",
        (session.tenant, plan.model.name, f"sales {accepted}", accepted, accepted),
    )


def test_other_content_another_version_or_another_table_is_another_delivery(session: Session, tmp_path: Path) -> None:
    first, changed = plan(tmp_path), plan(tmp_path, version=2)
    deliveries = [
        delivery(session, first, "sale"),
        delivery(session, first, "sale", content="c2"),
        delivery(session, first, "sale", products="p2"),
        delivery(session, first, "refund"),
        delivery(session, changed, "sale"),
    ]
    assert len({one.identity for one in deliveries}) == 5
    assert delivery(session, first, "sale") == deliveries[0]
    assert delivery(session, first, "refund", products="p2") == deliveries[3], "refunds look nothing up"


def test_what_was_taken_in_before_is_known(session: Session, tmp_path: Path) -> None:
    shop = plan(tmp_path)
    take_in(session, delivery(session, shop, "sale"), quarantined=1)
    again = delivery(session, shop, "sale")
    assert again.result is not None and again.result["rows"] == 2


def test_refunds_set_aside_get_another_look_when_originals_came(session: Session, tmp_path: Path) -> None:
    shop = plan(tmp_path)
    first = delivery(session, shop, "refund")
    take_in(session, first, quarantined=1)
    assert delivery(session, shop, "refund").result is not None, "nothing came in between"
    originals_arrive(session, shop, accepted=3)
    second = delivery(session, shop, "refund")
    assert second.result is None and second.originals == 3 and second.identity != first.identity
    take_in(session, second, quarantined=0)
    originals_arrive(session, shop, accepted=1)
    third = delivery(session, shop, "refund")
    assert third.originals == 4 and third.result is None


def test_refunds_that_were_all_accepted_need_no_other_look(session: Session, tmp_path: Path) -> None:
    shop = plan(tmp_path)
    take_in(session, delivery(session, shop, "refund"), quarantined=0)
    originals_arrive(session, shop, accepted=3)
    assert delivery(session, shop, "refund").result is not None


def test_the_last_kind_of_a_file_says_which_rows_nobody_took(tmp_path: Path) -> None:
    shop = plan(tmp_path)
    items = (Assigned("sale", tmp_path / "a.csv"), Assigned("refund", tmp_path / "a.csv"))
    inputs = Inputs(items, {}, ())
    assert kinds_beside(shop, items[0], inputs) == []
    assert kinds_beside(shop, items[1], inputs) == ["sale"]
