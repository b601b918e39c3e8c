"""The platform's own tables, by name: from records to instructions, what each pays, and the ledger's transfers."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from everycent.base.engine.declaration import Declaration, Name
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.tables import TableSchema
from everycent.base.platform.bulk import copy_parts
from everycent.base.platform.database import connect
from everycent.base.platform.details import Details
from everycent.base.platform.settings import Settings
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.intake.contract import RECORD, RawRows
from everycent.flow.ledger.contract import TRANSFER
from everycent.flow.payments.contract import INSTRUCTED_STATEMENT, INSTRUCTION
from everycent.flow.rating.contract import CHARGE
from everycent.flow.settlement.contract import STATEMENT
from everycent.proof.recon.chain import Keys, LinkFailed, Surroundings
from everycent.proof.recon.loaders.numbering import numbered

#: What no order causes: its columns are those of its table.
_NON_ORDER = TableSchema(
    name="non_order.charge",
    columns=pa.schema(
        [
            (name, pa.string())
            for name in (
                "charge_id", "source", "reference", "kind", "account", "party_id", "role", "legal_entity", "direction",
                "settled_by", "amount_minor", "currency", "occurred_on", "reason", "state", "booked_on",
            )
        ]
    ),
    key=("charge_id",),
)  # fmt: skip
_DETAILS = {"records": RECORD, "charges": CHARGE, "obligations": OBLIGATION}
_DECIDED = {
    "statements": STATEMENT,
    "non_order_charges": _NON_ORDER,
    "instructed_statements": INSTRUCTED_STATEMENT,
    "instructions": INSTRUCTION,
    "transfers": TRANSFER,
}
#: Of a transfer: the instruction that caused it.
_INSTRUCTION = "substring(cause FROM '^(?:instruction|payment) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})')"
#: Of a transfer: the part of a share that caused it.
_SHARE = "substring(transfer.cause FROM '^share ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})')::uuid"
_OF_SHARE = f"""FROM payments.share_entry AS entry JOIN payments.share USING (tenant, model, share_id)
    WHERE entry.tenant = transfer.tenant AND entry.model = transfer.model AND entry.entry_id = {_SHARE}"""
#: Of what an instruction pays: what it is, by where its id is found.
_SETTLES = "CASE {} END".format(
    " ".join(
        f"""WHEN EXISTS (SELECT FROM {table} AS found WHERE found.tenant = instruction_statement.tenant AND found.model
            = instruction_statement.model AND found.{key}::text = instruction_statement.statement_id) THEN '{what}'"""
        for what, table, key in (
            ("statement", "settlement.statement", "statement_id"),
            ("charge", "non_order.charge", "charge_id"),
            ("share", "payments.share_entry", "entry_id"),
            ("pay back", "payments.pay_back", "pay_back_id"),
        )
    )
)
_OF_INSTRUCTION = f"""FROM payments.instruction WHERE instruction.tenant = transfer.tenant
    AND instruction.model = transfer.model AND instruction.instruction_id = {_INSTRUCTION}::uuid"""
#: What the tables say besides, by SQL: since when a statement may be paid, is paid, is held back by a person; the
#: reference that a bank's file or a wallet's order carries, and which instruction or share it belongs to; by which
#: channel and in which file that one went; what an instruction pays.
_BESIDES = {
    "statements": {name: f"{name}::text" for name in ("released_as_of", "settled_as_of", "parked_as_of")},
    "instructed_statements": {"settles": _SETTLES},
    "instructions": {"end_to_end_id": "replace(instruction_id::text, '-', '')"},
    "transfers": {
        "end_to_end_id": f"replace(coalesce({_INSTRUCTION}, (SELECT entry.share_id::text {_OF_SHARE})), '-', '')",
        "channel": f"coalesce((SELECT instruction.channel {_OF_INSTRUCTION}), (SELECT share.channel {_OF_SHARE}))",
        "file": f"(SELECT instruction.file {_OF_INSTRUCTION})",
    },
}
_MEMORY_MB = 256


class EverycentWords(Declaration):
    """A table of a model's. Money in it is in minor units: declare its columns with `unit: minor`. Instructions, and
    transfers that an instruction or a share of a customer's payment caused, have a column `end_to_end_id` besides: the
    reference in the bank's file, or the wallet's order; such transfers have its `channel` and `file`, too. What
    instructions pay has `settles`: statement, charge, share or pay back."""

    table: Literal[
        "records", "charges", "obligations", "statements", "non_order_charges", "instructed_statements",
        "instructions", "transfers",
    ] = Field(description="which table", examples=["charges"])  # fmt: skip
    model: Name = Field(description="whose", examples=["harbour-market"])
    kind: Name | None = Field(default=None, description="of records: the kind", examples=["payment_received"])

    @model_validator(mode="after")
    def _kind_of_records(self) -> Self:
        if (self.table == "records") != (self.kind is not None):
            raise ValueError("'kind' is said of records, and must be; leave it out with every other table")
        return self


class Everycent:
    """The loader `everycent`. A record's columns are those of its body, and its place is where it came from."""

    name = "everycent"
    words = EverycentWords
    drivable = False

    def load(self, words: EverycentWords, around: Surroundings, keys: Keys | None) -> Iterator[RawRows]:
        """The rows by their keys' order. Raises LinkFailed."""
        assert keys is None, "own tables are read whole"
        if around.settings is None:
            raise LinkFailed("loader 'everycent': there is no database to read; it is for `everycent recon run`")
        schema = _DETAILS.get(words.table) or _DECIDED[words.table]
        if words.table in _DECIDED:
            yield from _decided(schema, _BESIDES.get(words.table, {}), words.model, around.settings)
        else:
            yield from _detail(schema, words, around, around.settings)


