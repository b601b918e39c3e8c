"""The breaks of two files on their page: how old they are, and the largest with both sides' values."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from html import escape
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.money.amount import grouped
from everycent.proof.recon.contract import CauseText
from everycent.proof.recon.service import column_names
from everycent.serve.break_files import cause_text
from everycent.serve.comparing import Compared
from everycent.serve.report.data import ROWS_SHOWN
from everycent.serve.report.tables import code, count, named, section, table
from everycent.serve.report.words import both, both_in_svg, counted, spoken, words

#: Ages in days, each bucket up to and with its last; the last has no end.
_AGES = ((0, 0), (1, 1), (2, 3), (4, 7), (8, 30), (31, 90), (91, None))
_COLUMNS_SHOWN = 8
_CHARACTERS_SHOWN = 60
_SHORT = 24
_WIDTH, _BAR, _GAP, _NAMES = 1120, 18, 8, 150


def minor_cell(compared: Compared, minor: int | None) -> str:
    """An amount; a dash where there is none."""
    if minor is None:
        return '<td class="num zero">–</td>'
    mood = " zero" if minor == 0 else " minus" if minor < 0 else ""
    return f'<td class="num{mood}">{grouped(minor, compared.plan.decimals)}</td>'


def ageing_section(compared: Compared) -> str:
    """Breaks by age, where both sides have a column of times."""
    dated, newest = compared.plan.dated, [each.newest for each in compared.plan.looked if each.newest is not None]
    if dated is None or not newest or not compared.breaks.num_rows:
        return ""
    left, right = column_names(compared.plan)[compared.plan.others.index(dated)]
    at = pc.coalesce(compared.breaks[left], compared.breaks[right])
    last = max(newest)
    days = pc.days_between(at.cast(pa.date32(), safe=False), pa.scalar(last.date(), pa.date32()))
    amounts = pc.abs(compared.breaks["difference_minor"])
    rows = [(_age(first, end), *_counted(_within(days, first, end), amounts)) for first, end in _AGES]
    undated = pc.is_null(days)
    rows.append((both("ageing.unknown"), *_counted(undated, amounts)))
    rows = [row for row in rows if row[1]]
    # Amounts of several currencies are not added.
    has_amounts = compared.plan.amount is not None and len(compared.plan.currencies) < 2
    cells = [
        (f"<td>{name}</td>", count(n), *((minor_cell(compared, minor),) if has_amounts else ()))
        for name, n, minor in rows
    ]
    heads = ("ageing.age", "ageing.count", *(("ageing.amount",) if has_amounts else ()))
    note = f'<p class="note">{both("ageing.note", dated.pair.name, f"{last:%Y-%m-%d}")}</p>'
    return section("ageing", note, age_bars(rows), table(heads, cells, len(heads) - 1))


def _age(first: int, end: int | None) -> str:
    if end == 0:
        return both("ageing.day")
    if first == end == 1:
        return both("ageing.one")
    span = f"> {first - 1}" if end is None else f"{first}" if first == end else f"{first}–{end}"
    return f"{span} {both('ageing.days')}"


def _within(days: pa.ChunkedArray, first: int, end: int | None) -> pa.ChunkedArray:
    since = pc.greater_equal(days, first)
    return since if end is None else pc.and_(since, pc.less_equal(days, end))


def _counted(chosen: pa.ChunkedArray, amounts: pa.ChunkedArray) -> tuple[int, int]:
    picked = pc.fill_null(chosen, False)
    return pc.sum(picked.cast(pa.int64())).as_py() or 0, int(pc.sum(amounts.filter(picked)).as_py() or 0)


def age_bars(rows: Sequence[tuple[str, int, int]]) -> str:
    """A bar for each age, as long as it has breaks."""
    most = max(n for _, n, _ in rows)
    drawn = []
    for place, (name, n, _) in enumerate(rows):
        y, length = place * (_BAR + _GAP), max((_WIDTH - _NAMES - 110) * n / most, 2.0)
        label = name.replace("<span", "<tspan").replace("</span", "</tspan")
        said = both_in_svg(counted("ageing.breaks", n), f"{n:,}")
        drawn.append(
            f'<text class="label" x="{_NAMES - 12}" y="{y + 13}" text-anchor="end">{label}</text>'
            f'<rect class="node c-open" x="{_NAMES}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2"/>'
            f'<text class="value" x="{_NAMES + length + 8:.1f}" y="{y + 13}">{said}</text>'
        )
    height = len(rows) * (_BAR + _GAP)
    return (
        f'<div class="flow bars"><svg viewBox="0 0 {_WIDTH} {height}" aria-hidden="true">{"".join(drawn)}</svg></div>'
    )


def breaks_section(compared: Compared) -> str:
    """The breaks that most is in dispute in, each with both sides' values and places."""
    breaks = compared.breaks
    if not breaks.num_rows:
        return section("breaks", f'<p class="note">{both("breaks.none")}</p>')
    size = pc.abs(breaks["difference_minor"])
    order = pc.sort_indices(
        breaks.append_column("size", size), [("size", "descending"), ("key", "ascending"), ("bucket", "ascending")]
    )
    shown = breaks.take(order.slice(0, ROWS_SHOWN)).to_pylist()
    chosen = _columns_shown(compared, shown)
    names = [column_names(compared.plan)[at] for at in chosen]
    heads = [named(compared.plan.others[at].pair.name) for at in chosen]
    with_amount = compared.plan.amount is not None
    rows = [_break(compared, row, names, with_amount=with_amount) for row in shown]
    money = ("left", "right", "difference") if with_amount else ()
    more = ""
    if breaks.num_rows > ROWS_SHOWN:
        more = f'<p class="note">{both("breaks.some", ROWS_SHOWN, f"{breaks.num_rows:,}")}</p>'
    left_out = [field.pair.name for at, field in enumerate(compared.plan.others) if at not in chosen]
    if left_out:
        more += f'<p class="note">{both("breaks.left out", ", ".join(left_out))}</p>'
    listed = table(("bucket", "key", *money, *heads, "cause", "place"), rows, len(money), first=2)
    return section("breaks", listed, more, note="breaks.note", title="breaks" if with_amount else "breaks.unsized")


