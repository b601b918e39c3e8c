"""Trying a model out on history: everything is computed in scratch databases, and only the difference comes back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa

from everycent.base.platform.database import connect
from everycent.base.platform.details import Details
from everycent.base.platform.scratch import scratch_database
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.intake.contract import RECORD
from everycent.flow.model.contract import LoadedModel
from everycent.flow.pipeline.service import Difference, Session, compare, find_inputs, replay, run
from everycent.flow.rating.contract import HELD
from everycent.proof.explain.contract import NothingFound
from everycent.proof.explain.service import explain
from everycent.serve.cli.terminal import Reporter
from everycent.serve.wiring import migrations

#: So many single records are listed, those that move most money first.
RECORDS_MAX = 20
_BEFORE, _AFTER = "simulated_before", "simulated_after"


@dataclass(frozen=True)
class Simulated:
    """What another model would have made of the same history.

    `names`: record_id, kind and key of the records that are listed. `held`: state, reason, before, after (how many
    charges were held for that reason). `explained`: the charge that moves most, explained on both sides; no lines where
    it is not there.
    """

    model: str
    before: str  # what is compared with what, in words
    after: str
    records: int
    difference: Difference
    names: pa.Table
    held: pa.Table
    explained: tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class _Side:
    """One of the two: where it was computed, and how it is called."""

    session: Session
    label: str


def simulate(
    session: Session,
    before: LoadedModel | None,
    after: LoadedModel,
    on: Sequence[str],
    as_of: date | None,
    report: Reporter,
) -> Simulated:
    """Computes `after` over history and compares it with `before`, or with what is stored where that is None.

    History is what is stored of the model, or the files of `on`. Nothing outside of scratch is changed. Raises
    ModelRefused, InputRefused, SourceError, ScratchRefused.
    """
    with _computed(session, after, on, as_of, report) as (second, records):
        if before is None:
            return _compared(session, _Side(session, "what is stored"), _Side(second, _label(after)), after, records)
        with _computed(session, before, on, as_of, report) as (first, _):
            sides = _Side(first, _label(before)), _Side(second, _label(after))
            return _compared(session, *sides, after, records)


def _label(model: LoadedModel) -> str:
    return f"{model.path.name}, version {model.spec.version} ({model.version_hash[:8]})"


@contextmanager
def _computed(
    session: Session, model: LoadedModel, on: Sequence[str], as_of: date | None, report: Reporter
) -> Iterator[tuple[Session, int]]:
    """A scratch session with everything that the model makes of the history, and how many records that took."""
    with scratch_database(session.settings, migrations()) as settings, connect(settings) as connection:
        details = Details(connection, settings.lake_dir, settings.tenant, settings.lake_from_rows)
        scratch = Session(settings, connection, session.engine, details)
        if on:
            now = datetime.now(UTC)
            day = as_of or model.calendar.today(now)
            summary = run(scratch, model, find_inputs(model, on), day, report, on_wait=_nobody_waits, now=now)
            yield scratch, sum(taken.counts["accepted"] for taken in summary.files)
        else:
            yield scratch, sum(replay(session, scratch, model, report).records.values())


def _nobody_waits(message: str) -> None:
    raise AssertionError(f"nobody else works in a scratch database: {message}")


def _compared(session: Session, before: _Side, after: _Side, model: LoadedModel, records: int) -> Simulated:
    engine = session.engine
    for side, view in ((before, _BEFORE), (after, _AFTER)):
        side.session.details.attach(engine, view, OBLIGATION, model.name)
    difference = compare(engine, _BEFORE, _AFTER, RECORDS_MAX)
    for side, view in ((before, _BEFORE), (after, _AFTER)):
        side.session.details.attach(engine, view, HELD, model.name)
    held = engine.query(
        f"""
        SELECT state, reason, count(*) FILTER (side = 1) AS before, count(*) FILTER (side = 2) AS after
        FROM (SELECT state, reason, 1 AS side FROM {_BEFORE} UNION ALL SELECT state, reason, 2 FROM {_AFTER})
        GROUP BY ALL ORDER BY state, reason
        """
    )
    asked = difference.records.slice(0, 1).to_pylist()
    explained: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    if asked:
        name = f"{asked[0]['record_id']}/{asked[0]['charge']}"
        explained = (_lines(before.session, name), _lines(after.session, name))
    ids = difference.records.column("record_id")
    names = after.session.details.lookup(engine, RECORD, model.name, "record_id", ids, ["record_id", "kind", "key"])
    return Simulated(model.name, before.label, after.label, records, difference, names, held, explained)


def _lines(session: Session, name: str) -> tuple[str, ...]:
    try:
        found = explain(session.connection, session.details, session.engine, session.tenant, name)
    except NothingFound:
        return ()
    return tuple(found.to_lines())
