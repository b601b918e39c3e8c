"""`everycent run`: records through the model, then reconciliation, verification, files and the report."""

import getpass
import os
import pickle
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NoReturn

from everycent.base.platform.settings import Settings, is_frugal
from everycent.flow.approvals.contract import HOUSE, person
from everycent.flow.intake.service import contradiction
from everycent.flow.model.contract import LoadedModel
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import RunSummary, Session, export, find_inputs, given_files, open_session, run
from everycent.proof.verify.contract import Verdict
from everycent.proof.verify.service import verify
from everycent.serve.chaining import Chained, reconcile_all
from everycent.serve.cli import exits
from everycent.serve.cli.asking import print_findings, report_data
from everycent.serve.cli.parking import parked_as_dict, print_parked
from everycent.serve.cli.rewinding import print_ordered, rewound_as_dict
from everycent.serve.cli.terminal import Reporter, err, out, print_json, print_table, progress, shorten
from everycent.serve.gating import gate_of
from everycent.serve.recon_modes import (
    parts_beyond_limit,
    parts_told,
    write_across,
    write_carried,
    write_entries,
    write_matches,
    write_payouts,
)
from everycent.serve.reconciling import Scenario, prepare, write_breaks
from everycent.serve.report.data import ReportData
from everycent.serve.report.page import render
from everycent.serve.report.summary import summary_table
from everycent.serve.wiring import SECTIONS, migrations

#: The command, told to nobody, by which a run goes on in a new program.
PROVE = "prove-run"
#: How many reasons a terminal shows; the rest is in the report and in quarantine.parquet.
REASONS_SHOWN = 8


@dataclass(frozen=True)
class Taken:
    """What a run took in and decided, before it is proven and written to files."""

    summary: RunSummary
    chained: tuple[Chained, ...]
    unused: tuple[Path, ...]


@dataclass(frozen=True)
class Going:
    """What it takes to go on from there, in whichever process."""

    model_path: Path
    taken: Taken
    folder: Path | None
    fail_on_breaks: bool
    as_json: bool


@dataclass(frozen=True)
class Outcome:
    """All that one run gave."""

    summary: RunSummary
    chained: tuple[Chained, ...]
    verdict: Verdict
    report: ReportData
    files: tuple[Path, ...]
    unused: tuple[Path, ...]  # given with the records, but of no kind, table or reconciliation

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """Those that were compared."""
        return _compared(self.chained)

    @property
    def failures(self) -> tuple[str, ...]:
        """What of the reconciliations did not work, for people."""
        return tuple(failure for each in self.chained for failure in each.failures)


def _compared(chained: Sequence[Chained]) -> tuple[Scenario, ...]:
    return tuple(each.scenario for each in chained if each.scenario is not None)


def run_command(
    model_path: Path,
    records: Sequence[str],
    bills: Sequence[str],
    folder: Path | None,
    as_of: date | None,
    *,
    fail_on_breaks: bool,
    as_json: bool,
) -> int:
    """Runs, says what happened, and exits 1 where verification finds something, or on breaks where that is asked."""
    model = load_model(model_path, SECTIONS)
    with open_session(Settings.load(), migrations()) as session, progress(quiet=as_json) as report:
        taken = take_in(session, model, records, bills, folder, as_of, report)
        going = Going(model_path, taken, folder, fail_on_breaks, as_json)
        outcome = None if is_frugal() else prove(session, model, taken, folder, report)
    if outcome is None:
        _go_on_anew(going)
    return _told(going, outcome)


def prove_command(file_no: int) -> int:
    """Goes on with the run that an earlier program of this process left in the open file of this number."""
    with os.fdopen(file_no, "rb") as file:
        going: Going = pickle.load(file)
    model = load_model(going.model_path, SECTIONS)
    with open_session(Settings.load(), migrations()) as session, progress(quiet=going.as_json) as report:
        outcome = prove(session, model, going.taken, going.folder, report)
    return _told(going, outcome)


def _go_on_anew(going: Going) -> NoReturn:
    """Becomes a new program that proves what was taken in: what taking in has loaded, and left in pieces, is not there
    any more, and under a small limit on the address space there would be no room beside it."""
    with TemporaryFile() as file:
        pickle.dump(going, file)
        file.seek(0)
        os.set_inheritable(file.fileno(), True)
        command = [sys.executable, "-m", "everycent.serve.cli", PROVE, str(file.fileno())]
        os.execv(sys.executable, command)


