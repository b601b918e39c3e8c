"""Parked charges rated again: with the model and the tables of today, each family of records in one committed batch.

A family is an original and its refunds: refunds of what is parked wait for it and follow in the same batch.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pyarrow as pa
import structlog

from everycent.base.engine.sql import literal
from everycent.flow.intake.contract import RECORD
from everycent.flow.pipeline.committing import Origin, commit
from everycent.flow.pipeline.family import Family, Retried, retry
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.sourcing import Gathered, Sourcing
from everycent.flow.rating import store as rating_store
from everycent.flow.rating.contract import HELD, RETRY, RETRY_SNAPSHOT, RetryOutcome

_log = structlog.get_logger()

#: What a batch of parked charges gives as its source: no file.
NO_FILE = ""
_PARKED, _RECORDS = "parked", "parked_record"
#: So many reasons are told in the log; `everycent parked` lists them all.
ALERTS_MAX = 20
#: The first wait before parked charges are tried again without any change, doubled with each try up to the last.
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)


@dataclass(frozen=True)
class Tried:
    """What became of parked charges: how many were tried, by outcome, and how many wait now."""

    outcomes: Mapping[str, int]
    waiting: int
    next_try_at: datetime | None

    @property
    def released(self) -> int:
        return self.outcomes[RetryOutcome.CHARGED] + self.outcomes[RetryOutcome.NOT_CHARGED]


@dataclass(frozen=True)
class Waits:
    """Why charges wait: how many for one reason, and the records that came first, by kind and key."""

    charge: str
    state: str
    reason: str
    charges: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class ParkedCharges:
    """The parked charges of a model, and what they can be rated with.

    `now` is when this is asked. `open_on`: the first day that is open for booking.
    """

    session: Session
    plan: ModelPlan
    sources: Sourcing
    now: datetime
    open_on: date = field(default=date.min)

    @property
    def configuration(self) -> str:
        """A hash of all that rating depends on: the same gives the same."""
        tables = sorted((name, table.content_hash) for name, table in self.sources.attached.items())
        return _hash([self.plan.model.version_hash, *(part for pair in tables for part in pair)])

    @property
    def due(self) -> bool:
        """Whether a try is due: the configuration was changed since the last, or the time that was set has come."""
        session = self.session
        planned = rating_store.schedule(session.connection, session.tenant, self.plan.model.name)
        return planned is not None and (planned.configuration != self.configuration or planned.next_try_at <= self.now)

    def rate(self) -> Tried:
        """Rates all that is parked again. Raises AmbiguousFactor, RatingRefused, StorageFailed."""
        counts = dict.fromkeys(map(str, RetryOutcome), 0)
        for family in self._families():
            retried = retry(self.session, self.plan, family, self._gather, self.open_on)
            if retried is None:
                continue
            self._commit(family, retried)
            for outcome in retried.outcomes.column("outcome").to_pylist():
                counts[outcome] += 1
        return self._planned(counts)

    def begin(self) -> None:
        """Says what this run rates with, so that the next knows whether that was changed, even after a break."""
        session, name = self.session, self.plan.model.name
        if rating_store.schedule(session.connection, session.tenant, name) is None:
            planned = rating_store.Schedule(self.configuration, 0, self.now + FIRST_WAIT)
            rating_store.set_schedule(session.connection, session.tenant, name, planned)

    def note(self) -> Tried:
        """Counts what waits after a run that tried nothing."""
        return self._planned(dict.fromkeys(map(str, RetryOutcome), 0), tried=False)

    def _gather(self, kind: str, records: pa.Table) -> Gathered:
        """What rating the records now takes; each try asks outside again."""
        first = str(records.column("record_id")[0].as_py()) if records.num_rows else ""
        content = f"parked {kind}/{_hash([self.configuration, self.now.isoformat(), first])}"
        return self.sources.gather(self.session, self.plan, kind, records, content)

    def _families(self) -> Iterator[Family]:
        """The originals that are parked, or refunds of which are, by kind and then by id; so many at a time."""
        session = self.session
        _attach(session, self.plan.model.name)
        found = session.engine.query(
            f"""
            SELECT DISTINCT coalesce(r.refund_of, r.record_id) AS record_id, o.kind
            FROM {_PARKED} p JOIN {_RECORDS} r USING (record_id)
                JOIN {_RECORDS} o ON o.record_id = coalesce(r.refund_of, r.record_id)
            ORDER BY kind, record_id
            """
        )
        for kind in self.plan.rating:
            ids = session.engine.query(
                f"SELECT record_id FROM found WHERE kind = {literal(kind)} ORDER BY record_id", found=found
            ).column("record_id")
            for start in range(0, len(ids), session.settings.batch_rows):
                yield _family(session, kind, ids.slice(start, session.settings.batch_rows))

    def _commit(self, family: Family, retried: Retried) -> None:
        rows = retried.outcomes.select(["record_id", "charge", "attempt"]).to_pylist()
        content = _hash([self.configuration, *(f"{row['record_id']}/{row['charge']}/{row['attempt']}" for row in rows)])
        batch_no = commit(
            self.session,
            self.plan.model,
            Origin(family.kind, NO_FILE, 0, content),
            retried.batch,
            lambda connection, batch_no: self.sources.write(
                connection, self.session.tenant, self.plan.model.name, batch_no, retried.gathered
            ),
            more=((RETRY, retried.outcomes), (RETRY_SNAPSHOT, retried.snapshots)),
        )
        _log.info("parked charges rated again", batch_no=batch_no, kind=family.kind, charges=len(rows))

    def _planned(self, counts: Mapping[str, int], *, tried: bool = True) -> Tried:
        """Plans the next try, the later the more were in vain, and raises the alert."""
        session, name = self.session, self.plan.model.name
        waits = self._raise_alerts()
        if waits == 0:
            rating_store.clear_schedule(session.connection, session.tenant, name)
            return Tried(counts, 0, None)
        before = rating_store.schedule(session.connection, session.tenant, name)
        same = before is not None and before.configuration == self.configuration
        if before is not None and same and not tried:
            return Tried(counts, waits, before.next_try_at)
        attempts = before.attempts + 1 if before is not None and same else 0
        at = self.now + min(FIRST_WAIT * 2 ** min(attempts, 20), LONGEST_WAIT)
        planned = rating_store.Schedule(self.configuration, attempts, at)
        rating_store.set_schedule(session.connection, session.tenant, name, planned)
        return Tried(counts, waits, at)

    def _raise_alerts(self) -> int:
        """One line for each reason, the most frequent first; gives the number of parked charges."""
        session, name = self.session, self.plan.model.name
        if not session.details.parts(HELD, name):
            return 0
        rating_store.attach_parked(session.details, session.engine, name, _PARKED)
        reasons = session.engine.query(
            f"SELECT charge, reason, count(*) AS charges FROM {_PARKED}"
            " GROUP BY ALL ORDER BY charges DESC, charge, reason"
        ).to_pylist()
        for reason in reasons[:ALERTS_MAX]:
            _log.warning("charges are parked", model=name, **reason)
        return sum(reason["charges"] for reason in reasons)


def parked(session: Session, model: str) -> list[Waits]:
    """Why charges of the model wait, the most frequent reasons first."""
    _attach(session, model)
    return _reasons(session, _PARKED)


def held_in_turn(session: Session, model: str) -> list[Waits]:
    """Why charges of the model were held in their turn in strict order, the most frequent reasons first.

    What came before them decides, so rating them again alone gives the same: a rewind computes them anew.
    """
    details, columns = session.details, ["record_id", "charge", "state", "reason", "sequence_no", "generation"]
    details.attach(session.engine, "turned", HELD.ordered, model, columns=columns)
    details.attach(session.engine, _RECORDS, RECORD, model, columns=["record_id", "kind", "key"])
    return _reasons(session, f"(FROM turned WHERE {details.effective(model)})")


def _reasons(session: Session, held: str) -> list[Waits]:
    """`held`: SQL of record_id, charge, state, reason."""
    rows = session.engine.query(
        f"""
        SELECT charge, state, reason, count(*) AS charges, list_sort(min(kind || ':' || key, 3)) AS examples
        FROM {held} JOIN {_RECORDS} USING (record_id)
        GROUP BY ALL ORDER BY charges DESC, charge, state, reason
        """
    )
    return [Waits(**{**row, "examples": tuple(row["examples"])}) for row in rows.to_pylist()]


def _attach(session: Session, model: str) -> None:
    """Makes the view of what is parked, and that of its records and of the originals of these: no others are read."""
    engine = session.engine
    rating_store.attach_parked(session.details, engine, model, _PARKED)

    def stored(ids: str) -> pa.Table:
        wanted = engine.query(f"SELECT DISTINCT record_id FROM ({ids}) WHERE record_id IS NOT NULL ORDER BY record_id")
        columns = ["record_id", "kind", "key", "refund_of"]
        return session.details.lookup(engine, RECORD, model, "record_id", wanted.column("record_id"), columns)

    engine.connection.register("coming", stored(f"SELECT record_id FROM {_PARKED}"))
    engine.connection.execute("CREATE OR REPLACE TABLE record_of_parked AS FROM coming")
    engine.connection.unregister("coming")
    refunded = "SELECT refund_of AS record_id FROM record_of_parked"
    engine.connection.register("coming", stored(f"{refunded} EXCEPT SELECT record_id FROM record_of_parked"))
    engine.connection.execute("INSERT INTO record_of_parked FROM coming")
    engine.connection.unregister("coming")
    engine.connection.execute(f"CREATE OR REPLACE VIEW {_RECORDS} AS FROM record_of_parked")


def _family(session: Session, kind: str, ids: pa.ChunkedArray) -> Family:
    """What is parked of the originals and their refunds."""
    given = pa.table({"id": ids})
    waits = session.engine.query(
        f"""
        SELECT p.record_id, r.refund_of, p.charge, p.state, p.reason
        FROM {_PARKED} p JOIN {_RECORDS} r USING (record_id)
        WHERE coalesce(r.refund_of, p.record_id) IN (SELECT id FROM given) ORDER BY p.record_id, p.charge
        """,
        given=given,
    )
    return Family(kind, ids, waits)


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
