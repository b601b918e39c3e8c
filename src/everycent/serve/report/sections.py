"""The page's sections, in the order in which money flows."""

from html import escape
from itertools import groupby

from everycent.base.money.cycle import day_told
from everycent.proof.recon.contract import CAUSES
from everycent.serve.report.data import BUCKETS, BreakRow, BucketRow, ReportData
from everycent.serve.report.sankey import sankey
from everycent.serve.report.tables import capped, code, count, long_text, money, number, section, table, tag, text
from everycent.serve.report.words import both, spoken

_HELD = {"held": "held value"}


def flow_section(data: ReportData) -> str:
    """Where the money goes: the Sankey picture."""
    picture = sankey(data)
    drawn = f'<div class="flow">{picture}</div>' if picture else f'<p class="note">{both("none")}</p>'
    return section("flow", drawn, note="flow.note")


def charges_section(data: ReportData) -> str:
    """What was charged and refunded, per charge and pair of roles, with its total."""
    rows = [
        (
            text(flow.charge),
            text(flow.debtor),
            text(flow.creditor),
            count(flow.obligations),
            money(data, flow.charged_minor),
            money(data, -flow.refunded_minor),
            money(data, flow.charged_minor - flow.refunded_minor),
        )
        for flow in data.flows
    ]
    foot = (
        f"<td colspan=3>{both('total')}</td>",
        count(sum(flow.obligations for flow in data.flows)),
        money(data, data.charged_minor),
        money(data, -data.refunded_minor),
        money(data, data.charged_minor - data.refunded_minor),
    )
    heads = ("charge", "debtor", "creditor", "obligations", "charged", "refunded", "net")
    return section("charges", table(heads, rows, 4, foot))


def recon_section(data: ReportData) -> str:
    """Each reconciliation: its buckets, its total, and its breaks with their causes."""
    grouped = groupby(data.buckets, key=lambda row: row.scenario)
    scenarios = [_scenario(data, name, list(buckets)) for name, buckets in grouped]
    if not scenarios:
        return ""
    refused = [(text(row.outcome), long_text(row.reason), code(row.example), count(row.rows)) for row in data.refused]
    left_out = f"<h3>{both('refused')}</h3>{table(('scenario', 'reason', 'example', 'rows'), refused, 1)}"
    return section("recon", *scenarios, left_out if refused else "", note="recon.note")


def _scenario(data: ReportData, name: str, buckets: list[BucketRow]) -> str:
    filled = [row for row in buckets if row.left_rows or row.right_rows]
    ordered = sorted(filled, key=lambda row: BUCKETS.index(row.bucket))
    sizes = [(row.bucket, row.left_rows + row.right_rows) for row in ordered]
    bar = "".join(f'<i class="b-{bucket}" style="flex:{size}"></i>' for bucket, size in sizes if size)
    rows = [(_bucket(row.bucket), *_totals(data, [row])) for row in ordered]
    foot = (f"<td>{both('total')}</td>", *_totals(data, ordered))
    found = table(("bucket", "keys", "left rows", "right rows", "left", "right", "difference"), rows, 6, foot)
    breaks = [_break(data, row) for row in data.breaks if row.scenario == name]
    listed = table(("bucket", "key", "cause", "place", "left", "right", "difference"), breaks, 3) if breaks else ""
    more = capped(data.breaks_by_scenario.get(name, 0), "breaks.parquet")
    return f'<h3>{escape(name)}</h3><div class="bar">{bar}</div>{found}{listed}{more}'


def _bucket(name: str) -> str:
    return f'<td><i class="dot b-{name}"></i>{both(name)}</td>'


def _totals(data: ReportData, rows: list[BucketRow]) -> tuple[str, ...]:
    left, right = sum(row.left_minor for row in rows), sum(row.right_minor for row in rows)
    keys = [row.keys for row in rows if row.keys is not None]
    return (
        count(sum(keys)) if len(keys) == len(rows) else number("–"),
        count(sum(row.left_rows for row in rows)),
        count(sum(row.right_rows for row in rows)),
        money(data, left),
        money(data, right),
        money(data, left - right),
    )


