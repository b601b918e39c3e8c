"""Runs a model over files: every file through the stages, then the day cut, then the payments."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import structlog

from everycent.base.platform.batches import run_lock
from everycent.base.platform.tasks import run_task
from everycent.flow.approvals import service as approvals
from everycent.flow.approvals.contract import HOUSE
from everycent.flow.intake.contract import Control, EmptyFile, Source
from everycent.flow.intake.service import Attached, controls_of, load_table, open_source, refuse_disagreeing
from everycent.flow.ledger import service as ledger
from everycent.flow.ledger import store as ledger_store
from everycent.flow.model.contract import LoadedModel
from everycent.flow.parties import store as parties_store
from everycent.flow.parties.contract import role_of_contract_table
from everycent.flow.payments import service as payments
from everycent.flow.payments import store as payments_store
from everycent.flow.pipeline import store
from everycent.flow.pipeline.charging import expire
from everycent.flow.pipeline.contract_terms import under_its_contracts
from everycent.flow.pipeline.cycle_events import end_where_terms_change, take_recorded
from everycent.flow.pipeline.delivery import find_delivery, kinds_beside
from everycent.flow.pipeline.inputs import Assigned, Inputs
from everycent.flow.pipeline.ordered_pass import Ordered, clear_waiting
from everycent.flow.pipeline.parked import ParkedCharges, Tried
from everycent.flow.pipeline.paying import PAYMENT_OTHERS
from everycent.flow.pipeline.plan import ModelPlan, plan_model
from everycent.flow.pipeline.rewinding import building
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.sourcing import Sourcing, sourcing
from everycent.flow.pipeline.taking import COUNTED, FileTask
from everycent.flow.pipeline.verified import account_keys, verified_accounts
from everycent.flow.pipeline.versions import refuse_left_behind, refuse_other_version
from everycent.flow.settlement import service as settlement
from everycent.flow.settlement import store as settlement_store
from everycent.flow.settlement.contract import BY_HAND, ClosedBefore, Gate, HeldStatement

_log = structlog.get_logger()


class Report(Protocol):
    """Told how far each stage has come."""

    def __call__(self, stage: str, done: int, total: int | None) -> None: ...


@dataclass(frozen=True)
class FileTaken:
    """What became of one file's rows of one kind. `again`: it was taken in before, and nothing changed.

    `controls` are the figures that the file states of itself, of one that was taken in now.
    """

    kind: str
    path: Path
    again: bool
    counts: Mapping[str, int]
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True)
class RunSummary:
    """What a run did. `changed` is False where everything was there already. `empty`: files of a folder or a pattern
    that hold nothing, so that nothing of them was taken in."""

    model: str
    as_of: date
    files: tuple[FileTaken, ...]
    empty: tuple[Path, ...]
    parked: Tried
    ordered: Ordered
    closed_statements: int
    recount_differs: tuple[settlement.RecountDiffers, ...]
    instructions: int
    held: tuple[HeldStatement, ...] = ()
    closed_before: tuple[ClosedBefore, ...] = ()

    @property
    def changed(self) -> bool:
        return (
            any(not taken.again for taken in self.files)
            or self.parked.released > 0
            or self.ordered.changed
            or self.closed_statements > 0
            or self.instructions > 0
        )


def run(
    session: Session,
    model: LoadedModel,
    inputs: Inputs,
    as_of: date,
    report: Report,
    on_wait: Callable[[str], None],
    now: datetime,
    gate: Gate | None = None,
    by: str = HOUSE,
) -> RunSummary:
    """Takes `inputs` through `model` and closes what is due on `as_of`. Raises ModelRefused, SourceError,
    InputRefused (an earlier version's order is not in this one), StorageFailed; SettingsError where parties are paid to
    their verified accounts and the accounts' keys are not set.

    Every file is opened before the first is taken in, so that one which cannot be read leaves nothing behind; an empty
    one is passed over where it was found in a folder or by a pattern, with others that have rows. Whatever
    was committed stays; the same call again goes on where it stopped, and changes nothing where all was done. Charges
    that are parked are rated again where the model or a table was changed, or `now` is when that was planned. What the
    `gate` holds back is not closed. `by`: who cuts the day and instructs payments, and so does not release them.
    """
    plan = plan_model(model, session.tenant, inputs.tables)
    keys = account_keys(plan)
    with run_lock(session.details, model.name, on_wait):
        plan = under_its_contracts(session, plan)
        report("attached tables", 0, len(plan.tables))
        attached = {name: attached_table(session, plan, inputs.tables, name) for name in plan.tables}
        opened, empty = _open_all(session, plan, inputs, attached, report)
        refuse_left_behind(session, plan)
        refuse_other_version(session, plan, building(session, model.name))
        store.register_version(session.connection, session.tenant, plan)
        sources = sourcing(session, plan, attached)
        ParkedCharges(session, plan, sources, now).begin()
        plan = end_where_terms_change(session, plan, as_of, now)
        plan, files = _take_all(session, plan, opened, sources, report, now)
        report("parked charges", 0, None)
        open_on = settlement_store.open_on(session.connection, session.tenant, model.name)
        waiting = ParkedCharges(session, plan, sources, now, open_on)
        tried = waiting.rate() if waiting.due else waiting.note()
        report("in order", 0, None)
        ordered = clear_waiting(session, plan, as_of, report)
        report("day cut", 0, None)
        closing = _closed(session, plan, as_of, gate, by, now)
        report("payments", 0, None)
        accounts = {name: table.rows for name, table in attached.items()} | verified_accounts(
            session, plan, as_of, keys
        )
        expire(session, model.name, now)
        instructions = _instructed(session, plan, accounts, as_of, by, now)
        _seal(session, model.name)
    closed = closing.closed.num_rows
    stayed = (closing.differing, instructions, closing.held, closing.before)
    return RunSummary(model.name, as_of, files, empty, tried, ordered, closed, *stayed)


def _closed(
    session: Session, plan: ModelPlan, as_of: date, gate: Gate | None, by: str, now: datetime
) -> settlement.Closing:
    """The day cut, once the gate was asked."""
    held = None if gate is None else gate.held()
    name = plan.model.name
    where = (session.connection, session.details, session.engine, session.tenant, name)
    asking = settlement.Asking(plan.settlement.needs, approvals, now)
    keeping = settlement.Keeping(plan.settlement, ledger_store.write, plan.model.version_hash)
    settlement_store.count_before_day_cut(session.connection, session.tenant, name, as_of)
    closing = settlement.close_due(*where, as_of, held=held, asking=asking, keeping=keeping, by=by)
    settlement_store.count_after_day_cut(session.connection, closing.closed.num_rows)
    for statement in closing.differing:
        _log.error("a statement's recount differs from what was accrued", statement=str(statement))
    _log.info("day cut", model=name, as_of=as_of.isoformat(), closed=closing.closed.num_rows)
    for earlier in closing.before:
        _log.info("statements were closed before", model=name, told=str(earlier))
    for calendar, last_day in plan.settlement.ending_calendars(as_of).items():
        said = f"it ends on {last_day}; list its next periods, or nothing of a later day can be taken"
        _log.warning("a calendar is in its last period", calendar=calendar, told=said)
    for held_back in closing.held:
        _log.warning("a statement is held", statement=str(held_back))
    return closing


def _instructed(
    session: Session, plan: ModelPlan, tables: Mapping[str, pa.Table], as_of: date, by: str, now: datetime
) -> int:
    """How many instructions were made of what is closed."""
    instructed = payments.instruct(
        session.connection,
        session.engine,
        plan.payments,
        tables,
        PAYMENT_OTHERS,
        session.tenant,
        plan.model.name,
        as_of,
        by=by,
        now=now,
    )
    payments_store.count_after_instructing(session.connection, instructed.num_rows)
    _log.info("payments instructed", model=plan.model.name, instructions=instructed.num_rows)
    return int(instructed.num_rows)


def _seal(session: Session, model: str) -> None:
    """What was posted is sealed; where others post for long, by a later run."""
    sealed = ledger.seal(session.connection, session.tenant, model)
    for seal in sealed.seals:
        _log.info("ledger sealed", model=model, seal_no=seal.seal_no, chained=seal.chained.hex())
    if sealed.under_way:
        _log.warning("the ledger is not sealed: others are posting", model=model)


def rate_parked(
    session: Session, model: LoadedModel, tables: Mapping[str, Path], on_wait: Callable[[str], None], now: datetime
) -> Tried:
    """Rates all parked charges of the model again, whether or not that is due; `tables` are its attached tables' files.

    Raises ModelRefused, SourceError, InputRefused, AmbiguousFactor, StorageFailed.
    """
    plan = plan_model(model, session.tenant, tables)
    with run_lock(session.details, model.name, on_wait):
        plan = under_its_contracts(session, plan)
        attached = {name: attached_table(session, plan, tables, name) for name in plan.tables}
        refuse_left_behind(session, plan)
        store.register_version(session.connection, session.tenant, plan)
        open_on = settlement_store.open_on(session.connection, session.tenant, model.name)
        return ParkedCharges(session, plan, sourcing(session, plan, attached), now, open_on).rate()


def attached_table(session: Session, plan: ModelPlan, files: Mapping[str, Path], name: str) -> Attached:
    """An attached table of the plan, read. `files`: where the tables' files are, by the names in the model."""
    spec = plan.tables[name]
    role = role_of_contract_table(name)
    if role is not None:
        return _contracts(session, plan, role)
    path = files[spec.file] if spec.file is not None else None
    return load_table(name, spec, path, plan.model.currency, plan.model.calendar, session.engine)


def _contracts(session: Session, plan: ModelPlan, role: str) -> Attached:
    """The contracts of a role that came as messages."""
    party = plan.model.spec.parties[role]
    assert party.contract is not None, f"{role} has contracts"
    at = (session.connection, session.tenant, plan.model.name, role)
    rows = parties_store.contract_numbers(*at, party.key, party.contract.number)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    return Attached(rows, hashlib.sha256(sink.getvalue()).hexdigest())


def _take_all(
    session: Session,
    plan: ModelPlan,
    opened: Sequence["_Arrival"],
    sources: Sourcing,
    report: Report,
    now: datetime,
) -> tuple[ModelPlan, tuple[FileTaken, ...]]:
    """Takes every file in; those whose records end periods first, so that what is completed later joins the next. The
    plan with the periods as they stand then."""
    kinds = plan.settlement.events
    ending = [arrival for arrival in opened if arrival.item.kind in kinds]
    taken = {id(arrival): _take(session, plan, arrival, sources, report) for arrival in ending}
    recorded = [kind for kind in kinds if kind in plan.intake and kind != BY_HAND]
    if recorded:
        answers = take_recorded(session, plan, recorded, plan.model.calendar.today(now), now)
        for answer in answers:
            if answer.refusal is not None:
                _log.warning(
                    "an event ends nothing",
                    party=answer.event.party_id,
                    refusal=str(answer.refusal),
                    why=answer.message,
                )
        if any(answer.period is not None for answer in answers):
            plan = under_its_contracts(session, plan)
    taken |= {
        id(arrival): _take(session, plan, arrival, sources, report) for arrival in opened if id(arrival) not in taken
    }
    return plan, tuple(taken[id(arrival)] for arrival in opened)


def _take(session: Session, plan: ModelPlan, arrival: "_Arrival", sources: Sourcing, report: Report) -> FileTaken:
    item, source = arrival.item, arrival.source
    delivery = find_delivery(session, plan, item.kind, source.content_hash, sources.attached)
    if delivery.result is not None:
        rows = delivery.result["rows"]
        return FileTaken(item.kind, item.path, True, {**dict.fromkeys(COUNTED, 0), "rows": rows, "duplicate": rows})
    task = FileTask(
        session,
        plan,
        item.kind,
        source,
        delivery,
        sources,
        settlement_store.open_on(session.connection, session.tenant, plan.model.name),
        arrival.beside,
        arrival.rows,
    )
    stage = f"{item.kind} ({item.path.name})"
    result = run_task(
        session.connection,
        session.tenant,
        delivery.identity,
        stage,
        task,
        session.settings.batch_rows,
        lambda done, total, _rows: report(stage, done, total),
    )
    counts = {name: result[name] for name in COUNTED}
    _log.info("file taken in", model=plan.model.name, kind=item.kind, file=item.path.name, **counts)
    return FileTaken(item.kind, item.path, False, counts, controls_of(source))


@dataclass(frozen=True)
class _Arrival:
    """A file that was read through once. `rows` is None where its content was taken in before."""

    item: Assigned
    source: Source
    beside: Sequence[str]
    rows: int | None


def _open_all(
    session: Session, plan: ModelPlan, inputs: Inputs, attached: Mapping[str, Attached], report: Report
) -> tuple[list[_Arrival], tuple[Path, ...]]:
    """Opens every file; gives the empty ones apart. Raises EmptyFile for one that was named by itself, or that no file
    with rows was found beside."""
    opened: list[_Arrival] = []
    empty: list[tuple[Assigned, EmptyFile]] = []
    for item in inputs.records:
        try:
            opened.append(_open(session, plan, item, inputs, attached, report))
        except EmptyFile as nothing:
            empty.append((item, nothing))
    beside = {arrival.item.among for arrival in opened if arrival.rows != 0} - {None}
    for item, refusal in empty:
        if item.among not in beside:
            raise refusal
        _log.warning("a file is empty", model=plan.model.name, kind=item.kind, file=item.path.name)
    return opened, tuple(dict.fromkeys(item.path for item, _ in empty))


def _open(
    session: Session,
    plan: ModelPlan,
    item: Assigned,
    inputs: Inputs,
    attached: Mapping[str, Attached],
    report: Report,
) -> _Arrival:
    """Opens the file with the columns that this kind needs, and those that kinds beside it need to know their rows."""
    beside = kinds_beside(plan, item, inputs)
    kinds = [plan.intake[kind] for kind in (item.kind, *beside)]
    wanted = tuple(dict.fromkeys(column for kind in kinds for column in kind.columns_wanted))
    optional = tuple(
        dict.fromkeys(column for kind in kinds for column in kind.columns_optional if column not in wanted)
    )
    report(f"opening {item.path.name}", 0, None)
    source = open_source(item.path, plan.intake[item.kind].spec, wanted, optional)
    if find_delivery(session, plan, item.kind, source.content_hash, attached).result is not None:
        return _Arrival(item, source, beside, None)
    if any(plan.intake[kind].spec.controls == "refuse" for kind in (item.kind, *beside)):
        refuse_disagreeing(source)
    return _Arrival(item, source, beside, source.count_rows())