def _told(going: Going, outcome: Outcome) -> int:
    if going.as_json:
        print_json(as_dict(outcome))
    else:
        print_outcome(outcome)
    broken = any(scenario.run.reconciled.breaks.num_rows for scenario in outcome.scenarios)
    parted = any(parts_beyond_limit(scenario.run) for scenario in outcome.scenarios)
    failed = parted or outcome.failures or (going.fail_on_breaks and broken)
    return exits.OK if outcome.verdict.ok and not failed else exits.FAILED


def run_model(
    session: Session,
    model: LoadedModel,
    records: Sequence[str],
    bills: Sequence[str],
    folder: Path | None,
    as_of: date | None,
    report: Reporter,
) -> Outcome:
    """The whole of `everycent run` within an open session."""
    taken = take_in(session, model, records, bills, folder, as_of, report)
    return prove(session, model, taken, folder, report)


def take_in(
    session: Session,
    model: LoadedModel,
    records: Sequence[str],
    bills: Sequence[str],
    folder: Path | None,
    as_of: date | None,
    report: Reporter,
) -> Taken:
    """Records through the model, and reconciliation."""
    inputs = find_inputs(model, records)
    day = as_of or model.calendar.today(datetime.now(UTC))
    prepared = prepare(session, model, records, bills)
    unused = prepared.unused([*inputs.others, *given_files(model, bills)])
    if folder is not None:
        _make_writable(folder)
    now = datetime.now(UTC)
    with gate_of(session, model, prepared.plan, prepared.scenarios) as gate:
        summary = run(
            session,
            model,
            inputs,
            day,
            report,
            lambda message: err.print(f"everycent: {message}"),
            now,
            gate,
            _runner(),
        )
    return Taken(summary, reconcile_all(session, model, prepared, report, day), unused)


def _runner() -> str:
    """Who runs it: whoever instructs payments does not release them."""
    try:
        return person(getpass.getuser()) or HOUSE
    except (KeyError, ImportError, OSError):  # nobody is logged in: a container
        return HOUSE


def prove(session: Session, model: LoadedModel, taken: Taken, folder: Path | None, report: Reporter) -> Outcome:
    """Verification, files and the report."""
    scenarios = _compared(taken.chained)
    verdict = verify(session.connection, session.details, session.engine, session.tenant, model.name, report)
    files: tuple[Path, ...] = ()
    if folder is not None:
        report("writing files", 0, None)
        files = (*export(session, model, taken.summary.as_of, folder), write_breaks(folder, scenarios))
        runs = [(one.name, one.run) for one in scenarios]
        files = (*files, *write_matches(folder, runs), *write_payouts(folder, runs), *write_carried(folder, runs))
        files = (*files, *write_entries(folder, runs))
        files = (*files, *write_across(folder, [(one.name, one.across) for one in scenarios]))
    data = report_data(session, model.name, verdict)  # after the export: the page knows what is in the bank file
    if folder is not None:
        files = (*files, *render(data, folder / "report.html"))
    return Outcome(taken.summary, taken.chained, verdict, data, files, taken.unused)


