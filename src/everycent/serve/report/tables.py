"""Tables of the page: headers in two languages, amounts right aligned in tabular figures, everything escaped."""

from collections.abc import Iterable, Sequence
from html import escape

from everycent.serve.report.data import ROWS_SHOWN, ReportData
from everycent.serve.report.words import both

_CODE_IN_A_LINE = 34
_MOODS = {
    "closed": "good", "accepted": "good", "equal": "good", "paid": "good", "passed": "good",
    "approved": "good", "confirmed": "good", "disputed": "bad",
    "open": "wait", "held": "wait", "duplicate": "", "pay": "", "collect": "",
    "conflict": "bad", "quarantined": "bad", "not passed": "bad",
}  # fmt: skip


def text(value: object) -> str:
    """A cell of text, escaped; nothing where there is none."""
    return f"<td>{escape('' if value is None else str(value))}</td>"


def long_text(value: object) -> str:
    """A cell of text that may take several lines, escaped."""
    return f'<td class="long">{escape(str(value))}</td>'


def code(value: object) -> str:
    """A cell for an identifier, escaped; a long one takes several lines, so that amounts stay in sight."""
    wide = ' class="wide"' if len(str(value)) > _CODE_IN_A_LINE else ""
    return f"<td><code{wide}>{escape(str(value))}</code></td>"


def count(value: int) -> str:
    """A cell for a number of rows, aligned right."""
    return f'<td class="num{" zero" if value == 0 else ""}">{value:,}</td>'


def number(written: object) -> str:
    """A cell for a number as somebody wrote it, aligned right."""
    return f'<td class="num">{escape(str(written))}</td>'


class Named(str):
    """A head that is a name from the data: it stands as it is written."""


def named(name: str) -> Named:
    """The name as a head."""
    return Named(name)


def money(data: ReportData, minor: int | None) -> str:
    """An amount; a dash where there is none."""
    if minor is None:
        return '<td class="num zero">–</td>'
    mood = " zero" if minor == 0 else " minus" if minor < 0 else ""
    return f'<td class="num{mood}">{data.amount(minor)}</td>'


def tag(word: str, key: str | None = None) -> str:
    """A cell with one word in the colour of its mood, in both languages."""
    return f'<td><span class="tag {_MOODS.get(word, "")}">{both(key or word)}</span></td>'


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    numbers: int,
    foot: Sequence[str] = (),
    first: int | None = None,
) -> str:
    """A table of ready cells; `numbers` columns are numbers, from the `first` on, or the last ones. Says "none" where
    there is no row."""
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    if not body:
        return f'<p class="note">{both("none")}</p>'
    first = len(heads) - numbers if first is None else first
    numeric = range(first, first + numbers)
    head = "".join(_head(key, number=at in numeric) for at, key in enumerate(heads))
    last = f"<tfoot><tr>{''.join(foot)}</tr></tfoot>" if foot else ""
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{last}</table></div>'


def _head(key: str, *, number: bool) -> str:
    is_name = isinstance(key, Named)
    kinds = " ".join(kind for kind, is_so in (("name", is_name), ("num", number)) if is_so)
    return f"<th{f' class={kinds!r}' if kinds else ''}>{escape(key) if is_name else both(key)}</th>"


def capped(rows: int, file: str) -> str:
    """Says how many rows there are and where to find them, where not all are shown."""
    if rows <= ROWS_SHOWN:
        return ""
    return f'<p class="note">{both("capped", ROWS_SHOWN, f"{rows:,}", file)}</p>'


def section(name: str, *parts: str, note: str | None = None, title: str | None = None) -> str:
    """A titled part of the page (`title`: where its name is none), with a note under its title where there is one."""
    explained = f'<p class="note">{both(note)}</p>' if note else ""
    return f'<section id="{name}"><h2>{both(title or name)}</h2>{explained}{"".join(parts)}</section>'
