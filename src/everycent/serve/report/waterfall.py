"""A waterfall as inline SVG: from one total to another, a bar for each cause. Lengths are drawn, figures exact."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from everycent.base.money.amount import grouped
from everycent.serve.report.words import both, words

_WIDTH, _BAR, _GAP, _NAMES, _FIGURES = 1120, 20, 10, 370, 150
#: Where all totals lie closer together than this part of the largest, the axis begins near the smallest.
_BROKEN_BELOW = 5


@dataclass(frozen=True)
class Step:
    """A cause: what it is, in English and Chinese, and by how many minor units it changes the left total."""

    en: str
    zh: str
    moved_minor: int
    colour: str


#: The colours of causes, by the sign of what they do to the left total.
_MORE, _LESS = "paid", "returned"


def merged(steps: Sequence[Step]) -> list[Step]:
    """A step for each cause that moves something, coloured by its sign, the largest first."""
    moved: dict[tuple[str, str], int] = {}
    for step in steps:
        moved[step.en, step.zh] = moved.get((step.en, step.zh), 0) + step.moved_minor
    made = [Step(en, zh, minor, _MORE if minor > 0 else _LESS) for (en, zh), minor in moved.items() if minor]
    return sorted(made, key=lambda step: (-abs(step.moved_minor), step.en))


def waterfall(left_minor: int, right_minor: int, steps: Sequence[Step], decimals: int) -> str:
    """The picture; the steps lead from the left total to the right one (asserted)."""
    assert left_minor + sum(step.moved_minor for step in steps) == right_minor, "the causes are the whole difference"
    levels = [left_minor]
    for step in steps:
        levels.append(levels[-1] + step.moved_minor)
    low, high = min(levels), max(levels)
    broken = (low > 0 and (high - low) * _BROKEN_BELOW < high) or (high < 0 and (high - low) * _BROKEN_BELOW < -low)
    broken = broken and high > low
    room = max(high - low, 1)
    first, last = (low - room // 4 - 1, high + room // 20 + 1) if broken else (min(low, 0), max(high, 0))
    scale = (_WIDTH - _NAMES - _FIGURES) / max(last - first, 1)
    rows = [_total("waterfall.left", left_minor, first, scale, 0, decimals)]
    rows += [
        _step(step, before, first, scale, place, decimals)
        for place, (step, before) in enumerate(zip(steps, levels, strict=False), 1)
    ]
    rows.append(_total("waterfall.right", right_minor, first, scale, len(steps) + 1, decimals))
    height = (len(steps) + 2) * (_BAR + _GAP)
    said = "; ".join(f"{step.en}: {grouped(step.moved_minor, decimals)}" for step in steps)
    english, _ = words("waterfall")
    label = f"{english}: {grouped(left_minor, decimals)}; {said}; {grouped(right_minor, decimals)}"
    note = f'<p class="note">{both("waterfall.axis")}</p>' if broken else ""
    return (
        f'<div class="flow bars"><svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(rows)}</svg></div>{note}"
    )


def _total(key: str, minor: int, first: int, scale: float, place: int, decimals: int) -> str:
    start, end = sorted((max(first, 0) if first > 0 else 0, minor))
    return _bar(*words(key), (start, end), first, scale, place, grouped(minor, decimals), "kept")


def _step(step: Step, before: int, first: int, scale: float, place: int, decimals: int) -> str:
    start, end = sorted((before, before + step.moved_minor))
    figure = f"{'+' if step.moved_minor > 0 else ''}{grouped(step.moved_minor, decimals)}"
    return _bar(step.en, step.zh, (start, end), first, scale, place, figure, step.colour)


def _bar(
    en: str, zh: str, ends: tuple[int, int], first: int, scale: float, place: int, figure: str, colour: str
) -> str:
    y = place * (_BAR + _GAP)
    x = _NAMES + (max(ends[0], first) - first) * scale
    length = max((ends[1] - max(ends[0], first)) * scale, 2.0)
    name = f'<tspan data-lang="en">{escape(_short(en))}</tspan><tspan data-lang="zh">{escape(_short(zh))}</tspan>'
    return (
        f'<text class="label" x="{_NAMES - 12}" y="{y + 15}" text-anchor="end">{name}</text>'
        f'<rect class="node c-{colour}" x="{x:.1f}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2">'
        f"<title>{escape(en)}: {figure}</title></rect>"
        f'<text class="value" x="{x + length + 8:.1f}" y="{y + 15}">{figure}</text>'
    )


def _short(text: str) -> str:
    return text if len(text) <= 46 else f"{text[:45]}…"
