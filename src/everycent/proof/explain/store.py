"""All reading of explain: detail rows of both tiers, decided rows, and the models' own text."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.tables import Corrections, TableSchema
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details, Part
from everycent.base.platform.generations import generations
from everycent.flow.clearing.contract import OBLIGATION, SEQUENCED_RECORD, WAITING_CHARGE
from everycent.flow.intake.contract import QUARANTINE, RECORD
from everycent.flow.rating.contract import CHARGE, HELD, RETRY, RETRY_SNAPSHOT, RUNNING, SNAPSHOT
from everycent.proof.explain.core.model_text import ModelText

Row = dict[str, Any]
_NEAREST = 3
#: What became of sides of statements; of those that were opened again, with what was to pay them before.
_SIDES = """(SELECT tenant, model, statement_id, side, amount_minor, outcome, instruction_id, as_of
    FROM payments.instruction_statement UNION ALL
    SELECT tenant, model, statement_id, side, amount_minor, 'reopened', instruction_id, as_of
    FROM payments.reopened_statement)"""


class Finder:
    """Finds rows of one tenant; `model` names the model asked about."""

    def __init__(self, connection: Connection, details: Details, engine: LocalEngine, tenant: str) -> None:
        self.connection = connection
        self.details = details
        self.engine = engine
        self.tenant = tenant
        self._models: dict[tuple[str, int], ModelText] = {}

    def models(self) -> list[str]:
        """Every model with a batch or a statement."""
        return [
            row["model"] for row in self._query("SELECT DISTINCT model FROM platform.batch WHERE {tenant} ORDER BY 1")
        ]

    def scenario_files(self) -> list[str]:
        """What has reconciliations and no batch: files of scenarios."""
        return [
            row["model"]
            for row in self._query(
                """SELECT DISTINCT model FROM recon.run WHERE {tenant} AND model NOT IN (
                SELECT b.model FROM platform.batch b WHERE b.tenant = run.tenant) ORDER BY 1"""
            )
        ]

    def model_text(self, model: str, batch_no: int) -> ModelText:
        """The text of the model version that computed a batch; an empty one where it is not stored."""
        at = (model, batch_no)
        if at not in self._models:
            found = self._query(
                """SELECT source, decision_tables FROM platform.model_version
                JOIN platform.batch USING (tenant, model, model_version)
                WHERE {tenant} AND model = %(model)s AND batch_no = %(batch_no)s""",
                model=model,
                batch_no=batch_no,
            )
            self._models[at] = ModelText(found[0]["source"], found[0]["decision_tables"]) if found else ModelText("")
        return self._models[at]

    def calendar(self, model: str) -> BusinessCalendar:
        """The calendar of the model's newest stored version; UTC where none is stored."""
        found = self._query(
            """SELECT source FROM platform.model_version WHERE {tenant} AND model = %(model)s
            ORDER BY recorded_at DESC LIMIT 1""",
            model=model,
        )
        return ModelText(found[0]["source"] if found else "").calendar()

    def batch(self, batch_no: int) -> Row:
        """A batch's row."""
        return self._query("SELECT * FROM platform.batch WHERE {tenant} AND batch_no = %(n)s", n=batch_no)[0]

    def records(self, model: str, column: str, values: Sequence[str | UUID]) -> list[Row]:
        """Records by record_id, key or refund_of, with `body` as a dict and `batch_no`."""
        return self._details(RECORD, model, column, values)

    def rows_of(self, schema: TableSchema, model: str, column: str, values: Sequence[str | UUID]) -> list[Row]:
        """Rows of a detail table whose `column` is among the values; of those in strict order, the ones that stand."""
        return self._details(schema, model, column, values)

    def records_holding(self, model: str, text: str, most: int) -> list[Row]:
        """The earliest records whose key is the text, or begins with it as a part, or that have it in a column."""
        path = f"$.* ? (@ == {json.dumps(text)})"
        key = f"key = {literal(text)} OR key LIKE {_begins(text)}"
        order = f"ORDER BY occurred_at, record_id LIMIT {most}"
        rows = self._hot(RECORD, model, f"({key} OR body @? {literal(path)}::jsonpath) {order}")
        begins = f"key = {literal(text)} OR starts_with(key, {literal(f'{text}/')})"
        within = f"list_contains(json_extract_string(to_json(body), '$.*'), {literal(text)})"
        rows += self._lake(RECORD, model, f"({begins} OR {within}) {order}")
        return sorted(rows, key=lambda row: (row["occurred_at"], str(row["record_id"])))[:most]

    def set_aside(self, model: str, text: str) -> list[Row]:
        """Rows that intake did not accept, whose key is the text or begins with it as a part."""
        rows = self._hot(QUARANTINE, model, f"(key = {literal(text)} OR key LIKE {_begins(text)})")
        rows += self._lake(QUARANTINE, model, f"(key = {literal(text)} OR starts_with(key, {literal(f'{text}/')}))")
        return sorted(rows, key=lambda row: (row["batch_no"], row["source_file"], row["source_line"], row["outcome"]))

    def query(self, query: str, **values: object) -> list[Row]:
        """Rows of decided tables; `{tenant}` in the query stands for its condition, `{sides}` for what became of sides
        of statements, those that were opened again among them."""
        return self._query(query, **values)

    def charges(self, model: str, record_id: UUID) -> list[Row]:
        """A record's charges; those that were corrected as the newest correction made them."""
        newest = {row["charge"]: row for row in self.corrections(model, record_id)}
        rows = {row["charge"]: row for row in self._details(CHARGE, model, "record_id", [record_id])}
        return [row for _, row in sorted((rows | newest).items())]

    def corrections(self, model: str, record_id: UUID) -> list[Row]:
        """What corrections made of a record's charges, in their order; those that stand."""
        found = self._standing(CHARGE.corrected, model, "record_id", [record_id])
        return sorted(found, key=lambda row: (row["charge"], row["revision"]))

    def before_corrections(self, model: str, record_id: UUID) -> list[Row]:
        """A record's charges as they were before any correction that stands."""
        return self._details(CHARGE, model, "record_id", [record_id])

    def held(self, model: str, record_id: UUID) -> list[Row]:
        """A record's held charges."""
        return self._details(HELD, model, "record_id", [record_id])

    def retries(self, model: str, record_id: UUID) -> list[Row]:
        """What became of a record's held charges when they were rated again, charge by charge, in order."""
        rows = self._details(RETRY, model, "record_id", [record_id])
        return sorted(rows, key=lambda row: (row["charge"], row["attempt"]))

    def snapshots(self, model: str, record_id: UUID) -> list[Row]:
        """The factor values that a record's charges were computed from, `body` and `batch_no`, the earliest first."""
        found = [
            row
            for schema in (SNAPSHOT, RETRY_SNAPSHOT)
            for row in self._details(schema, model, "record_id", [record_id])
        ]
        return sorted(found, key=lambda row: int(row["batch_no"]))

    def batch_source(self, model: str, batch_no: int) -> Row:
        """What a batch's factors were read from: `tables` (name -> SHA-256) and `gathering`; nothing where not kept."""
        found = self._query(
            """SELECT tables, gathering FROM rating.batch_source
            WHERE {tenant} AND model = %(model)s AND batch_no = %(n)s""",
            model=model,
            n=batch_no,
        )
        return found[0] if found else {"tables": {}, "gathering": None}

    def fetched(self, model: str, gathering: str, factor: str, key: Sequence[Any]) -> Row | None:
        """What was looked up outside for a batch by a key: source, value, why, fetched_at."""
        found = self._query(
            """SELECT source, value, why, fetched_at FROM rating.fetched WHERE {tenant} AND model = %(model)s
            AND gathering = %(gathering)s AND factor = %(factor)s AND key = %(key)s::jsonb""",
            model=model,
            gathering=gathering,
            factor=factor,
            key=json.dumps(list(key)),
        )
        return found[0] if found else None

    def obligations(self, model: str, record_id: UUID) -> list[Row]:
        """A record's obligations; those of corrections, which have `revision` and `reverses`, among them."""
        found = self._details(OBLIGATION, model, "record_id", [record_id])
        return sorted(
            found,
            key=lambda row: (
                *(row["charge"], row["bearer"], row.get("revision", 0), not row.get("reverses")),
                *(row["booked_on"], row["debtor"], row["creditor"]),
            ),
        )

    def number(self, model: str, record_id: UUID) -> Row | None:
        """The number that a record was cleared under in strict order, with its `batch_no`; None where it has none."""
        found = self._standing(SEQUENCED_RECORD, model, "record_id", [record_id])
        return found[0] if found else None

    def moved(self, model: str, record_id: UUID) -> list[Row]:
        """What a record moved of running totals and stocks in its turn."""
        return self._standing(RUNNING, model, "record_id", [record_id])

    def in_pots(self, model: str, record_id: UUID) -> list[Row]:
        """A record's obligations that were cleared in strict order, with the totals of their pots."""
        return self._standing(OBLIGATION.ordered, model, "record_id", [record_id])

    def waiting(self, model: str, record_id: UUID) -> list[Row]:
        """A record's charges that were rated and waited, or wait, for their turn."""
        return self._details(WAITING_CHARGE, model, "record_id", [record_id])

    def obligations_on(self, model: str, statement_id: str) -> list[Row]:
        """The obligations on a statement, signed for its party: `due_minor` above 0 is owed to it."""
        found: list[Row] = []
        for column, sign in (("creditor_statement", 1), ("debtor_statement", -1)):
            rows = self._details(OBLIGATION, model, column, [statement_id])
            found += [row | {"due_minor": sign * row["amount_minor"]} for row in rows]
        return found

    def statement(self, statement_id: str) -> Row | None:
        """A statement by its id; its model is in it."""
        found = self._query(
            "SELECT * FROM settlement.statement WHERE {tenant} AND statement_id = %(id)s", id=statement_id
        )
        return found[0] if found else None

    def instruction(self, instruction_id: UUID) -> Row | None:
        """An instruction by its id."""
        found = self._query(
            "SELECT * FROM payments.instruction WHERE {tenant} AND instruction_id = %(id)s", id=instruction_id
        )
        return found[0] if found else None

    def sides_of_statement(self, model: str, statement_id: str) -> list[Row]:
        """What became of a statement's sides, with the instruction where there is one."""
        return self._query(
            """SELECT s.side, s.amount_minor AS side_minor, s.outcome, s.as_of AS outcome_as_of, i.*
            FROM {sides} s LEFT JOIN payments.instruction i USING (tenant, model, instruction_id)
            WHERE {tenant} AND model = %(model)s AND statement_id = %(id)s ORDER BY side, s.as_of, instruction_id""",
            model=model,
            id=statement_id,
        )

    def lines_of_statement(self, model: str, statement_id: str) -> list[Row]:
        """What stands on a statement beside its obligations."""
        return self._query(
            """SELECT * FROM settlement.statement_line
            WHERE {tenant} AND model = %(model)s AND statement_id = %(id)s
            ORDER BY as_of, kind, other_statement COLLATE "C", line_id""",
            model=model,
            id=statement_id,
        )

    def statements_of_instruction(self, model: str, instruction_id: UUID) -> list[Row]:
        """The statements that an instruction pays."""
        return self._query(
            """SELECT t.*, s.side, s.amount_minor AS side_minor FROM {sides} s
            JOIN settlement.statement t USING (tenant, model, statement_id)
            WHERE {tenant} AND model = %(model)s AND instruction_id = %(id)s ORDER BY statement_id, side""",
            model=model,
            id=instruction_id,
        )

    def non_order_charge(self, charge_id: UUID) -> Row | None:
        """A charge that no order causes, by its id."""
        found = self._query("SELECT * FROM non_order.charge WHERE {tenant} AND charge_id = %(id)s", id=charge_id)
        return found[0] if found else None

    def charges_of_instruction(self, model: str, instruction_id: UUID) -> list[Row]:
        """The non-order charges that an instruction settles."""
        return self._query(
            """SELECT c.* FROM {sides} s
            JOIN non_order.charge c ON (c.tenant, c.model, c.charge_id::text) = (s.tenant, s.model, s.statement_id)
            WHERE s.tenant = %(tenant)s AND s.model = %(model)s AND s.instruction_id = %(id)s ORDER BY c.charge_id""",
            model=model,
            id=instruction_id,
        )

    def nearest(self, text: str) -> list[str]:
        """Names that look most like `text`: keys of records, statements."""
        selects = ["SELECT NULL::VARCHAR AS name, NULL::VARCHAR AS short WHERE false"]
        for at, model in enumerate(self.models()):
            self.details.attach(self.engine, f"explained_{at}", RECORD, model, columns=["kind", "key"])
            selects.append(f"SELECT kind || ':' || key, key FROM explained_{at}")
        statements = self._query("SELECT statement_id FROM settlement.statement WHERE {tenant}")
        listed = ", ".join(literal(row["statement_id"]) for row in statements)
        selects.append(f"SELECT id, id FROM (SELECT unnest([{listed}]::VARCHAR[]) AS id)")
        found = self.engine.query(
            f"""SELECT name FROM (SELECT DISTINCT name, greatest(jaro_winkler_similarity(name, {literal(text)}),
                jaro_winkler_similarity(short, {literal(text)})) AS likeness FROM ({" UNION ALL ".join(selects)}))
            WHERE likeness > 0 ORDER BY likeness DESC, name LIMIT {_NEAREST}"""
        )
        return [str(name) for name in found["name"].to_pylist()]

    def _query(self, query: str, **values: object) -> list[Row]:
        """As `query`."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(
                query.replace("{tenant}", "tenant = %(tenant)s").replace("{sides}", _SIDES),
                {"tenant": self.tenant, **values},
            ).fetchall()

    def _details(self, schema: TableSchema, model: str, column: str, values: Sequence[str | UUID]) -> list[Row]:
        """Rows of both tiers whose `column` is among `values`, ordered by the schema's key; of those that were made in
        strict order, the ones that stand."""
        if not values:
            return []
        condition = f"{identifier(column)} IN ({', '.join(literal(str(value)) for value in values)})"
        rows = self._hot(schema, model, condition) + self._lake(schema, model, condition)
        if schema.in_order is not None:
            rows += self._standing(schema.ordered, model, column, values)
            if schema.corrections is Corrections.ADD:
                rows += self._standing(schema.corrected, model, column, values)
        return sorted(rows, key=lambda row: tuple(str(row[name]) for name in schema.key))

    def _standing(self, schema: TableSchema, model: str, column: str, values: Sequence[str | UUID]) -> list[Row]:
        """Rows made in strict order that are of an effective generation, and not replaced by a later one."""
        later = [each for each in generations(self.connection, self.tenant, model) if each.state == "effective"]
        known = {0, *(each.number for each in later)}
        return [
            row
            for row in self._details(schema, model, column, values)
            if row["generation"] in known
            and not any(each.number > row["generation"] and each.starts_at <= row["sequence_no"] for each in later)
        ]

    def _hot(self, schema: TableSchema, model: str, condition: str) -> list[Row]:
        context, _, table = schema.name.partition(".")
        columns = ", ".join(
            identifier(name) + ("::text" if name == schema.body else "") for name in schema.columns.names
        )
        rows = self._query(
            f"""SELECT {columns.replace("%", "%%")}, batch_no FROM {identifier(context)}.{identifier(table)}
            WHERE {{tenant}} AND model = %(model)s AND {condition.replace("%", "%%")}""",
            model=model,
        )
        return [_with_body(schema, row) for row in rows]

    def _lake(self, schema: TableSchema, model: str, condition: str) -> list[Row]:
        shapes: dict[tuple[str, str], list[Part]] = {}
        for part in self.details.parts(schema, model):
            if part.path is not None:
                shapes.setdefault(part.shape if schema.body else ("", ""), []).append(part)
        return [row for parts in shapes.values() for row in self._lake_rows(schema, parts, condition)]

    def _lake_rows(self, schema: TableSchema, parts: list[Part], condition: str) -> list[Row]:
        columns = ", ".join(
            f"to_json({identifier(name)})::VARCHAR AS {identifier(name)}" if name == schema.body else identifier(name)
            for name in schema.columns.names
        )
        paths = ", ".join(literal(str(self.details.file_of(part))) for part in parts)
        numbers = ", ".join(str(part.batch_no) for part in parts)
        found = self.engine.query(
            f"""SELECT {columns}, ([{numbers}]::BIGINT[])[file_index::BIGINT + 1] AS batch_no
            FROM read_parquet([{paths}]) WHERE {condition}"""
        )
        return [_with_body(schema, row) for row in found.to_pylist()]


def _begins(text: str) -> str:
    """The pattern of a key that has the text as its first part."""
    like = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return literal(f"{like}/%")


def _with_body(schema: TableSchema, row: Row) -> Row:
    """The body as a dict; its decimals exact."""
    if schema.body is None:
        return row
    return row | {schema.body: json.loads(row[schema.body], parse_float=Decimal)}
