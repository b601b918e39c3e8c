"""Recon's command: reconcile two sides and keep what was found, once.

A caller plans the scenario (`plan_recon`), then each side (`plan_side`, `side_in_engine`), then calls `run`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from uuid import UUID

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.database import Connection
from everycent.proof.recon.booked import book_written_off, rebook
from everycent.proof.recon.breaks.observing import observe, observe_findings
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.contract import SIDE, CheckerFindings
from everycent.proof.recon.core.across import across
from everycent.proof.recon.core.came import Came, object_sql
from everycent.proof.recon.core.carrying import place_before_sql
from everycent.proof.recon.core.cells import Kind, Mark, Reading, number_sql
from everycent.proof.recon.core.columns import (
    NothingToCompare,
    Pair,
    alike,
    compared_pairs,
    currency_pair,
    pairs_of,
)
from everycent.proof.recon.core.dimensions import apart, beyond_limit
from everycent.proof.recon.core.found_breaks import breaks_of, caused, column_names, held
from everycent.proof.recon.core.keys import guess_key
from everycent.proof.recon.core.looking import Field
from everycent.proof.recon.core.one_file import OneSide, plan_side_alone
from everycent.proof.recon.core.pairing import by_values
from everycent.proof.recon.core.payout import PARTS, PAYOUT_PART, payouts_of
from everycent.proof.recon.core.plan import ReconPlan, RuleRefused, TotalRefused, plan_recon
from everycent.proof.recon.core.portable import hash_sql, hashes, secret_check, seed_of
from everycent.proof.recon.core.seen import FINEST
from everycent.proof.recon.core.side import (
    GrowingSide,
    SidePlan,
    SideRows,
    plan_side,
    side_from_rows,
    side_in_engine,
    with_declared,
)
from everycent.proof.recon.core.sketch.file import (
    Agreement,
    BadSketch,
    read_sketch,
    refuse_other_words,
    refuse_unlike,
    sketch_bytes,
)
from everycent.proof.recon.core.sketch.sketch import Differences, Sketch, most_differences
from everycent.proof.recon.core.two_files import FilesPlan, plan_files, side_view
from everycent.proof.recon.cuts import Batches, CutRefused, carry_in, carry_on, refuse_passed
from everycent.proof.recon.handling import HandlingSpec
from everycent.proof.recon.in_modes import (
    Beyond,
    Compare,
    compare_in_modes,
    residual_minor,
    with_currencies,
    with_entries,
    with_payouts,
)
from everycent.proof.recon.plugged import Chosen, UnknownLink, Work, asked, choose
from everycent.proof.recon.second_pass import Explained, explain_leftovers
from everycent.proof.recon.stage import Reconciled, reconcile
from everycent.proof.recon.store import (
    RunKey,
    cut_before,
    insert_run,
    keep_findings,
    keep_fired,
    keep_raw_rows,
    load_beyond,
    load_run,
    lock_scenario,
    models_reconciled,
    raw_rows_of,
    run_no_of,
)
from everycent.proof.recon.watching.checking import (
    Checked,
    Watch,
    breaks_standing,
    check_due,
    put_events,
    refuse_full,
    watch_of,
)
from everycent.proof.recon.watching.clearing import Cleared, clear_away
from everycent.proof.recon.watching.events import (
    ENVELOPE,
    OUTCOMES,
    EventSource,
    Put,
    QueueFull,
    arriving,
    sampled_sql,
)
from everycent.proof.recon.watching.inline import Answer, Breaker, Decision, InTime, declared, may_go_on
from everycent.proof.recon.watching.running import broken_as_sides, events_as_sides
from everycent.proof.recon.watching.store import (
    Watched,
    batch_seen,
    give_back_turn,
    held_records,
    next_due,
    see_batch,
    standing_breaks,
    take_turn,
)

__all__ = [
    "ENVELOPE",
    "FINEST",
    "OUTCOMES",
    "PARTS",
    "PAYOUT_PART",
    "Agreement",
    "Answer",
    "BadSketch",
    "Batches",
    "Beyond",
    "Breaker",
    "Came",
    "Checked",
    "Chosen",
    "Cleared",
    "Compare",
    "CutRefused",
    "Decision",
    "Differences",
    "EventSource",
    "Explained",
    "Field",
    "FilesPlan",
    "GrowingSide",
    "InTime",
    "Kind",
    "Mark",
    "NothingToCompare",
    "OneSide",
    "Pair",
    "Put",
    "QueueFull",
    "Reading",
    "ReconPlan",
    "ReconRun",
    "Reconciled",
    "RuleRefused",
    "RunKey",
    "SidePlan",
    "SideRows",
    "Sketch",
    "TotalRefused",
    "UnknownLink",
    "Watch",
    "Watched",
    "Words",
    "Work",
    "across",
    "alike",
    "apart",
    "arriving",
    "asked",
    "batch_seen",
    "beyond_limit",
    "book_written_off",
    "breaks_of",
    "breaks_standing",
    "broken_as_sides",
    "by_values",
    "caused",
    "check_due",
    "choose",
    "clear_away",
    "column_names",
    "compared_pairs",
    "currency_pair",
    "cut_before",
    "declared",
    "events_as_sides",
    "explain_leftovers",
    "give_back_turn",
    "guess_key",
    "hash_sql",
    "hashes",
    "held",
    "held_records",
    "keep_checked",
    "keep_fired",
    "keep_raw_rows",
    "may_go_on",
    "models_reconciled",
    "most_differences",
    "next_due",
    "number_sql",
    "object_sql",
    "pairs_of",
    "payouts_of",
    "place_before_sql",
    "plan_files",
    "plan_recon",
    "plan_side",
    "plan_side_alone",
    "put_events",
    "raw_rows_of",
    "read_sketch",
    "rebook",
    "reconcile",
    "refuse_full",
    "refuse_other_words",
    "refuse_unlike",
    "residual_minor",
    "run",
    "sampled_sql",
    "secret_check",
    "see_batch",
    "seed_of",
    "side_from_rows",
    "side_in_engine",
    "side_view",
    "sketch_bytes",
    "standing_breaks",
    "take_turn",
    "watch_of",
    "with_declared",
]


#: As `reconcile`.


@dataclass(frozen=True)
class ReconRun:
    """`changed` is False where the same sides had been compared the same way before: then nothing was written. `again`:
    it is the run that the scenario's breaks were brought up to last."""

    run_id: UUID
    run_no: int
    changed: bool
    reconciled: Reconciled
    beyond: Beyond = field(default_factory=Beyond)
    again: bool = False


