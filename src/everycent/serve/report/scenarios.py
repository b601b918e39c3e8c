"""The page of scenarios that were run: of each what explains the difference, what kinds of breaks there are, how old
and which; what links and files said. It stands alone like the report."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pyarrow as pa

from everycent.base.money.amount import grouped
from everycent.base.money.currency import Currency, currency
from everycent.proof.recon.contract import CAUSES, Bucket
from everycent.proof.recon.service import ReconRun, residual_minor
from everycent.serve.chaining import Chained
from everycent.serve.in_currency import Amounts, InCurrency, each_currency, largest_breaks
from everycent.serve.report.data import BUCKETS, ROWS_SHOWN
from everycent.serve.report.page import asset, write_page
from everycent.serve.report.tables import code, count, long_text, named, table, text
from everycent.serve.report.two_files_read import controls_table
from everycent.serve.report.two_files_tables import age_bars
from everycent.serve.report.waterfall import Step, merged, waterfall
from everycent.serve.report.words import both, spoken, words

_SUMS = ("left_rows", "right_rows", "left_minor", "right_minor", "difference_minor")
_Drawn = Callable[[Chained, InCurrency], str]


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
    note = both("runs.run", result.run_no, ", ".join(part.currency.code for part in _currencies(done)))
    again = "" if result.changed else f" · {both('runs.again')}"
    parts = [
        _key_figures(done),
        _titled("waterfall", _in_each(done, _waterfall)),
        _titled("kinds", _bar(done) + _in_each(done, _kinds)),
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


def _currencies(done: Chained) -> list[InCurrency]:
    assert done.scenario is not None, "it was compared"
    return each_currency(done.scenario.run, done.scenario.currency)


def _in_each(done: Chained, drawn: _Drawn) -> str:
    """What is drawn of each currency, under its code where there are several: these never add up."""
    parts = [(part, drawn(done, part)) for part in _currencies(done)]
    if len(parts) == 1:
        return parts[0][1]
    return "".join(f"<h4>{escape(part.currency.code)}</h4>{html}" for part, html in parts if html)


def _key_figures(done: Chained) -> str:
    assert done.scenario is not None and done.result is not None, "it was compared"
    found, parts = done.scenario.run.reconciled, _currencies(done)
    told = done.scenario.has_amounts
    totals = [
        " · ".join(f"{_grouped(part.whole[f'{side}_minor'], part.currency)} {part.currency}" for part in parts)
        for side in ("left", "right")
    ]
    called = [name if name not in ("left", "right") else "" for name in done.scenario.called]
    notes = [
        " · ".join(filter(None, (name, total if told else ""))) for name, total in zip(called, totals, strict=True)
    ]
    differences = [(_grouped(part.whole["difference_minor"], part.currency), part.currency.code) for part in parts]
    figures = [
        ("files.left", f"{found.left_total.rows:,}", notes[0]),
        ("files.right", f"{found.right_total.rows:,}", notes[1]),
        *(("files.difference", difference, code) for difference, code in differences if told),
        ("key.breaks", f"{found.breaks.num_rows:,}", ""),
    ]
    if (residual := residual_minor(found)) != 0 and len(parts) == 1:
        figures.append(("runs.residual", _grouped(residual, parts[0].currency), ""))
    cut = done.scenario.run.beyond.cut
    if cut.num_rows:
        figures.append(("runs.carried", f"{done.scenario.run.beyond.carried.num_rows:,}", f"{cut['day'][0].as_py()}"))
    drawn = (
        f'<div class="key"><div class="name">{both(name)}</div><div class="figure">{escape(figure)}</div>'
        f'<div class="note">{escape(note)}</div></div>'
        for name, figure, note in figures
    )
    return f'<div class="keys">{"".join(drawn)}</div>'


def _grouped(minor: int, money: Currency) -> str:
    return grouped(minor, money.exponent)


def _waterfall(done: Chained, part: InCurrency) -> str:
    """Each cause by what its breaks make of the whole; what a bucket holds beyond breaks, by the bucket. Of several
    currencies each bucket by itself."""
    assert done.scenario is not None, "it was compared"
    whole, run = part.whole, done.scenario.run
    left, right = whole["left_minor"], whole["right_minor"]
    if not any((left, right)):
        return ""
    steps, told = list[Step](), dict[str, int]()
    if not run.beyond.money.totals.num_rows:
        steps, told = _caused(run)
    for row in part.buckets:
        rest = int(row["difference_minor"]) - told.get(row["bucket"], 0)
        steps.append(Step(*words(row["bucket"]), -rest, ""))
    return waterfall(left, right, merged(steps), part.currency.exponent)


def _caused(run: ReconRun) -> tuple[list[Step], dict[str, int]]:
    """A step for each cause of breaks and matches, and by bucket what they come to."""
    found, steps, told = run.reconciled, list[Step](), dict[str, int]()
    listed = pa.concat_tables([found.breaks, found.write_offs]).group_by(["bucket", "cause"])
    for row in listed.aggregate([("difference_minor", "sum")]).to_pylist():
        minor, cause = int(row["difference_minor_sum"]), CAUSES[row["cause"]]
        told[row["bucket"]] = told.get(row["bucket"], 0) + minor
        steps.append(Step(cause.en, cause.zh, -minor, ""))
    for row in run.beyond.explained.differences.to_pylist():
        minor, cause = int(row["difference_minor"]), CAUSES[row["cause"]]
        told[Bucket.MATCHED] = told.get(Bucket.MATCHED, 0) + minor
        steps.append(Step(cause.en, cause.zh, -minor, ""))
    return steps, told


def _bar(done: Chained) -> str:
    """How many rows end in each bucket, drawn."""
    assert done.result is not None, "it was compared"
    filled = [row for row in done.result.totals.to_pylist() if row["left_rows"] or row["right_rows"]]
    if not filled:
        return f'<p class="note">{both("none")}</p>'
    bar = "".join(
        f'<i class="b-{row["bucket"]}" style="flex:{row["left_rows"] + row["right_rows"]}"'
        f' title="{escape(" · ".join(words(row["bucket"])))}"></i>'
        for row in sorted(filled, key=lambda row: BUCKETS.index(row["bucket"]))
    )
    return f'<div class="bar">{bar}</div>'


def _kinds(done: Chained, part: InCurrency) -> str:
    ordered = sorted(part.buckets, key=lambda row: BUCKETS.index(row["bucket"]))
    if not ordered:
        return ""
    rows = [
        (f'<td><i class="dot b-{row["bucket"]}"></i>{both(row["bucket"])}</td>', *_sums(done, row, part.currency))
        for row in ordered
    ]
    heads = ("bucket", "left rows", "right rows", *_money_heads(done))
    foot = (f"<td>{both('total')}</td>", *_sums(done, part.whole, part.currency))
    return table(heads, rows, len(heads) - 1, foot)


def _money_heads(done: Chained) -> tuple[str, ...]:
    """Of the columns of amounts; none where there are no amounts."""
    assert done.scenario is not None, "it was compared"
    return ("left", "right", "difference") if done.scenario.has_amounts else ()


def _sums(done: Chained, row: Mapping[str, Any], money: Currency) -> tuple[str, ...]:
    amounts = _SUMS[2:] if _money_heads(done) else ()
    cells = (_amounts(((int(row[name]), money),)) for name in amounts)
    return (count(row["left_rows"]), count(row["right_rows"]), *cells)


def _amounts(amounts: Amounts, *, named: bool = False) -> str:
    """A cell; a dash where there is no amount. named: with the currency's code, where there are several."""
    if not amounts:
        return '<td class="num zero">–</td>'
    alone = amounts[0][0] if len(amounts) == 1 else 1
    mood = " zero" if alone == 0 else " minus" if alone < 0 else ""
    said = " + ".join(f"{_grouped(minor, money)}{f' {money}' if named else ''}" for minor, money in amounts)
    return f'<td class="num{mood}">{said}</td>'


