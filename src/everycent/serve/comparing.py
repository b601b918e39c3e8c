"""Reconciles two files that nobody has declared anything about: opens them, guesses what was not said, compares."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.flow.intake.contract import Control, SourceError
from everycent.proof.recon.contract import Bucket, CauseText
from everycent.proof.recon.service import (
    FilesPlan,
    NothingToCompare,
    Pair,
    Reading,
    Reconciled,
    ReconPlan,
    alike,
    breaks_of,
    by_values,
    caused,
    compared_pairs,
    currency_pair,
    guess_key,
    held,
    pairs_of,
    plan_files,
    reconcile,
    side_view,
)
from everycent.serve.opening import FileSide, Given, Tell, open_file
from everycent.serve.two_files_rules import Ruled, Rules, columns_to_see, explain, matched_causes

#: Keys that occur again on both sides, in so many of a hundred rows, are no keys.
_REPEATED_PERCENT = 1
#: Among more breaks nobody looks for keys that nearly met.
_MISSING_LOOKED_AT = 1_000_000


@dataclass(frozen=True)
class Asked:
    """What the caller says; what is left out is guessed. `sums`: of each side, whether the rows of a key add up.
    `rules`: what may explain rows that are not equal."""

    key: Sequence[str] = ()
    compare: Sequence[str] = ()
    tolerance: str = "0"
    decimals: int | None = None
    sums: tuple[bool, bool] = (False, False)
    files: tuple[Given, Given] = (Given(), Given())
    reading: Reading = field(default_factory=Reading)
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True)
class Compared:
    """Two files, how they were compared, and what came out.

    `breaks`: with both sides' values of each column. `refused`: of each side, rows that cannot be compared. `caused`
    and `held`: the whole difference by cause, and each side's total, by currency. `notes`: what the reader should know
    before trusting the figures.
    """

    left: FileSide
    right: FileSide
    asked: Asked
    plan: FilesPlan
    reconciled: Reconciled
    breaks: pa.Table
    refused: tuple[pa.Table, pa.Table]
    caused: pa.Table
    held: tuple[pa.Table, pa.Table]
    notes: tuple[CauseText, ...]
    ruled: Ruled | None = None  # what rules made of it, where there are some

    @property
    def sides(self) -> tuple[FileSide, FileSide]:
        return self.left, self.right

    @property
    def lying(self) -> tuple[tuple[FileSide, Control], ...]:
        """What the files state of themselves that is not so."""
        return tuple((side, control) for side in self.sides for control in side.controls if not control.agrees)

    @property
    def uncompared(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of each side, the columns that are neither key nor compared."""
        pairs = [*self.plan.key, *(field.pair for field in self.plan.fields)]
        left, right = (
            tuple(name for name in side.columns if name not in {pair.of(at) for pair in pairs})
            for at, side in enumerate(self.sides)
        )
        return left, right

    @property
    def agrees(self) -> bool:
        """Whether all rows of both sides were compared and agree, and no file contradicts itself."""
        compared_all = not any(table.num_rows for table in self.refused)
        return not self.reconciled.breaks.num_rows and compared_all and not self.lying


def _silent(stage: str, done: int, total: int | None) -> None:
    del stage, done, total


def compare_files(left: Path, right: Path, asked: Asked, engine: LocalEngine, tell: Tell = _silent) -> Compared:
    """Raises SourceError, UnknownFormat, NothingToCompare."""
    one = open_file(left, "left_file", asked.files[0], engine, tell)
    other = open_file(right, "right_file", asked.files[1], engine, tell)
    try:
        return _compared(one, other, asked, engine, tell)
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
        if "parquet" not in (one.kind, other.kind):
            raise
        raise SourceError(f"{left} or {right} cannot be read to its end: {error}; have it sent again") from None


