"""`everycent model simulate` and `everycent model diff`: what another version would have made of the same history."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from everycent.base.money.amount import grouped
from everycent.base.money.currency import currency
from everycent.base.platform.settings import Settings
from everycent.flow.model.contract import LoadedModel
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import open_session
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NothingStored
from everycent.serve.cli.terminal import err, out, print_json, print_table, progress
from everycent.serve.report.difference import render_difference
from everycent.serve.simulating import Simulated, simulate
from everycent.serve.wiring import SECTIONS, migrations

PARTIES_SHOWN = 12


def simulate_command(
    path: Path, changes: Sequence[str], on: Sequence[str], as_of: date | None, page: Path | None, *, as_json: bool
) -> int:
    """The model, perhaps with words changed, against what is stored; over files, against itself unchanged."""
    changed = _changes(changes)
    after = load_model(path, SECTIONS, changed)
    if on and not changed:
        raise InputRefused("over files there is nothing to compare with; change a word with --set, or use `model diff`")
    before = load_model(path, SECTIONS) if on else None
    return _simulated(before, after, on, as_of, page, as_json=as_json)


def diff_command(
    old: Path, new: Path, on: Sequence[str], as_of: date | None, page: Path | None, *, as_json: bool
) -> int:
    """Two models against each other."""
    before, after = load_model(old, SECTIONS), load_model(new, SECTIONS)
    if before.name != after.name:
        raise InputRefused(f"{old} is of {before.name}, {new} of {after.name}; compare two versions of one model")
    return _simulated(before, after, on, as_of, page, as_json=as_json)


def _changes(given: Sequence[str]) -> dict[str, str]:
    changes = {}
    for text in given:
        path, equals, value = text.partition("=")
        if not equals:
            raise InputRefused(f"--set {text}: write a path and a value, for example charges.commission.round=down")
        changes[path.strip()] = value.strip()
    return changes


def _simulated(
    before: LoadedModel | None,
    after: LoadedModel,
    on: Sequence[str],
    as_of: date | None,
    page: Path | None,
    *,
    as_json: bool,
) -> int:
    asked = asked_outside([model for model in (before, after) if model is not None]) if on else ()
    if asked:
        err.print(
            f"everycent: over files, values are looked up outside as in a run: {', '.join(asked)}. Where answers change"
            " meanwhile, so do the figures; a trial on what is stored (without --on) asks nobody",
            markup=False,
        )
    with open_session(Settings.load(), migrations()) as session, progress(quiet=as_json) as report:
        if not on and after.name not in session.models():
            known = ", ".join(session.models()) or "no model"
            raise NothingStored(
                f"nothing is stored of {after.name} (stored: {known}); run it first, or give files: --on"
            )
        found = simulate(session, before, after, on, as_of, report)
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
        render_difference(found, after.spec.currency_codes, page)
    if as_json:
        print_json(as_dict(found, after))
    else:
        _print(found, after)
        if page is not None:
            out.print(f"page: {page}", markup=False)
    return exits.OK


def asked_outside(models: Sequence[LoadedModel]) -> tuple[str, ...]:
    """The factors that a run of the models looks up outside, each with the variable that says where."""
    found: dict[str, None] = {}
    for model in models:
        for name, factor in model.spec.factors.items():
            if factor.sql is not None:
                found[f"{name} (database {factor.sql.database})"] = None
            if factor.rest is not None:
                found[f"{name} (service {factor.rest.address})"] = None
    return tuple(found)


def _print(found: Simulated, model: LoadedModel) -> None:
    several = len(model.spec.currency_codes) > 1
    out.print(f"{found.records:,} records; before: {found.before}; after: {found.after}", markup=False)
    if found.difference.differing == 0:
        out.print("nothing differs: every charge and every share is the same")
    right = frozenset({1, 2, 3, 4})
    for title, first, table, shown in (
        ("by charge", ("charge",), found.difference.charges, None),
        ("by party (owed to it, less owed by it)", ("party",), found.difference.parties, PARTIES_SHOWN),
        ("by bearer", ("charge", "bearer", "role"), found.difference.bearers, None),
    ):
        rows = table.to_pylist()
        if not rows:
            continue
        cells = [[_named(row, first), *_amounts(row, several=several), *_count(row)] for row in rows[:shown]]
        columns = [" / ".join(first), "before", "after", "difference", *(["records"] if "records" in rows[0] else [])]
        print_table(title, columns, cells, right=right)
        if shown is not None and len(rows) > shown:
            out.print(f"... and {len(rows) - shown:,} more")
    if found.difference.records.num_rows:
        names = {row["record_id"]: f"{row['kind']}:{row['key']}" for row in found.names.to_pylist()}
        cells = [
            [f"{names.get(row['record_id'], row['record_id'])}/{row['charge']}", *_amounts(row, several=several)]
            for row in found.difference.records.to_pylist()
        ]
        title = f"{len(cells)} of {found.difference.differing:,} charges that differ"
        print_table(title, ["record / charge", "before", "after", "difference"], cells, right=right)
    held = [row for row in found.held.to_pylist() if row["before"] != row["after"]]
    if held:
        rows = [[row["state"], f"{row['before']:,}", f"{row['after']:,}", row["reason"]] for row in held]
        print_table("charges held", ["state", "before", "after", "why"], rows, right=frozenset({1, 2}))
    for label, lines in zip(("before", "after"), found.explained, strict=True):
        if any(found.explained):
            out.print(f"\nthe first of them, {label}:", style="bold")
        for line in lines:
            out.print(f"  {line}", markup=False)


def _named(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return " / ".join(str(row[name]) for name in names)


def _amounts(row: Mapping[str, Any], *, several: bool) -> tuple[str, str, str]:
    """Before, after, difference; with the currency's code behind where there are several."""
    money = currency(row["currency"])
    code = f" {money}" if several else ""
    before, after = _whole(row["before_minor"]), _whole(row["after_minor"])
    figures = [f"{grouped(minor, money.exponent)}{code}" for minor in (before, after, after - before)]
    return figures[0], figures[1], f"+{figures[2]}" if after > before else figures[2]


def _count(row: Mapping[str, Any]) -> list[str]:
    return [f"{row['records']:,}"] if "records" in row else []


def _whole(value: Decimal) -> int:
    return int(value)


def as_dict(found: Simulated, model: LoadedModel) -> dict[str, Any]:
    """The difference for programs; amounts in minor units."""
    names = {row["record_id"]: f"{row['kind']}:{row['key']}" for row in found.names.to_pylist()}
    return {
        "model": found.model,
        "currency": model.spec.currency,
        "before": found.before,
        "after": found.after,
        "records": found.records,
        "differing": found.difference.differing,
        "charges": _plain(found.difference.charges.to_pylist()),
        "parties": _plain(found.difference.parties.to_pylist()),
        "bearers": _plain(found.difference.bearers.to_pylist()),
        "largest": [
            {"record": names.get(row["record_id"]), **row} for row in _plain(found.difference.records.to_pylist())
        ],
        "held": found.held.to_pylist(),
        "explained": {"before": list(found.explained[0]), "after": list(found.explained[1])},
    }


def _plain(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: _whole(value) if name.endswith("_minor") else value for name, value in row.items()} for row in rows]
