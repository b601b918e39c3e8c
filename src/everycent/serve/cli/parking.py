"""`everycent rate --parked` and `everycent parked`: charges that wait, and rating them again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from everycent.base.platform.settings import Settings
from everycent.flow.model.contract import table_files
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import (
    Tried,
    Waits,
    given_files,
    held_in_turn,
    open_session,
    parked,
    rate_parked,
)
from everycent.proof.verify.service import verify
from everycent.serve.cli import exits
from everycent.serve.cli.asking import print_findings
from everycent.serve.cli.terminal import err, out, print_json, print_table, progress, shorten
from everycent.serve.wiring import SECTIONS, migrations


def rate_command(path: Path, tables: Sequence[str], *, as_json: bool) -> int:
    """Rates the parked charges again; exit code 1 where verification finds something."""
    model = load_model(path, SECTIONS)
    found = {file.name: file for file in given_files(model, tables)} | dict(model.files)
    for name in table_files(model.spec):
        if name not in found:
            raise InputRefused(f"the model needs {name}; put it beside {path} or give it with --tables")
    with open_session(Settings.load(), migrations()) as session, progress(quiet=as_json) as report:
        now = datetime.now(UTC)
        tried = rate_parked(session, model, found, lambda message: err.print(f"everycent: {message}"), now)
        in_turn = sum(waits.charges for waits in held_in_turn(session, model.name))
        verdict = verify(session.connection, session.details, session.engine, session.tenant, model.name, report)
    if as_json:
        print_json({"model": model.name, **parked_as_dict(tried), "verified": verdict.ok})
    else:
        print_parked(model.name, tried)
        if tried.released == 0:
            out.print("nothing was released")
        if in_turn:
            out.print(f"{in_turn:,} charges are held in their turn; {_in_turn_hint(path)}", markup=False)
        print_findings(verdict)
    return exits.OK if verdict.ok else exits.FAILED


def parked_command(path: Path, *, as_json: bool) -> int:
    """Lists why charges wait."""
    model = load_model(path, SECTIONS)
    with open_session(Settings.load(), migrations()) as session:
        waits, in_turn = parked(session, model.name), held_in_turn(session, model.name)
    if as_json:
        print_json(
            {
                "model": model.name,
                "parked": sum(w.charges for w in waits),
                "reasons": _as_dicts(waits),
                "held_in_turn": _as_dicts(in_turn),
            }
        )
        return exits.OK
    if not waits:
        out.print("nothing is parked")
    else:
        _print_reasons("parked charges", waits)
        out.print(f"mend the model or its tables, then: everycent rate {path} --parked", markup=False)
    if in_turn:
        _print_reasons("charges held in their turn, in strict order", in_turn)
        out.print(_in_turn_hint(path), markup=False)
    return exits.OK


def _print_reasons(title: str, waits: Sequence[Waits]) -> None:
    rows = [[w.charge, w.state, f"{w.charges:,}", ", ".join(w.examples), shorten(w.reason)] for w in waits]
    print_table(title, ["charge", "state", "charges", "for example", "why"], rows, right=frozenset({2}))


def _in_turn_hint(path: Path) -> str:
    return (
        "what came before them decides, so rating them again gives the same: send the records that are missing, or mend"
        f" the model, and clear them anew from there: everycent rewind run {path} --to RECORD"
    )


def _as_dicts(waits: Sequence[Waits]) -> list[dict[str, Any]]:
    return [
        {"charge": w.charge, "state": w.state, "reason": w.reason, "charges": w.charges, "examples": list(w.examples)}
        for w in waits
    ]


def print_parked(model: str, tried: Tried) -> None:
    """What was released and what waits, where there is anything of it; an alert where charges wait."""
    if tried.released:
        out.print(f"{tried.released:,} parked charges were rated again and released", markup=False)
    if tried.waiting:
        when = (
            "" if tried.next_try_at is None else f"; they are tried again from {tried.next_try_at:%Y-%m-%d %H:%M} UTC"
        )
        err.print(f"everycent: {tried.waiting:,} charges of {model} are parked{when}", markup=False)


def parked_as_dict(tried: Tried) -> dict[str, Any]:
    """What became of parked charges, for programs."""
    next_try = None if tried.next_try_at is None else tried.next_try_at.isoformat()
    return {"outcomes": dict(tried.outcomes), "waiting": tried.waiting, "next_try_at": next_try}