def _make_writable(folder: Path) -> None:
    """The folder for the files, found out to be writable before anything is taken in. Raises InputRefused."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputRefused(f"--out {folder} cannot be written to: {error.strerror}; name another folder") from None


def print_outcome(outcome: Outcome) -> None:
    """What happened, for people."""
    columns = ["records", "file", "rows", "accepted", "duplicate", "conflict", "quarantined", "charges held"]
    rows: list[list[Any]] = []
    for taken in outcome.summary.files:
        name = f"{taken.path.name} (taken in before)" if taken.again else taken.path.name
        rows.append([taken.kind, name, *(f"{count:,}" for count in taken.counts.values())])
    print_table("what came in", columns, rows, right=frozenset(range(2, len(columns))))
    out.print()
    _print_reasons(outcome.report)
    print_parked(outcome.summary.model, outcome.summary.parked)
    print_ordered(outcome.summary.ordered)
    out.print(summary_table(outcome.report))
    for path in outcome.summary.empty:
        err.print(f"everycent: {path} is empty: nothing of it was taken in, the other files were", markup=False)
    for path in outcome.unused:
        err.print(f"everycent: {path} is not used: no record kind, table or reconciliation takes it", markup=False)
    for statement in outcome.summary.recount_differs:
        err.print(f"everycent: {statement}", markup=False)
    for held in outcome.summary.held:
        err.print(f"everycent: {held}", markup=False)
    for told in [*_contradictions(outcome), *_parts(outcome), *outcome.failures]:
        err.print(f"everycent: {told}", markup=False)
    for earlier in outcome.summary.closed_before:
        out.print(str(earlier), markup=False)
    if not outcome.summary.changed and not any(scenario.changed for scenario in outcome.scenarios):
        out.print("nothing changed: all of this was there already")
    if not outcome.verdict.ok:
        print_findings(outcome.verdict)
    for path in outcome.files:
        if path.suffix in (".html", ".xml"):
            out.print(f"{'report' if path.suffix == '.html' else 'bank file'}: {path}", markup=False)


def _contradictions(outcome: Outcome) -> list[str]:
    """The figures that files state of themselves and that their rows do not give."""
    records = [
        f"{taken.path.name}: {contradiction(control)}"
        for taken in outcome.summary.files
        for control in taken.controls
        if not control.agrees
    ]
    sides = [str(stated) for scenario in outcome.scenarios for stated in scenario.stated if not stated.control.agrees]
    return list(dict.fromkeys([*records, *sides]))


def _parts(outcome: Outcome) -> list[str]:
    """Where the totals of reconciliations part from their details."""
    return [line for one in outcome.scenarios for line in parts_told(one.name, one.run, one.currency)]


def _print_reasons(report: ReportData) -> None:
    """Why rows were set aside and charges held, the most frequent first. Duplicates need no mending."""
    reasons = [row for row in (*report.set_aside, *report.held) if row.outcome != "duplicate"]
    if not reasons:
        return
    rows = [[row.outcome, f"{row.rows:,}", row.example, shorten(row.reason)] for row in reasons[:REASONS_SHOWN]]
    print_table("set aside and held so far", ["outcome", "rows", "for example", "why"], rows, right=frozenset({1}))
    if len(reasons) > REASONS_SHOWN:
        out.print(
            f"... and {len(reasons) - REASONS_SHOWN} more reasons; the report, quarantine.parquet and "
            f"held_charges.parquet have them all"
        )
    out.print()


def as_dict(outcome: Outcome) -> dict[str, Any]:
    """What happened, for programs."""
    summary = outcome.summary
    return {
        "model": summary.model,
        "as_of": summary.as_of.isoformat(),
        "changed": summary.changed or any(scenario.changed for scenario in outcome.scenarios),
        "files": [
            {
                "kind": taken.kind,
                "file": str(taken.path),
                "again": taken.again,
                **taken.counts,
                "controls": [{**asdict(control), "agrees": control.agrees} for control in taken.controls],
            }
            for taken in summary.files
        ],
        "set_aside": [row._asdict() for row in outcome.report.set_aside],
        "held": [row._asdict() for row in outcome.report.held],
        "empty_files": [str(path) for path in outcome.summary.empty],
        "unused_files": [str(path) for path in outcome.unused],
        "parked": parked_as_dict(summary.parked),
        "in_order": {
            "cleared": summary.ordered.cleared,
            "waiting": summary.ordered.waiting,
            "given_back_anew": summary.ordered.given_back_anew,
            "rewound": [rewound_as_dict(rewound) for rewound in summary.ordered.rewound],
        },
        "closed_statements": summary.closed_statements,
        "closed_before": [
            {"as_of": each.as_of.isoformat(), "by": each.by, "at": each.at.isoformat(), "statements": each.statements}
            for each in summary.closed_before
        ],
        "recount_differs": [str(statement) for statement in summary.recount_differs],
        "held_statements": [asdict(held) for held in summary.held],
        "instructions": summary.instructions,
        "recon": {each.name: each.as_dict() for each in outcome.chained},
        "verified": outcome.verdict.ok,
        "findings": [
            {"check": check.name, "bad": check.bad, "first_bad": check.first_bad} for check in outcome.verdict.findings
        ],
        "written": [str(path) for path in outcome.files],
    }
