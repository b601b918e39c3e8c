"""Money that came in explained: the bank's line, what of it has paid what, and what stays on its party's account."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from everycent.base.money.amount import format_minor
from everycent.base.money.currency import Currency, currency
from everycent.proof.explain.contract import Event, Explanation, SeveralFound
from everycent.proof.explain.store import Finder, Row

#: What is set aside of a receipt, and the first end of its instruction: paid, it is used; else it is free again.
_USES = """
    SELECT u.receipt_id, u.instruction_id, u.amount_minor AS part_minor, u.as_of AS set_aside_on, u.who AS set_by,
        u.recorded_at, i.amount_minor AS asked_minor, i.state, r.amount_minor, r.currency, r.cause, r.text, r.who,
        r.why, r.as_of, r.party_id, (
            SELECT m.booking FROM payments.instruction_move m WHERE m.tenant = u.tenant AND m.model = u.model
                AND m.instruction_id = u.instruction_id AND m.booking <> 'in_flight'
            ORDER BY m.move_no LIMIT 1) AS ended
    FROM payments.receipt_use u JOIN payments.receipt r USING (tenant, model, receipt_id)
        JOIN payments.instruction i USING (tenant, model, instruction_id)
    WHERE u.{tenant} AND {which}
    ORDER BY u.recorded_at, u.receipt_id, u.instruction_id
"""
_FILE = "bank file "


def receipts_named(finder: Finder, text: str) -> list[Row]:
    """The receipts of which one is a line of a bank's file that goes by this text: its reference, or where it is
    told."""
    return finder.query(
        """SELECT * FROM payments.receipt
        WHERE {tenant} AND (cause = %(text)s OR right(cause, %(long)s) = ' ' || %(text)s)
        ORDER BY recorded_at, receipt_id""",
        text=text,
        long=len(text) + 1,
    )


def receipt_of(finder: Finder, receipt_id: UUID) -> Row | None:
    """A receipt by its id."""
    found = finder.query("SELECT * FROM payments.receipt WHERE {tenant} AND receipt_id = %(id)s", id=receipt_id)
    return found[0] if found else None


def paid_by_line(finder: Finder, text: str) -> list[UUID]:
    """The instructions that a line of a bank's file has paid as they are, by its reference or where it is told."""
    found = finder.query(
        """SELECT DISTINCT instruction_id FROM payments.instruction_move WHERE {tenant} AND move = 'pay'
            AND (cause = %(text)s OR right(cause, %(long)s) = ' ' || %(text)s) ORDER BY instruction_id""",
        text=text,
        long=len(text) + 1,
    )
    return [row["instruction_id"] for row in found]


def receipt_explained(finder: Finder, row: Row) -> Explanation:
    """A receipt, and each instruction for which something of it was set aside."""
    money = currency(row["currency"])
    uses = _uses(finder, "u.receipt_id = %(id)s", row["receipt_id"])
    backs = _pay_backs(finder, row["receipt_id"])
    free = _free(row, uses, backs)
    parts = tuple(
        Explanation(
            "instruction",
            str(use["instruction_id"]),
            f"{use['instruction_id']}: {_amount(use['part_minor'], money)} of {_amount(use['asked_minor'], money)} to"
            f" collect, {_became(use)}; set aside on {use['set_aside_on']} by {use['set_by']}",
        )
        for use in uses
    )
    facts = [
        ("party", row["party_id"]),
        ("told", _told(row)),
        ("text", row["text"] or "(none)"),
        *([("why", row["why"])] if row["why"] else []),
        ("booked on", str(row["as_of"])),
        ("at the bank of", row["legal_entity"]),
        *(("goes back", _goes_back(back, money)) for back in backs),
        ("on account", f"{_amount(free, money)} {money} is for nothing yet" if free else "nothing of it is free"),
    ]
    said = f"{row['receipt_id']}: {_amount(row['amount_minor'], money)} {money} from {row['party_id']}"
    return Explanation("receipt", str(row["receipt_id"]), said, tuple(facts), parts)


def came_in_facts(finder: Finder, row: Row) -> Iterator[tuple[str, str]]:
    """What came in for an instruction: by parts, then what made it whole; and what it lacks."""
    money = currency(row["currency"])
    uses = _uses(finder, "u.instruction_id = %(id)s", row["instruction_id"])
    for use in uses:
        of = "" if use["part_minor"] == use["amount_minor"] else f" of {_amount(use['amount_minor'], money)}"
        part = _amount(use["part_minor"], money)
        yield "came in", f"{part}{of} on {use['set_aside_on']}: {_told(use)}, receipt {use['receipt_id']}"
    if uses:
        lacks = row["amount_minor"] - sum(use["part_minor"] for use in uses)
        if row["booking"] == "in_flight" and lacks:
            yield "lacks", f"{_amount(lacks, money)}; what came in stays on account until then"
        for ident in dict.fromkeys(use["receipt_id"] for use in uses):
            receipt = receipt_of(finder, ident)
            assert receipt is not None, "a use is of a receipt"
            free = _free(receipt, _uses(finder, "u.receipt_id = %(id)s", ident), _pay_backs(finder, ident))
            if free:
                yield "on account", f"{_amount(free, money)} of receipt {ident} is for nothing yet"
    for move in finder.query(
        """SELECT cause, who FROM payments.instruction_move WHERE {tenant} AND model = %(model)s
            AND instruction_id = %(id)s AND move IN ('pay', 'judge_paid') AND came = 'moved' ORDER BY move_no""",
        model=row["model"],
        id=row["instruction_id"],
    ):
        yield "paid by", _told(move)