def run(
    connection: Connection,
    engine: LocalEngine,
    tenant: str,
    model: str,
    currency: str,
    plan: ReconPlan,
    left: SideRows,
    right: SideRows,
    handling: HandlingSpec | None = None,
    now: datetime | None = None,
    compare: Compare = reconcile,
    day: date | None = None,
    batches: Batches | None = None,
) -> ReconRun:
    """Reconciles and stores in one transaction, one run of a scenario after the other: the same sides again, even at
    the same time, change nothing and say so. The scenario's standing breaks follow, by its words of `handling`.
    `day`: of a scenario that carries what is open on from cut to cut, and `batches` those whose records are on its
    sides: CutRefused where the day cannot be cut. `compare`: gives what `reconcile` would, where that was
    found before."""
    words = Words(plan.scenario, currency, handling or HandlingSpec(), plan.booking)
    at = now or datetime.now(UTC)
    who = (tenant, model, plan.scenario)
    with connection.transaction():
        lock_scenario(connection, tenant, model, plan.scenario)
        cut = carry_in(connection, engine, who, day, left, right, batches or Batches()) if plan.carry else None
        if cut is not None:
            left, right, plan = cut.left, cut.right, replace(plan, words=f"{plan.words} {cut.day}")
        key = run_key(engine, tenant, model, currency, plan, left, right)
        known = run_no_of(connection, key)
        if known is None:
            done, beyond = compare_in_modes(plan, compare, left.rows, right.rows, engine)
            if cut is not None:
                refuse_passed(connection, who, cut.day)
                beyond = carry_on(plan, cut, done, beyond, engine)
            beyond = with_currencies(plan, done, beyond, left.rows, right.rows, engine)
            beyond = with_payouts(plan, done, beyond, left.rows, right.rows, engine)
            beyond = with_entries(plan, done, beyond, engine)
            run_no = insert_run(connection, key, plan, currency, left, right, done, beyond)
            ran = ReconRun(key.run_id, run_no, True, done, beyond)
        else:
            stored = load_run(connection, engine, key), load_beyond(connection, key)
            ran = ReconRun(key.run_id, known, False, *stored)
        again = observe(connection, engine, tenant, model, key.run_id, words, (left, right), at)
        beyond = with_payouts(plan, ran.reconciled, ran.beyond, left.rows, right.rows, engine)
        return replace(ran, again=again, beyond=with_entries(plan, ran.reconciled, beyond, engine))


def keep_checked(
    connection: Connection,
    engine: LocalEngine,
    key: RunKey,
    words: Words,
    sides: tuple[SideRows, SideRows],
    checked: Sequence[CheckerFindings],
    again: bool,
    now: datetime | None = None,
) -> None:
    """Keeps what further checkers found in a run, in its transaction; the scenario's standing breaks follow."""
    if checked:
        keep_findings(connection, key, checked)
        who = (key.tenant, key.model, key.run_id, words)
        observe_findings(connection, engine, *who, sides, now or datetime.now(UTC), checked, again=again)


def run_key(
    engine: LocalEngine, tenant: str, model: str, currency: str, plan: ReconPlan, left: SideRows, right: SideRows
) -> RunKey:
    """The name of the run that compares these sides."""
    return RunKey(tenant, model, _run_id(tenant, model, currency, plan, _hash(left, engine), _hash(right, engine)))


def _run_id(tenant: str, model: str, currency: str, plan: ReconPlan, left_hash: str, right_hash: str) -> UUID:
    how = (plan.scenario, plan.tolerance_minor, plan.left_sums, plan.right_sums, plan.compares_status)
    words = (plan.words,) if plan.words else ()
    text = "\x1f".join(map(str, (tenant, model, currency, *how, *words, left_hash, right_hash)))
    return UUID(bytes=hashlib.sha256(text.encode()).digest()[:16])


def _hash(side: SideRows, engine: LocalEngine) -> str:
    """Of the side's content with the places of its rows; their order does not matter."""
    seen = [name for name in engine.query("FROM side LIMIT 0", side=side.rows).column_names if name not in SIDE.names]
    more = "".join(f", {literal(name)}, {identifier(name)}" for name in seen)
    compared = _sums(
        engine, side.rows, f"concat_ws(chr(31), source_file, source_line, key, amount_minor, status{more})"
    )
    refused = _sums(engine, side.refused, "concat_ws(chr(31), source_file, source_line, reason)")
    return f"{compared}/{refused}/{side.left_out}"


def _sums(engine: LocalEngine, rows: pa.Table | str, text: str) -> str:
    """Row digests added up in two halves: 64-bit terms, so that no sum overflows 128 bits."""
    found = engine.query(
        f"""SELECT concat_ws('-', count(*), coalesce(sum(md5_number_lower({text})), 0),
            coalesce(sum(md5_number_upper({text})), 0)) AS digest FROM side""",
        side=rows,
    )
    return str(found["digest"][0].as_py())
