"""Pass two on two files: what rules may explain of what is not equal, declared in a file or on the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pyarrow as pa
from pydantic import Field as Word

from everycent.base.engine.declaration import Declaration
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.base.money.currency import Currency
from everycent.flow.model.contract import ModelRefused
from everycent.flow.model.service import load_declared
from everycent.proof.recon.contract import BREAK, IN_SEVERAL, MatchRuleSpec, ReconSpec, SideSpec
from everycent.proof.recon.service import (
    Explained,
    Field,
    FilesPlan,
    NothingToCompare,
    Pair,
    Reconciled,
    RuleRefused,
    explain_leftovers,
    pairs_of,
    plan_recon,
)

#: What a rule may look at beside key and amount, and the words that name such a column where nobody says it.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "occurred_on": (),
    "reference": ("reference", "memo", "remark", "note", "备注", "摘要", "附言", "用途"),
    "counterparty": (
        "counterparty",
        "merchant",
        "shop",
        "store",
        "payer",
        "payee",
        "customer",
        "supplier",
        "商户",
        "门店",
        "店铺",
        "对方",
        "客户",
    ),
    "group": ("group", "batch", "payout", "settlement", "批次", "结算批"),
}
#: The word by which a scenario's side names it.
_SIDE_WORD: Final = {"occurred_on": "occurred_at"}


class RulesOfFiles(Declaration):
    """Rules for two files, and which columns they look at, compared or not."""

    rules: tuple[MatchRuleSpec, ...] = Word(description="what may explain rows that are not equal")
    columns: dict[str, str] = Word(
        default_factory=dict,
        description="what rules look at, by the columns that have it, LEFT=RIGHT where they are called differently: "
        "occurred_on, reference, counterparty, group",
        examples=[{"occurred_on": "paid_on", "reference": "memo=note"}],
    )


@dataclass(frozen=True)
class Rules:
    """Rules as the caller gave them; none: nothing is explained."""

    rules: tuple[MatchRuleSpec, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)


def rules_written(file: Path | None, lines: Sequence[str]) -> Rules:
    """`lines`: rules in the words of a scenario, each as `dates: {within: 2 days}`. Raises ModelRefused,
    NothingToCompare."""
    if file is not None and lines:
        raise NothingToCompare("--rules and --rule: write all rules into the file, or none")
    if file is not None:
        if not file.is_file():
            raise NothingToCompare(f"there is no file of rules {file}")
        told = _loaded(file)
        if not told.rules:
            raise NothingToCompare(
                f"{file} has no rule; write `rules:` with one at least, as - {{dates: {{within: 2 days}}}}"
            )
        return told
    if not lines:
        return Rules()
    with TemporaryDirectory(prefix="everycent-rules-") as folder:
        path = Path(folder) / "rule.yaml"
        path.write_text("rules:\n" + "".join(f"  - {{{line}}}\n" for line in lines), encoding="utf-8")
        try:
            return _loaded(path)
        except ModelRefused as refused:
            said = "; ".join(dict.fromkeys(issue.message for issue in refused.issues))
            raise NothingToCompare(f"--rule {' --rule '.join(lines)}: {said}") from None


def _loaded(path: Path) -> Rules:
    _, told = load_declared(path, RulesOfFiles)
    return Rules(told.rules, told.columns)


@dataclass(frozen=True)
class Ruled:
    """What pass two made of a comparison: `columns` that rules looked at, by what they are."""

    reconciled: Reconciled
    explained: Explained
    columns: Mapping[str, str]


def explain(given: Rules, plan: FilesPlan, found: Reconciled, sums: tuple[bool, bool], engine: LocalEngine) -> Ruled:
    """Takes what is not equal through the rules; the sides are the views `left_rows` and `right_rows`.

    Raises NothingToCompare where a rule does not fit, or looks at what the files do not have.
    """
    fields = _columns(given, plan)
    words = {_SIDE_WORD.get(name, name): "at" for name in fields}
    sides = [
        SideSpec.model_validate({"file": ["file"], "key": ["key"], "rows": "sum" if summed else "unique", **words})
        for summed in sums
    ]
    code = IN_SEVERAL if len(plan.currencies) > 1 else "".join(plan.currencies)
    spec = ReconSpec(left=sides[0], right=sides[1], rules=given.rules)
    try:
        how = plan_recon("files", spec, Currency(code, plan.decimals))
    except (RuleRefused, ValueError) as refused:
        there = ", ".join(field.pair.name for field in plan.others) or "none"
        said = str(refused).removeprefix("recon 'files': ")
        raise NothingToCompare(
            f"{said}; of two files say it in a file of rules, `columns: {{occurred_on: COLUMN}}`, by a compared "
            f"column: {there}"
        ) from None
    assert how.rules is not None, "there are rules"
    views = [_seen(plan, side, fields, engine) for side in ("left", "right")]
    plain = replace(found, breaks=_with_texts(found.breaks, engine))
    done, explained = explain_leftovers(how, how.rules, plain, views[0], views[1], engine)
    typed = replace(done, breaks=_typed_again(done.breaks, found.breaks, engine))
    return Ruled(typed, explained, {name: field.pair.name for name, field in fields.items()})


def _with_texts(breaks: pa.Table, engine: LocalEngine) -> pa.Table:
    """BREAK: a side's other columns, one struct, as a text."""
    texts = ", ".join(f"to_json({side}_status)::VARCHAR AS {side}_status" for side in ("left", "right"))
    return engine.query(f"SELECT * REPLACE ({texts}) FROM breaks", breaks=breaks).cast(BREAK)


