"""`everycent rerate`: charges of stored records corrected by the model of now."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import currency
from everycent.base.platform.settings import Settings
from everycent.flow.model.contract import table_files
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import Chosen, Rerated, Wish, given_files, open_session, rerate
from everycent.proof.verify.service import verify
from everycent.serve.cli import exits
from everycent.serve.cli.asking import print_findings
from everycent.serve.cli.rewinding import print_parties
from everycent.serve.cli.terminal import err, out, print_json, print_table, progress
from everycent.serve.wiring import SECTIONS, migrations

_SHOWN = 20


def rerate_command(
    path: Path, tables: Sequence[str], chosen: Chosen, wish: Wish, *, dry_run: bool, as_json: bool
) -> int:
    """Plans or makes corrections; exit code 1 where a record was refused or verification finds something."""
    model = load_model(path, SECTIONS)
    found = {file.name: file for file in given_files(model, tables)} | dict(model.files)
    for name in table_files(model.spec):
        if name not in found:
            raise InputRefused(f"the model needs {name}; put it beside {path} or give it with --tables")
    with open_session(Settings.load(), migrations()) as session, progress(quiet=as_json) as report:
        done = rerate(
            session,
            model,
            found,
            chosen,
            wish,
            report,
            lambda message: err.print(f"everycent: {message}"),
            datetime.now(UTC).isoformat(),
            dry_run=dry_run,
        )
        verdict = verify(session.connection, session.details, session.engine, session.tenant, model.name)
    if as_json:
        print_json({"model": model.name, "dry_run": dry_run, **rerated_as_dict(done), "verified": verdict.ok})
    else:
        _print_rerated(done, dry_run=dry_run)
        if not dry_run or not verdict.ok:
            print_findings(verdict)
    return exits.OK if verdict.ok and done.refused.num_rows == 0 else exits.FAILED


def _print_rerated(done: Rerated, *, dry_run: bool) -> None:
    """What was corrected or would be, for people."""
    charges = done.changes.to_pylist()
    would = "would be" if dry_run else "were"
    if not charges and not done.records:
        out.print("no record was rated again")
    elif not charges:
        same = "nothing would move" if dry_run else "nothing moved"
        out.print(f"{same}: {done.records:,} records rated again give the same charges, to the cent")
    else:
        out.print(f"{done.records:,} records rated again: {len(charges):,} charges {would} corrected")
        rows = [
            [
                row["record"],
                row["charge"],
                *(grouped_minor(row[f"{when}_minor"], currency(row["currency"])) for when in ("before", "after")),
                row["currency"],
            ]
            for row in charges[:_SHOWN]
        ]
        print_table("corrected charges", ["record", "charge", "before", "after", ""], rows, right=frozenset({2, 3}))
        print_parties(done.parties.to_pylist())
        for statement in done.statements[:_SHOWN]:
            out.print(f"statement {statement}", markup=False)
    for what, count in (("charges", len(charges)), ("statements", len(done.statements))):
        if count > _SHOWN:
            out.print(f"... and {count - _SHOWN:,} more {what}; --json has them all")
    for row in done.refused.to_pylist()[:_SHOWN]:
        err.print(f"everycent: {row['record']} is left as it is: {row['reason']}", markup=False)
    if done.refused.num_rows > _SHOWN:
        err.print(f"everycent: and {done.refused.num_rows - _SHOWN:,} more records", markup=False)


def rerated_as_dict(done: Rerated) -> dict[str, Any]:
    """What was corrected, for programs."""
    return {
        "records": done.records,
        "changes": done.changes.to_pylist(),
        "refused": done.refused.to_pylist(),
        "statements": list(done.statements),
        "parties": [
            {"party": row["party"], "currency": row["currency"], "change_minor": int(row["change_minor"])}
            for row in done.parties.to_pylist()
        ],
    }
