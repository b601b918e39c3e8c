"""`everycent breaks handle`, `repair`, `recheck` and `rerun`: what is done about breaks by declared words."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from everycent.flow.model.service import load_model
from everycent.proof.recon.breaks.choosing import NotTried
from everycent.proof.recon.breaks.rechecking import Rechecked
from everycent.proof.recon.breaks.repairing import Repaired, repair
from everycent.proof.recon.breaks.standing import StandingBreak
from everycent.serve.cli import exits
from everycent.serve.cli.breaking import Meant, meant_breaks
from everycent.serve.cli.chaining import AskedRun, opened, run_scenarios
from everycent.serve.cli.refusals import NothingStored
from everycent.serve.cli.terminal import err, out, print_json, print_table
from everycent.serve.handling import handle, look_again, workshop
from everycent.serve.loading import Place
from everycent.serve.reconciling import PlannedScenario
from everycent.serve.wiring import SECTIONS

_SHOWN = 20


def handle_command(path: Path, names: Sequence[str], *, as_json: bool) -> int:
    """1 where a repair failed or is in doubt, or a message did not arrive."""
    now = datetime.now(UTC)
    with _opened(path, names) as (place, scenarios):
        done, delivered = handle(place, scenarios, now)
    repaired = [one for each in done for one in each.repairs.repaired]
    not_tried = [one for each in done for one in each.repairs.not_tried]
    failed = [one for one in delivered if one.failure is not None]
    if as_json:
        print_json(
            {
                "repaired": [_as_dict(one) for one in repaired],
                "not_tried": [asdict(one) for one in not_tried],
                "messages": sum(each.written.messages for each in done),
                "alerted": sum(each.written.breaks for each in done),
                "waiting": sum(each.written.waiting for each in done),
                "delivered": len(delivered) - len(failed),
                "not_delivered": [{"alert_id": str(one.alert_id), "why": one.failure} for one in failed],
            }
        )
    else:
        _print(repaired, not_tried)
        for each in done:
            told = each.written
            if each.busy is not None:
                err.print(each.busy, markup=False)
            out.print(f"{each.scenario}: {told.breaks:,} breaks in {told.messages:,} messages", markup=False)
            if told.waiting:
                out.print(f"  {told.waiting:,} wait for the next hour's messages", markup=False)
        out.print(f"{len(delivered) - len(failed):,} messages have arrived")
        for one in failed:
            err.print(f"not delivered, tried again later: {one.scenario}: {one.failure}", markup=False)
    bad = failed or any(one.end in ("failed", "in_doubt") for one in repaired)
    return exits.FAILED if bad else exits.OK


def repair_command(path: Path, meant: Meant, *, dry_run: bool, as_json: bool) -> int:
    """1 where a repair failed or is in doubt."""
    now = datetime.now(UTC)
    repaired: list[Repaired] = []
    not_tried: list[NotTried] = []
    with _opened(path, ()) as (place, scenarios):
        found = _meant(place, meant, now)
        who = None if found is None else meant.person
        for scenario in scenarios:
            some = None if found is None else [each for each in found if each.scenario == scenario.name]
            done = repair(workshop(place, scenario, who, now), some, dry_run=dry_run)
            repaired += done.repaired
            not_tried += done.not_tried
    if as_json:
        told = [asdict(one) for one in not_tried]
        print_json({"dry_run": dry_run, "repaired": [_as_dict(one) for one in repaired], "not_tried": told})
    else:
        _print(repaired, not_tried)
    return exits.FAILED if any(one.end in ("failed", "in_doubt") for one in repaired) else exits.OK


def recheck_command(path: Path, meant: Meant, given: Mapping[str, Sequence[Path]], *, as_json: bool) -> int:
    """0, whether they agree or not: what they are now is told."""
    now = datetime.now(UTC)
    looked_at: list[Rechecked] = []
    with _opened(path, ()) as (place, scenarios):
        found = _meant(place, meant, now)
        for scenario in scenarios:
            some = None if found is None else [each for each in found if each.scenario == scenario.name]
            result = look_again(place, scenario, dict(given), some, now)
            if result is not None:
                looked_at.append(result)
    states = sum((Counter(each.states) for each in looked_at), Counter[str]())
    if as_json:
        print_json(
            {
                "looked_at": sum(each.looked_at for each in looked_at),
                "mended": sum(each.mended for each in looked_at),
                "states": dict(sorted(states.items())),
                "breaks": [one.as_dict() for each in looked_at for one in each.found],
            }
        )
    else:
        told = ", ".join(f"{number:,} {state}" for state, number in sorted(states.items()))
        count = sum(each.looked_at for each in looked_at)
        out.print(f"{count:,} breaks were looked at again{f': {told}' if told else ''}", markup=False)
    return exits.OK


def rerun_command(
    path: Path, names: Sequence[str], left: Sequence[Path], right: Sequence[Path], *, as_json: bool
) -> int:
    """As `everycent recon run`."""
    return run_scenarios(_asked(path, names, left, right), as_json=as_json)


@contextmanager
def _opened(path: Path, names: Sequence[str]) -> Iterator[tuple[Place, Sequence[PlannedScenario]]]:
    with opened(_asked(path, names)) as place:
        yield place


def _asked(path: Path, names: Sequence[str], left: Sequence[Path] = (), right: Sequence[Path] = ()) -> AskedRun:
    """The scenarios of a settlement model or of a file of their own; all of them where none is named."""
    if not _is_model(path):
        return AskedRun(str(path), None, tuple(names), tuple(left), tuple(right))
    all_names = tuple(names) or tuple(getattr(load_model(path, SECTIONS).spec, "recon", {}))
    if not all_names:
        raise NothingStored(f"{path} declares no reconciliation; its breaks would be of one")
    return AskedRun(all_names[0], path, all_names[1:], tuple(left), tuple(right))


def _is_model(path: Path) -> bool:
    """A settlement model says `model: NAME`, a file of scenarios `name: NAME`."""
    return path.is_file() and re.search(r"^model\s*:", path.read_text(encoding="utf-8-sig"), re.MULTILINE) is not None


def _meant(place: Place, meant: Meant, now: datetime) -> list[StandingBreak] | None:
    """Those that a person means, of this model; None where nobody says which."""
    if not (meant.ids or meant.where):
        return None
    found = meant_breaks(place.session.connection, place.session.tenant, meant, now)
    for each in found:
        if each.model != place.scope.name:
            raise NothingStored(f"break {str(each.break_id)[:8]} is of '{each.model}', not of '{place.scope.name}'")
    return found


def _as_dict(one: Repaired) -> dict[str, object]:
    return {
        "break_id": str(one.found.break_id), "scenario": one.found.scenario, "key": one.found.key, "rule": one.rule,
        "end": one.end, "said": one.said, "dry_run": one.dry_run,
    }  # fmt: skip


def _print(repaired: Sequence[Repaired], not_tried: Sequence[NotTried]) -> None:
    rows = [
        [str(one.found.break_id)[:8], one.found.key, one.rule, f"{'would be ' if one.dry_run else ''}{one.end}",
         one.said] for one in repaired[:_SHOWN]
    ]  # fmt: skip
    if rows:
        print_table(f"Repairs: {len(repaired):,}", ("id", "key", "cure", "end", "said"), rows)
    for each in not_tried:
        out.print(f"not tried: {each.breaks:,}: {each.why}", markup=False)
