"""Bars as inline SVG: a line for each thing, its parts one after another; what is below nothing goes to the left."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from unicodedata import east_asian_width

from everycent.base.money.amount import grouped

_WIDTH, _BAR, _GAP, _NAMES, _FIGURES = 1120, 20, 10, 300, 150
#: How wide a name may be, in halves of a Chinese character.
_NAME_HALVES_MAX = 42


@dataclass(frozen=True)
class Part:
    """A part of a bar: what it is, in minor units (0 or more, or all of a bar's 0 or less), and its colour's name."""

    en: str
    zh: str
    minor: int
    colour: str


@dataclass(frozen=True)
class Bar:
    """A bar: its name in English and Chinese, and its parts."""

    en: str
    zh: str
    parts: tuple[Part, ...]

    @property
    def minor(self) -> int:
        """What its parts add up to."""
        return sum(part.minor for part in self.parts)


def bars(drawn: Sequence[Bar], decimals: int, label: str) -> str:
    """The picture, empty where nothing is drawn. `label`: what it shows, for those who do not see it."""
    if not drawn:
        return ""
    low, high = min(0, *(bar.minor for bar in drawn)), max(0, *(bar.minor for bar in drawn))
    left = _FIGURES if low < 0 else 0
    scale = (_WIDTH - _NAMES - left - _FIGURES) / max(high - low, 1)
    zero = _NAMES + left - low * scale
    rows = "".join(_bar(bar, zero, scale, place, decimals) for place, bar in enumerate(drawn))
    height = len(drawn) * (_BAR + _GAP)
    said = "; ".join(f"{bar.en}: {grouped(bar.minor, decimals)}" for bar in drawn)
    return (
        f'<div class="flow bars"><svg viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{escape(f"{label}: {said}")}">{rows}</svg></div>'
    )


def _bar(bar: Bar, zero: float, scale: float, place: int, decimals: int) -> str:
    y = place * (_BAR + _GAP)
    drawn, at = [], zero
    for part in bar.parts:
        length = part.minor * scale
        start = min(at, at + length)
        drawn.append(
            f'<rect class="node c-{part.colour}" x="{start:.1f}" y="{y}" width="{max(abs(length), 1.0):.1f}" '
            f'height="{_BAR}"><title>{escape(part.en)}: {grouped(part.minor, decimals)}</title></rect>'
        )
        at += length
    anchor, beyond = ("end", at - 8) if bar.minor < 0 else ("start", at + 8)
    name = f'<tspan data-lang="en">{escape(shortened(bar.en))}</tspan><tspan data-lang="zh">{escape(shortened(bar.zh))}'
    return (
        f'<text class="label" x="{_NAMES - 12}" y="{y + 15}" text-anchor="end">{name}</tspan></text>{"".join(drawn)}'
        f'<text class="value" x="{beyond:.1f}" y="{y + 15}" text-anchor="{anchor}">{grouped(bar.minor, decimals)}'
        "</text>"
    )


def shortened(text: str, halves_max: int = _NAME_HALVES_MAX) -> str:
    """The name as far as there is room: a Chinese character is twice as wide as a Latin one."""
    wide = 0
    for at, character in enumerate(text):
        wide += 2 if east_asian_width(character) in "WF" else 1
        if wide > halves_max:
            return f"{text[: max(at - 1, 0)]}…"
    return text
