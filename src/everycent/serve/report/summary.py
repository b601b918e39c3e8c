"""The report's essence for a terminal: charges, rows set aside, statements, payments, breaks."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from everycent.serve.report.data import ReportData
from everycent.serve.report.words import words


def summary_table(data: ReportData) -> RenderableType:
    """What to print after a run, each currency's amounts apart; the verdict stands last."""
    tables = [*map(_charges, (data, *data.others)), _counts(data)]
    tables += [_recon(one) for one in (data, *data.others) if one.buckets]
    parts: list[RenderableType] = []
    for table in tables:
        parts += [table, Text()]
    return Group(*parts, _verdict(data))


def _verdict(data: ReportData) -> Text:
    failed = [check for check in data.checks if not check.passed]
    if data.verified is None:
        return Text(words("unverified")[0], style="yellow")
    if failed:
        return Text(words("failed", len(failed), len(data.checks))[0], style="bold red")
    return Text("verified: every cent accounted for", style="bold green")


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: int) -> Table:
    """A table whose last `numbers` columns are numbers; a narrow terminal folds words, it never cuts a number."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for at, head in enumerate(heads):
        if at < len(heads) - numbers:
            table.add_column(head, overflow="fold")
        else:
            width = max([len(head), *(len(row[at]) for row in rows)])
            table.add_column(head, justify="right", no_wrap=True, min_width=width)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _charges(data: ReportData) -> Table:
    rows = [
        (
            flow.charge,
            flow.debtor,
            flow.creditor,
            f"{flow.obligations:,}",
            data.amount(flow.charged_minor),
            data.amount(-flow.refunded_minor),
        )
        for flow in data.flows
    ]
    heads = ("charge", "owed by", "owed to", "obligations", "charged", "refunded")
    return _table(f"{data.model}, amounts in {data.currency}", heads, rows, 3)


def _counts(data: ReportData) -> Table:
    rows = [("records accepted", f"{data.records:,}", "")]
    for outcome in ("duplicate", "conflict", "quarantined"):
        aside = sum(getattr(row, outcome) for row in data.intake)
        if aside:
            rows.append((f"rows set aside: {outcome}", f"{aside:,}", ""))
    if data.held:
        rows.append(("charges held", f"{sum(row.rows for row in data.held):,}", ""))
    for one in (data, *data.others):
        code = f", {one.currency}" if data.others else ""
        for state, total in one.statements_by_state.items():
            rows.append((f"statements {state}{code}", f"{total.rows:,}", ""))
            rows.append(("  owed to parties", "", one.amount(total.payable_minor)))
            rows.append(("  owed by parties", "", one.amount(total.receivable_minor)))
        for direction, moved in one.instructions_by_direction.items():
            rows.append((f"instructions to {direction}{code}", f"{moved.rows:,}", one.amount(moved.amount_minor)))
    return _table("what came of it", ("", "count", "amount"), rows, 2)


def _recon(data: ReportData) -> Table:
    rows = [
        (
            row.scenario,
            words(row.bucket)[0],
            "–" if row.keys is None else f"{row.keys:,}",
            f"{row.left_rows:,}",
            f"{row.right_rows:,}",
            data.amount(row.left_minor - row.right_minor),
        )
        for row in data.buckets
        if row.left_rows or row.right_rows
    ]
    title = f"reconciliation, amounts in {data.currency}"
    return _table(title, ("scenario", "finding", "keys", "left rows", "right rows", "difference"), rows, 4)
