"""The page of one business id's life: a timeline with a lane for each kind of event, and a table of all events."""

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path

from everycent.proof.explain.contract import EVENT_KINDS, Event, Life
from everycent.serve.report.page import asset, write_page
from everycent.serve.report.tables import code, long_text, section, table, text
from everycent.serve.report.words import both, both_in_svg, words

_LANE, _DAY, _NAMES, _TOP = 44, 118, 190, 34
_DOT, _DOT_MOST = 8, 16
#: The colours of the lanes, of the style sheet's.
_COLOURS = {
    "record": "0", "set_aside": "returned", "charge": "charge", "held_charge": "open", "obligation": "2",
    "statement": "5", "instruction": "paid", "receipt": "4", "share": "4", "reconciled": "3", "break": "returned",
    "handled": "1",
}  # fmt: skip


def render_life(life: Life, path: Path) -> None:
    """Writes the page. Raises OSError where it cannot."""
    rows = [
        (
            text(event.when or "–"),
            f'<td><i class="dot c-{_COLOURS[event.kind]} filled"></i>{both(f"life.{event.kind}")}</td>',
            long_text(event.text),
            code(event.place),
            text(event.model),
        )
        for event in life.events
    ]
    heads = ("life.when", "life.what", "life.said", "place", "life.model")
    missing = "".join(f"<li>{escape(each)}</li>" for each in life.not_found)
    html = f"""<!doctype html>
<html lang="en" data-language="auto">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(life.asked)} · {" · ".join(words("life.replay"))}</title>
<style>{asset("report.css")}</style>
</head>
<body>
<header><div>
<div class="top"><div><div class="brand">everycent</div><h1>{both("life.title", life.asked)}</h1>
<p class="sub">{both("life.count", f"{len(life.events):,}")}</p></div>
<div class="tools"><button id="language" type="button"></button></div></div>
</div></header>
<main>
{section("life.timeline", timeline(life.events), note="life.timeline.note")}
{section("life.events", table(heads, rows, 0))}
{section("life.missing", f"<ul>{missing}</ul>") if missing else ""}
</main>
<script>{asset("report.js")}</script>
</body>
</html>
"""
    write_page(path, html)


def timeline(events: Sequence[Event]) -> str:
    """The picture: a column for each day on which something happened, a lane for each kind, a dot for what did."""
    days = list(dict.fromkeys(event.day for event in events))
    lanes = [kind for kind in EVENT_KINDS if any(event.kind == kind for event in events)]
    cells: dict[tuple[int, int], list[Event]] = defaultdict(list)
    for event in events:
        cells[days.index(event.day), lanes.index(event.kind)].append(event)
    width, height = _NAMES + len(days) * _DAY, _TOP + len(lanes) * _LANE
    drawn = []
    for lane, kind in enumerate(lanes):
        y = _TOP + lane * _LANE + _LANE / 2
        drawn.append(f'<line class="lane" x1="{_NAMES}" x2="{width}" y1="{y}" y2="{y}"/>')
        drawn.append(
            f'<text class="label" x="{_NAMES - 14}" y="{y + 4}" text-anchor="end">{both_in_svg(f"life.{kind}")}</text>'
        )
    for at, day in enumerate(days):
        said = both_in_svg("life.undated") if day is None else day.isoformat()
        drawn.append(
            f'<text class="head" x="{_NAMES + at * _DAY + _DAY / 2}" y="16" text-anchor="middle">{said}</text>'
        )
    path = " ".join(f"{_x(at):.0f},{_y(lane):.0f}" for at, lane in sorted(cells))
    drawn.append(f'<polyline class="way" points="{path}"/>')
    for (at, lane), held in cells.items():
        size = min(_DOT + len(held), _DOT_MOST)
        title = "\n".join(f"{event.when} {event.text}".strip() for event in held[:20])
        count = f'<text class="count" x="{_x(at)}" y="{_y(lane) + 4}" text-anchor="middle">{len(held)}</text>'
        drawn.append(
            f'<circle class="node c-{_COLOURS[lanes[lane]]}" cx="{_x(at)}" cy="{_y(lane)}" r="{size}">'
            f"<title>{escape(title)}</title></circle>{count if len(held) > 1 else ''}"
        )
    label = escape("; ".join(f"{event.when} {event.text}" for event in events[:30]))
    shown = min(width, 1180)
    return (
        f'<div class="flow life"><svg viewBox="0 0 {width} {height}" style="min-width:{shown}px;max-width:{width}px" '
        f'role="img" aria-label="{label}">{"".join(drawn)}</svg></div>'
    )


def _x(at: int) -> float:
    return _NAMES + at * _DAY + _DAY / 2


def _y(lane: int) -> float:
    return _TOP + lane * _LANE + _LANE / 2
