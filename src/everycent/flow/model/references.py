"""Checks that the names a model uses are declared: roles, kinds, columns, tables, currencies, time zones."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from zoneinfo import ZoneInfo

from everycent.base.money.currency import UnknownCurrency, currency
from everycent.base.money.cycle import Cycle
from everycent.flow.clearing.contract import shares_of
from everycent.flow.intake.contract import RecordSpec
from everycent.flow.model.contract import SettlementModel
from everycent.flow.model.yaml_source import ModelIssue, Source
from everycent.flow.parties.contract import role_of_contract_table
from everycent.flow.rating.contract import BEARER, FactorSpec, factor_path, with_made_factors
from everycent.flow.settlement.contract import BY_HAND


def check_references(spec: SettlementModel, source: Source) -> list[ModelIssue]:
    """Every name that is used but not declared, in a fixed order; empty when the model hangs together."""
    return [
        *_general(spec, source),
        *_parties(spec, source),
        *_records(spec, source),
        *_factors(spec, source),
        *_charges(spec, source),
        *_order(spec, source),
        *_statements(spec, source),
    ]


def _unknown(what: str, name: str, known: Iterable[str], where: str = "") -> str:
    names = list(known)
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"declared are: {', '.join(names) or 'none'}"
    return f"there is no {what} '{name}'{where}; {hint}"


def _general(spec: SettlementModel, source: Source) -> Iterator[ModelIssue]:
    try:
        currency(spec.currency)
    except UnknownCurrency as error:
        yield source.issue(str(error), ("currency",))
    try:
        ZoneInfo(spec.calendar.time_zone)
    except (KeyError, ValueError, OSError):
        message = f"there is no time zone '{spec.calendar.time_zone}'; write an IANA name such as Asia/Shanghai"
        yield source.issue(message, ("calendar", "time_zone"))
    operators = [role for role, party in spec.parties.items() if party.operator is not None]
    if len(operators) != 1:
        message = f"one party role is the operator (operator: <legal entity>); here are {len(operators)}"
        yield source.issue(message, ("parties",), key=True)


def _parties(spec: SettlementModel, source: Source) -> Iterator[ModelIssue]:
    for role, party in spec.parties.items():
        if party.operator is not None:
            continue
        if role not in spec.statements:
            message = f"role '{role}' has no statements, so nobody would see what it is owed; add it under 'statements'"
            yield source.issue(message, ("parties", role), key=True)


def _records(spec: SettlementModel, source: Source) -> Iterator[ModelIssue]:
    for kind, record in spec.records.items():
        path = ("records", kind)
        for column in record.id:
            if column not in record.columns:
                yield source.issue(_unknown("column", column, record.columns), (*path, "id"))
        if record.occurred_at not in record.columns:
            yield source.issue(_unknown("column", record.occurred_at, record.columns), (*path, "occurred_at"))
        elif record.columns[record.occurred_at].type not in ("timestamp", "date"):
            found = record.columns[record.occurred_at].type
            message = f"'{record.occurred_at}' is {found}; business time is a timestamp or a date"
            yield source.issue(message, (*path, "occurred_at"))
        yield from _joins(spec, record, source, path)
        if record.refunds is not None:
            yield from _refunds(spec, kind, record, source)


def _joins(spec: SettlementModel, record: RecordSpec, source: Source, path: tuple[str, ...]) -> Iterator[ModelIssue]:
    for name, column in record.columns.items():
        for text in column.sources:
            table, dot, field = text.partition(".")
            if dot and table in spec.tables and field not in spec.tables[table].columns:
                message = _unknown("column", field, spec.tables[table].columns, f" in table '{table}'")
                yield source.issue(message, (*path, "columns", name))


def _refunds(spec: SettlementModel, kind: str, record: RecordSpec, source: Source) -> Iterator[ModelIssue]:
    path = ("records", kind)
    if record.refunds not in spec.records:
        yield source.issue(_unknown("record kind", str(record.refunds), spec.records), (*path, "refunds"))
        return
    original = spec.records[str(record.refunds)]
    if len(record.of) != len(original.id):
        message = (
            f"'of' gives the id of {record.refunds}, which has {len(original.id)} columns ({', '.join(original.id)})"
        )
        yield source.issue(message, (*path, "of"))
    for column in record.of:
        if column not in record.columns:
            yield source.issue(_unknown("column", column, record.columns), (*path, "of"))
    if record.amount is None:
        yield source.issue("a refund needs 'amount': how much is given back", path, key=True)
    if original.amount is None:
        message = f"'{kind}' refunds it, so it needs 'amount': what refunds are measured against"
        yield source.issue(message, ("records", str(record.refunds)), key=True)
    if original.refunds is not None:
        yield source.issue(f"'{record.refunds}' is itself a refund; refund the original", (*path, "refunds"))


def _factors(spec: SettlementModel, source: Source) -> Iterator[ModelIssue]:
    for name, factor in with_made_factors(spec.factors, spec.charges, spec.parties).items():
        path = factor_path(name, spec.charges)
        if factor.history is not None and name in spec.factors:
            yield from _history(spec, source, name, factor)
        if factor.table is None:
            continue
        if factor.table in spec.tables:
            column = factor.column or name
            if column not in spec.tables[factor.table].columns:
                yield source.issue(
                    _unknown("column", column, spec.tables[factor.table].columns, f" in table '{factor.table}'"), path
                )
        elif "." not in factor.table and role_of_contract_table(factor.table) is None:
            yield source.issue(_unknown("table", factor.table, spec.tables), (*path, "table"))


def _history(spec: SettlementModel, source: Source, name: str, factor: FactorSpec) -> Iterator[ModelIssue]:
    history, word = factor.history, "accumulator" if factor.accumulator is not None else "moving_average"
    assert history is not None, "it depends on what came before"
    path = ("factors", name, word)
    for kind in history.kinds:
        if kind not in spec.records:
            yield source.issue(_unknown("record kind", kind, spec.records), path)
        elif spec.records[kind].refunds is not None:
            original = spec.records[kind].refunds
            message = f"'{kind}' refunds '{original}': name that one; 'refunds' says what a refund does to its total"
            if word == "moving_average":
                message = f"'{kind}' is a refund; goods that come back are records of their own under 'in'"
            yield source.issue(message, path)
        else:
            known = (*spec.records[kind].columns, *spec.records[kind].tags)
            for column in history.per:
                if column not in known:
                    message = _unknown("column", column, known, f" in record kind '{kind}'")
                    yield source.issue(message, (*path, "per"))
    if spec.order is None:
        message = f"factor '{name}' depends on what came before: add the order of its records, for example"
        yield source.issue(f"{message} order: {{by: occurred_at}}", path, key=True)


def _charges(spec: SettlementModel, source: Source) -> Iterator[ModelIssue]:
    for name, charge in spec.charges.items():
        path = ("charges", name)
        for kind in charge.for_:
            if kind not in spec.records:
                yield source.issue(_unknown("record kind", kind, spec.records), (*path, "for"))
            elif spec.records[kind].refunds is not None:
                message = (
                    f"'{kind}' is a refund: it gives charges of '{spec.records[kind].refunds}' back as 'on_refund' says"
                )
                yield source.issue(message, (*path, "for"))
        for word, role in (("debtor", charge.debtor), ("creditor", charge.creditor)):
            if role == BEARER and charge.per_share_of is not None:
                continue
            if role is not None and role not in spec.parties:
                yield source.issue(_unknown("party role", role, spec.parties), (*path, word))
        if charge.debtor is not None and charge.debtor == charge.creditor:
            yield source.issue(f"'{charge.debtor}' cannot owe itself; debtor and creditor differ", (*path, "debtor"))
        if charge.apportion is not None:
            yield from _bearers(spec, source, name)
        if charge.per_share_of is not None:
            yield from _per_share(spec, source, name, charge.per_share_of)


def _per_share(spec: SettlementModel, source: Source, name: str, base: str) -> Iterator[ModelIssue]:
    path = ("charges", name, "per_share_of")
    apportioned = [other for other, charge in spec.charges.items() if charge.apportion is not None]
    if base not in spec.charges:
        yield source.issue(_unknown("apportioned charge", base, apportioned), path)
        return
    charge, shared = spec.charges[name], spec.charges[base]
    if shared.per_share_of is not None:
        message = f"'{base}' is itself per share of '{shared.per_share_of}'; write per_share_of: {shared.per_share_of}"
        yield source.issue(f"{message}, and what it is computed from", path)
    elif shared.apportion is None:
        yield source.issue(f"'{base}' is not apportioned, so nobody has a share of it; add 'apportion' to it", path)
    elif charge.enabled and not shared.enabled:
        yield source.issue(f"'{base}' is switched off (enabled: no), so it has no shares; switch both off", path)
    elif not shares_of(spec.charges)[name].rated:
        message = f"every bearer of '{base}' is at the other end of '{name}' too, and would owe itself"
        yield source.issue(f"{message}; name another party role there", path)
    for kind in charge.for_:
        if kind not in shared.for_ and kind in spec.records:
            yield source.issue(
                f"'{kind}' does not cause '{base}', so there are no shares; add it under its 'for'", path
            )
    if BEARER in spec.parties:
        message = f"'{BEARER}' is who carries a share where a charge is per share; call this party role another name"
        yield source.issue(message, ("parties", BEARER), key=True)


def _bearers(spec: SettlementModel, source: Source, name: str) -> Iterator[ModelIssue]:
    path = ("charges", name, "apportion", "bearers")
    apportion = spec.charges[name].apportion
    assert apportion is not None
    if apportion.budget is not None:
        yield from _budget(spec, source, name, apportion.budget)
    for bearer, share in apportion.bearers.items():
        if share.among is None:
            if bearer not in spec.parties:
                yield source.issue(_unknown("party role", bearer, spec.parties), (*path, bearer), key=True)
            continue
        for role in share.among:
            if role not in spec.parties:
                yield source.issue(_unknown("party role", role, spec.parties), (*path, bearer, "among", role), key=True)


def _budget(spec: SettlementModel, source: Source, name: str, budget: str) -> Iterator[ModelIssue]:
    if budget not in spec.budgets:
        yield source.issue(_unknown("budget", budget, spec.budgets), ("charges", name, "apportion", "budget"))
        return
    for kind in spec.charges[name].for_:
        if kind not in spec.records:
            continue  # told already
        known = (*spec.records[kind].columns, *spec.records[kind].tags)
        for column in spec.budgets[budget].per:
            if column not in known:
                message = _unknown("column", column, known, f" in record kind '{kind}'")
                yield source.issue(message, ("budgets", budget, "per"))


def _order(spec: SettlementModel, source: Source) -> Iterator[ModelIssue]:
    drawing = [name for name, charge in spec.charges.items() if charge.budget is not None]
    if spec.order is None:
        for name in drawing:
            message = (
                f"'{name}' draws on a budget: add the order of its records, for example order: {{by: occurred_at}}"
            )
            yield source.issue(message, ("charges", name, "apportion", "budget"))
        return
    if not drawing and not any(factor.history for factor in spec.factors.values()):
        message = "nothing is cleared in order: no charge draws on a budget, no factor depends on what came before"
        yield source.issue(f"{message}; remove 'order'", ("order",), key=True)
    for column in spec.order.by[1:]:
        types = {}
        for kind in spec.ordered_kinds:
            columns = spec.records[kind].columns
            if column not in columns:
                message = _unknown("column", column, columns, f" in record kind '{kind}', which is cleared in order")
                yield source.issue(message, ("order", "by"))
            else:
                types[kind] = columns[column].type
        if len(set(types.values())) > 1:
            found = ", ".join(f"{kind}: {kind_type}" for kind, kind_type in types.items())
            yield source.issue(
                f"'{column}' breaks ties, so it has one type in all kinds; here {found}", ("order", "by")
            )


def _statements(spec: SettlementModel, source: Source) -> Iterator[ModelIssue]:
    for section in ("statements", "payouts"):
        for role in getattr(spec, section):
            if role not in spec.parties:
                yield source.issue(_unknown("party role", role, spec.parties), (section, role), key=True)
            elif spec.parties[role].operator is not None:
                message = f"'{role}' is the operator: its side is its own books, it has no {section}"
                yield source.issue(message, (section, role), key=True)
    for role, statement in spec.statements.items():
        yield from _ended_by(spec, source, role, statement.cycle)
        yield from _grouped(spec, source, role, statement.charge_groups)
        for charge in () if statement.invoice is None else statement.invoice.charges:
            if charge not in spec.charges:
                path = ("statements", role, "invoice", "charges", charge)
                yield source.issue(_unknown("charge", charge, spec.charges), path, key=True)


def _grouped(
    spec: SettlementModel, source: Source, role: str, groups: Mapping[str, Sequence[str]]
) -> Iterator[ModelIssue]:
    """A charge stands on one statement of a party."""
    named: dict[str, str] = {}
    for name, charges in groups.items():
        path = ("statements", role, "charge_groups", name)
        if not charges:
            yield source.issue(f"group '{name}' has no charge; name those that have a statement of their own", path)
        for charge in charges:
            if charge not in spec.charges:
                yield source.issue(_unknown("charge", charge, spec.charges), path)
            elif charge in named:
                yield source.issue(f"'{charge}' is in group '{named[charge]}' already; leave it in one", path)
            named.setdefault(charge, name)


def _ended_by(spec: SettlementModel, source: Source, role: str, cycle: str) -> Iterator[ModelIssue]:
    """What ends a cycle by event has to name the role's parties."""
    path, parsed = ("statements", role, "cycle"), Cycle.parse(cycle)
    kind = parsed.event
    if parsed.calendar and parsed.calendar not in spec.calendars:
        yield source.issue(_unknown("calendar", parsed.calendar, spec.calendars), path)
    if not kind or role not in spec.parties:
        return
    if kind == BY_HAND:
        if kind in spec.records:
            message = (
                f"until {kind} is ended by a person alone, and a record kind is called so; call the kind otherwise"
            )
            yield source.issue(message, path)
        return
    if kind not in spec.records:
        yield source.issue(_unknown("record kind", kind, spec.records, "; a person alone ends it: until closed"), path)
        return
    missing = [column for column in spec.parties[role].key if column not in spec.records[kind].columns]
    if missing:
        yield source.issue(f"a {kind} does not say whose period it ends: it has no column '{missing[0]}'", path)