def _compared(one: FileSide, other: FileSide, asked: Asked, engine: LocalEngine, tell: Tell) -> Compared:
    tell("looking at the columns", 0, None)
    columns = (one.columns, other.columns)
    key = pairs_of(asked.key, *columns) or guess_key(one.relation, other.relation, columns, asked.reading, engine)
    wanted = compared_pairs(asked.compare, *columns)
    notes: list[CauseText] = []
    if not wanted:
        pairs, notes = _paired(one, other, key, asked.reading, engine)
        wanted = tuple((pair, None) for pair in pairs)
    money_in = currency_pair(*columns)
    if money_in is not None and money_in not in [pair for pair, _ in wanted]:
        wanted = (*wanted, (money_in, None))  # equal figures in two currencies are not equal, nor do they add up
    kept = (one.kind != "parquet", other.kind != "parquet")
    seen = columns_to_see(asked.rules, columns, [*key, *(pair for pair, _ in wanted)])
    plan = plan_files(one.relation, other.relation, key, wanted, asked.decimals, asked.reading, engine, kept, seen)
    tell("finding what differs", 0, None)
    views = [
        side_view(plan, relation, side, name, engine)
        for side, (relation, name) in enumerate(((one.relation, "left_rows"), (other.relation, "right_rows")))
    ]
    for side, of_texts in zip((one, other), kept, strict=True):
        if of_texts:  # what its cells are read as is kept instead
            engine.connection.execute(f"DROP TABLE {identifier(side.relation)}")
    how = ReconPlan("files", _tolerance(asked.tolerance, plan.decimals), *asked.sums, bool(plan.others))
    found = reconcile(how, "left_rows", "right_rows", engine, plan.other_names)
    ruled = explain(asked.rules, plan, found, asked.sums, engine) if asked.rules.rules else None
    found = found if ruled is None else ruled.reconciled
    tell("explaining what differs", 0, None)
    refused = tuple(
        pa.concat_tables([side.refused, opened.malformed]).sort_by("source_line")
        for side, opened in zip(views, (one, other), strict=True)
    )
    return Compared(
        left=one,
        right=other,
        asked=asked,
        plan=plan,
        reconciled=found,
        breaks=breaks_of(plan, found.breaks, engine),
        refused=(refused[0], refused[1]),
        caused=_caused(plan, found, ruled, engine),
        held=_held(plan, found, engine),
        notes=(*notes, *_notes(one, other, plan, found, engine)),
        ruled=ruled,
    )


def _caused(plan: FilesPlan, found: Reconciled, ruled: Ruled | None, engine: LocalEngine) -> pa.Table:
    """By cause, what breaks, write-offs and matches explain."""
    causes = caused(plan, pa.concat_tables([found.breaks, found.write_offs]), engine)
    if ruled is None:
        return causes
    return pa.concat_tables([causes, matched_causes(ruled.explained, plan, engine).cast(causes.schema)])


def _paired(
    one: FileSide, other: FileSide, key: Sequence[Pair], reading: Reading, engine: LocalEngine
) -> tuple[list[Pair], list[CauseText]]:
    """The columns beside the key that belong together by their names, then those that do by what they hold; and those
    that would if capitals did not count."""
    known = {pair.left for pair in key}, {pair.right for pair in key}
    named = [
        pair for pair in alike(one.columns, other.columns) if pair.left not in known[0] and pair.right not in known[1]
    ]
    known[0].update(pair.left for pair in named)
    known[1].update(pair.right for pair in named)
    rest = [
        [name for name in side.columns if name not in there] for side, there in zip((one, other), known, strict=True)
    ]
    held_alike = by_values(key, one.relation, other.relation, (rest[0], rest[1]), reading, engine)
    notes = []
    if not reading.fold_case:
        left, right = (
            [name for name in names if name not in {pair.of(side) for pair in held_alike}]
            for side, names in enumerate(rest)
        )
        folded = replace(reading, fold_case=True)
        notes = [
            CauseText(
                f"{pair.name} agree but for capitals and are not compared: say --ignore-case, or --compare {pair.name}",
                f"{pair.name} 仅大小写不同，未比对：请用 --ignore-case 或 --compare {pair.name}",
            )
            for pair in by_values(key, one.relation, other.relation, (left, right), folded, engine)
        ]
    return sorted([*named, *held_alike], key=lambda pair: one.columns.index(pair.left)), notes


def _tolerance(text: str, decimals: int) -> int:
    """In units of 10**-decimals, rounded down."""
    whole, _, part = text.partition(".")
    if not (whole + part).isdigit():
        raise NothingToCompare(f"--tolerance {text}: write how much may differ, for example 0.01")
    return int((whole or "0") + part.ljust(decimals, "0")[:decimals])


def _held(plan: FilesPlan, found: Reconciled, engine: LocalEngine) -> tuple[pa.Table, pa.Table]:
    if len(plan.currencies) > 1:
        return held(plan, "left_rows", engine), held(plan, "right_rows", engine)
    code = pa.array([plan.currencies[0] if plan.currencies else None], pa.string())
    totals = [
        pa.table(
            {"currency": code, "rows": [total.rows], "minor": pa.array([total.amount_minor], pa.decimal128(38, 0))}
        )
        for total in (found.left_total, found.right_total)
    ]
    return totals[0], totals[1]


