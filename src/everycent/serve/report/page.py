"""report.html: one page that stands alone: no script, style, font or picture comes from elsewhere."""

from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Literal

from everycent.serve.report import sections
from everycent.serve.report.data import ReportData
from everycent.serve.report.figures import figures_section
from everycent.serve.report.words import both, words

Language = Literal["auto", "en", "zh"]

_SECTIONS = {
    "flow": sections.flow_section,
    "figures": figures_section,
    "charges": sections.charges_section,
    "recon": sections.recon_section,
    "statements": sections.statements_section,
    "instructions": sections.instructions_section,
    "parties": sections.parties_section,
    "intake": sections.intake_section,
    "held": sections.held_section,
    "checks": sections.checks_section,
}


def render(data: ReportData, path: Path, lang: Language = "auto") -> tuple[Path, ...]:
    """Writes the page, and one beside it for each other currency; `lang` is shown first, `auto` follows the reader's
    browser. Their paths. Raises OSError where it cannot."""
    pages = {data.currency: path}
    pages |= {other.currency: path.with_name(f"{path.stem}-{other.currency}{path.suffix}") for other in data.others}
    for one in (data, *data.others):
        _render(one, pages, lang)
    return tuple(pages.values())


def _render(data: ReportData, pages: Mapping[str, Path], lang: Language) -> None:
    """Writes the page of one currency, with links to the others."""
    drawn = {name: draw(data) for name, draw in _SECTIONS.items()}
    links = "".join(f'<a href="#{name}">{both(name)}</a>' for name, html in drawn.items() if html)
    first = "en" if lang == "auto" else lang
    html = f"""<!doctype html>
<html lang="{first}" data-language="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(data.model)} · {" · ".join(words("title"))}</title>
<style>{asset("report.css")}</style>
</head>
<body>
<header><div>{_header(data, pages)}{_verdict(data)}</div></header>
<nav><div>{links}</div></nav>
<main>{_key_figures(data)}{"".join(drawn.values())}</main>
<footer>{both("footer")}</footer>
<script>{asset("report.js")}</script>
</body>
</html>
"""
    write_page(pages[data.currency], html)


def write_page(path: Path, html: str) -> None:
    """Writes a page whole: nobody sees a part of it. Raises OSError where it cannot."""
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_text(html, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def asset(name: str) -> str:
    """The text of one of the page's own files."""
    return (files("everycent.serve.report") / "assets" / name).read_text(encoding="utf-8")


def _header(data: ReportData, pages: Mapping[str, Path]) -> str:
    others = "".join(
        f' · <a href="{escape(page.name)}">{code}</a>' for code, page in pages.items() if code != data.currency
    )
    days = f" · {both('business days')} {data.first_day} – {data.last_day}" if data.first_day else ""
    return (
        '<div class="top"><div><div class="brand">everycent</div>'
        f"<h1>{escape(data.model)} · {both('title')}</h1>"
        f'<p class="sub">{both("version")} {escape(data.model_version)}{days} · {both("amounts in", data.currency)}'
        f"{others}</p>"
        '</div><div class="tools"><button id="language" type="button"></button></div></div>'
    )


def _verdict(data: ReportData) -> str:
    """The first thing to read: does it all add up?"""
    failed = [check for check in data.checks if not check.passed]
    if data.verified is None:
        mood, mark, says, more = "wait", "?", both("unverified"), ""
    elif data.verified:
        mood, mark, says = "good", "✓", both("verified")
        more = both("checks.held", len(data.checks))
    else:
        mood, mark, says = "bad", "✗", both("failed", len(failed), len(data.checks))
        more = both("checks.first", f"{failed[0].name}: {failed[0].detail}")
    return (
        f'<div class="verdict {mood}"><div class="mark">{mark}</div>'
        f'<div><b>{says}</b><span class="more">{more}</span></div></div>'
    )


def _key_figures(data: ReportData) -> str:
    read = sum(row.read for row in data.intake)
    aside = sum(row.duplicate + row.conflict + row.quarantined for row in data.intake)
    obligations = sum(flow.obligations for flow in data.flows)
    # In per mille of integers, so that no float comes near an amount.
    share = data.refunded_minor * 1000 // data.charged_minor if data.charged_minor else 0
    compared = sum(row.left_rows + row.right_rows for row in data.buckets)
    figures = [
        _figure("key.records", f"{data.records:,}", both("key.files", len({row.file for row in data.intake}))),
        _figure("key.charged", data.amount(data.charged_minor), both("key.obligations", f"{obligations:,}")),
        _figure("key.refunded", data.amount(data.refunded_minor), both("key.share", f"{share // 10}.{share % 10}")),
    ]
    for direction in ("pay", "collect"):
        total = data.instructions_by_direction.get(direction)
        if total:
            note = both("key.instructions", f"{total.rows:,}")
            figures.append(_figure(f"key.{direction}", data.amount(total.amount_minor), note))
    waiting = data.statements_by_state.get("open")
    if waiting:
        note = both("key.statements", f"{waiting.rows:,}")
        owed = waiting.payable_minor - waiting.receivable_minor
        figures.append(_figure("key.open", data.amount(owed), note))
    if data.buckets:
        breaks = sum(data.breaks_by_scenario.values())
        figures.append(_figure("key.breaks", f"{breaks:,}", both("key.compared", f"{compared:,}"), breaks > 0))
    figures.append(_figure("key.aside", f"{aside:,}", both("key.read", f"{read:,}")))
    return f'<div class="keys">{"".join(figures)}</div>'


def _figure(name: str, figure: str, note: str, attention: bool = False) -> str:
    mood = " attention" if attention else ""
    return (
        f'<div class="key{mood}"><div class="name">{both(name)}</div>'
        f'<div class="figure">{escape(figure)}</div><div class="note">{note}</div></div>'
    )