def _break(data: ReportData, row: BreakRow) -> tuple[str, ...]:
    cause = CAUSES[row.cause]
    statuses = both("statuses", row.left_status, row.right_status) if row.left_status != row.right_status else ""
    both_there = row.left_minor is not None and row.right_minor is not None
    said = f" ({statuses})" if statuses and (both_there or row.in_several) else ""
    said += f" ({escape(row.in_several)})" if row.in_several else ""
    return (
        _bucket(row.bucket),
        code(row.key),
        f'<td class="long">{spoken(cause.en, cause.zh)}{said}</td>',
        code(row.place),
        money(data, row.left_minor),
        money(data, row.right_minor),
        money(data, row.difference_minor),
    )


def statements_section(data: ReportData) -> str:
    """Statements, those that most money moves for first."""
    tally = "".join(
        f"<span>{both(state)}: <b>{total.rows:,}</b> · {both('statements.payable')} {data.amount(total.payable_minor)}"
        f" · {both('statements.receivable')} {data.amount(total.receivable_minor)}</span>"
        for state, total in data.statements_by_state.items()
    )
    rows = [
        (
            code(row.statement_id),
            text(row.period),
            tag(row.state),
            text(row.due_on and day_told(row.due_on)),
            count(row.obligations),
            money(data, row.credit_minor),
            money(data, row.debit_minor),
            money(data, row.net_minor),
        )
        for row in data.statements
    ]
    heads = ("statement", "period", "state", "due", "obligations", "credit", "debit", "net")
    more = capped(sum(total.rows for total in data.statements_by_state.values()), "statements.parquet")
    return section("statements", f'<div class="tally">{tally}</div>', table(heads, rows, 4), more)


def instructions_section(data: ReportData) -> str:
    """Payment instructions to pay and to collect, with what they wait for."""
    tally = "".join(
        f"<span>{both(direction)}: <b>{total.rows:,}</b> · {data.amount(total.amount_minor)}</span>"
        for direction, total in data.instructions_by_direction.items()
    )
    rows = [
        (
            code(row.instruction_id),
            text(row.party_id),
            tag(row.direction),
            text(row.channel),
            code(row.account),
            tag(row.state),
            money(data, row.amount_minor),
        )
        for row in data.instructions
    ]
    heads = ("instruction", "party", "direction", "channel", "account", "state", "amount")
    more = capped(sum(total.rows for total in data.instructions_by_direction.values()), "instructions.parquet")
    return section("instructions", f'<div class="tally">{tally}</div>', table(heads, rows, 1), more)


def parties_section(data: ReportData) -> str:
    """The parties that most money moves for."""
    rows = [
        (
            text(row.party_id),
            text(row.role),
            count(row.obligations),
            money(data, row.credit_minor),
            money(data, row.debit_minor),
            money(data, row.net_minor),
        )
        for row in data.parties
    ]
    heads = ("party", "role", "obligations", "credit", "debit", "net")
    return section("parties", table(heads, rows, 4), capped(data.parties_total.rows, "obligations.parquet"))


def intake_section(data: ReportData) -> str:
    """What became of the rows of each file, and why rows were set aside."""
    files = [
        (
            text(row.file),
            text(row.kind),
            count(row.read),
            count(row.accepted),
            count(row.duplicate),
            count(row.conflict),
            count(row.quarantined),
        )
        for row in data.intake
    ]
    heads = ("file", "kind", "rows.read", "accepted", "duplicate", "conflict", "quarantined")
    reasons = [(tag(row.outcome), long_text(row.reason), code(row.example), count(row.rows)) for row in data.set_aside]
    why = table(("outcome", "reason", "example", "rows"), reasons, 1) if reasons else ""
    return section("intake", table(heads, files, 5), why, note="intake.note")


def held_section(data: ReportData) -> str:
    """Charges that wait, by reason."""
    if not data.held:
        return ""
    rows = [
        (tag(row.outcome, _HELD.get(row.outcome)), long_text(row.reason), code(row.example), count(row.rows))
        for row in data.held
    ]
    return section("held", table(("state", "reason", "example", "rows"), rows, 1))


def checks_section(data: ReportData) -> str:
    """The verifier's checks: what each looked at, and what it found."""
    if not data.checks:
        return ""
    rows = [
        (
            text(check.name),
            long_text(check.detail),
            tag("passed" if check.passed else "not passed"),
            count(check.rows),
        )
        for check in data.checks
    ]
    return section("checks", table(("check", "first", "result", "rows"), rows, 1))
