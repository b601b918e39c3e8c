"""Two files and nothing else: what their columns are, which is the key, and how cells are compared.

A file's rows are a relation of the engine: `source_file`, `source_line` and its columns, of whatever type the file has,
text where it has none. Numbers are compared as numbers and times as times where all cells of both sides can be read so;
everything else as text. No cell passes through a float.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.proof.recon.contract import REFUSED, SIDE
from everycent.proof.recon.core.side import SideRows

#: Names that say that a column holds what is to be compared in money, the most telling first.
_AMOUNTS = ("amount_minor", "amount", "total", "金额", "gross", "net", "paid", "value")

#: What a side has beside the other columns that are compared.
_OWN = [name for name in SIDE.names if name != "status"]

#: Names that say that a column tells rows apart.
_KEYS = re.compile(r"(^|[_ ])(id|no|nr|number|ref|reference|key|code)$|号", re.IGNORECASE)

#: Types that hold whole numbers, and those that hold times.
_WHOLE = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT")
_TIMES = ("TIMESTAMP", "DATE")

#: So many rows show what most columns are.
_LOOKED_AT = 10_000

#: Decimals beyond these are not told apart.
DECIMALS_MOST = 9


class NothingToCompare(Exception):
    """The columns named do not fit the files. The message says which, and what there is."""


@dataclass(frozen=True)
class Reading:
    """How cells become values. `blanks`: texts that say that there is no value. `trim`, `fold_case`: done before."""

    blanks: tuple[str, ...] = ()
    trim: bool = True
    fold_case: bool = False


@dataclass(frozen=True)
class Pair:
    """A column of the left side and the column of the right side that says the same; `name` is what people read."""

    left: str
    right: str

    @property
    def name(self) -> str:
        return self.left if self.left == self.right else f"{self.left}={self.right}"


@dataclass(frozen=True)
class FilesPlan:
    """`key`: found by; `amount`: compared in whole units of 10**-decimals, None where nothing is a number; `others`:
    each compared as the kind says: whole, number, time
    or text."""

    key: tuple[Pair, ...]
    amount: Pair | None
    decimals: int
    others: tuple[tuple[Pair, str], ...]
    reading: Reading

    @property
    def other_names(self) -> tuple[str, ...]:
        """The names of `others`, apart from those that a side has anyway."""
        return tuple(f"column {pair.name}" if pair.name in _OWN else pair.name for pair, _ in self.others)


def pairs_of(words: Sequence[str], left: Sequence[str], right: Sequence[str]) -> tuple[Pair, ...]:
    """`a`, `a,b` and `ours=theirs` as pairs of columns. Raises NothingToCompare for a column that is not there."""
    pairs = []
    for word in (part.strip() for text in words for part in text.split(",")):
        ours, equals, theirs = word.partition("=")
        pair = Pair(ours.strip(), theirs.strip() if equals else ours.strip())
        for side, name, there in (("left", pair.left, left), ("right", pair.right, right)):
            if name not in there:
                raise NothingToCompare(
                    f"the {side} side has no column '{name}'; it has: {', '.join(there)}. Where the two sides name it "
                    f"differently, write LEFT=RIGHT"
                )
        pairs.append(pair)
    return tuple(pairs)


def guess_key(left: str, right: str, common: Sequence[str], engine: LocalEngine) -> Pair:
    """The common column that tells rows apart and has the same values on both sides: one whose name says so first, then
    the one with most values. Raises NothingToCompare."""
    best: tuple[bool, int, str] | None = None
    for name in common:
        column = identifier(name)
        found = engine.query(
            f"""SELECT count(*) AS rows, count(DISTINCT {column}::VARCHAR) AS distinct_values, (SELECT count(*) FROM (
                SELECT DISTINCT {column}::VARCHAR AS v FROM {identifier(left)} USING SAMPLE 1000 ROWS (reservoir, 1))
                SEMI JOIN (SELECT {column}::VARCHAR AS v FROM {identifier(right)}) USING (v)) AS met
            FROM {identifier(left)}"""
        ).to_pylist()[0]
        tells_apart = found["distinct_values"] * 10 >= found["rows"] * 9 and found["met"] > 0
        telling = bool(_KEYS.search(name))
        if tells_apart and (best is None or (telling, found["distinct_values"]) > best[:2]):
            best = (telling, found["distinct_values"], name)
    if best is None:
        raise NothingToCompare(
            f"no column that both sides have tells their rows apart (both have: {', '.join(common) or 'none'}); name "
            f"the key with --key, for example --key order_id or --key order_id=reference"
        )
    return Pair(best[2], best[2])


def plan_files(
    left: str,
    right: str,
    key: Sequence[Pair],
    compare: Sequence[Pair],
    decimals: int | None,
    reading: Reading,
    engine: LocalEngine,
) -> FilesPlan:
    """Looks at both sides (relations of the engine) and says how each pair of columns is compared.

    decimals: of the amount, as many as are found where None is given.
    """
    kinds = {pair: _kind(left, right, pair, reading, engine) for pair in compare}
    numbers = [pair for pair in compare if kinds[pair] in ("whole", "number")]
    amount = min(numbers, key=lambda pair: (_rank(pair), compare.index(pair)), default=None)
    found = 0
    if amount is not None and decimals is None:
        found = max(
            _decimals(side, column, reading, engine) for side, column in ((left, amount.left), (right, amount.right))
        )
    others = tuple((pair, kinds[pair]) for pair in compare if pair != amount)
    return FilesPlan(tuple(key), amount, found if decimals is None else decimals, others, reading)


@dataclass(frozen=True)
class OneSide:
    """A side by itself, for a sketch: SQL texts of its key, and SQL values of what is compared, with their kinds."""

    key: tuple[str, ...]
    compared: tuple[tuple[str, str], ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for _, kind in self.compared)


def plan_side_alone(
    relation: str, key: Sequence[str], compare: Sequence[str], reading: Reading, engine: LocalEngine
) -> OneSide:
    """key: columns. compare: columns, each perhaps with its kind, `amount:number`, `paid_at:time` or `status:text`.

    Raises NothingToCompare.
    """
    types = {
        name: kind for name, kind in _types(relation, engine).items() if name not in ("source_file", "source_line")
    }
    compared = []
    for word in (part.strip() for text in compare for part in text.split(",")):
        name, _, kind = word.partition(":")
        if kind and kind not in ("number", "time", "text"):
            raise NothingToCompare(f"'{word}': a column is compared as number, time or text")
        _there([name], types)
        kind = kind or _kind(relation, relation, Pair(name, name), reading, engine).replace("whole", "number")
        compared.append((_value(name, types[name], kind, reading), kind))
    columns = [part.strip() for text in key for part in text.split(",")]
    _there(columns, types)
    return OneSide(tuple(_text(name, reading) for name in columns), tuple(compared))


def _there(names: Sequence[str], types: Mapping[str, str]) -> None:
    for name in names:
        if name not in types:
            raise NothingToCompare(f"the file has no column '{name}'; it has: {', '.join(types)}")


def side_view(plan: FilesPlan, relation: str, side: int, name: str, engine: LocalEngine) -> SideRows:
    """The side as recon takes it, a view `name` of the engine: place, key, amount_minor, and the others by their names.
    Rows without a key or with an amount that is no number are refused. side: 0 left, 1 right."""
    types = _types(relation, engine)
    parts = [_text(_of(pair, side), plan.reading) for pair in plan.key]
    key = parts[0] if len(parts) == 1 else " || '/' || ".join(f"replace({part}, '/', '\\/')" for part in parts)
    amount = "0::BIGINT"
    if plan.amount is not None:
        column = _of(plan.amount, side)
        amount = _minor(column, types[column], plan.decimals, plan.reading)
    of_all = [(_of(pair, side), kind) for pair, kind in plan.others]
    values = [_value(column, types[column], kind, plan.reading) for column, kind in of_all] or ["NULL::VARCHAR"]
    names = plan.other_names or ("status",)
    others = "".join(f", {value} AS {identifier(each)}" for value, each in zip(values, names, strict=True))
    engine.connection.execute(
        f"""CREATE OR REPLACE VIEW {identifier(name + "_read")} AS
        SELECT source_file, source_line, {key} AS key, {amount} AS amount_minor{others} FROM {identifier(relation)}"""
    )
    refused = engine.query(
        f"""SELECT source_file, source_line, CASE WHEN key IS NULL THEN {literal(_no_key(plan, side))}
            ELSE {literal(_no_amount(plan, side))} END AS reason
        FROM {identifier(name + "_read")} WHERE key IS NULL OR amount_minor IS NULL ORDER BY source_line"""
    ).cast(REFUSED)
    compared = "WHERE key IS NOT NULL AND amount_minor IS NOT NULL" if refused.num_rows else ""
    engine.connection.execute(
        f"CREATE OR REPLACE VIEW {identifier(name)} AS FROM {identifier(name + '_read')} {compared}"
    )
    return SideRows(name, refused, 0)


def breaks_of(plan: FilesPlan, found: pa.Table, engine: LocalEngine) -> pa.Table:
    """Breaks (BREAK), with the names of the other columns that differ. Ordered as they were."""
    names = ", ".join(literal(name) for name in plan.other_names)
    differ = f"list_filter([{names}]::VARCHAR[], lambda n: (left_status ->> n) IS DISTINCT FROM (right_status ->> n))"
    both = "left_rows > 0 AND right_rows > 0"
    return engine.query(
        f"""SELECT key, bucket, cause, left_amount_minor, right_amount_minor, difference_minor,
            CASE WHEN {both} THEN array_to_string({differ}, ', ') END AS differs,
            left_status AS left_other, right_status AS right_other, left_file, left_line, right_file, right_line
        FROM found ORDER BY key, bucket, left_file, left_line, right_file, right_line""",
        found=found,
    )


def _no_key(plan: FilesPlan, side: int) -> str:
    return f"no key: no value in {' or '.join(_of(pair, side) for pair in plan.key)}"


def _no_amount(plan: FilesPlan, side: int) -> str:
    if plan.amount is None:
        return "no amount"
    return f"no amount: {_of(plan.amount, side)} has no value, or more than {plan.decimals} decimals"


def _of(pair: Pair, side: int) -> str:
    return pair.right if side else pair.left


def _types(relation: str, engine: LocalEngine) -> Mapping[str, str]:
    found = engine.query(f"SELECT column_name, column_type FROM (DESCRIBE {identifier(relation)})").to_pylist()
    return {row["column_name"]: row["column_type"] for row in found}


def _rank(pair: Pair) -> int:
    """How telling a name is."""
    name = pair.left.lower()
    return next((place for place, word in enumerate(_AMOUNTS) if word in name), len(_AMOUNTS))


def _text(column: str, reading: Reading) -> str:
    """A cell as text, NULL where it has no value."""
    text = f"{identifier(column)}::VARCHAR"
    text = f"trim({text})" if reading.trim else text
    for blank in ("", *reading.blanks):
        text = f"nullif({text}, {literal(blank)})"
    return text


def _number(column: str, reading: Reading) -> str:
    """A cell as a decimal: thousands separators and a sign of currency do not count. NULL where it is none."""
    plain = f"regexp_replace({_text(column, reading)}, {literal(_WRITTEN)}, {literal(_SIGN_WHOLE_PART)})"
    return f"TRY_CAST(replace({plain}, ',', '') AS DECIMAL(38, {DECIMALS_MOST}))"


#: A number as people write it: a sign, a currency's sign, groups of three, decimals.
_WRITTEN = r"^([-+]?)[¥$€£]? ?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(\.[0-9]*)?$"
_SIGN_WHOLE_PART = r"\1\2\3"


def _value(column: str, column_type: str, kind: str, reading: Reading) -> str:
    """A cell as it is compared; what has the type already is taken as it is."""
    match kind:
        case "whole":
            return f"{identifier(column)}::BIGINT"
        case "number":
            return _exact(column, column_type, reading)
        case "time" if column_type.startswith(_TIMES):
            return f"{identifier(column)}::TIMESTAMP"
        case "time":
            return f"TRY_CAST({_text(column, reading)} AS TIMESTAMP)"
    text = _text(column, reading)
    return f"lower({text})" if reading.fold_case else text


def _exact(column: str, column_type: str, reading: Reading) -> str:
    """A number as a decimal; a binary fraction by its shortest digits."""
    if column_type.startswith(("DECIMAL", *_WHOLE)):
        return f"{identifier(column)}::DECIMAL(38, {DECIMALS_MOST})"
    return _number(column, reading)


def _minor(column: str, column_type: str, decimals: int, reading: Reading) -> str:
    """A cell in units of 10**-decimals; NULL where it has more decimals, or does not fit 64 bits."""
    if column_type in _WHOLE and not decimals:
        return f"{identifier(column)}::BIGINT"
    scaled = f"({_exact(column, column_type, reading)} * {10**decimals})"
    return f"CASE WHEN {scaled} = trunc({scaled}) THEN TRY_CAST({scaled} AS BIGINT) END"


def _kind(left: str, right: str, pair: Pair, reading: Reading, engine: LocalEngine) -> str:
    """whole or number or time where all cells of both sides can be read so, else text."""
    if all(_types(side, engine)[column] in _WHOLE for side, column in ((left, pair.left), (right, pair.right))):
        return "whole"
    kinds = []
    for relation, column in ((left, pair.left), (right, pair.right)):
        column_type = _types(relation, engine)[column]
        if column_type.startswith(("DECIMAL", "DOUBLE", "FLOAT", *_WHOLE)):
            kinds.append({"number"})
        elif column_type.startswith(_TIMES):
            kinds.append({"time"})
        elif column_type != "VARCHAR":
            kinds.append({"text"})
        else:
            kinds.append(_readable(relation, column, reading, engine))
    both = kinds[0] & kinds[1]
    return next((kind for kind in ("number", "time") if kind in both), "text")


def _readable(relation: str, column: str, reading: Reading, engine: LocalEngine) -> set[str]:
    """What all cells of a column of texts can be read as. A number that begins with 0 is a name made of digits. The
    first rows are looked at before all of them: most columns of texts show there that they are."""
    text, found = _text(column, reading), {"text"}
    for rows in (f"(FROM {identifier(relation)} LIMIT {_LOOKED_AT})", identifier(relation)):
        counted = engine.query(
            f"""SELECT count({text}) AS cells, count({_number(column, reading)}) AS numbers,
                count(CASE WHEN regexp_matches({text}, '^0[0-9]') THEN 1 END) AS names,
                count(CASE WHEN {text} LIKE '%-%' OR {text} LIKE '%/%' THEN TRY_CAST({text} AS TIMESTAMP) END) AS times
            FROM {rows}"""
        ).to_pylist()[0]
        number = counted["numbers"] == counted["cells"] and not counted["names"]
        time = counted["times"] == counted["cells"]
        found = {"text"} | ({"number"} if number else set()) | ({"time"} if time else set())
        if found == {"text"}:
            break
    return found


def _decimals(relation: str, column: str, reading: Reading, engine: LocalEngine) -> int:
    """The most decimals that a column's numbers have."""
    column_type = _types(relation, engine)[column]
    if column_type in _WHOLE:
        return 0
    digits = f"rtrim(split_part({_exact(column, column_type, reading)}::VARCHAR, '.', 2), '0')"
    found = engine.query(f"SELECT max(length({digits})) AS most FROM {identifier(relation)}")["most"][0].as_py()
    return int(found or 0)