def _notes(
    one: FileSide, other: FileSide, plan: FilesPlan, found: Reconciled, engine: LocalEngine
) -> tuple[CauseText, ...]:
    """What makes the figures mean less than they seem to."""
    notes = [
        CauseText(f"{side.path} has a header and no rows", f"{side.path} 只有表头，没有数据行")
        for side, looked in zip((one, other), plan.looked, strict=True)
        if not looked.rows
    ]
    if one.path.samefile(other.path):
        notes.append(CauseText(f"{one.path} is both sides", f"双方是同一文件 {one.path}"))
    if plan.amount is not None and len(plan.currencies) > 1:
        codes = ", ".join(plan.currencies)
        notes.append(
            CauseText(
                f"the amounts are in several currencies ({codes}): totals over all of them say nothing; read those of "
                f"each currency",
                f"金额含多个币种（{codes}）：跨币种的合计没有意义，请看各币种的合计",
            )
        )
    rows = {row["bucket"]: (row["left_rows"], row["right_rows"]) for row in found.totals.to_pylist()}
    by, totals = ", ".join(pair.name for pair in plan.key), (found.left_total.rows, found.right_total.rows)
    again = rows[Bucket.DUPLICATED_LEFT][0], rows[Bucket.DUPLICATED_RIGHT][1]
    often = [100 * repeated >= _REPEATED_PERCENT * all_of > 0 for repeated, all_of in zip(again, totals, strict=True)]
    if all(often):
        notes.append(
            CauseText(
                f"{by} does not tell rows apart on either side ({again[0]:,} rows repeat on the left, {again[1]:,} on "
                f"the right): name more columns with --key, or add rows up with --sum-left --sum-right",
                f"{by} 在双方都不能区分各行（左方重复 {again[0]:,} 行，右方重复 {again[1]:,} 行）："
                f"请用 --key 指明更多列，或用 --sum-left --sum-right 汇总",
            )
        )
    elif any(often):
        word, there, repeated = ("right", "右方", again[1]) if often[1] else ("left", "左方", again[0])
        notes.append(
            CauseText(
                f"{by} does not tell the rows of the {word} apart ({repeated:,} rows repeat): where the rows of a key "
                f"belong together, add them up with --sum-{word}",
                f"{by} 不能区分{there}各行（重复 {repeated:,} 行）：若同一键的各行应合计，请用 --sum-{word}",
            )
        )
    if (rows[Bucket.MISSING_RIGHT][0], rows[Bucket.MISSING_LEFT][1]) == totals and all(totals):
        ours, theirs = (_first_key(side, engine) for side in ("left_rows", "right_rows"))
        notes.append(
            CauseText(
                f"no value of {by} is on both sides (the left has for example '{ours}', the right '{theirs}'): is it "
                f"the key? Name another with --key LEFT=RIGHT",
                f"{by} 没有一个值双方都有（例如左方 '{ours}'，右方 '{theirs}'）：键是否正确？"
                f"请用 --key 左列=右列 另行指明",
            )
        )
    return (*notes, *_nearly_met(plan, found, engine))


def _nearly_met(plan: FilesPlan, found: Reconciled, engine: LocalEngine) -> Iterator[CauseText]:
    """Keys that the other side has but for capitals, or for zeros before them; of very many missing ones nothing."""
    if found.breaks.num_rows > _MISSING_LOOKED_AT:
        return
    for but_for, en, zh in (
        ("lower({})", "capitals: say --ignore-case", "仅大小写不同：请用 --ignore-case"),
        ("ltrim({}, '0')", "zeros before them: write them alike on both sides", "仅前导零不同：请在双方写成一致"),
    ):
        row = engine.query(
            f"""SELECT count(*) AS n, min_by(l.key, l.key) AS ours, min_by(r.key, l.key) AS theirs
            FROM (SELECT DISTINCT key FROM breaks WHERE bucket = {literal(Bucket.MISSING_RIGHT)}) AS l
            JOIN (SELECT DISTINCT key FROM breaks WHERE bucket = {literal(Bucket.MISSING_LEFT)}) AS r
                ON {but_for.format("l.key")} = {but_for.format("r.key")}""",
            breaks=found.breaks,
        ).to_pylist()[0]
        if row["n"]:
            by, example = ", ".join(pair.name for pair in plan.key), f"{row['ours']}, {row['theirs']}"
            many = f"{row['n']:,} values of {by} are" if row["n"] > 1 else f"a value of {by} is"
            yield CauseText(
                f"{many} on both sides but for {en} ({example})",
                f"{by} 有 {row['n']:,} 个值双方{zh}（{example}）",
            )


def _first_key(side: str, engine: LocalEngine) -> str:
    return str(engine.query(f"SELECT min(key) AS key FROM {identifier(side)}")["key"][0].as_py())
