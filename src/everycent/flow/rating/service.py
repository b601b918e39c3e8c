"""Gathers what factors need from outside, before a batch is rated, and keeps it with its source and time.

What was gathered for a batch is gathered once: a run that goes on after a break rates with the same values. A look-up
that fails gives no value, and so parks what needs it; it stops nothing.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import cast

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.types import ColumnType
from everycent.base.platform.database import Connection
from everycent.base.platform.lookups.answers import Answer, Key, LookUp, failed
from everycent.base.platform.lookups.rest import RestLookUp
from everycent.base.platform.lookups.sql import SqlLookUp
from everycent.flow.rating import store
from everycent.flow.rating.contract import FactorSpec
from everycent.flow.rating.core.fetched import canonical, fetched_lookups, fetched_table, keys_wanted
from everycent.flow.rating.core.plan import Lookup, RatingPlan


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Gatherer:
    """Looks factors up outside for one model's batches. One is used for a whole run: it knows which sources fail.

    `environment` holds the addresses; `now` says when something was fetched.
    """

    connection: Connection
    tenant: str
    model: str
    factors: Mapping[str, FactorSpec]
    exponent: int
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now: Callable[[], datetime] = _utc_now
    _sources: dict[str, LookUp] = field(default_factory=dict, init=False)

    def gather(self, plan: RatingPlan, records: pa.Table, gathering: str, engine: LocalEngine) -> dict[str, pa.Table]:
        """The fetched tables that rating `records` (RECORD rows) takes; `gathering` names their batch by content."""
        found = {}
        for factor, lookup in fetched_lookups(plan).items():
            keys = cast(list[Key], keys_wanted(lookup, records, engine))
            found[lookup.table] = self._table(factor, lookup, keys, gathering)
        return found

    def _table(self, factor: str, lookup: Lookup, keys: list[Key], gathering: str) -> pa.Table:
        spec = self.factors[factor]
        kind = ColumnType.parse(spec.type or "", self.exponent)
        texts = {_json(key): key for key in keys}
        kept = store.gathered(self.connection, self.tenant, self.model, gathering, factor)
        known = {_normal(row.key): row for row in kept}
        missing = [text for text in texts if text not in known]
        if missing:
            known |= {_normal(row.key): row for row in self._fetched(factor, spec, kind, texts, missing, gathering)}
        rows = [(texts[text], known[text].value, known[text].why) for text in texts]
        return fetched_table(lookup, kind, cast(list[tuple[tuple[object, ...], str | None, str | None]], rows))

    def _fetched(
        self, factor: str, spec: FactorSpec, kind: ColumnType, texts: Mapping[str, Key], missing: list[str], name: str
    ) -> list[store.Fetched]:
        """Values used again where they are new enough, and the others asked for; all of them kept for this batch."""
        source, asked, keep = self._asked(factor, spec)
        rows: list[store.Fetched] = []
        if keep:
            since = self.now() - keep
            rows = store.fetched_since(self.connection, self.tenant, self.model, factor, asked, since, missing)
        there = {_normal(row.key) for row in rows}
        open_keys = [texts[text] for text in missing if text not in there]
        if open_keys:
            answers = self._source(factor, spec).fetch(spec.key, open_keys, spec.column or factor)
            at = self.now()
            rows += [_kept(key, answers[key], kind, at) for key in open_keys]
        store.keep_fetched(self.connection, self.tenant, self.model, name, factor, rows, source, asked)
        return rows

    def _asked(self, factor: str, spec: FactorSpec) -> tuple[str, str, timedelta]:
        """The source's name, a hash of what is asked of it, and how long its answers keep."""
        outside = spec.sql or spec.rest
        assert outside is not None, "only what is outside is asked"
        source = spec.sql.database if spec.sql else spec.rest.address if spec.rest else ""
        told = [
            self.environment.get(source, ""),
            outside.model_dump_json(),
            *spec.key,
            spec.column or factor,
            spec.type,
        ]
        return source, hashlib.sha256(json.dumps(told).encode()).hexdigest(), outside.keep

    def _source(self, factor: str, spec: FactorSpec) -> LookUp:
        if factor not in self._sources:
            self._sources[factor] = self._opened(spec)
        return self._sources[factor]

    def _opened(self, spec: FactorSpec) -> LookUp:
        variable = spec.sql.database if spec.sql else spec.rest.address if spec.rest else ""
        address = self.environment.get(variable)
        if not address:
            return _NoAddress(variable)
        if spec.sql is not None:
            return SqlLookUp(address, spec.sql.statement, spec.sql.timeout_ms)
        rest = spec.rest
        assert rest is not None, "what is outside is sql or rest"
        return RestLookUp(
            address, rest.send, rest.rows, rest.batch, rest.timeout_ms / 1000, rest.tries, rest.give_up_after
        )


@dataclass(frozen=True)
class _NoAddress:
    """A source whose address is not set."""

    variable: str

    def fetch(self, columns: Sequence[str], keys: Sequence[Key], value: str) -> Mapping[Key, Answer]:
        del columns, value
        return failed(keys, f"the environment variable {self.variable} is not set")


def _kept(key: Key, answer: Answer, kind: ColumnType, at: datetime) -> store.Fetched:
    if answer.why is not None:
        return store.Fetched(_json(key), None, answer.why, at)
    try:
        return store.Fetched(_json(key), canonical(kind, answer.value), None, at)
    except ValueError as wrong:
        return store.Fetched(_json(key), None, f"its value cannot be used: {wrong}", at)


def _json(key: Key) -> str:
    return json.dumps([part.isoformat() if isinstance(part, date) else part for part in key], ensure_ascii=False)


def _normal(text: str) -> str:
    """A stored key as `_json` writes it."""
    return json.dumps(json.loads(text), ensure_ascii=False)
