"""The page of two files' comparison: what explains the difference, what kinds of breaks there are, how old and which;
and how the files were read. It stands alone like the report."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from everycent.base.money.amount import grouped
from everycent.proof.recon.contract import CauseText
from everycent.serve.break_files import cause_text
from everycent.serve.comparing import Compared
from everycent.serve.report.data import BUCKETS
from everycent.serve.report.page import asset, write_page
from everycent.serve.report.tables import count, section, table
from everycent.serve.report.two_files_read import controls_section, read_section, refused_section
from everycent.serve.report.two_files_tables import ageing_section, breaks_section, minor_cell
from everycent.serve.report.waterfall import Step, merged, waterfall
from everycent.serve.report.words import both, counted, spoken, words


def render_two_files(compared: Compared, path: Path) -> None:
    """Writes the page. Raises OSError where it cannot."""
    drawn = {
        "waterfall": _waterfalls(compared),
        "kinds": _kinds(compared),
        "ageing": ageing_section(compared),
        "breaks": breaks_section(compared),
        "notcompared": refused_section(compared),
        "controls": controls_section(compared),
        "read": read_section(compared),
    }
    links = "".join(f'<a href="#{name}">{both(name)}</a>' for name, html in drawn.items() if html)
    names = f"{compared.left.path.name} · {compared.right.path.name}"
    html = f"""<!doctype html>
