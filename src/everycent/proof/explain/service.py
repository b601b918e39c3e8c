"""Walks any cent back: instruction → statement → obligation → charge → record → source row."""

from collections.abc import Sequence

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.proof.explain.contract import Explanation, NothingFound, SeveralFound
from everycent.proof.explain.core.asked import Asked, readings
from everycent.proof.explain.profit_shares import shares_explained, shares_of
from everycent.proof.explain.receipts import one_of, paid_by_line, receipt_explained, receipt_of, receipts_named
from everycent.proof.explain.records import record_explained
from everycent.proof.explain.replay import replay
from everycent.proof.explain.statements import instruction_explained, non_order_explained, statement_explained
from everycent.proof.explain.store import Finder, Row

__all__ = ["explain", "replay"]


def explain(
    connection: Connection, details: Details, engine: LocalEngine, tenant: str, id_text: str, model: str | None = None
) -> Explanation:
    """Explains a record (`A1/1`, `item_sold:A1/1` or its uuid), its charge (`…/commission`), one bearer's obligation
    (`…/coupon/0`), a statement, an instruction or money that came in, by its id; that also by the bank's reference of
    its line, which may have paid an instruction as it is. `model` names the model whose record is meant, where
    several have one of that name. Raises NothingFound, SeveralFound.
    """
    text = id_text.strip()
    finder = Finder(connection, details, engine, tenant)
    statement = finder.statement(text)
    if statement is not None:
        return statement_explained(finder, statement)
    asked = readings(text)
    if asked[0].record_id is not None:
        instruction = finder.instruction(asked[0].record_id)
        if instruction is not None:
            return instruction_explained(finder, instruction)
        charge = finder.non_order_charge(asked[0].record_id)
        if charge is not None:
            return non_order_explained(finder, charge)
        receipt = receipt_of(finder, asked[0].record_id)
        if receipt is not None:
            return receipt_explained(finder, receipt)
    models = [model] if model is not None else finder.models()
    for reading in asked:
        found = _records(finder, models, reading)
        if len(found) > 1:
            raise SeveralFound(_several(text, found))
        if found:
            ((of_model, record),) = found
            explained = record_explained(finder, of_model, record, reading.charge, reading.bearer)
            if explained is not None:
                return explained
    explained = _line(finder, text)
    if explained is None:
        raise _nothing(finder, text)
    return explained


def _line(finder: Finder, text: str) -> Explanation | None:
    """Money that came in, by the line of a bank's file in which it is told; shares of a payment, by its number."""
    shares = shares_of(finder, text)
    if shares:
        return shares_explained(finder, text, shares)
    receipt = one_of(text, receipts_named(finder, text))
    if receipt is not None:
        return receipt_explained(finder, receipt)
    paid = [row for key in paid_by_line(finder, text) if (row := finder.instruction(key)) is not None]
    return instruction_explained(finder, paid[0]) if len(paid) == 1 else None


def _records(finder: Finder, models: Sequence[str], asked: Asked) -> list[tuple[str, Row]]:
    column, value = ("key", asked.key) if asked.record_id is None else ("record_id", asked.record_id)
    assert value is not None, "a reading names a record"
    return [
        (model, row)
        for model in models
        for row in finder.records(model, column, [value])
        if asked.kind in (None, row["kind"])
    ]


def _several(text: str, found: Sequence[tuple[str, Row]]) -> str:
    names = ", ".join(f"{row['kind']}:{row['key']} ({row['record_id']}, model {model})" for model, row in found)
    ways = ["as kind:key"] if len({row["kind"] for _, row in found}) > 1 else []
    ways += ["with --model"] if len({model for model, _ in found}) > 1 else []
    way = f"{' and '.join(ways)}, or by its uuid" if ways else "by its uuid"
    return f"'{text}' names {len(found)} records: {names}; ask for one {way}"


def _nothing(finder: Finder, text: str) -> NothingFound:
    near = finder.nearest(text)
    advice = (
        f"; nearest are {', '.join(near)}" if near else "; give an id out of a file of --out, or KIND:key of a record"
    )
    if not finder.models():
        advice = "; nothing is stored yet, run a model first"
    return NothingFound(f"nothing is stored by the name '{text}'{advice}")
