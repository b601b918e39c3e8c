"""`everycent recon run`: scenarios of a file, or of a model, through their chains."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any

import pyarrow as pa

from everycent.base.money.currency import Currency, currency
from everycent.base.platform.settings import Settings
from everycent.flow.intake.service import open_source
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import open_session, plan_model
from everycent.proof.recon.breaks.standing import Chosen
from everycent.proof.recon.breaks.standing import ages as standing_ages
from everycent.proof.recon.contract import CAUSES
from everycent.serve.break_files import guarded
from everycent.serve.chaining import Chained, run_chain, run_due
from everycent.serve.cli import exits
from everycent.serve.cli.terminal import err, out, print_json, print_table, shorten, under_way
from everycent.serve.in_currency import each_currency, largest_breaks, with_currencies
from everycent.serve.loading import Place, surrounded
from everycent.serve.many_sides import ManySides
from everycent.serve.recon_modes import (
    differences_by_currency,
    parts_told,
    write_across,
    write_carried,
    write_entries,
    write_matches,
    write_payouts,
)
from everycent.serve.reconciling import PlannedScenario, plan_scenarios
from everycent.serve.report.scenarios import RunPage, render_scenarios
from everycent.serve.scenario_files import load_scenario_file
from everycent.serve.wiring import SECTIONS, migrations

BREAKS_SHOWN, REFUSED_SHOWN = 12, 5
SIDES = ("left", "right")
_EVENTS_PER_PART = 65_536


@dataclass(frozen=True)
class AskedRun:
    """What the caller says. `scenario`: a scenario file, or with `model` the name of one of its scenarios."""

    scenario: str
    model: Path | None = None
    only: Sequence[str] = ()
    left: Sequence[Path] = ()
    right: Sequence[Path] = ()
    sides: Sequence[str] = ()  # NAME=FILE, of scenarios of more than two sides
    as_of: date | None = None
    out: Path | None = None
    due: bool = False  # what triggers fire alone
    events: Path | None = None  # JSON lines, for triggers on events


def run_scenarios(asked: AskedRun, *, as_json: bool) -> int:
    """0 where all sides agree, 1 where they do not or a link failed."""
    with opened(asked) as (place, scenarios), under_way() as say:
        files = _files_by_side(asked, scenarios)
        events = None if asked.events is None else _events(asked.events)
        done: list[Chained] = []
        beside = ManySides(place.session.engine)
        for at, scenario in enumerate(scenarios, 1):
            where = f"{at} of {len(scenarios)}: {scenario.name}"
            say(f"{where}: begun")
            begun = monotonic()
            if asked.due:
                ending = run_due(place, scenario, datetime.now(UTC), events, beside)
            else:
                given = {word: files.get(name, ()) for word, name in zip(SIDES, scenario.called, strict=True)}
                ending = iter([run_chain(place, scenario, given, beside=beside)])
            ended = [*_told(where, begun, ending)]
            if not ended:
                err.print(f"{where}: nothing is due", markup=False)
            done += ended
        across = beside.told()
        ages = {each.name: _ages(place, each.name) for each in done}
    written = []
    if asked.out is not None:
        written = [*_write(asked.out, done), *_write_modes(asked.out, done, across), asked.out / "report.html"]
        render_scenarios(RunPage(place.scope.name, place.around.as_of.isoformat(), done, across, ages), written[-1])
    if as_json:
        runs = [{"scenario": each.name, **each.as_dict()} for each in done]
        as_of = place.around.as_of.isoformat()
        print_json({"as_of": as_of, "runs": runs, "written": [str(path) for path in written]})
    else:
        if not done:
            out.print("nothing is due")
        for each in done:
            _print(each)
        for path in written:
            out.print(f"written: {path}", markup=False)
    return exits.OK if all(each.agrees for each in done) else exits.FAILED


def _told(where: str, begun: float, runs: Iterable[Chained]) -> Iterator[Chained]:
    """The runs, each told on standard error as it ends; the first was begun at that moment."""
    for each in runs:
        took_s = monotonic() - begun
        err.print(f"{where}: {_counted(each)}, {took_s:.1f} s", markup=False)
        yield each
        begun = monotonic()


def _counted(done: Chained) -> str:
    if done.scenario is None or done.result is None:
        return "not compared"
    found, result = done.scenario.run.reconciled, done.result
    counts = {"break": result.breaks.num_rows, "finding": sum(each.findings.num_rows for each in result.checked)}
    parts = [f"{found.left_total.rows:,} and {found.right_total.rows:,} rows"]
    parts += [f"{n:,} {what}{'' if n == 1 else 's'}" for what, n in counts.items() if n or what == "break"]
    refused = sum(table.num_rows for table in done.refused)
    parts += [f"{refused:,} not comparable"] if refused else []
    parts += [f"{len(done.failures):,} failed"] if done.failures else []
    return ", ".join(parts)


@contextmanager
def opened(asked: AskedRun) -> Iterator[tuple[Place, Sequence[PlannedScenario]]]:
    """A place to run them, and the scenarios that are meant: checked before the database is opened
    where they stand in a file of their own.

    Raises ModelRefused, InputRefused."""
    if asked.model is None:
        file = load_scenario_file(Path(asked.scenario))
        scenarios = _chosen(plan_scenarios(file, file), asked.only, file.name)
        with open_session(Settings.load(), migrations()) as session, surrounded(session, file, asked.as_of) as around:
            yield Place(session, file, file, around), scenarios
        return
    model = load_model(asked.model, SECTIONS)
    with open_session(Settings.load(), migrations()) as session, surrounded(session, model, asked.as_of) as around:
        plan = plan_model(model, session.tenant, model.files)
        scenarios = _chosen(plan_scenarios(model, plan), (asked.scenario, *asked.only), model.name)
        yield Place(session, model, plan, around), scenarios


def _events(path: Path) -> pa.Table:
    """All columns as text. Raises SourceError."""
    source = open_source(path, _Utf8())
    parts = [shard.table for shard in source.shards(_EVENTS_PER_PART)]
    return pa.concat_tables(parts)


@dataclass(frozen=True)
class _Utf8:
    encoding: str = "utf-8"


def _chosen(scenarios: Sequence[PlannedScenario], names: Sequence[str], where: str) -> list[PlannedScenario]:
    """Those of these names; of a scenario of more than two sides, by its name all its pairs."""
    there = dict.fromkeys(name for scenario in scenarios for name in (scenario.of, scenario.name))
    for name in names:
        if name not in there:
            raise InputRefused(f"{where} has no reconciliation '{name}'; it has: {', '.join(there) or 'none'}")
    return [scenario for scenario in scenarios if not names or not {scenario.name, scenario.of}.isdisjoint(names)]


def _files_by_side(asked: AskedRun, scenarios: Sequence[PlannedScenario]) -> dict[str, list[Path]]:
    """The files given, by what the scenarios call their sides. Raises InputRefused."""
    files = {"left": list(asked.left), "right": list(asked.right)}
    for path in (*asked.left, *asked.right):
        if path.is_dir():
            raise InputRefused(f"{path} is a folder; name its files, as {path}/*.csv")
    names = list(dict.fromkeys(name for scenario in scenarios for name in scenario.called))
    for said in asked.sides:
        name, equals, file = said.partition("=")
        if not equals or name not in names:
            raise InputRefused(f"--side {said}: write NAME=FILE, where NAME is one of {', '.join(names) or 'no side'}")
        files.setdefault(name, []).append(Path(file))
    return files


def _write(folder: Path, done: Sequence[Chained]) -> list[Path]:
    """breaks and findings of all scenarios, each row with what stood there on both sides, as Parquet and CSV."""
    from pyarrow import csv, parquet

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, parts in (("breaks", [_breaks(each) for each in done]), ("findings", [_findings(each) for each in done])):
        tables = [part for part in parts if part is not None]
        if not tables or (name == "findings" and not any(table.num_rows for table in tables)):
            continue
        table = pa.concat_tables(tables)
        paths += [folder / f"{name}.parquet", folder / f"{name}.csv"]
        parquet.write_table(table, paths[-2])
        csv.write_csv(guarded(table), paths[-1])
    return paths


def _ages(place: Place, scenario: str) -> list[dict[str, Any]]:
    """How long the scenario's breaks have stood."""
    chosen = Chosen(model=place.scope.name, scenario=scenario)
    return standing_ages(place.session.connection, place.session.tenant, chosen, datetime.now(UTC))