def _ageing(told: RunPage, done: Chained) -> str:
    """How long breaks have stood, across runs."""
    rows = told.ages.get(done.name, ())
    ages = {age: list(each) for age, each in groupby(rows, key=itemgetter("age"))}
    summed = [(both(f"ages.{age}"), sum(row["breaks"] for row in each), 0) for age, each in ages.items()]
    if not summed:
        return ""
    several = len({row["currency"] for row in rows}) > 1
    cells = [
        (f"<td>{name}</td>", count(n), *((_amounts(_at_stake(each), named=several),) if _money_heads(done) else ()))
        for (name, n, _), each in zip(summed, ages.values(), strict=True)
    ]
    heads = ("ageing.age", "ageing.count", *(("ageing.amount",) if _money_heads(done) else ()))
    return age_bars(summed) + table(heads, cells, len(heads) - 1)


def _at_stake(rows: Sequence[Mapping[str, Any]]) -> Amounts:
    """What differs without regard to sign, by currency; what is in several does not add up."""
    summed = dict[str, int]()
    for row in rows:
        if row["currency"] is not None:
            summed[row["currency"]] = summed.get(row["currency"], 0) + abs(row["difference_minor"])
    return tuple((minor, currency(code)) for code, minor in sorted(summed.items()))


def _breaks(done: Chained) -> str:
    """The breaks in which most is in dispute."""
    assert done.result is not None and done.scenario is not None, "it was compared"
    breaks = done.result.breaks
    if not breaks.num_rows:
        return f'<p class="note">{both("breaks.none")}</p>'
    run, several = done.scenario.run, len(_currencies(done)) > 1
    shown = largest_breaks(run, done.scenario.currency, ROWS_SHOWN)
    with_status, money = any(map(_statuses, shown)), _money_heads(done)
    amounts = ("left", "right", "difference") if money else ()
    rows = [
        (
            f'<td><i class="dot b-{row["bucket"]}"></i>{both(row["bucket"])}</td>',
            code(row["key"]),
            *(_amounts(row[name], named=several) for name in amounts),
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
    return controls_table((stated.file, stated.control) for stated in done.scenario.stated)


def _handled(done: Chained) -> str:
    rows = [(text(each.handler), long_text(each.failure or each.said)) for each in done.handled]
    return table(("runs.handler", "result"), rows, 0) if rows else ""


def _across(told: RunPage) -> str:
    """What each of more than two sides says of the keys that part."""
    drawn = []
    for name, rows in told.across.items():
        sides = [column.removesuffix("_rows") for column in rows.column_names if column.endswith("_rows")]
        shown = rows.slice(0, ROWS_SHOWN).to_pylist()
        several = len({row[f"{side}_currency"] for row in shown for side in sides} - {None}) > 1
        cells = [(code(row["key"]), *(_said(row, side, several=several) for side in sides)) for row in shown]
        drawn.append(
            f'<section id="{escape(name)}"><h2>{escape(name)}</h2><p class="note">{both("runs.across")}</p>'
            f"{table(('key', *map(named, sides)), cells, len(sides))}</section>"
        )
    return "".join(drawn)


def _said(row: Mapping[str, Any], side: str, *, several: bool) -> str:
    if not row[f"{side}_rows"]:
        return '<td class="num zero">–</td>'
    one = {row[f"{side}_currency"]: row[f"{side}_amount_minor"]}
    held = one if row[f"{side}_amounts"] is None else json.loads(row[f"{side}_amounts"])
    amounts = ((int(minor), currency(code)) for code, minor in held.items())
    said = " + ".join(f"{_grouped(minor, money)}{f' {money}' if several else ''}" for minor, money in amounts)
    status = row[f"{side}_statuses"]
    return f'<td class="num">{said}{"" if status is None else f" · {escape(status)}"}</td>'
