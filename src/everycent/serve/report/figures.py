"""The page's pictures of figures: ageing, revenue, cost and payouts, each as bars, with a legend."""

from collections.abc import Mapping, Sequence
from typing import Any

from everycent.serve.figures.asked import Figures
from everycent.serve.report.bars import Bar, Part, bars
from everycent.serve.report.data import ReportData
from everycent.serve.report.tables import count, money, section, table, text
from everycent.serve.report.words import both, words

#: So many bars are drawn; the command has all.
_BARS_MAX = 20
_AGES = ("kept", "open", "1", "returned", "4", "2")
_STATES = {
    "succeeded": "paid", "failed": "returned", "returned": "returned", "parked": "4", "waiting": "open",
    "created": "kept", "approved": "kept", "filed": "0", "submitted": "0", "processing": "0", "unknown": "4",
}  # fmt: skip


def figures_section(data: ReportData) -> str:
    """The pictures, and beside them what waits for whom; nothing where there are no figures."""
    drawn = {"ageing": _ageing, "revenue": _revenue, "cost": _cost, "payouts": _payouts}
    parts = [draw(data, found) for name, draw in drawn.items() if (found := data.figures.get(name)) and found.rows]
    waits = data.figures.get("waiting")
    if waits is not None and waits.rows:
        parts.append(_waiting(data, waits))
    return section("figures", *parts, note="figures.note") if parts else ""


def _picture(data: ReportData, name: str, drawn: Sequence[Bar], legend: Mapping[str, tuple[str, str, str]]) -> str:
    english, _ = words(f"figures.{name}")
    keys = "".join(
        f'<span><i class="dot filled c-{colour}"></i>{en if en == zh else _spoken(en, zh)}</span>'
        for en, zh, colour in legend.values()
    )
    more = f'<p class="note">{both("figures.more", len(drawn) - _BARS_MAX)}</p>' if len(drawn) > _BARS_MAX else ""
    tally = f'<div class="tally">{keys}</div>' if keys else ""
    return f"<h3>{both(f'figures.{name}')}</h3>{tally}{bars(drawn[:_BARS_MAX], data.exponent, english)}{more}"


def _spoken(en: str, zh: str) -> str:
    return f'<span data-lang="en">{en}</span><span data-lang="zh">{zh}</span>'


def _ageing(data: ReportData, found: Figures) -> str:
    """A bar for each role and side, its parts the ages."""
    ages = [name for name in found.names if name.endswith(("days", "more"))]
    legend = {name: (name, _age_zh(name), _AGES[at % len(_AGES)]) for at, name in enumerate(ages)}
    drawn = []
    for row in found.dicts():
        sign = 1 if row["side"] in ("payable", "on account") else -1
        parts = tuple(Part(*legend[name][:2], sign * row[name], legend[name][2]) for name in ages if row[name])
        en, zh = words(f"figures.{row['side']}")
        drawn.append(Bar(f"{row['role']}, {en}", f"{row['role']}，{zh}", parts))
    return _picture(data, "ageing", drawn, legend)


def _age_zh(name: str) -> str:
    return name.replace(" days and more", " 天及以上").replace(" days", " 天")


def _revenue(data: ReportData, found: Figures) -> str:
    legend = {
        "more": (*words("figures.earned"), "paid"), "less": (*words("figures.spent"), "returned"),
        "held": (*words("figures.held"), "open"),
    }  # fmt: skip
    drawn = []
    for row in sorted(found.dicts(), key=lambda each: -each["net"]):
        en, zh, colour = legend["held" if row["what"] == "deposit held" else "more" if row["net"] >= 0 else "less"]
        name = row["charge"] if _one(found, "legal_entity") else f"{row['charge']} · {row['legal_entity']}"
        drawn.append(Bar(name, name, (Part(en, zh, row["net"], colour),)))
    return _picture(data, "revenue", drawn, legend)


def _one(found: Figures, name: str) -> bool:
    return len({row[found.at(name)] for row in found.rows}) == 1


def _cost(data: ReportData, found: Figures) -> str:
    """A bar for each charge and budget, its parts the bearers."""
    bearers = list(dict.fromkeys(row["bearer"] for row in found.dicts()))
    legend = {bearer: (bearer, bearer, str(at % 6)) for at, bearer in enumerate(bearers)}
    groups: dict[str, list[Part]] = {}
    for row in found.dicts():
        name = f"{row['charge']} · {row['budget']}" if row["budget"] else row["charge"]
        groups.setdefault(name, []).append(Part(row["bearer"], row["bearer"], row["amount"], legend[row["bearer"]][2]))
    return _picture(data, "cost", [Bar(name, name, tuple(parts)) for name, parts in groups.items()], legend)


def _payouts(data: ReportData, found: Figures) -> str:
    """A bar for each channel and direction, its parts the states."""
    rows = found.dicts()
    states = list(dict.fromkeys(row["state"] for row in rows))
    legend = {state: (*words(f"figures.state.{state}"), _STATES.get(state, "offset")) for state in states}
    groups: dict[tuple[str, str], list[Part]] = {}
    for row in rows:
        en, zh, colour = legend[row["state"]]
        part = Part(f"{en}, {row['instructions']:,}", f"{zh}，{row['instructions']:,}", row["amount"], colour)
        groups.setdefault((row["channel"], row["direction"]), []).append(part)
    drawn = []
    for (channel, direction), parts in groups.items():
        en, zh = words(direction)
        drawn.append(Bar(f"{channel}, {en}", f"{channel}，{zh}", tuple(parts)))
    return _picture(data, "payouts", drawn, legend)


def _waiting(data: ReportData, found: Figures) -> str:
    rows: list[dict[str, Any]] = found.dicts()[:_BARS_MAX]
    cells = [
        (text(row["who"]), text(row["what"]), text(row["since"]), count(row["things"]), money(data, row["amount"]))
        for row in rows
    ]
    heads = ("figures.who", "figures.what", "figures.since", "rows", "amount")
    return f"<h3>{both('figures.waiting')}</h3>{table(heads, cells, 2)}"