def _columns_shown(compared: Compared, shown: Sequence[Mapping[str, Any]]) -> list[int]:
    """The places of the columns that fit a page: first those in which a break that is shown has two values."""
    names = column_names(compared.plan)
    apart = [any(row["differs"] is not None and row[left] != row[right] for row in shown) for left, right in names]
    first = sorted(range(len(names)), key=lambda at: (not apart[at], at))
    return sorted(first[:_COLUMNS_SHOWN])


def _break(
    compared: Compared, row: dict[str, Any], names: Sequence[tuple[str, str]], *, with_amount: bool
) -> tuple[str, ...]:
    cause, bucket = cause_text(row["cause"]), row["bucket"]
    if not with_amount and row["cause"] == "status_differs":
        cause = CauseText(*words("cause.other"))
    word = "files.other" if bucket == "status_differs" else bucket
    amounts = [minor_cell(compared, row[f"{n}_minor"]) for n in ("left_amount", "right_amount", "difference")]
    on_both = row["left_line"] is not None and row["right_line"] is not None
    return (
        f'<td><i class="dot b-{bucket}"></i>{both(word)}</td>',
        code(row["key"]),
        *(amounts if with_amount else ()),
        *(_values(row[left], row[right], on_both=on_both) for left, right in names),
        f'<td class="long">{spoken(cause.en, cause.zh)}</td>',
        f"<td>{'<br>'.join(_place(row, side) for side in ('left', 'right') if row[f'{side}_line'] is not None)}</td>",
    )


def _place(row: dict[str, Any], side: str) -> str:
    return f"<code>{escape(row[f'{side}_file'])}:{row[f'{side}_line']}</code>"


def _values(left: object, right: object, *, on_both: bool) -> str:
    """One value where the sides agree or only one has the row; else both, one above the other."""
    if on_both and left != right:
        texts = _text(left), _text(right)
        since = _parted_at(*texts)
        return f'<td class="cell apart"><b>{_cut(texts[0], since)}</b><br><b>{_cut(texts[1], since)}</b></td>'
    text = _text(right if left is None else left)
    return f'<td class="cell">{_cut(text, 0)}</td>' if len(text) > _SHORT else f"<td>{_cut(text, 0)}</td>"


def _parted_at(left: str, right: str) -> int:
    """How many characters the two have in common at their beginning."""
    parted = (at for at, (one, other) in enumerate(zip(left, right, strict=False)) if one != other)
    return next(parted, min(len(left), len(right)))


def _cut(text: str, since: int) -> str:
    """At most so many characters, with those around `since` among them: two texts that part late are seen to part."""
    begin = 0 if len(text) <= _CHARACTERS_SHOWN or since < _CHARACTERS_SHOWN // 2 else since - _CHARACTERS_SHOWN // 2
    part = text[begin : begin + _CHARACTERS_SHOWN]
    return escape(f"{'…' if begin else ''}{part}{'…' if begin + len(part) < len(text) else ''}")


def _text(value: object) -> str:
    match value:
        case None:
            return "–"
        case Decimal() if value.as_tuple().exponent == 0:
            return f"{value:f}"  # most whole numbers of bills are ids
        case Decimal():
            return f"{value:,f}"
        case datetime():
            return f"{value:%Y-%m-%d}" if value.time() == time.min else f"{value:%Y-%m-%d %H:%M:%S}"
        case date():
            return value.isoformat()
    return str(value)
