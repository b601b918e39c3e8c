"""`everycent explain`, `verify` and `report`: questions about what is stored; nothing is changed."""

from collections.abc import Sequence
from pathlib import Path

from everycent.base.platform.settings import Settings
from everycent.flow.ledger import service as ledger
from everycent.flow.pipeline.session import Session, open_session
from everycent.proof.explain.service import explain
from everycent.proof.recon.service import models_reconciled
from everycent.proof.verify.contract import Verdict
from everycent.proof.verify.service import verify
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NothingStored
from everycent.serve.cli.terminal import err, out, print_json, progress
from everycent.serve.report.collect import collect
from everycent.serve.report.data import Check, ReportData
from everycent.serve.report.page import render
from everycent.serve.wiring import migrations

VERIFIED = "verified: every cent accounted for"


def explain_command(id_text: str, model: str | None, *, as_json: bool) -> int:
    """Prints the walk from the id back to its source rows; `model` says whose, where several have that id."""
    with open_session(Settings.load(), migrations()) as session:
        if model is not None:
            _named(session, model)
        explanation = explain(session.connection, session.details, session.engine, session.tenant, id_text, model)
    if as_json:
        print_json(explanation.to_dict())
    else:
        for line in explanation.to_lines():
            out.print(line, markup=False)
    return exits.OK


def verify_command(model: str | None, kept: Sequence[str], *, as_json: bool) -> int:
    """Verifies one model or all, and that the ledger's seals with the `kept` chained roots are there still; exit code
    1 where something does not add up."""
    with open_session(Settings.load(), migrations()) as session, progress(quiet=as_json) as report:
        where = (session.connection, session.tenant)
        names = _named(session, model, [*models_reconciled(*where), *ledger.models(*where)])
        verdict = verify(session.connection, session.details, session.engine, session.tenant, model, report, kept)
    if as_json:
        checks = [
            {"model": c.model, "check": c.name, "rows": c.rows, "bad": c.bad, "first_bad": c.first_bad}
            for c in verdict.checks
        ]
        print_json({"verified": verdict.ok, "models": names, "checks": checks})
    else:
        out.print(f"{len(verdict.checks)} checks over {verdict.rows:,} rows of {', '.join(names)}", markup=False)
        print_findings(verdict)
    return exits.OK if verdict.ok else exits.FAILED


def report_command(model: str | None, path: Path, *, as_json: bool) -> int:
    """Writes the report of one model, verified afresh."""
    with open_session(Settings.load(), migrations()) as session, progress(quiet=as_json) as tell:
        names = _named(session, model, pages_elsewhere=models_reconciled(session.connection, session.tenant))
        if len(names) > 1:
            raise NothingStored(f"the database holds {', '.join(names)}; name one with --model")
        verdict = verify(session.connection, session.details, session.engine, session.tenant, names[0], tell)
        data = report_data(session, names[0], verdict)
    path.parent.mkdir(parents=True, exist_ok=True)
    render(data, path)
    if as_json:
        print_json({"report": str(path), "verified": verdict.ok})
    else:
        print_findings(verdict)
        out.print(f"report: {path}", markup=False)
    return exits.OK if verdict.ok else exits.FAILED


def report_data(session: Session, model: str, verdict: Verdict) -> ReportData:
    """What the report shows, with the verifier's findings."""
    checks = [Check(check.name, check.ok, check.first_bad or "", check.rows) for check in verdict.checks]
    return collect(session.connection, session.details, session.engine, session.tenant, model, checks)


def print_findings(verdict: Verdict) -> None:
    """The verdict in a line, or each finding with the first row that does not add up."""
    if verdict.ok:
        out.print(VERIFIED, style="bold green")
        return
    out.print("NOT verified:", style="bold red")
    for check in verdict.findings:
        out.print(f"  {check.name}: {check.first_bad} ({check.bad} in all)", markup=False)
    err.print("everycent: what is stored does not add up; see the findings above")


def _named(
    session: Session, model: str | None, others: Sequence[str] = (), pages_elsewhere: Sequence[str] = ()
) -> list[str]:
    """The models that are meant, `others` among them; refuses a name that is not there. `pages_elsewhere`: names that
    stand for scenario files, of which there are no books."""
    stored = sorted({*session.models(), *others})
    of_files = [name for name in pages_elsewhere if name not in stored]
    if of_files and (not stored or model in of_files):
        raise NothingStored(
            f"{', '.join(of_files)}: reconciliations of scenario files, which have no books to report; "
            f"`everycent recon run FILE --out DIR` writes their page, `everycent breaks list` what stands"
        )
    if not stored:
        raise NothingStored("the database is empty; `everycent demo` or `everycent run` fills it")
    if model is not None and model not in stored:
        raise NothingStored(f"the database holds no model '{model}'; it holds {', '.join(stored)}")
    return stored if model is None else [model]
