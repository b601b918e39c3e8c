"""The flow of money as a Sankey picture: a small layout of our own, drawn as inline SVG.

Four columns: who owes → for what → to whom → what became of it. Widths are proportional to amounts; every column's
nodes add up to the same total. Colours come from the page's style sheet by class, so that light and dark both work.
"""

from dataclasses import dataclass, field
from html import escape

from everycent.serve.report.data import STANDINGS, ReportData
from everycent.serve.report.words import both_in_svg

_WIDTH, _NODE, _LABEL_RIGHT = 1180, 12, 190
_TOP, _FLOW_HEIGHT, _GAP, _LABEL_HEIGHT = 34, 400.0, 14.0, 36.0
_COLUMNS = 4
_HEADS = ("flow.owes", "flow.charge", "flow.to", "flow.became")


@dataclass
class _Node:
    name: str
    colour: int | str
    value: int = 0
    y: float = 0.0
    height: float = 0.0
    out_y: float = 0.0
    in_y: float = 0.0


@dataclass
class _Link:
    column: int  # of its source
    source: str
    target: str
    value: int
    colour: int | str


@dataclass
class _Picture:
    columns: list[dict[str, _Node]] = field(default_factory=lambda: [{} for _ in range(_COLUMNS)])
    links: list[_Link] = field(default_factory=list)

    def add(self, column: int, source: _Node, target: _Node, value: int) -> None:
        """Adds an amount between two neighbouring columns; amounts of the same pair and colour are one link."""
        self.columns[column].setdefault(source.name, source)
        self.columns[column + 1].setdefault(target.name, target)
        colour = target.colour if source.colour == "charge" else source.colour
        for link in self.links:
            if (link.column, link.source, link.target) == (column, source.name, target.name):
                link.value += value
                return
        self.links.append(_Link(column, source.name, target.name, value, colour))


def sankey(data: ReportData) -> str:
    """The picture as an <svg> element; an empty string where no money has moved."""
    picture = _of(data)
    if not picture.links:
        return ""
    height = _lay_out(picture)
    body = [_head(column, key) for column, key in enumerate(_HEADS)]
    body += [_link_path(picture, link, data) for link in picture.links]
    body += [_node(column, node, data) for column in range(_COLUMNS) for node in picture.columns[column].values()]
    return f'<svg class="sankey" viewBox="0 0 {_WIDTH} {height:.0f}" role="img">{"".join(body)}</svg>'


def _of(data: ReportData) -> _Picture:
    """Who owes → charge → who receives, of what was charged, then what became of each receiver's part."""
    picture = _Picture()
    roles = sorted({flow.debtor for flow in data.flows} | {flow.creditor for flow in data.flows})
    colour = {role: number % 6 for number, role in enumerate(roles)}
    flows = [flow for flow in data.flows if flow.charged_minor > 0]
    for flow in flows:
        charge = _Node(flow.charge, "charge")
        picture.add(0, _Node(flow.debtor, colour[flow.debtor]), charge, flow.charged_minor)
    for flow in flows:
        charge = _Node(flow.charge, "charge")
        picture.add(1, charge, _Node(flow.creditor, colour[flow.creditor]), flow.charged_minor)
    for standing in data.standings:
        if standing.amount_minor > 0:
            role = _Node(standing.role, colour.get(standing.role, 0))
            picture.add(2, role, _Node(standing.standing, standing.standing), standing.amount_minor)
    for column, nodes in enumerate(picture.columns):
        for node in nodes.values():
            outgoing = sum(link.value for link in picture.links if link.column == column and link.source == node.name)
            incoming = sum(
                link.value for link in picture.links if link.column == column - 1 and link.target == node.name
            )
            node.value = max(outgoing, incoming)
    return picture


def _lay_out(picture: _Picture) -> float:
    """Gives nodes their place, links their stacking; returns the picture's height."""
    total = max(sum(node.value for node in nodes.values()) for nodes in picture.columns)
    scale = _FLOW_HEIGHT / total
    bottom = 0.0
    for column, nodes in enumerate(picture.columns):
        ordered = sorted(nodes.values(), key=lambda node: _place(picture, column, node))
        picture.columns[column] = {node.name: node for node in ordered}
        y = float(_TOP)
        for node in ordered:
            node.height = max(node.value * scale, 1.5)
            pad = max(0.0, _LABEL_HEIGHT - node.height) / 2  # room for the two lines of its label
            node.y = node.in_y = node.out_y = y + pad
            y += node.height + 2 * pad + _GAP
        bottom = max(bottom, y)
    picture.links.sort(key=lambda link: (link.column, picture.columns[link.column][link.source].y,
                                         picture.columns[link.column + 1][link.target].y))  # fmt: skip
    return bottom


def _place(picture: _Picture, column: int, node: _Node) -> tuple[float, float, str]:
    """Nodes stand at the mean height of what flows into them; refunds always last.

    In the first column whoever brings in most stands on top, before the operator that passes it on; then by size.
    """
    if column == 0:
        operators = {link.source for link in picture.links if link.target in ("passed", "kept") and link.column == 2}
        brought = max((n.value for n in picture.columns[0].values() if n.name not in operators), default=0)
        return (0 if node.value == brought and node.name not in operators else 1, -node.value, node.name)
    if column == _COLUMNS - 1 and node.name == STANDINGS[-1]:
        return (_FLOW_HEIGHT * 10, -node.value, node.name)
    into = [link for link in picture.links if link.column == column - 1 and link.target == node.name]
    sources = picture.columns[column - 1]
    middle = sum(link.value * (sources[link.source].y + sources[link.source].height / 2) for link in into)
    return (middle / max(sum(link.value for link in into), 1), -node.value, node.name)


def _x(column: int) -> float:
    return column * (_WIDTH - _LABEL_RIGHT - _NODE) / (_COLUMNS - 1)


def _link_path(picture: _Picture, link: _Link, data: ReportData) -> str:
    source, target = picture.columns[link.column][link.source], picture.columns[link.column + 1][link.target]
    width = max(source.height * link.value / source.value, 0.75)
    y0, y1 = source.out_y + width / 2, target.in_y + width / 2
    source.out_y += width
    target.in_y += width
    x0, x1 = _x(link.column) + _NODE, _x(link.column + 1)
    bend = (x0 + x1) / 2
    title = f"{link.source} → {link.target}: {data.amount(link.value)} {data.currency}"
    return (
        f'<path class="link c-{link.colour}" d="M{x0:.1f},{y0:.1f}C{bend:.1f},{y0:.1f} {bend:.1f},{y1:.1f} '
        f'{x1:.1f},{y1:.1f}" stroke-width="{width:.2f}"><title>{escape(title)}</title></path>'
    )


def _node(column: int, node: _Node, data: ReportData) -> str:
    x, middle = _x(column), node.y + node.height / 2
    place = f'x="{x:.1f}" y="{node.y:.1f}" width="{_NODE}" height="{node.height:.1f}"'
    name = both_in_svg(f"standing.{node.name}") if column == _COLUMNS - 1 else escape(node.name)
    return (
        f'<rect class="node c-{node.colour}" {place} rx="2"/>'
        f'<text class="label" x="{x + _NODE + 8:.1f}" y="{middle - 2:.1f}">{name}'
        f'<tspan class="value" x="{x + _NODE + 8:.1f}" dy="14">{data.amount(node.value)}</tspan></text>'
    )


def _head(column: int, key: str) -> str:
    return f'<text class="head" x="{_x(column):.1f}" y="14">{both_in_svg(key)}</text>'
