"""What a model's kept versions declare, as tables beside the stored ones, restated from their text.

`declared.version`: model_version. `declared.per_share`: model_version, charge, base, bearer_is (debtor or creditor):
which charges are per share of which. `declared.invoiced`: model_version, role, chosen: whose statements are invoiced,
and whether with some charges only. `declared.tax`: model_version, role, charge, rate (of 100,000,000), included,
rounding: those charges. `declared.charge_group`: model_version, role, charge, charge_group: which charges stand on
statements of their own.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import yaml

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection

_TEXT = pa.string()
_TABLES = {
    "version": pa.schema([("model_version", _TEXT)]),
    "per_share": pa.schema([("model_version", _TEXT), ("charge", _TEXT), ("base", _TEXT), ("bearer_is", _TEXT)]),
    "invoiced": pa.schema([("model_version", _TEXT), ("role", _TEXT), ("chosen", pa.bool_())]),
    "charge_group": pa.schema(
        [("model_version", _TEXT), ("role", _TEXT), ("charge", _TEXT), ("charge_group", _TEXT)]
    ),
    "tax": pa.schema(
        [
            ("model_version", _TEXT), ("role", _TEXT), ("charge", _TEXT), ("rate", pa.int64()),
            ("included", pa.bool_()), ("rounding", _TEXT),
        ]
    ),
}  # fmt: skip
#: In 100,000,000ths.
_RATES = range(10**9 + 1)
#: How a model writes that something is not so.
_NO = frozenset({"no", "n", "false", "f", "off", "0"})


@contextmanager
def declared_tables(connection: Connection, engine: LocalEngine, tenant: str, model: str) -> Iterator[None]:
    """Within it, the engine has the tables above."""
    kept = connection.execute(
        "SELECT model_version, source FROM platform.model_version WHERE tenant = %s AND model = %s ORDER BY 1",
        (tenant, model),
    ).fetchall()
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _TABLES}
    for version, source in kept:
        for name, told in _declared(source).items():
            rows[name] += [{"model_version": version, **row} for row in told]
    duck = engine.connection
    duck.execute("CREATE SCHEMA IF NOT EXISTS declared")
    try:
        for name, columns in _TABLES.items():
            duck.register("told", pa.Table.from_pylist(rows[name], columns))
            duck.execute(f"CREATE OR REPLACE TABLE declared.{name} AS FROM told")
            duck.unregister("told")
        yield
    finally:
        duck.execute("DROP SCHEMA declared CASCADE")


def _declared(source: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of one version by table. An altered text says nothing: its seal tells."""
    try:
        document: Any = yaml.load(source, Loader=yaml.CBaseLoader)  # CBaseLoader makes strings only
    except yaml.YAMLError:
        document = {}
    invoices = {
        role: told["invoice"] for role, told in _of(document, "statements").items()
        if isinstance(told, dict) and isinstance(told.get("invoice"), dict)
    }  # fmt: skip
    return {
        "version": [{}],
        "per_share": _per_share(_of(document, "charges")),
        "invoiced": [{"role": role, "chosen": bool(_of(told, "charges"))} for role, told in invoices.items()],
        "charge_group": [
            {"role": role, "charge": str(charge), "charge_group": group}
            for role, told in _of(document, "statements").items()
            for group, charges in _of(told, "charge_groups").items() if isinstance(charges, list)
            for charge in charges
        ],
        "tax": [
            {"role": role, "charge": charge, **_tax(tax)}
            for role, told in invoices.items() for charge, tax in _of(told, "charges").items()
            if isinstance(tax, dict)
        ],
    }  # fmt: skip


def _of(told: Any, key: str) -> Mapping[str, Any]:
    found = told.get(key) if isinstance(told, dict) else None
    return found if isinstance(found, dict) else {}


def _tax(told: Mapping[str, Any]) -> dict[str, Any]:
    try:
        rate: int | None = int(Decimal(str(told.get("rate"))) * 100_000_000)
    except (InvalidOperation, ValueError, OverflowError):
        rate = None  # an altered text
    included = str(told.get("included", "yes")).lower() not in _NO
    return {
        "rate": rate if rate in _RATES else None,
        "included": included,
        "rounding": str(told.get("round", "half_up")),
    }


def _per_share(charges: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "charge": name,
            "base": str(told["per_share_of"]),
            "bearer_is": "debtor" if told.get("debtor") == "bearer" else "creditor",
        }
        for name, told in charges.items()
        if isinstance(told, dict) and "per_share_of" in told
    ]
