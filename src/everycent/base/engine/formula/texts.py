"""The rules of texts and of moments: dates and timestamps."""

import re
from collections.abc import Mapping
from datetime import date, datetime

from sqlglot import exp

from everycent.base.engine.formula import kinds
from everycent.base.engine.formula.reader import Reader
from everycent.base.engine.formula.tree import Call, Constant, Node
from everycent.base.engine.sql import literal

PARTS: Mapping[type[exp.Expr], str] = {exp.Year: "year", exp.Month: "month", exp.Day: "day", exp.Hour: "hour"}
TEXTS: Mapping[type[exp.Expr], str] = {exp.Lower: "lower", exp.Upper: "upper", exp.Trim: "trim"}


class Texts(Reader):
    """Reads what gives a text, a date or a timestamp, or a part of one."""

    def text_call(self, node: exp.Expr) -> Node:
        return Call("text", f"{TEXTS[type(node)]}({{0}})", (self.need(node.this, "text"),))

    def length(self, node: exp.Expr) -> Node:
        return Call("integer", "length({0})", (self.need(node.this, "text"),))

    def substring(self, node: exp.Expr) -> Node:
        parts = [self.need(node.this, "text"), self.need(node.args["start"], "integer")]
        if node.args.get("length"):
            parts.append(self.need(node.args["length"], "integer"))
        template = "substr({0}, {1}, {2})" if len(parts) == 3 else "substr({0}, {1})"
        return Call("text", template, tuple(parts), can_fail=True)

    def starts_with(self, node: exp.Expr) -> Node:
        return Call(
            "boolean", "starts_with({0}, {1})", (self.need(node.this, "text"), self.need(node.expression, "text"))
        )

    def concat(self, node: exp.Expr) -> Node:
        if isinstance(node, exp.Concat) and not node.args.get("safe"):
            raise self.refuse(node, "two texts side by side: an operator or a comma is missing between them")
        items = node.expressions if isinstance(node, exp.Concat) else [node.this, node.expression]
        trees = tuple(self.need(item, "text") for item in items)
        return Call("text", f"({' || '.join(f'{{{at}}}' for at in range(len(trees)))})", trees)

    def part(self, node: exp.Expr) -> Node:
        return Call("integer", f"{PARTS[type(node)]}({{0}})", (self.need(node.this, "timestamp", "date"),))

    def date_of(self, node: exp.Expr) -> Node:
        moment = self.need(node.this, "timestamp", "date")
        return moment if moment.kind == "date" else Call("date", "CAST({0} AS DATE)", (moment,))

    def cast(self, node: exp.Expr) -> Node:
        to = node.args["to"].sql("duckdb").lower()
        if isinstance(node.this, exp.Literal) and node.this.args.get("is_string") and to in ("date", "timestamp"):
            return self._moment(node, node.this.this, to)
        value = self.read(node.this)
        if (sql := kinds.exact_cast(value.kind, to)) is None:
            raise self.refuse(node, f"{value.kind} has no exact cast to {to}; {kinds.CASTS}")
        return value if sql.kind == value.kind else Call(sql.kind, sql.template, (value,), can_fail=True)

    def _moment(self, node: exp.Expr, text: str, kind: str) -> Node:
        shape = r"\d{4}-\d\d-\d\d" if kind == "date" else r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
        try:
            if not re.fullmatch(shape, text):
                raise ValueError
            if kind == "date":
                return Constant("date", f"DATE {literal(date.fromisoformat(text).isoformat())}")
            moment = datetime.fromisoformat(text).isoformat(sep=" ")
            return Constant("timestamp", f"TIMESTAMP {literal(moment)}")
        except ValueError:
            right = "date '2026-03-01'" if kind == "date" else "timestamp '2026-03-01 10:00:00'"
            raise self.refuse(node, f"there is no {kind} '{text}'; write for example {right}") from None