def _write_modes(folder: Path, done: Sequence[Chained], across: Mapping[str, pa.Table]) -> list[Path]:
    """As `everycent run` does: what rules matched, what is carried on, what payouts are made of, three sides' words."""
    runs = [(each.name, each.scenario.run) for each in done if each.scenario is not None]
    return [
        *write_matches(folder, runs),
        *write_carried(folder, runs),
        *write_payouts(folder, runs),
        *write_entries(folder, runs),
        *write_across(folder, list(across.items())),
    ]


def _breaks(done: Chained) -> pa.Table | None:
    """The breaks with the scenario's name before them, and behind them the first row of each side as it was loaded."""
    if done.result is None or done.scenario is None:
        return None
    raw = {
        (row["side"], row["source_file"], row["source_line"]): row["raw"] for row in done.result.raw_rows.to_pylist()
    }
    table = with_currencies(done.scenario.run, done.scenario.currency)
    for side in ("left", "right"):
        places = zip(table[f"{side}_file"].to_pylist(), table[f"{side}_line"].to_pylist(), strict=True)
        texts = pa.array([raw.get((side, file, line)) for file, line in places], pa.string())
        table = table.append_column(f"{side}_raw", texts)
    return _named(table, done.name)


def _findings(done: Chained) -> pa.Table | None:
    if done.result is None or not done.result.checked:
        return None
    found = [
        each.findings.add_column(0, "checker", pa.array([each.checker] * each.findings.num_rows, pa.string()))
        for each in done.result.checked
    ]
    return _named(pa.concat_tables(found), done.name)


