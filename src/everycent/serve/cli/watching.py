"""`everycent recon put` and `everycent recon watch`: events of both sides, and checking them soon after."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from io import BufferedReader
from pathlib import Path
from typing import Any

import pyarrow as pa

from everycent.base.platform.settings import Settings
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import Session, open_session
from everycent.proof.recon.service import Answer, Decision, QueueFull, Watch
from everycent.serve.cli import exits
from everycent.serve.cli.terminal import err, out, print_json, print_table, progress, shorten
from everycent.serve.event_lines import LineSource
from everycent.serve.gating import Checkpoint, checkpoint
from everycent.serve.reconciling import plan_scenarios
from everycent.serve.scenario_files import open_scope
from everycent.serve.watch_loop import Until, store_runs, watch
from everycent.serve.watching import Live, asked_of, live_of, put
from everycent.serve.wiring import migrations

#: How many events that are not compared are told one by one.
TOLD = 20
#: Of keys, in the order in which they are shown.
VERDICTS = ("equal", "within_tolerance", "break")
_TRIES_AGAIN_S = 1.0


def open_live(session: Session, path: Path) -> Live:
    """The scenarios with the word `live` of a model or a scenario file. Raises ModelRefused, InputRefused."""
    model, plan = open_scope(session, path)
    return live_of(model, plan, plan_scenarios(model, plan))


def put_command(path: Path, events: str, *, wait: bool, as_json: bool) -> int:
    """Takes events in. 1 where one is in conflict with another or is none; 75 where the queue is full."""
    told: list[dict[str, Any]] = []

    def tell(line: int, outcome: str, reason: str) -> None:
        if len(told) < TOLD:
            told.append({"line": line, "outcome": outcome, "reason": reason})

    with _opened(events) as stream, open_session(Settings.load(), migrations()) as session:
        live = open_live(session, path)
        taken = put(session, live, LineSource(stream), tell, _wait if wait else _give_up, lambda: datetime.now(UTC))
    counts = dict(taken.counts)
    if as_json:
        print_json({"model": live.model.name, "outcomes": counts, "told": told})
    else:
        print_table("events", list(counts), [[f"{number:,}" for number in counts.values()]])
        for row in told:
            out.print(f"  line {row['line']}: {row['outcome']}: {shorten(row['reason'])}", markup=False)
    return exits.FAILED if counts["conflict"] or counts["malformed"] else exits.OK


@contextmanager
def _opened(events: str) -> Iterator[BufferedReader]:
    if events == "-":
        assert isinstance(sys.stdin.buffer, BufferedReader), "standard input is read in blocks"
        yield sys.stdin.buffer
        return
    with Path(events).open("rb") as file:
        yield file


def _wait(full: QueueFull) -> None:
    del full
    time.sleep(_TRIES_AGAIN_S)


def _give_up(full: QueueFull) -> None:
    raise full


def watch_command(
    path: Path, scenario: str | None, until: Until, *, run: bool, fail_on_breaks: bool, as_json: bool
) -> int:
    """Checks what is due; says how the scenarios stand when it ends."""
    with open_session(Settings.load(), migrations()) as session, progress(quiet=as_json) as report:
        live = open_live(session, path).named(scenario)
        try:
            found = watch(session, live, until, report, lambda said: err.print(said, markup=False))
        except KeyboardInterrupt:
            err.print("everycent: stopped; what was checked stays, another watcher goes on")
            return exits.OK
        runs = {name: one.run_no for name, one in store_runs(session, live).items()} if run else {}
    if as_json:
        scenarios = {name: _as_dict(one) | {"run": runs.get(name)} for name, one in found.items()}
        print_json({"model": live.model.name, "scenarios": scenarios})
    else:
        _print(found)
    broken = any(one.verdicts.get("break") for one in found.values())
    return exits.FAILED if fail_on_breaks and broken else exits.OK


def _as_dict(one: Watch) -> dict[str, Any]:
    return {
        "waiting": one.waiting,
        "lag_s": one.lag_s,
        "counts": dict(one.counts),
        "verdicts": {name: one.verdicts.get(name, 0) for name in VERDICTS},
    }


def _print(found: Mapping[str, Watch]) -> None:
    rows = [
        [name, *(f"{one.verdicts.get(outcome, 0):,}" for outcome in VERDICTS), f"{one.waiting:,}", f"{one.lag_s:,}"]
        for name, one in found.items()
    ]
    columns = ["scenario", *VERDICTS, "waiting", "lag (s)"]
    print_table("keys", columns, rows, right=frozenset(range(1, len(columns))))


def check_command(path: Path, scenario: str | None, keys: Sequence[str], *, as_json: bool) -> int:
    """Says whether a step may go on; exit code 1 where it may not."""
    with _asked(path, scenario) as (asked, name):
        answer = asked.may_go_on(name, keys)
    if as_json:
        print_json(_answer(name, keys, answer))
    else:
        sure = "" if answer.told else ", as declared"
        out.print(f"{answer.decision}{sure}: {answer.reason}", markup=False)
    return exits.OK if answer.decision == Decision.GO_ON else exits.FAILED


def check_each_command(path: Path, scenario: str | None, questions: str) -> int:
    """Answers each line of keys by a line of JSON, before it reads the next; 0 when there are no more."""
    with _asked(path, scenario) as (asked, name), _opened(questions) as stream:
        while line := stream.readline():
            keys = [key for key in line.decode("utf-8", "replace").rstrip("\r\n").split("\t") if key]
            if keys:
                print_json(_answer(name, keys, asked.may_go_on(name, keys)))
                sys.stdout.flush()
    return exits.OK


@contextmanager
def _asked(path: Path, scenario: str | None) -> Iterator[tuple[Checkpoint, str]]:
    """Who answers for the scenario, and its name."""
    with open_session(Settings.load(), migrations()) as session:
        model, plan = open_scope(session, path)
        live = asked_of(model, plan, plan_scenarios(model, plan)).named(scenario)
        if len(live.scenarios) > 1:
            raise InputRefused(f"several scenarios can be asked: {', '.join(s.name for s in live.scenarios)}; name one")
        with checkpoint(session, live) as asked:
            yield asked, live.scenarios[0].name


def _answer(name: str, keys: Sequence[str], answer: Answer) -> dict[str, Any]:
    told = {"answer": answer.decision, "told": answer.told, "reason": answer.reason}
    return {"scenario": name, "keys": list(keys), **told, "breaks": _shown(answer.breaks)}


def _shown(breaks: pa.Table) -> list[dict[str, Any]]:
    return [
        {name: int(value) if isinstance(value, Decimal) else value for name, value in row.items()}
        for row in breaks.to_pylist()
    ]
