"""What a scenario's checkers look at: the columns of both sides that they ask to see, and what they then find."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.base.engine.types import ColumnType
from everycent.flow.intake.contract import SourceError
from everycent.flow.model.contract import ModelIssue, Source
from everycent.proof.recon.contract import (
    DECLARED,
    FINDING,
    SIDE,
    CheckerFindings,
    CheckSides,
    Link,
    LinkFailed,
    ReconSpec,
    SeesColumns,
    Surroundings,
)
from everycent.proof.recon.service import Chosen, SidePlan, SideRows, UnknownLink, asked, choose, with_declared

_ORDER = ("key", "kind", "left_file", "left_line", "right_file", "right_line")

Plans = tuple[SidePlan, SidePlan]


def seen_by_checkers(
    source: Source, path: tuple[str, ...], spec: ReconSpec, sides: Plans, issues: list[ModelIssue]
) -> Plans:
    """The plans of both sides, each with the columns that a checker of the scenario sees. What does not fit is added to
    `issues`."""
    types = (_types(sides[0]), _types(sides[1]))
    wanted: tuple[set[str], set[str]] = (set(), set())
    for at, word in enumerate(spec.check):
        try:
            chosen = choose(Link.CHECKER, word)
            if not isinstance(chosen.offered, SeesColumns):
                continue
            seen = chosen.offered.sees(chosen.words, *types)
            for names, more, there in zip(wanted, seen, types, strict=True):
                if unknown := sorted(set(more) - there.keys()):
                    raise ValueError(f"there is no column {', '.join(unknown)} to see; there are {', '.join(there)}")
                names.update(more)
            if spec.carry and any(seen):
                raise ValueError(_not_carried(seen))
        except (UnknownLink, LinkFailed, ValidationError):
            continue  # told already
        except Exception as error:  # a plug-in may throw anything
            said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            where: tuple[str | int, ...] = (*path, Link.CHECKER.value, at, next(iter(word)))
            issues.append(source.issue(f"{chosen}: {said}", where, key=True))
    return with_declared(sides[0], wanted[0]), with_declared(sides[1], wanted[1])


def _not_carried(seen: tuple[Sequence[str], Sequence[str]]) -> str:
    """Why a checker that sees these columns of both sides is no checker of rows that are carried."""
    columns = (f"{word}.{name}" for word, names in zip(("left", "right"), seen, strict=True) for name in sorted(names))
    return (
        f"it looks at {', '.join(columns)}, which a row that is open at a day's cut no longer has at the next: `carry` "
        "keeps its key, amount, status and what rules see. Put it into a scenario of its own, with the same sides and "
        "without `carry`"
    )


def checked_by(
    checker: Chosen,
    plans: Plans,
    sides: tuple[SideRows, SideRows],
    breaks: pa.Table,
    spec: ReconSpec,
    around: Surroundings,
    engine: LocalEngine,
) -> CheckerFindings:
    """What a checker finds in both sides, tables or views of the engine; or why it could not look."""
    left, right = (_rows(plan, side, engine) for plan, side in zip(plans, sides, strict=True))
    try:
        looked_at = CheckSides(left, right, breaks, _types(plans[0]), _types(plans[1]))
        found = asked(checker, "check", (looked_at, around), spec.limits)
        if not isinstance(found, pa.Table) or not found.schema.equals(FINDING):
            given = found.schema if isinstance(found, pa.Table) else type(found).__name__
            raise LinkFailed(f"{checker} gave {given}; it is to give a table of FINDING")
        nameless = found.filter(pc.or_(pc.is_null(found["key"]), pc.is_null(found["kind"])))
        if nameless.num_rows or found["reason"].null_count:
            raise LinkFailed(f"{checker} gave a finding without key, kind or reason")
        return CheckerFindings(checker.name, found.sort_by([(name, "ascending") for name in _ORDER]))
    except (LinkFailed, SourceError) as error:
        return CheckerFindings(checker.name, FINDING.empty_table(), str(error))


def _types(plan: SidePlan) -> Mapping[str, ColumnType]:
    return {name: column.type for name, column in plan.scope.items()}


def _rows(plan: SidePlan, side: SideRows, engine: LocalEngine) -> pa.Table:
    """SIDE and what checkers see; a side without any row may lack the latter."""
    there = engine.query("FROM side LIMIT 0", side=side.rows).column_names
    columns = [identifier(name) for name in SIDE.names]
    for seen in plan.seen:
        if seen.column.startswith(DECLARED):
            name = identifier(seen.column)
            columns.append(f"{name if seen.column in there else 'NULL'}::{seen.sql_type} AS {name}")
    return engine.query(f"SELECT {', '.join(columns)} FROM side ORDER BY key, source_file, source_line", side=side.rows)
