"""`everycent rewind`, and what a run says of its ordered pass."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import currency
from everycent.base.platform.settings import Settings
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import Ordered, Rewound, open_session, plan_model, rewind_from
from everycent.proof.verify.service import verify
from everycent.serve.cli import exits
from everycent.serve.cli.asking import print_findings
from everycent.serve.cli.terminal import err, out, print_json, print_table, progress
from everycent.serve.wiring import SECTIONS, migrations

_PARTIES_SHOWN = 20


def rewind_command(path: Path, record: str | None, since: str | None, *, dry_run: bool, as_json: bool) -> int:
    """Plans or runs a rewind; exit code 1 where verification finds something afterwards."""
    start = record or since
    if start is None or (record is not None and since is not None):
        raise InputRefused("say where to: --to a record, or --from a time such as 2026-03-01T00:00:00+08:00")
    model = load_model(path, SECTIONS)
    with open_session(Settings.load(), migrations()) as session, progress(quiet=as_json) as report:
        plan = plan_model(model, session.tenant, model.files)
        rewound = rewind_from(
            session, plan, start, report, lambda message: err.print(f"everycent: {message}"), dry_run=dry_run
        )
        verdict = verify(session.connection, session.details, session.engine, session.tenant, model.name, report)
    if as_json:
        print_json({"model": model.name, "dry_run": dry_run, **rewound_as_dict(rewound), "verified": verdict.ok})
        return exits.OK if verdict.ok else exits.FAILED
    _print_rewound(rewound, dry_run=dry_run)
    if not dry_run or not verdict.ok:
        print_findings(verdict)
    return exits.OK if verdict.ok else exits.FAILED


def _print_rewound(rewound: Rewound, *, dry_run: bool) -> None:
    """What a rewind did or would do, for people."""
    from_there = f"{rewound.records:,} records from number {rewound.starts_at:,} on"
    if not rewound.removed and not rewound.added:
        would = "nothing would move: clearing" if dry_run else "nothing moved: clearing"
        out.print(f"{would} the {from_there} again gives the same obligations, to the cent")
        return
    would = "would be" if dry_run else "were"
    out.print(
        f"{from_there} {would} cleared again: {rewound.removed:,} obligations taken away,"
        f" {rewound.added:,} put in their place, {rewound.adjusting:,} of them adjusting"
    )
    print_parties(rewound.parties.to_pylist())
    for statement in rewound.statements[:_PARTIES_SHOWN]:
        out.print(f"statement {statement}", markup=False)
    if len(rewound.statements) > _PARTIES_SHOWN:
        out.print(f"... and {len(rewound.statements) - _PARTIES_SHOWN:,} more statements; --json has them all")


def print_parties(changes: Sequence[Mapping[str, Any]]) -> None:
    """What each party is owed more, or less: party, currency, change_minor."""
    if not changes:
        out.print("no party is owed more or less")
        return
    rows = [
        [row["party"], grouped_minor(int(row["change_minor"]), currency(row["currency"])), row["currency"]]
        for row in changes[:_PARTIES_SHOWN]
    ]
    print_table("what each party is owed more, or less", ["party", "amount", ""], rows, right=frozenset({1}))
    if len(changes) > _PARTIES_SHOWN:
        out.print(f"... and {len(changes) - _PARTIES_SHOWN:,} more parties; --json has them all")


def print_ordered(ordered: Ordered) -> None:
    """What a run cleared in order, for people; nothing where the model has no order."""
    for rewound in ordered.rewound:
        out.print(f"late records: {rewound.records:,} records from number {rewound.starts_at:,} on were cleared again")
    if ordered.given_back_anew:
        told = "charges of refunds that came in another order than theirs were corrected"
        out.print(f"{ordered.given_back_anew:,} {told}")
    if ordered.cleared or ordered.waiting:
        out.print(f"cleared in order: {ordered.cleared:,} records; {ordered.waiting:,} wait for stragglers")


def rewound_as_dict(rewound: Rewound) -> dict[str, Any]:
    """A rewind, for programs."""
    return {
        "generation": rewound.generation,
        "starts_at": rewound.starts_at,
        "records": rewound.records,
        "obligations_removed": rewound.removed,
        "obligations_added": rewound.added,
        "obligations_adjusting": rewound.adjusting,
        "statements": list(rewound.statements),
        "parties": [
            {"party": row["party"], "currency": row["currency"], "change_minor": int(row["change_minor"])}
            for row in rewound.parties.to_pylist()
        ],
    }