<html lang="en" data-language="auto">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(names)} · {" · ".join(words("files.title"))}</title>
<style>{asset("report.css")}</style>
</head>
<body>
<header><div>
<div class="top"><div><div class="brand">everycent</div><h1>{escape(names)}</h1>
<p class="sub">{both("files.title")}</p></div>
<div class="tools"><button id="language" type="button"></button></div></div>
{_verdict(compared)}
</div></header>
<nav><div>{links}</div></nav>
<main>{_notes(compared.notes)}{_key_figures(compared)}{"".join(drawn.values())}</main>
<footer>{both("files.footer")}</footer>
<script>{asset("report.js")}</script>
</body>
</html>
"""
    write_page(path, html)


def _verdict(compared: Compared) -> str:
    breaks, decimals = compared.reconciled.breaks.num_rows, compared.plan.decimals
    if compared.agrees:
        mood, mark, said = "good", "✓", both("files.agree")
    elif breaks and compared.plan.amount is not None and len(compared.plan.currencies) < 2:
        difference = grouped(compared.reconciled.difference_minor, decimals)
        mood, mark, said = "bad", "≠", both(counted("files.differ", breaks), f"{breaks:,}", difference)
    elif breaks:
        mood, mark, said = "bad", "≠", both(counted("files.differ.rows", breaks), f"{breaks:,}")
    else:
        mood, mark, said = "wait", "!", both("files.rest")
    more = both("files.lying") if compared.lying else both("files.proof")
    return (
        f'<div class="verdict {mood}"><div class="mark">{mark}</div>'
        f'<div><b>{said}</b><span class="more">{more}</span></div></div>'
    )


def _notes(notes: Sequence[CauseText]) -> str:
    if not notes:
        return ""
    listed = "".join(f"<li>{spoken(note.en, note.zh)}</li>" for note in notes)
    title = both("files.notes")
    return f'<div class="verdict wait notes"><div class="mark">!</div><div><b>{title}</b><ul>{listed}</ul></div></div>'


def _key_figures(compared: Compared) -> str:
    found, decimals = compared.reconciled, compared.plan.decimals
    rows = (found.left_total.rows, found.right_total.rows)
    equal = sum(r["left_rows"] + r["right_rows"] for r in found.totals.to_pylist() if r["bucket"] == "equal")
    share = equal * 1000 // sum(rows) if sum(rows) else 0
    figures = [
        _figure("files.left", f"{rows[0]:,}", escape(compared.left.path.name)),
        _figure("files.right", f"{rows[1]:,}", escape(compared.right.path.name)),
        _figure("files.equal", f"{equal:,}", both("files.share", f"{share // 10}.{share % 10}")),
    ]
    amount = compared.plan.amount
    if amount is not None and len(compared.plan.currencies) < 2:
        codes = ", ".join(compared.plan.currencies)
        totals = (found.left_total.amount_minor, found.right_total.amount_minor, found.difference_minor)
        for key, minor in zip(("files.total.left", "files.total.right", "files.difference"), totals, strict=True):
            figures.append(_figure(key, grouped(minor, decimals), escape(f"{amount.pair.name} {codes}".strip())))
    refused = sum(side.num_rows for side in compared.refused)
    if refused:
        figures.append(_figure("files.refused", f"{refused:,}", "", attention=True))
    return f'<div class="keys">{"".join(figures)}</div>'


def _figure(name: str, figure: str, note: str, *, attention: bool = False) -> str:
    mood = " attention" if attention else ""
    return (
        f'<div class="key{mood}"><div class="name">{both(name)}</div>'
        f'<div class="figure">{escape(figure)}</div><div class="note">{note}</div></div>'
    )


def _waterfalls(compared: Compared) -> str:
    """One for each currency."""
    if compared.plan.amount is None:
        return ""
    sides = [{row["currency"]: int(row["minor"] or 0) for row in side.to_pylist()} for side in compared.held]
    codes = sorted({*sides[0], *sides[1]}, key=lambda code: (code is None, code or ""))
    drawn = []
    for code in codes:
        steps = [
            _cause(row["cause"], -int(row["minor"]))
            for row in compared.caused.to_pylist()
            if len(codes) == 1 or row["currency"] == code
        ]
        title = ""
        if len(codes) > 1:
            named = both("waterfall.nocurrency") if code is None else both("waterfall.currency", code)
            title = f"<h3>{named}</h3>"
        picture = waterfall(sides[0].get(code, 0), sides[1].get(code, 0), merged(steps), compared.plan.decimals)
        drawn.append(title + picture)
    return section("waterfall", *drawn, note="waterfall.note")


def _cause(cause: str, moved_minor: int) -> Step:
    text = cause_text(cause)
    return Step(text.en, text.zh, moved_minor, "")


def _kinds(compared: Compared) -> str:
    """Each kind with its rows and amounts; a bar of all rows."""
    filled = [row for row in compared.reconciled.totals.to_pylist() if row["left_rows"] or row["right_rows"]]
    ordered = sorted(filled, key=lambda row: BUCKETS.index(row["bucket"]))
    bar = "".join(
        f'<i class="b-{row["bucket"]}" style="flex:{row["left_rows"] + row["right_rows"]}"'
        f' title="{escape(" · ".join(words(_bucket_word(row["bucket"]))))}"></i>'
        for row in ordered
    )
    with_amount = compared.plan.amount is not None and len(compared.plan.currencies) < 2
    rows = [
        (
            f'<td><i class="dot b-{row["bucket"]}"></i>{both(_bucket_word(row["bucket"]))}</td>',
            *_cells(compared, row, with_amount=with_amount),
        )
        for row in ordered
    ]
    whole = {
        name: sum(int(row[name]) for row in ordered)
        for name in ("left_rows", "right_rows", "left_minor", "right_minor", "difference_minor")
    }
    foot = (f"<td>{both('total')}</td>", *_cells(compared, whole, with_amount=with_amount))
    heads = ("bucket", "left rows", "right rows", *(("left", "right", "difference") if with_amount else ()))
    return section("kinds", f'<div class="bar">{bar}</div>', table(heads, rows, len(heads) - 1, foot))


def _bucket_word(bucket: str) -> str:
    return "files.other" if bucket == "status_differs" else bucket


def _cells(compared: Compared, row: dict[str, int], *, with_amount: bool) -> tuple[str, ...]:
    amounts = [minor_cell(compared, int(row[name])) for name in ("left_minor", "right_minor", "difference_minor")]
    return (count(row["left_rows"]), count(row["right_rows"]), *(amounts if with_amount else ()))
