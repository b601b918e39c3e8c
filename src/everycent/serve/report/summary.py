"""The report's essence for a terminal: verdict, charges, statements, payments, breaks, rows set aside."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from everycent.serve.report.data import ReportData
from everycent.serve.report.words import words


def summary_table(data: ReportData) -> RenderableType:
    """What to print after a run; amounts in the model's currency."""
    parts: list[RenderableType] = [_charges(data), _counts(data)]
    if data.buckets:
        parts.append(_recon(data))
    parts.append(_verdict(data))
    return Group(*(part for pair in zip(parts, [Text()] * len(parts), strict=True) for part in pair))


def _table(title: str, *heads: str, numbers: int) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for at, head in enumerate(heads):
        table.add_column(head, justify="right" if at >= len(heads) - numbers else "left", no_wrap=True)
    return table


def _charges(data: ReportData) -> Table:
    title = f"{data.model}, amounts in {data.currency}"
    table = _table(title, "charge", "owed by", "owed to", "obligations", "charged", "refunded", numbers=3)
    for flow in data.flows:
        amounts = (data.amount(flow.charged_minor), data.amount(-flow.refunded_minor))
        table.add_row(Text(flow.charge), Text(flow.debtor), Text(flow.creditor), f"{flow.obligations:,}", *amounts)
    return table


def _counts(data: ReportData) -> Table:
    table = _table("", "", "count", "amount", numbers=2)
    table.add_row("records accepted", f"{data.records:,}", "")
    for outcome in ("duplicate", "conflict", "quarantined"):
        rows = sum(getattr(row, outcome) for row in data.intake)
        if rows:
            table.add_row(f"rows set aside: {outcome}", f"{rows:,}", "")
    if data.held:
        table.add_row("charges held", f"{sum(row.rows for row in data.held):,}", "")
    for state, total in data.statements_by_state.items():
        table.add_row(f"statements {state}", f"{total.rows:,}", data.amount(total.amount_minor))
    for direction, total in data.instructions_by_direction.items():
        table.add_row(f"instructions to {direction}", f"{total.rows:,}", data.amount(total.amount_minor))
    return table


def _recon(data: ReportData) -> Table:
    table = _table("reconciliation", "scenario", "finding", "left rows", "right rows", "difference", numbers=3)
    for row in data.buckets:
        if row.left_rows or row.right_rows:
            difference = data.amount(row.left_minor - row.right_minor)
            finding = words(row.bucket)[0]
            table.add_row(Text(row.scenario), finding, f"{row.left_rows:,}", f"{row.right_rows:,}", difference)
    return table


def _verdict(data: ReportData) -> Text:
    failed = [check for check in data.checks if not check.passed]
    if data.verified is None:
        return Text(words("unverified")[0], style="yellow")
    if data.verified:
        return Text("verified: every cent accounted for", style="bold green")
    return Text(f"not proven: {failed[0].name}: {failed[0].detail}", style="bold red")
