"""In-line reconciliation: a settlement step asks whether it may go on, and is answered in time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from everycent.base.platform.database import connect
from everycent.base.platform.details import Details
from everycent.flow.model.contract import LoadedModel
from everycent.flow.pipeline.service import ModelPlan, Session, local_engine
from everycent.flow.settlement.contract import HELD_RECORD, Gate, Held
from everycent.proof.recon.contract import SIDE, InlineSpec
from everycent.proof.recon.service import (
    Answer,
    Decision,
    InTime,
    check_due,
    declared,
    held_records,
    may_go_on,
    reconcile,
    standing_breaks,
)
from everycent.serve.reconciling import PlannedScenario
from everycent.serve.standing_holds import held_by_runs
from everycent.serve.watching import Live, asked_of, live_words, put_records, watched

#: How long what nobody waits for any more may take at the end.
_LAST_WORK = timedelta(seconds=10)


def _clock() -> datetime:
    return datetime.now(UTC)


@dataclass
class Checkpoint:
    """Answers for a model's live scenarios, with a connection and an engine of its own; whoever asks waits no longer
    than the scenario says. `connect_again`: a session with a new connection, for when the one there is broke."""

    session: Session
    live: Live
    connect_again: Callable[[], Session]
    clock: Callable[[], datetime] = _clock
    in_time: InTime = field(default_factory=InTime)

    def warm(self) -> None:
        """Takes in what was stored until now, and does once what each answer does: what that takes is nobody's wait."""
        for scenario in self.live.scenarios:
            if scenario.spec.live is not None:
                put_records(self.session, self.live, scenario, self.clock())
            sides = (SIDE.empty_table(), SIDE.empty_table())
            reconcile(scenario.plan, *sides, self.session.engine)

    def may_go_on(self, name: str, keys: Sequence[str]) -> Answer:
        """Whether both sides agree on these keys of the scenario. Raises InputRefused where there is none."""
        scenario = self.live.named(name).scenarios[0]
        words = scenario.spec.inline or InlineSpec()

        def work() -> Answer:
            self._begin(words)
            who = watched(self.session, self.live, scenario)
            if words.sees != "events":
                standing = standing_breaks(self.session.connection, who, keys, unsure=words.otherwise == "hold")
                if standing:
                    key, kind = next(iter(standing.items()))
                    return Answer(Decision.HOLD, told=True, reason=f"{key}: a break that stands: {kind}")
                if words.sees == "runs":
                    return declared(words, "no break of it stands; which keys the runs saw is not known")
            put_records(self.session, self.live, scenario, self.clock())
            where = (self.session.connection, self.session.engine, scenario.plan)
            return may_go_on(*where, who, words, keys, self.clock())

        return self.in_time.ask(words.within, work, lambda reason: declared(words, reason))

    def held(self) -> Held:
        """What settlement may not close now: fulfils its Gate."""
        parts = [HELD_RECORD.empty_table()]
        for scenario in self.live.scenarios:
            words = scenario.spec.inline
            if words is None:
                continue
            reasons: list[str] = []
            found = self._held_by(scenario, words, reasons)
            if found is None and words.otherwise == "hold":
                return Held(HELD_RECORD.empty_table(), f"{scenario.name}: {reasons[0]}")
            parts.append(HELD_RECORD.empty_table() if found is None else found)
        return Held(pa.concat_tables(parts))

    def _held_by(self, scenario: PlannedScenario, words: InlineSpec, reasons: list[str]) -> pa.Table | None:
        """HELD_RECORD of one scenario; None, with the reason added, where it was not told in time."""

        def work() -> pa.Table | None:
            self._begin(words)
            unsure, parts = words.otherwise == "hold", []
            if words.sees != "events":
                parts.append(held_by_runs(self.session, self.live, scenario, unsure=unsure))
            if words.sees != "runs":
                who = watched(self.session, self.live, scenario)
                put_records(self.session, self.live, scenario, self.clock())
                where = (self.session.connection, self.session.engine, scenario.plan, who)
                while check_due(*where, live_words(scenario).batch, self.clock()).keys:
                    pass
                parts.append(held_records(self.session.connection, who, unchecked=unsure))
            return pa.concat_tables(parts)

        def too_late(reason: str) -> None:
            reasons.append(reason)

        return self.in_time.ask(words.within, work, too_late)

    def _begin(self, words: InlineSpec) -> None:
        """No statement outlasts the answer, so that nothing is left behind for long where that comes too late."""
        if self.session.connection.closed:
            self.session = self.connect_again()
        limit_ms = int(words.within.total_seconds() * 1000)
        for setting in ("statement_timeout", "lock_timeout"):
            self.session.connection.execute(f"SET {setting} = {limit_ms}")


@contextmanager
def checkpoint(session: Session, live: Live, clock: Callable[[], datetime] = _clock) -> Iterator[Checkpoint]:
    """A checkpoint beside an open session."""
    settings = session.settings
    with ExitStack() as opened:
        engine = opened.enter_context(local_engine(settings))

        def connected() -> Session:
            connection = opened.enter_context(connect(settings))
            details = Details(connection, settings.lake_dir, settings.tenant, settings.lake_from_rows)
            return Session(settings, connection, engine, details)

        asked = Checkpoint(connected(), live, connected, clock)
        asked.warm()
        try:
            yield asked
        finally:
            if not asked.in_time.rest(_LAST_WORK):
                opened.pop_all()  # a thread still uses them: they end with the program


@contextmanager
def gate_of(
    session: Session, model: LoadedModel, plan: ModelPlan, planned: Sequence[PlannedScenario]
) -> Iterator[Gate | None]:
    """The gate of a model with the word `inline`; None for a model without."""
    with ExitStack() as opened:
        asked = any(scenario.spec.inline is not None for scenario in planned)
        live = asked_of(model, plan, planned) if asked else None
        yield None if live is None else opened.enter_context(checkpoint(session, live))