def _typed_again(breaks: pa.Table, before: pa.Table, engine: LocalEngine) -> pa.Table:
    """The breaks with each side's other columns as they were before; a side's first row is in one break alone."""
    kept = ", ".join(f"was_{side}.{side}_status AS {side}_status" for side in ("left", "right"))
    joined = " ".join(
        f"LEFT JOIN before AS was_{side} ON was_{side}.{side}_rows > 0 AND b.{side}_rows > 0 "
        f"AND was_{side}.{side}_file = b.{side}_file AND was_{side}.{side}_line = b.{side}_line"
        for side in ("left", "right")
    )
    found = engine.query(
        f"""SELECT b.* REPLACE ({kept}) FROM breaks AS b {joined}
        ORDER BY b.key, b.bucket, b.left_file, b.left_line, b.right_file, b.right_line""",
        breaks=breaks,
        before=before,
    )
    assert found.num_rows == breaks.num_rows, "a row of a side is in one break"
    return found.cast(before.schema)


def _columns(given: Rules, plan: FilesPlan) -> dict[str, Field]:
    """What rules may look at: as it is said, else the first column of times, and columns that are called so."""
    named = {word: field for field in (*plan.seen, *plan.others) for word in (field.pair.left, *_said(field.pair))}
    fields: dict[str, Field] = {}
    for name, column in given.columns.items():
        if name not in _NAMES:
            raise NothingToCompare(f"columns: rules look at {', '.join(_NAMES)}; there is no '{name}'")
        if column not in named:
            raise NothingToCompare(f"columns: '{column}' is the key or the amount; rules see these anyway")
        if name == "occurred_on" and named[column].kind != "time":
            said = f"; say --compare {column}:time" if named[column] in plan.others else " on both sides"
            raise NothingToCompare(f"columns: '{column}' does not hold times{said}")
        fields[name] = named[column]
    if "occurred_on" not in fields and plan.dated is not None:
        fields["occurred_on"] = plan.dated
    for name, words in _NAMES.items():
        found = next((f for f in plan.others if any(word in f.pair.name.lower() for word in words)), None)
        if name not in fields and found is not None and found not in fields.values():
            fields[name] = found
    return fields


def _said(pair: Pair) -> tuple[str, str]:
    """How a person may call it, beside its name on the left."""
    return pair.name, f"{pair.left}={pair.right}"


def columns_to_see(
    given: Rules, columns: tuple[Sequence[str], Sequence[str]], known: Sequence[Pair]
) -> tuple[Pair, ...]:
    """The columns that rules are to look at, beside the known ones: those of the key and what is compared. Raises
    NothingToCompare where a side has no such column."""
    there = {word for pair in known for word in (pair.left, *_said(pair))}
    return pairs_of([text for text in dict.fromkeys(given.columns.values()) if text not in there], *columns)


def _seen(plan: FilesPlan, side: str, fields: Mapping[str, Field], engine: LocalEngine) -> str:
    """A view of the side with what rules look at."""
    names = dict(zip((*plan.others, *plan.seen), (*plan.other_names, *plan.seen_names), strict=True))
    listed = [
        f"{identifier(names[field])}::{'DATE' if name == 'occurred_on' else 'VARCHAR'} AS {identifier(name)}"
        for name, field in fields.items()
    ]
    if plan.currency is not None:
        listed.append(f"{identifier(names[plan.currency])}::VARCHAR AS currency")
    columns = ", ".join(["source_file", "source_line", "key", "amount_minor", "NULL::VARCHAR AS status", *listed])
    view = f"{side}_seen"
    engine.connection.execute(
        f"CREATE OR REPLACE VIEW {identifier(view)} AS SELECT {columns} FROM {identifier(f'{side}_rows')}"
    )
    return view


def matched_causes(told: Explained, plan: FilesPlan, engine: LocalEngine) -> pa.Table:
    """What unique matches leave, as `caused` tells it: currency, cause, rows, minor."""
    currency = "currency" if plan.currency is not None else "NULL::VARCHAR"
    return engine.query(
        f"""SELECT {currency} AS currency, cause, count(*) AS rows, sum(difference_minor)::DECIMAL(38, 0) AS minor
        FROM differences GROUP BY ALL ORDER BY currency NULLS LAST, cause""",
        differences=told.differences,
    )
