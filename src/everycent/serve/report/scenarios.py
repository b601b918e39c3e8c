"""The page of scenarios that were run: of each what explains the difference, what kinds of breaks there are, how old
and which; what links and files said. It stands alone like the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from everycent.proof.recon.contract import CAUSES, Bucket
from everycent.proof.recon.service import residual_minor
from everycent.serve.chaining import Chained
from everycent.serve.many_sides import DAY_APART
from everycent.serve.report.data import BUCKETS, ROWS_SHOWN, grouped
from everycent.serve.report.page import asset, write_page
from everycent.serve.report.tables import code, count, long_text, named, number, table, text
from everycent.serve.report.two_files_tables import age_bars
from everycent.serve.report.waterfall import Step, merged, waterfall
from everycent.serve.report.words import both, spoken, words

_SUMS = ("left_rows", "right_rows", "left_minor", "right_minor", "difference_minor")


@dataclass(frozen=True)
class RunPage:
    """What a page tells: the scenarios of a file or model, by scenario of more than two sides what all of them say, and
    by scenario how old its standing breaks are (rows of `breaks.standing.ages`)."""

    name: str
    as_of: str
    done: Sequence[Chained]
    across: Mapping[str, pa.Table]
    ages: Mapping[str, Sequence[Mapping[str, Any]]]


def render_scenarios(told: RunPage, path: Path) -> None:
    """Writes the page. Raises OSError where it cannot."""
    names = [*(each.name for each in told.done), *told.across]
    links = "".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in names)
    agreed = sum(each.agrees for each in told.done)
    mood, mark = ("good", "✓") if agreed == len(told.done) else ("bad", "≠")
    said = both("runs.agree", agreed, len(told.done))
    html = f"""<!doctype html>