def _named(table: pa.Table, scenario: str) -> pa.Table:
    return table.add_column(0, "scenario", pa.array([scenario] * table.num_rows, pa.string()))


def _print(done: Chained) -> None:
    if done.scenario is None or done.result is None:
        err.print(f"everycent: {done.name} was not compared: {done.failure}", markup=False)
        return
    result = done.result
    again = "" if result.changed else "; these sides were compared before"
    out.print(f"\n{done.name}, run {result.run_no}{again}", markup=False)
    parts = each_currency(done.scenario.run, done.scenario.currency)
    several = len(parts) > 1
    rows = [
        [
            row["bucket"].replace("_", " "),
            *([part.currency.code] if several else []),
            f"{row['left_rows']:,}",
            f"{row['right_rows']:,}",
            *(_amount(part.currency, row[f"{name}_minor"]) for name in ("left", "right", "difference")),
        ]
        for part in parts
        for row in part.buckets
    ]
    headings = ["", *(["currency"] if several else []), "left rows", "right rows", "left", "right", "left - right"]
    print_table("Where each row ends", headings, rows, right=frozenset(range(len(headings) - 5, len(headings))))
    for code, causes in differences_by_currency(done.scenario.run, done.scenario.currency).items():
        for cause, minor in causes.items():
            amount = _amount(currency(code), minor) + (f" {code}" if several else "")
            out.print(f"matched, {CAUSES[cause].en}: {amount}", markup=False)
    shown = largest_breaks(done.scenario.run, done.scenario.currency, BREAKS_SHOWN)
    if shown:
        print_table(
            f"Breaks: {result.breaks.num_rows:,}, here {len(shown):,}",
            ["key", "why", "left status", "right status", "left - right"],
            [
                [shorten(row["key"], 40), row["cause_en"], row["left_status"] or "", row["right_status"] or "",
                 _difference(row, several=several)]
                for row in shown
            ],
            right=frozenset({4}),
        )  # fmt: skip
    _print_links(done)


def _print_links(done: Chained) -> None:
    assert done.result is not None and done.scenario is not None, "it was compared"
    for each in done.result.checked:
        if each.failure is not None:
            err.print(f"everycent: {done.name}: {each.failure}", markup=False)
        for row in each.findings.slice(0, BREAKS_SHOWN).to_pylist():
            out.print(f"{each.checker}: {row['key']}: {row['kind']}: {row['reason']}", markup=False)
        if each.findings.num_rows > BREAKS_SHOWN:
            out.print(f"{each.checker}: {each.findings.num_rows:,} findings in all", markup=False)
    for side, refused in zip(("left", "right"), done.refused, strict=True):
        for row in refused.slice(0, REFUSED_SHOWN).to_pylist():
            place = f"{row['source_file']}, line {row['source_line']}"
            err.print(f"everycent: {done.name}: {side}: {place}: not compared: {row['reason']}", markup=False)
        if refused.num_rows > REFUSED_SHOWN:
            err.print(f"everycent: {done.name}: {side}: {refused.num_rows:,} rows are not compared", markup=False)
    for line in parts_told(done.name, done.scenario.run, done.scenario.currency):
        err.print(f"everycent: {line}", markup=False)
    for stated in done.scenario.stated:
        if not stated.control.agrees:
            err.print(f"everycent: {done.name}: {stated}", markup=False)
    for handled in done.handled:
        if handled.failure is not None:
            err.print(f"everycent: {done.name}: {handled.failure}", markup=False)
        else:
            out.print(f"{handled.handler}: {handled.said}", markup=False)


def _difference(row: dict[str, Any], *, several: bool) -> str:
    """Left less right; of a break in several currencies what stands on each side."""
    sides = [row["difference"]] if row["difference"] else [row["left"], row["right"]]
    return " - ".join(
        " + ".join(_amount(money, minor) + (f" {money}" if several else "") for minor, money in amounts)
        for amounts in sides
        if amounts
    )


def _amount(money: Currency, minor: Any) -> str:
    return f"{Decimal(minor).scaleb(-money.exponent):,f}"
