"""The whole life of one business id, in order of time: its records and what was set aside, charges, obligations,
statements, payments, and what every reconciliation says of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from everycent.base.engine.local import LocalEngine
from everycent.base.money.amount import format_minor
from everycent.base.money.currency import currency
from everycent.base.money.cycle import FOREVER, day_told
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.rating.contract import CHARGE, HELD
from everycent.proof.explain.contract import EVENT_KINDS, Event, Life, NothingFound
from everycent.proof.explain.core.asked import readings
from everycent.proof.explain.profit_shares import share_events
from everycent.proof.explain.receipts import receipt_events
from everycent.proof.explain.reconciled import reconciled_events
from everycent.proof.explain.store import Finder, Row

#: An id that more records hold than these is no order's: a merchant's, a product's.
RECORDS_MAX = 200


def replay(
    connection: Connection, details: Details, engine: LocalEngine, tenant: str, id_text: str, model: str | None = None
) -> Life:
    """The life of a business id: a record's key or the first part of one (`A1` of `A1/1`), `kind:key`, its uuid, or any
    text that records hold in a column (a payment's number, a coupon's); of files of scenarios a key that is compared.
    Raises NothingFound."""
    text = id_text.strip()
    finder = Finder(connection, details, engine, tenant)
    events: list[Event] = []
    missing: list[str] = []
    files = finder.scenario_files()
    for name in [model] if model is not None else [*finder.models(), *files]:
        if name in files:
            events += reconciled_events(finder, name, text, [])[0]
            continue
        found, lacks = _of_model(finder, name, text)
        calendar = finder.calendar(name)
        events += [
            replace(each, business_day=calendar.today(each.at)) if isinstance(each.at, datetime) else each
            for each in found
        ]
        missing += lacks
    if not events:
        near = finder.nearest(text)
        advice = f"; nearest are {', '.join(near)}" if near else ""
        raise NothingFound(f"nothing is stored of '{text}': no record, nothing set aside, and no break{advice}")
    return Life(text, tuple(sorted(dict.fromkeys(events), key=_order)), tuple(missing))


def _order(event: Event) -> tuple[Any, ...]:
    """By day, then as money flows, then by the moment; what has no date comes last."""
    moment = event.when if isinstance(event.at, datetime) else ""
    return (event.day is None, event.day or date.max, EVENT_KINDS.index(event.kind), moment, event.model, event.id)


def _of_model(finder: Finder, model: str, text: str) -> tuple[list[Event], list[str]]:
    records = _records(finder, model, text)
    missing = []
    if len(records) > RECORDS_MAX:
        records = records[:RECORDS_MAX]
        missing.append(f"more than {RECORDS_MAX} records of {model} hold '{text}': the first {RECORDS_MAX} are shown")
    ids = [row["record_id"] for row in records]
    charges = finder.rows_of(CHARGE, model, "record_id", ids)
    held = finder.rows_of(HELD, model, "record_id", ids)
    owed = finder.rows_of(OBLIGATION, model, "record_id", ids)
    of = {row["record_id"]: row for row in records}
    events = [_record(model, row) for row in records]
    events += [_charge(model, row, of[row["record_id"]]) for row in charges]
    events += [_held(model, row, of[row["record_id"]]) for row in held]
    events += [_obligation(model, row, of[row["record_id"]]) for row in owed]
    events += _set_aside(finder, model, text)
    statements = {row[f"{end}_statement"] for row in owed for end in ("debtor", "creditor")} - {None}
    settled, unsettled = _settled(finder, model, sorted(statements))
    said, compared = reconciled_events(finder, model, text, records)
    if records:
        missing += _lacking(model, records, charges, held, owed) + unsettled + compared
    return [*events, *settled, *said], missing


def _records(finder: Finder, model: str, text: str) -> list[Row]:
    """The records that hold the text, those that refund them, and those that they refund."""
    asked = readings(text)[0]
    if asked.record_id is not None:
        found = finder.records(model, "record_id", [asked.record_id])
    else:
        found = finder.records_holding(model, text, RECORDS_MAX + 1)
        kind, colon, key = text.partition(":")
        if not found and colon:
            found = [row for row in finder.records_holding(model, key, RECORDS_MAX + 1) if row["kind"] == kind]
    known = {row["record_id"]: row for row in found}
    origins = {row["refund_of"] for row in found if row["refund_of"] is not None} - set(known)
    related = finder.records(model, "record_id", sorted(origins, key=str))
    related += finder.records(model, "refund_of", [*known, *origins])
    known |= {row["record_id"]: row for row in related}
    return sorted(known.values(), key=lambda row: (row["occurred_at"], str(row["record_id"])))


def _record(model: str, row: Row) -> Event:
    refunds = "" if row["refund_of"] is None else ", a refund"
    text = f"{row['kind']} {row['key']}{refunds}"
    return Event(row["occurred_at"], "record", str(row["record_id"]), text, model, _place(row))


def _charge(model: str, row: Row, record: Row) -> Event:
    text = f"{row['charge']} of {record['key']}: {_money(row)}{_correction(row)}"
    return Event(_at(row, record), "charge", f"{row['record_id']}/{row['charge']}", text, model)


def _held(model: str, row: Row, record: Row) -> Event:
    text = f"{row['charge']} of {record['key']} {row['state']}: {row['reason']}"
    return Event(record["occurred_at"], "held_charge", f"{row['record_id']}/{row['charge']}", text, model)


def _obligation(model: str, row: Row, record: Row) -> Event:
    text = (
        f"{row['debtor']} owes {row['creditor']} {_money(row)} for {row['charge']} of {record['key']}{_correction(row)}"
    )
    ident = f"{row['record_id']}/{row['charge']}/{row['bearer']}"
    return Event(_at(row, record), "obligation", ident, text, model)


def _correction(row: Row) -> str:
    return f", correction {row['revision']}" if row.get("revision") else ""


def _at(row: Row, record: Row) -> datetime | date:
    """The record's moment, where it was booked on the record's day; else the day."""
    at: datetime | date = record["occurred_at"] if row["booked_on"] == record["booked_on"] else row["booked_on"]
    return at


def _money(row: Mapping[str, Any]) -> str:
    money = currency(row["currency"])
    return f"{format_minor(int(row['amount_minor']), money)} {money}"


def _place(row: Row) -> str:
    return f"{row['source_file']}:{row['source_line']}"


def _set_aside(finder: Finder, model: str, text: str) -> list[Event]:
    """Rows that intake did not accept under this key."""
    return [
        Event(None, "set_aside", row["key"], f"{row['outcome']}: {row['reason']}", model, _place(row))
        for row in finder.set_aside(model, text)
    ]


def _settled(finder: Finder, model: str, statement_ids: Sequence[str]) -> tuple[list[Event], list[str]]:
    """What became of statements, and which of them are not paid yet."""
    rows = finder.query(
        """SELECT * FROM settlement.statement WHERE {tenant} AND model = %(model)s AND statement_id = ANY(%(ids)s)
        ORDER BY statement_id""",
        model=model,
        ids=list(statement_ids),
    )
    paid = finder.query(
        """SELECT s.statement_id, s.side, s.amount_minor AS side_minor, s.outcome, s.as_of AS outcome_as_of, i.*
        FROM {sides} s LEFT JOIN payments.instruction i USING (tenant, model, instruction_id)
        WHERE {tenant} AND model = %(model)s AND s.statement_id = ANY(%(ids)s)
        ORDER BY s.statement_id, s.side, s.as_of, instruction_id""",
        model=model,
        ids=list(statement_ids),
    )
    events, missing = [], []
    for row in rows:
        net = _money({"currency": row["currency"], "amount_minor": row["net_minor"] + row["lines_minor"]})
        if row["closed_as_of"] is not None:
            said, at = f"{row['statement_id']} closed: {net}", row["closed_as_of"]
        else:
            closes_on = row["closes_on"]
            said = f"{row['statement_id']} is open, closes on {day_told(closes_on)}: {net} so far"
            at = None if closes_on >= FOREVER else closes_on
            missing.append(f"statement {row['statement_id']} is still open: nothing is paid of it yet")
        events.append(Event(at, "statement", row["statement_id"], said, model))
    money = {row["statement_id"]: row["currency"] for row in rows}
    events += [event for row in paid for event in _instructed(model, row, money[row["statement_id"]])]
    events += _moved(finder, model, statement_ids, paid)
    collected = [row["instruction_id"] for row in paid if row["direction"] == "collect"]
    events += receipt_events(finder, model, collected)
    instructed = {row["instruction_id"] for row in paid} - {None}
    party = {row["statement_id"]: row["party_id"] for row in rows}
    zero = {(party[row["statement_id"]], row["outcome_as_of"]) for row in paid if row["outcome"] == "zero"}
    events += share_events(finder, model, sorted(instructed), sorted(zero))
    known = {row["statement_id"] for row in rows}
    missing += [f"statement {ident} is not stored" for ident in statement_ids if ident not in known]
    return events, missing


def _instructed(model: str, row: Row, code: str) -> Iterator[Event]:
    if row["instruction_id"] is None:
        amount = _money({"currency": code, "amount_minor": row["side_minor"]})
        said = f"{row['statement_id']} {row['side']} {amount}: {row['outcome']}"
        yield Event(row["outcome_as_of"], "instruction", row["statement_id"], said, model)
        return
    ident: UUID = row["instruction_id"]
    way = {"pay": "to be paid to", "collect": "to be collected from"}[row["direction"]]
    said = f"{_money(row)} {way} {row['party_id']} by {row['channel']} ({row['state']})"
    yield Event(row["as_of"], "instruction", str(ident), said, model)
    if row["filed_as_of"] is not None:
        went = f"by {row['channel']}" if row["file"] is None else f"in {row['file']}"
        yield Event(row["filed_as_of"], "instruction", str(ident), f"{_money(row)} went out {went}", model)


def _moved(finder: Finder, model: str, statement_ids: Sequence[str], paid: Sequence[Row]) -> Iterator[Event]:
    """What people said of statements after they closed, and what became of their payments."""
    for row in finder.query(
        """SELECT * FROM settlement.statement_move WHERE {tenant} AND model = %(model)s AND move <> 'close'
        AND statement_id = ANY(%(ids)s) ORDER BY statement_id, move_no""",
        model=model,
        ids=list(statement_ids),
    ):
        said = f"{row['statement_id']} {row['move']} by {row['person']}{_because(row['reason'])}"
        yield Event(row["recorded_at"], "statement", row["statement_id"], said, model)
    amounts = {row["instruction_id"]: _money(row) for row in paid if row["instruction_id"] is not None}
    for row in finder.query(
        """SELECT * FROM payments.instruction_move WHERE {tenant} AND model = %(model)s AND move <> 'file'
        AND instruction_id = ANY(%(ids)s) ORDER BY instruction_id, move_no""",
        model=model,
        ids=list(amounts),
    ):
        ident = row["instruction_id"]
        said = f"{amounts[ident]} {row['move']}: {row['to_state']}{_because(row['why'])}"
        yield Event(row["recorded_at"], "instruction", str(ident), said, model)


def _because(why: str | None) -> str:
    return f": {why}" if why else ""


def _lacking(
    model: str, records: Sequence[Row], charges: Sequence[Row], held: Sequence[Row], owed: Sequence[Row]
) -> list[str]:
    """What records lead to and these did not."""
    rated = {row["record_id"] for row in (*charges, *held)}
    uncharged = [row for row in records if row["record_id"] not in rated]
    missing = [f"{row['kind']} {row['key']} of {model} caused no charge" for row in uncharged[:5]]
    if len(uncharged) > 5:
        missing.append(f"nor did {len(uncharged) - 5} more records of {model}")
    cleared = {(row["record_id"], row["charge"]) for row in owed}
    waiting = [row for row in charges if row["amount_minor"] and (row["record_id"], row["charge"]) not in cleared]
    missing += [f"charge {row['charge']} of {row['record_id']} led to no obligation" for row in waiting[:5]]
    return missing
