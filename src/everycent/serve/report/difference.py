"""The page of a simulation: what would move, as a picture and as tables; it stands alone like the report."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from everycent.base.money.amount import grouped
from everycent.base.money.currency import currency
from everycent.serve.report.page import asset, write_page
from everycent.serve.report.tables import code, count, section, table, text
from everycent.serve.report.words import both, words
from everycent.serve.simulating import Simulated

#: The picture has one bar for each of the parties that gain or lose most.
BARS_MAX = 14
_WIDTH, _BAR, _GAP, _NAMES, _FIGURES = 1120, 18, 8, 300, 130

#: Writes minor units of a currency's code.
Money = Callable[[int, str], str]


def render_difference(found: Simulated, codes: Sequence[str], path: Path) -> None:
    """Writes the page; `codes` are the model's currencies. Raises OSError where it cannot."""
    money = _money(several=len(codes) > 1)
    difference = found.difference
    mood, mark = ("wait", "Δ") if difference.differing else ("good", "=")
    names = {row["record_id"]: f"{row['kind']}:{row['key']}" for row in found.names.to_pylist()}
    parts = [
        section("sim.parties", _pictures(difference.parties.to_pylist(), money), note="sim.parties.note"),
        section("sim.charges", _table("charge", difference.charges.to_pylist(), money, lambda row: row["charge"])),
        section(
            "sim.bearers",
            _table("bearer", difference.bearers.to_pylist(), money, lambda row: f"{row['charge']} · {row['role']}"),
        ),
        section(
            "sim.records",
            _table(
                "record",
                difference.records.to_pylist(),
                money,
                lambda row: f"{names.get(row['record_id'], row['record_id'])}/{row['charge']}",
            ),
            _explained(found),
        ),
    ]
    html = f"""<!doctype html>
<html lang="en" data-language="auto">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(found.model)} · {" · ".join(words("sim.title"))}</title>
<style>{asset("report.css")}</style>
</head>
<body>
<header><div>
<div class="top"><div><div class="brand">everycent</div><h1>{escape(found.model)} · {both("sim.title")}</h1>
<p class="sub">{both("sim.sides", found.before, found.after)} · {both("amounts in", ", ".join(codes))}</p></div>
<div class="tools"><button id="language" type="button"></button></div></div>
<div class="verdict {mood}"><div class="mark">{mark}</div>
<div><b>{both("sim.differs", f"{difference.differing:,}", f"{found.records:,}")}</b></div></div>
</div></header>
<main>{"".join(parts)}</main>
<script>{asset("report.js")}</script>
</body>
</html>
"""
    write_page(path, html)


def _money(*, several: bool) -> Money:
    """How an amount of a currency's code is written; with the code where there are several."""
    return lambda minor, code: f"{grouped(minor, currency(code).exponent)}{f' {code}' if several else ''}"


def _pictures(rows: Sequence[Mapping[str, Any]], money: Money) -> str:
    """One for each currency: lengths of different currencies do not compare."""
    codes = dict.fromkeys(row["currency"] for row in rows)
    drawn = [_picture([row for row in rows if row["currency"] == code], money) for code in codes]
    return "".join(drawn) or f'<p class="note">{both("none")}</p>'


def _picture(rows: Sequence[Mapping[str, Any]], money: Money) -> str:
    """A bar for each party, to the right where it would get more. Lengths are drawn; the figures are exact."""
    shown = [(str(row["party"]), int(row["after_minor"]) - int(row["before_minor"])) for row in rows[:BARS_MAX]]
    said = str(rows[0]["currency"])
    widest = max(abs(moved) for _, moved in shown)
    half = (_WIDTH - _NAMES - 2 * _FIGURES) / 2
    middle = _NAMES + _FIGURES + half
    bars = []
    for place, (party, moved) in enumerate(shown):
        y = place * (_BAR + _GAP)
        length = max(half * abs(moved) / widest, 1.0)
        left = middle if moved > 0 else middle - length
        at, anchor = (left + length + 6, "start") if moved > 0 else (left - 6, "end")
        figure = f"+{money(moved, said)}" if moved > 0 else money(moved, said)
        bars.append(
            f'<text class="label" x="{_NAMES - 10}" y="{y + 13}" text-anchor="end">{escape(party)}</text>'
            f'<rect class="node c-{"paid" if moved > 0 else "returned"}" x="{left:.1f}" y="{y}" width="{length:.1f}" '
            f'height="{_BAR}" rx="2"><title>{escape(party)}: {figure}</title></rect>'
            f'<text class="value" x="{at:.1f}" y="{y + 13}" text-anchor="{anchor}">{figure}</text>'
        )
    height = len(shown) * (_BAR + _GAP)
    more = f'<p class="note">{both("sim.more", f"{len(rows) - len(shown):,}")}</p>' if len(rows) > len(shown) else ""
    return f'<div class="flow bars"><svg viewBox="0 0 {_WIDTH} {height}" role="img">{"".join(bars)}</svg></div>{more}'


def _table(head: str, rows: Sequence[Mapping[str, Any]], money: Money, name: Callable[[Mapping[str, Any]], str]) -> str:
    counted = bool(rows) and "records" in rows[0]
    cells = []
    for row in rows:
        before, after = int(row["before_minor"]), int(row["after_minor"])
        found = [code(name(row)) if head == "record" else text(name(row))]
        found += [_amount(minor, row["currency"], money) for minor in (before, after, after - before)]
        cells.append([*found, *([count(row["records"])] if counted else [])])
    heads = [head, "sim.before", "sim.after", "difference", *(["records"] if counted else [])]
    return table(heads, cells, len(heads) - 1)


def _amount(minor: int, code: str, money: Money) -> str:
    mood = " zero" if minor == 0 else " minus" if minor < 0 else ""
    return f'<td class="num{mood}">{money(minor, code)}</td>'


def _explained(found: Simulated) -> str:
    if not any(found.explained):
        return ""
    columns = "".join(
        f"<div><h3>{both(key)}</h3><pre>{escape(chr(10).join(lines))}</pre></div>"
        for key, lines in zip(("sim.before", "sim.after"), found.explained, strict=True)
    )
    return f'<h3>{both("sim.first")}</h3><div class="beside">{columns}</div>'