def _decided(schema: TableSchema, besides: Mapping[str, str], model: str, settings: Settings) -> Iterator[RawRows]:
    found = {**{name: f"{identifier(name)}::text" for name in schema.columns.names}, **besides}
    columns = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in found.items())
    order = ", ".join(f'{identifier(name)}::text COLLATE "C"' for name in schema.key)
    texts = pa.schema([(name, pa.string()) for name in found])
    query = f"""SELECT {columns} FROM {schema.name}
        WHERE tenant = {literal(settings.tenant)} AND model = {literal(model)} ORDER BY {order}"""
    with connect(settings) as connection, closing(copy_parts(connection, query, texts)) as parts:
        yield from numbered(parts, list(found), schema.name)


def _detail(schema: TableSchema, words: EverycentWords, around: Surroundings, settings: Settings) -> Iterator[RawRows]:
    with (
        connect(settings) as connection,
        LocalEngine(1, min(settings.memory_mb, _MEMORY_MB), around.temp_dir / "own") as engine,
    ):
        details = Details(connection, settings.lake_dir, settings.tenant, settings.lake_from_rows)
        body = pa.string() if schema.body is not None else None
        details.attach(engine, "own", schema, words.model, kind=words.kind, body_type=body)
        rows = engine.ordered(f"SELECT {_texts(schema, engine)} FROM own{_of_kind(words)}", schema.key)
        parts = (pa.Table.from_batches([batch]) for batch in rows)
        yield from numbered(parts, schema.columns.names, schema.name)


def _texts(schema: TableSchema, engine: LocalEngine) -> str:
    """The columns as texts; instead of a body the fields that any row's has."""
    columns = [f"{identifier(name)}::VARCHAR AS {identifier(name)}" for name in schema.columns.names]
    if schema.body is None:
        return ", ".join(columns)
    found = engine.query("SELECT DISTINCT unnest(json_keys(body)) AS name FROM own ORDER BY name")["name"].to_pylist()
    fields = [f"body ->> {literal(name)} AS {identifier(name)}" for name in found if name not in schema.columns.names]
    return ", ".join([*(column for column in columns if not column.startswith(identifier(schema.body))), *fields])


def _of_kind(words: EverycentWords) -> str:
    return "" if words.kind is None else f" WHERE kind = {literal(words.kind)}"


LOADER = Everycent()