def receipt_events(finder: Finder, model: str, instruction_ids: Sequence[UUID]) -> Iterator[Event]:
    """What came in for instructions by parts, each when it was set aside."""
    for use in _uses(finder, "u.instruction_id = ANY(%(id)s)", list(instruction_ids)):
        money = currency(use["currency"])
        of = "" if use["part_minor"] == use["amount_minor"] else f" of {_amount(use['amount_minor'], money)}"
        said = (
            f"{_amount(use['part_minor'], money)}{of} {money} came in for {_amount(use['asked_minor'], money)} to be"
            f" collected, {_became(use)}: {use['cause']}"
        )
        file = use["who"].removeprefix(_FILE) if use["who"].startswith(_FILE) else ""
        yield Event(use["recorded_at"], "receipt", str(use["receipt_id"]), said, model, file)


def one_of(text: str, found: Sequence[Row]) -> Row | None:
    """The receipt that is meant. Raises SeveralFound."""
    if len(found) > 1:
        names = ", ".join(f"{row['cause']} ({row['receipt_id']})" for row in found)
        raise SeveralFound(f"'{text}' names {len(found)} lines of money that came in: {names}; ask by the uuid")
    return found[0] if found else None


def _uses(finder: Finder, which: str, ident: UUID | list[UUID]) -> list[Row]:
    return finder.query(_USES.replace("{which}", which), id=ident)


def pay_backs_of(finder: Finder, row: Row) -> Iterator[tuple[str, str]]:
    """What an instruction pays back of money that came in."""
    for back in finder.query(
        """SELECT p.*, r.cause, r.party_id FROM payments.pay_back p
            JOIN payments.receipt r USING (tenant, model, receipt_id)
            JOIN {sides} s ON s.tenant = p.tenant AND s.model = p.model AND s.statement_id = p.pay_back_id::text
        WHERE p.{tenant} AND s.instruction_id = %(id)s""",
        id=row["instruction_id"],
    ):
        asked = f"as {back['who']} asked on {back['as_of']}: {back['why']}"
        yield "pays back", f"receipt {back['receipt_id']} ({back['cause']}), {asked}"


def _pay_backs(finder: Finder, receipt_id: UUID) -> list[Row]:
    return finder.query(
        """SELECT p.*, gone.pay_back_id IS NOT NULL AS undone, i.instruction_id, i.state
        FROM payments.pay_back p LEFT JOIN payments.pay_back_undone gone USING (tenant, model, pay_back_id)
            LEFT JOIN {sides} s ON s.tenant = p.tenant AND s.model = p.model AND s.statement_id = p.pay_back_id::text
            LEFT JOIN payments.instruction i ON i.tenant = p.tenant AND i.model = p.model
                AND i.instruction_id = s.instruction_id
        WHERE p.{tenant} AND p.receipt_id = %(id)s ORDER BY p.recorded_at, p.pay_back_id""",
        id=receipt_id,
    )


def _goes_back(back: Row, money: Currency) -> str:
    by = "the next run instructs it"
    if back["instruction_id"] is not None:
        by = f"by instruction {back['instruction_id']} ({back['state']})"
    again = "; it is on account again" if back["undone"] else ""
    asked = f"as {back['who']} asked on {back['as_of']}: {back['why']}"
    return f"{_amount(back['amount_minor'], money)}, {asked}; {by}{again}"


def _free(receipt: Row, uses: Sequence[Row], backs: Sequence[Row]) -> int:
    used = sum(use["part_minor"] for use in uses if use["ended"] != "back")
    return int(receipt["amount_minor"] - used - sum(back["amount_minor"] for back in backs if not back["undone"]))


def _became(use: Row) -> str:
    """What became of what was set aside."""
    return {"paid": "used", "back": "free again, since it was not paid", None: "on account until it is whole"}[
        use["ended"]
    ]


def _told(row: Row) -> str:
    """Where money that came in is told, and by whom: a bank's file, a person."""
    return f"{row['cause']} ({row['who']})"


def _amount(minor: int, money: Currency) -> str:
    return format_minor(int(minor), money)
