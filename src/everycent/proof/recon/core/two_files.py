"""Two files and nothing else: which column is the amount, how the others are compared, and what each row is worth.

A file's rows are a relation of the engine: `source_file`, `source_line` and its columns, of whatever type the file has,
text where it has none. Numbers are compared as numbers and times as times where all cells of both sides can be read so;
everything else as text. The amount alone may have cells that are no numbers: their rows are refused by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.proof.recon.contract import REFUSED, ROW, SIDE, CauseText
from everycent.proof.recon.core.cells import (
    WHOLE_TYPES,
    Column,
    Kind,
    Reading,
    exact_sql,
    minor_sql,
    text_sql,
    too_long,
)
from everycent.proof.recon.core.columns import AMOUNT_NAMES, KEY_NAME, Pair
from everycent.proof.recon.core.kinds import Readable, readable, types_of
from everycent.proof.recon.core.looking import (
    Field,
    Looked,
    currency_among,
    key_sql,
    look,
    minor_of_read,
    read_rows,
    scaled_rows,
    unread_sql,
)
from everycent.proof.recon.core.side import SideRows

#: What a side has beside the other columns that are compared.
_OWN = [*(name for name in SIDE.names if name != "status"), ROW]

Wanted = tuple[Pair, Kind | None]


@dataclass(frozen=True)
class FilesPlan:
    """`key`: found by; `amount`: compared in whole units of 10**-decimals, None where nothing is a number; `others`:
    each compared as its kind says; `looked`: of each side; `seen`: what rules look at besides, and is not compared."""

    key: tuple[Pair, ...]
    amount: Field | None
    decimals: int
    others: tuple[Field, ...]
    reading: Reading
    looked: tuple[Looked, Looked]
    seen: tuple[Field, ...] = ()

    @property
    def other_names(self) -> tuple[str, ...]:
        """The names of `others`, apart from those that a side has anyway."""
        return tuple(
            f"column {field.pair.name}" if field.pair.name in _OWN else field.pair.name for field in self.others
        )

    @property
    def seen_names(self) -> tuple[str, ...]:
        """The names of `seen`, apart from all others."""
        return tuple(f"seen {field.pair.name}" for field in self.seen)

    @property
    def fields(self) -> tuple[Field, ...]:
        """All that is compared, the amount first."""
        return (self.amount, *self.others) if self.amount is not None else self.others

    @property
    def dated(self) -> Field | None:
        """The first column of times."""
        return next((field for field in self.others if field.kind == "time"), None)

    @property
    def currency(self) -> Field | None:
        """The column that names the currency of the amount."""
        return currency_among(self.others)

    @property
    def currencies(self) -> tuple[str, ...]:
        """Of both sides, as far as they were looked at."""
        return tuple(sorted({*self.looked[0].currencies, *self.looked[1].currencies}))


def plan_files(
    left: str,
    right: str,
    key: Sequence[Pair],
    compare: Sequence[Wanted],
    decimals: int | None,
    reading: Reading,
    engine: LocalEngine,
    kept: tuple[bool, bool] = (False, False),
    seen: Sequence[Pair] = (),
) -> FilesPlan:
    """Looks at both sides (relations of the engine) and says how each pair of columns is compared.

    compare: pairs, each with its kind where the caller says it. decimals: of the amount, as many as are found where
    None is given. kept: of each side, whether its cells are read once and kept in the engine: for texts, which cost
    more to read than to keep. seen: what rules look at and is not compared.
    """
    found = [_read(relation, compare, side, reading, engine) for side, relation in enumerate((left, right))]
    fields = [
        _field(pair, said, of_left, of_right) for (pair, said), of_left, of_right in zip(compare, *found, strict=True)
    ]
    numbers = [field for field in fields if field.kind in ("whole", "number") and not KEY_NAME.search(field.pair.left)]
    amount = min(numbers, key=lambda field: (_rank(field.pair), fields.index(field)), default=None)
    others = tuple(
        _as_text(field) if field.said and said is None else field
        for field, (_, said) in zip(fields, compare, strict=True)
        if field != amount
    )
    to_see = _to_see(seen, (left, right), reading, engine)
    looked = []
    for side, (relation, once) in enumerate(zip((left, right), kept, strict=True)):
        read_rows(relation, side, key, amount, (*others, *to_see), reading, engine, once=once)
        looked.append(look(relation, side, amount, others, decimals, engine))
        if not once and not looked[-1].mended:
            as_it_stands = replace(reading, trim=False, blanks=())
            read_rows(relation, side, key, amount, (*others, *to_see), as_it_stands, engine, once=False)
    most = max(each.decimals for each in looked) if decimals is None else decimals
    return FilesPlan(tuple(key), amount, most, others, reading, (looked[0], looked[1]), to_see)


def _to_see(
    pairs: Sequence[Pair], relations: tuple[str, str], reading: Reading, engine: LocalEngine
) -> tuple[Field, ...]:
    """Times where all cells of both sides can be read so, else texts."""
    found = [
        _read(name, [(pair, None) for pair in pairs], side, reading, engine) for side, name in enumerate(relations)
    ]
    return tuple(
        Field(pair, "time" if "time" in left.kinds & right.kinds else "text", left.column, right.column)
        for pair, left, right in zip(pairs, *found, strict=True)
    )


def _read(relation: str, compare: Sequence[Wanted], side: int, reading: Reading, engine: LocalEngine) -> list[Readable]:
    types = types_of(relation, engine)
    return readable(
        relation, [Column(pair.of(side), types[pair.of(side)]) for pair, _ in compare], reading, side, engine
    )


def _field(pair: Pair, said: Kind | None, left: Readable, right: Readable) -> Field:
    """whole or number or time where all cells of both sides can be read so, else text. A column whose name says that it
    is an amount, and most of whose cells are numbers, is one: the other cells are refused."""
    columns = (left.column, right.column)
    if said is not None:
        return Field(pair, said, *columns, said=True)
    if all(column.type in WHOLE_TYPES for column in columns):
        return Field(pair, "whole", *columns)
    both = left.kinds & right.kinds
    empty = "text" in both and not left.cells and not right.cells
    kind: Kind = next((each for each in ("number", "time") if each in both and not empty), "text")
    mostly = all("number" in side.kinds or 2 * side.numbers > side.cells for side in (left, right))
    if kind == "text" and mostly and _rank(pair) < len(AMOUNT_NAMES):
        missed = sum(side.cells - side.numbers for side in (left, right) if "number" not in side.kinds)
        return Field(pair, "number", *columns, said=True, note=_not_numbers(missed))
    if kind == "number" and any(too_long(column.type) for column in columns):
        kind = "digits"
    note = left.unsure or right.unsure or _counted_days(left, right) if kind == "text" else None
    return Field(pair, kind, *columns, note=note)


def _as_text(field: Field) -> Field:
    said = CauseText("not all of its cells are numbers", "并非所有单元格都是数字")
    return replace(field, kind="text", said=False, note=said)


def _counted_days(left: Readable, right: Readable) -> CauseText | None:
    """Where one side has times and the other whole numbers, as spreadsheets count days."""
    for numbers, times, en, zh in ((left, right, "left", "左方"), (right, left, "right", "右方")):
        if "number" in numbers.kinds - times.kinds and "time" in times.kinds - numbers.kinds:
            return CauseText(
                f"numbers on the {en}, times on the other side; where a spreadsheet counts days, format its column as "
                f"dates",
                f"{zh}是数字，另一方是日期；若为电子表格的日期序号，请将该列设为日期格式",
            )
    return None


def _not_numbers(cells: int) -> CauseText | None:
    if not cells:
        return None
    told = "1 cell is no number" if cells == 1 else f"{cells:,} cells are no numbers"
    return CauseText(f"{told}; such a row is refused", f"{cells:,} 个单元格不是数字，其行不参与比对")


def side_view(plan: FilesPlan, relation: str, side: int, name: str, engine: LocalEngine) -> SideRows:
    """The side as recon takes it, a view `name` of the engine: place, key, amount_minor, and the others by their names.
    Rows without a key or with an amount that is no number are refused. It has the numbers of its rows (ROW) where
    they are known and none is left out. side: 0 left, 1 right."""
    others = "".join(
        f", o{place} AS {identifier(each)}" for place, each in enumerate((*plan.other_names, *plan.seen_names))
    )
    others += "" if plan.others else ", NULL::VARCHAR AS status"
    numbered = ROW in types_of(f"{relation}_read", engine) and not plan.looked[side].refusable
    minor = minor_of_read(plan.amount, side, plan.decimals)
    rows = f"""SELECT source_file, source_line, {f"{ROW}, " if numbered else ""}key, {minor} AS amount_minor{others}
        FROM {scaled_rows(relation, plan.amount, side, plan.decimals)}"""
    refused = REFUSED.empty_table()
    if plan.looked[side].refusable:
        reason = _reason_sql(plan, side)
        refused = engine.query(
            f"""SELECT source_file, source_line, reason FROM (
                SELECT source_file, source_line, {reason} AS reason FROM {identifier(relation)})
            WHERE reason IS NOT NULL ORDER BY source_line"""
        ).cast(REFUSED)
        rows += " WHERE key IS NOT NULL AND amount_minor IS NOT NULL AND NOT unread"
    engine.connection.execute(f"CREATE OR REPLACE VIEW {identifier(name)} AS {rows}")
    return SideRows(name, refused, 0)


def _reason_sql(plan: FilesPlan, side: int) -> str:
    """Why a row cannot be compared; NULL where it can be."""
    reading = plan.reading
    keys = " or ".join(pair.of(side) for pair in plan.key)
    cases = [f"WHEN ({key_sql(plan.key, side, reading)}) IS NULL THEN {literal(f'no key: no value in {keys}')}"]
    if plan.amount is not None:
        column = plan.amount.of(side)
        text, minor = text_sql(column.name, reading), minor_sql(column, plan.decimals, reading)
        exact = exact_sql(column, reading)
        scaled = f"TRY(({exact}) * {10**plan.decimals})"
        named = literal(f"no amount: {column.name} ")
        too_many = literal(f"has more than {plan.decimals} decimals")
        cases += [
            f"WHEN ({text}) IS NULL THEN {named} || 'has no value'",
            f"""WHEN ({minor}) IS NULL THEN {named} || 'is ' || left({text}, 60) || ', which ' || CASE
                WHEN {scaled} <> trunc({scaled}) THEN {too_many}
                WHEN ({exact}) IS NOT NULL OR regexp_full_match({text}, '[-+]?[0-9.,]+') THEN 'does not fit 64 bits'
                ELSE 'is no number' END""",
        ]
    for field in plan.others:
        if field.said and field.kind != "text":
            column, no_kind = field.of(side), literal(f", which is no {field.kind}")
            cell = f"left({text_sql(column.name, reading)}, 60)"
            unread = unread_sql(field, side, reading)
            cases.append(f"WHEN {unread} THEN {literal(f'{column.name} is ')} || {cell} || {no_kind}")
    return f"CASE {' '.join(cases)} END"


def _rank(pair: Pair) -> int:
    """How telling the names are."""
    names = pair.left.lower(), pair.right.lower()
    places = (place for place, word in enumerate(AMOUNT_NAMES) if any(word in name for name in names))
    return next(places, len(AMOUNT_NAMES))