<html lang="en" data-language="auto">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(told.name)} · {" · ".join(words("files.title"))}</title>
<style>{asset("report.css")}</style>
</head>
<body>
<header><div>
<div class="top"><div><div class="brand">everycent</div><h1>{escape(told.name)}</h1>
<p class="sub">{both("files.title")} · {escape(told.as_of)}</p></div>
<div class="tools"><button id="language" type="button"></button></div></div>
<div class="verdict {mood}"><div class="mark">{mark}</div><div><b>{said}</b>
<span class="more">{both("files.proof")}</span></div></div>
</div></header>
<nav><div>{links}</div></nav>
<main>{"".join(_scenario(told, each) for each in told.done)}{_across(told)}</main>
<footer>{both("runs.footer")}</footer>
<script>{asset("report.js")}</script>
</body>
</html>
"""
    write_page(path, html)


def _scenario(told: RunPage, done: Chained) -> str:
    if done.scenario is None or done.result is None:
        said = f'<p class="note">{both("runs.failed")}: {escape(done.failure or "")}</p>'
        return f'<section id="{escape(done.name)}"><h2>{escape(done.name)}</h2>{said}</section>'
    result = done.result
    note = both("runs.run", result.run_no, result.currency)
    again = "" if result.changed else f" · {both('runs.again')}"
    parts = [
        _key_figures(done),
        _titled("waterfall", _waterfall(done)),
        _titled("kinds", _kinds(done)),
        _titled("ageing", _ageing(told, done)),
        _titled("breaks" if _money_heads(done) else "breaks.unsized", _breaks(done)),
        _titled("runs.findings", _findings(done)),
        _titled("notcompared", _refused(done)),
        _titled("controls", _controls(done)),
        _titled("runs.handled", _handled(done)),
    ]
    return (
        f'<section id="{escape(done.name)}"><h2>{escape(done.name)}</h2><p class="note">{note}{again}</p>'
        f"{''.join(parts)}</section>"
    )


def _titled(key: str, html: str) -> str:
    return f"<h3>{both(key)}</h3>{html}" if html else ""


def _key_figures(done: Chained) -> str:
    assert done.scenario is not None and done.result is not None, "it was compared"
    found, exponent = done.scenario.run.reconciled, done.result.exponent
    currency, told = done.result.currency, done.scenario.has_amounts
    totals = [grouped(side.amount_minor, exponent) for side in (found.left_total, found.right_total)]
    called = [name if name not in ("left", "right") else "" for name in done.scenario.called]
    notes = [
        " · ".join(filter(None, (name, f"{total} {currency}" if told else "")))
        for name, total in zip(called, totals, strict=True)
    ]
    figures = [
        ("files.left", f"{found.left_total.rows:,}", notes[0]),
        ("files.right", f"{found.right_total.rows:,}", notes[1]),
        *([("files.difference", grouped(found.difference_minor, exponent), currency)] if told else ()),
        ("key.breaks", f"{found.breaks.num_rows:,}", ""),
    ]
    if (residual := residual_minor(found)) != 0:
        figures.append(("runs.residual", grouped(residual, exponent), ""))
    cut = done.scenario.run.beyond.cut
    if cut.num_rows:
        figures.append(("runs.carried", f"{done.scenario.run.beyond.carried.num_rows:,}", f"{cut['day'][0].as_py()}"))
    drawn = (
        f'<div class="key"><div class="name">{both(name)}</div><div class="figure">{escape(figure)}</div>'
        f'<div class="note">{escape(note)}</div></div>'
        for name, figure, note in figures
    )
    return f'<div class="keys">{"".join(drawn)}</div>'


def _waterfall(done: Chained) -> str:
    """Each cause by what its breaks make of the whole; what a bucket holds beyond breaks, by the bucket."""
    assert done.scenario is not None and done.result is not None, "it was compared"
    found = done.scenario.run.reconciled
    if not any((found.left_total.amount_minor, found.right_total.amount_minor, found.difference_minor)):
        return ""
    listed = pa.concat_tables([found.breaks, found.write_offs]).group_by(["bucket", "cause"])
    steps, told = [], dict[str, int]()
    for row in listed.aggregate([("difference_minor", "sum")]).to_pylist():
        minor, cause = int(row["difference_minor_sum"]), CAUSES[row["cause"]]
        told[row["bucket"]] = told.get(row["bucket"], 0) + minor
        steps.append(Step(cause.en, cause.zh, -minor, ""))
    for row in done.scenario.run.beyond.explained.differences.to_pylist():
        minor, cause = int(row["difference_minor"]), CAUSES[row["cause"]]
        told[Bucket.MATCHED] = told.get(Bucket.MATCHED, 0) + minor
        steps.append(Step(cause.en, cause.zh, -minor, ""))
    for row in found.totals.to_pylist():
        left = int(row["difference_minor"]) - told.get(row["bucket"], 0)
        steps.append(Step(*words(row["bucket"]), -left, ""))
    return waterfall(found.left_total.amount_minor, found.right_total.amount_minor, merged(steps), done.result.exponent)


def _kinds(done: Chained) -> str:
    assert done.result is not None, "it was compared"
    filled = [row for row in done.result.totals.to_pylist() if row["left_rows"] or row["right_rows"]]
    if not filled:
        return f'<p class="note">{both("none")}</p>'
    ordered = sorted(filled, key=lambda row: BUCKETS.index(row["bucket"]))
    bar = "".join(
        f'<i class="b-{row["bucket"]}" style="flex:{row["left_rows"] + row["right_rows"]}"'
        f' title="{escape(" · ".join(words(row["bucket"])))}"></i>'
        for row in ordered
    )
    rows = [
        (f'<td><i class="dot b-{row["bucket"]}"></i>{both(row["bucket"])}</td>', *_sums(done, row)) for row in ordered
    ]
    whole = {name: sum(int(row[name]) for row in ordered) for name in _SUMS}
    heads = ("bucket", "left rows", "right rows", *_money_heads(done))
    foot = (f"<td>{both('total')}</td>", *_sums(done, whole))
    return f'<div class="bar">{bar}</div>' + table(heads, rows, len(heads) - 1, foot)


def _money_heads(done: Chained) -> tuple[str, ...]:
    """Of the columns of amounts; none where there are no amounts."""
    assert done.scenario is not None, "it was compared"
    return ("left", "right", "difference") if done.scenario.has_amounts else ()


def _sums(done: Chained, row: Mapping[str, Any]) -> tuple[str, ...]:
    amounts = _SUMS[2:] if _money_heads(done) else ()
    return (count(row["left_rows"]), count(row["right_rows"]), *(_minor(done, row[name]) for name in amounts))


def _minor(done: Chained, minor: Any) -> str:
    assert done.result is not None, "it was compared"
    if minor is None:
        return '<td class="num zero">–</td>'
    mood = " zero" if minor == 0 else " minus" if minor < 0 else ""
    return f'<td class="num{mood}">{grouped(int(minor), done.result.exponent)}</td>'


def _ageing(told: RunPage, done: Chained) -> str:
    """How long breaks have stood, across runs."""
    rows = told.ages.get(done.name, ())
    ages = {age: list(each) for age, each in groupby(rows, key=itemgetter("age"))}
    summed = [
        (
            both(f"ages.{age}"),
            sum(row["breaks"] for row in each),
            sum(abs(row["difference_minor"]) for row in each),
        )
        for age, each in ages.items()
    ]
    if not summed:
        return ""
    cells = [
        (f"<td>{name}</td>", count(n), *((_minor(done, minor),) if _money_heads(done) else ()))
        for name, n, minor in summed
    ]
    heads = ("ageing.age", "ageing.count", *(("ageing.amount",) if _money_heads(done) else ()))
    return age_bars(summed) + table(heads, cells, len(heads) - 1)


def _breaks(done: Chained) -> str:
    """The breaks in which most is in dispute."""
    assert done.result is not None, "it was compared"
    breaks = done.result.breaks
    if not breaks.num_rows:
        return f'<p class="note">{both("breaks.none")}</p>'
    sized = breaks.append_column("size", pc.abs(breaks["difference_minor"]))
    order = pc.sort_indices(sized, [("size", "descending"), ("key", "ascending"), ("bucket", "ascending")])
    shown = breaks.take(order.slice(0, ROWS_SHOWN)).to_pylist()
    with_status, money = any(map(_statuses, shown)), _money_heads(done)
    amounts = ("left_amount", "right_amount", "difference") if money else ()
    rows = [
        (
            f'<td><i class="dot b-{row["bucket"]}"></i>{both(row["bucket"])}</td>',
            code(row["key"]),
            *(_minor(done, row[f"{name}_minor"]) for name in amounts),
            *([long_text(_statuses(row))] if with_status else []),
            f'<td class="long">{spoken(*_cause(row, has_amounts=bool(money)))}</td>',
            f"<td>{_places(row)}</td>",
        )
        for row in shown
    ]
    more = ""
    if breaks.num_rows > ROWS_SHOWN:
        more = f'<p class="note">{both("breaks.some", ROWS_SHOWN, f"{breaks.num_rows:,}")}</p>'
    heads = ("bucket", "key", *money, *(("state",) if with_status else ()), "cause", "place")
    return table(heads, rows, len(money), first=2) + more


def _cause(row: Mapping[str, Any], *, has_amounts: bool) -> tuple[str, str]:
    """Where there are no amounts nothing is said of them."""
    if not has_amounts and row["cause"] == "status_differs":
        return words("cause.status")
    return row["cause_en"], row["cause_zh"]


def _statuses(row: Mapping[str, Any]) -> str:
    left, right = row["left_status"], row["right_status"]
    there = [each for each in dict.fromkeys((left, right)) if each is not None]
    return " | ".join(there)


def _places(row: Mapping[str, Any]) -> str:
    listed = (
        f"<code>{escape(row[f'{side}_file'])}:{row[f'{side}_line']}</code>"
        for side in ("left", "right")
        if row[f"{side}_line"] is not None
    )
    return "<br>".join(listed)


def _findings(done: Chained) -> str:
    assert done.result is not None, "it was compared"
    rows = [
        (text(each.checker), code(row["key"]), text(row["kind"]), long_text(row["reason"]))
        for each in done.result.checked
        for row in each.findings.slice(0, ROWS_SHOWN).to_pylist()
    ]
    rows += [
        (text(each.checker), code(""), text("failed"), long_text(each.failure))
        for each in done.result.checked
        if each.failure is not None
    ]
    return table(("runs.checker", "key", "bucket", "reason"), rows, 0) if rows else ""


def _refused(done: Chained) -> str:
    rows = [
        (code(f"{row['source_file']}:{row['source_line']}"), long_text(row["reason"]))
        for refused in done.refused
        for row in refused.slice(0, ROWS_SHOWN).to_pylist()
    ]
    return table(("place", "reason"), rows, 0) if rows else ""


def _controls(done: Chained) -> str:
    assert done.scenario is not None, "it was compared"
    rows = [
        (
            text(stated.file),
            text(stated.control.name),
            number(stated.control.stated),
            number(stated.control.found),
            f'<td><span class="tag {"good" if stated.control.agrees else "bad"}">'
            f"{both('controls.agrees' if stated.control.agrees else 'controls.lies')}</span></td>",
        )
        for stated in done.scenario.stated
    ]
    heads = ("controls.file", "controls.name", "controls.stated", "controls.found", "controls.result")
    return table(heads, rows, 2, first=2) if rows else ""


def _handled(done: Chained) -> str:
    rows = [(text(each.handler), long_text(each.failure or each.said)) for each in done.handled]
    return table(("runs.handler", "result"), rows, 0) if rows else ""


def _across(told: RunPage) -> str:
    """What each of more than two sides says of the keys that part."""
    exponents = {each.name.partition("/")[0]: each.result.exponent for each in told.done if each.result is not None}
    drawn = []
    for name, rows in told.across.items():
        exponent = exponents[name.partition(DAY_APART)[0]]
        sides = [column.removesuffix("_rows") for column in rows.column_names if column.endswith("_rows")]
        cells = [
            (code(row["key"]), *(_said(row, side, exponent) for side in sides))
            for row in rows.slice(0, ROWS_SHOWN).to_pylist()
        ]
        drawn.append(
            f'<section id="{escape(name)}"><h2>{escape(name)}</h2><p class="note">{both("runs.across")}</p>'
            f"{table(('key', *map(named, sides)), cells, len(sides))}</section>"
        )
    return "".join(drawn)


def _said(row: Mapping[str, Any], side: str, exponent: int) -> str:
    if not row[f"{side}_rows"]:
        return '<td class="num zero">–</td>'
    status = row[f"{side}_statuses"]
    more = "" if status is None else f" · {escape(status)}"
    return f'<td class="num">{grouped(int(row[f"{side}_amount_minor"]), exponent)}{more}</td>'
