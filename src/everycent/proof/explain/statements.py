"""Statements and instructions explained: what they add up, and what became of them."""

import json
from collections import defaultdict
from collections.abc import Iterator

from everycent.base.money.amount import format_minor
from everycent.base.money.currency import Currency, currency
from everycent.base.money.cycle import day_told, days_told
from everycent.proof.explain.contract import Explanation
from everycent.proof.explain.profit_shares import shares_taken_off
from everycent.proof.explain.receipts import came_in_facts, pay_backs_of
from everycent.proof.explain.store import Finder, Row

_LONGEST = 20


def statement_line(finder: Finder, model: str, statement_id: str) -> str:
    """One line: the statement, its state, and how it was paid."""
    row = finder.statement(statement_id)
    if row is None:
        return f"{statement_id}, which is not stored"
    paid = [_outcome(side, currency(row["currency"])) for side in finder.sides_of_statement(model, statement_id)]
    return ", ".join([f"{statement_id} ({_state(row)})", *paid])


def statement_explained(finder: Finder, row: Row) -> Explanation:
    """A statement with its largest obligations and its sum per charge."""
    money = currency(row["currency"])
    owed = finder.obligations_on(row["model"], row["statement_id"])
    per_charge: dict[str, list[int]] = defaultdict(list)
    for each in owed:
        per_charge[each["charge"]].append(each["due_minor"])
    first, last = days_told(row["period_first"], row["period_last"])
    facts = [
        ("party", row["party_id"]),
        ("period", f"{row['period']}: {first} to {last}, closes on {day_told(row['closes_on'])}"),
        ("terms", _terms(row["agreed"])),
        ("payable", format_minor(int(row["payable_minor"]), money)),
        ("receivable", format_minor(int(row["receivable_minor"]), money)),
        *(
            (f"of which {name}", f"{format_minor(sum(due), money)} in {_counted(len(due), 'obligation')}")
            for name, due in sorted(per_charge.items())
        ),
        *_lines(finder.lines_of_statement(row["model"], row["statement_id"]), money),
        *(("outcome", _outcome(side, money)) for side in finder.sides_of_statement(row["model"], row["statement_id"])),
    ]
    largest = sorted(
        owed, key=lambda each: (-abs(each["due_minor"]), str(each["record_id"]), each["charge"], each["bearer"])
    )
    return Explanation(
        "statement",
        row["statement_id"],
        f"{row['statement_id']}: {format_minor(int(row['net_minor'] + row['lines_minor']), money)} {money},"
        f" {_state(row)}",
        tuple(facts),
        tuple(_obligations(finder, row["model"], largest[:_LONGEST], money)),
        more=max(0, len(largest) - _LONGEST),
    )


def instruction_explained(finder: Finder, row: Row) -> Explanation:
    """An instruction with the statements that it pays, and what stands beside them."""
    money = currency(row["currency"])
    statements = finder.statements_of_instruction(row["model"], row["instruction_id"])
    facts = [
        ("party", row["party_id"]),
        ("account", " ".join(filter(None, (row["account"], row["account_name"]))) or "(none)"),
        ("channel", row["channel"]),
        ("state", ", ".join(filter(None, (row["state"], row["reason"], row["file"])))),
        ("as of", str(row["as_of"])),
        ("settled by", row["legal_entity"]),
        *(came_in_facts(finder, row) if row["direction"] == "collect" else pay_backs_of(finder, row)),
    ]
    charges = finder.charges_of_instruction(row["model"], row["instruction_id"])
    shares = list(shares_taken_off(finder, row))
    amount = format_minor(int(row["amount_minor"]), money)
    parts = [*(statement_explained(finder, each) for each in statements[:_LONGEST]),
             *(non_order_explained(finder, each) for each in charges[:_LONGEST]), *shares[:_LONGEST]]  # fmt: skip
    return Explanation(
        "instruction",
        str(row["instruction_id"]),
        f"{row['instruction_id']}: {row['direction']} {amount} {money}",
        tuple(facts),
        tuple(parts),
        more=len(statements) + len(charges) + len(shares) - len(parts),
    )


def non_order_explained(finder: Finder, row: Row) -> Explanation:
    """A charge that no order causes: who gave it, of whom, and what became of its money."""
    money = currency(row["currency"])
    amount = format_minor(int(row["amount_minor"]), money)
    way = "to be paid to" if row["direction"] == "pay" else "owed by"
    facts = [
        ("party", row["party_id"]),
        ("given", f"by {row['given_by']} of {row['source']}, as {row['reference']}"),
        ("why", row["reason"] or "(not said)"),
        ("state", ", ".join(filter(None, (row["state"], row["declined_why"])))),
        ("owed from", str(row["booked_on"] or row["occurred_on"])),
        ("settled by", f"{row['legal_entity']}, with its own {row['settled_by']}" if row["settled_by"] == "instruction"
         else f"{row['legal_entity']}, with the next statement"),
        *(("outcome", _outcome(side, money))
          for side in finder.sides_of_statement(row["model"], str(row["charge_id"]))),
    ]  # fmt: skip
    return Explanation(
        "non_order_charge",
        str(row["charge_id"]),
        f"{row['kind']} {row['reference']}: {amount} {money} {way} {row['party_id']}",
        tuple(facts),
    )


def _obligations(finder: Finder, model: str, rows: list[Row], money: Currency) -> list[Explanation]:
    records = {
        row["record_id"]: row for row in finder.records(model, "record_id", [each["record_id"] for each in rows])
    }
    return [_obligation(each, records.get(each["record_id"]), money) for each in rows]


def _obligation(row: Row, record: Row | None, money: Currency) -> Explanation:
    source = (
        "its record is not stored"
        if record is None
        else (f"{record['kind']} {record['key']}, {record['source_file']}:{record['source_line']}")
    )
    return Explanation(
        "obligation",
        f"{row['record_id']}/{row['charge']}/{row['bearer']}",
        f"{row['charge']} {format_minor(row['due_minor'], money)} from {source}",
    )


def _terms(agreed: str | None) -> str:
    """Where its terms come from."""
    if agreed is None:
        return "the model's"
    words = json.loads(agreed)
    rest = ", ".join(f"{name} {value}" for name, value in words.items() if name not in ("contract", "revision"))
    return f"contract {words['contract']}, revision {words['revision']} ({rest}); else the model's"


def _lines(lines: list[Row], money: Currency) -> Iterator[tuple[str, str]]:
    """What stands on it beside its obligations, and where that comes from or goes to."""
    for line in lines:
        amount = format_minor(int(line["amount_minor"]), money)
        if line["release_on"] is not None:
            said = f"{amount}, until {line['release_on']}"
        elif line["other_statement"] is None:
            said = amount
        else:
            said = f"{amount} {'to' if line['kind'] == 'carried_out' else 'from'} {line['other_statement']}"
        yield line["kind"].replace("_", " "), said


def _state(row: Row) -> str:
    return "open" if row["closed_as_of"] is None else f"closed as of {row['closed_as_of']}"


def _outcome(side: Row, money: Currency) -> str:
    amount = format_minor(int(side["side_minor"]), money)
    if side["instruction_id"] is None:
        return f"{side['side']} {amount} {side['outcome']} as of {side['outcome_as_of']}"
    way = {"pay": "to be paid", "collect": "to be collected"}[side["direction"]]
    return f"{side['side']} {amount}, {way} by instruction {side['instruction_id']} ({side['state']})"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
