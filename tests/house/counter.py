"""Where money comes in: a small house's parties owe it, and its bank's notices say what they transferred."""

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bank import notice
from proving import balance, faults

from everycent.flow.payments import service
from everycent.flow.pipeline.paying import Cashier
from everycent.proof.verify.core import ledger, payments, receipts

RULES = (*payments.RULES, *receipts.RULES, *ledger.RULES)


def credit(text: str, amount: str, reference: str | None) -> str:
    own = "" if reference is None else f"<AcctSvcrRef>{reference}</AcctSvcrRef>"
    return (
        f"<Ntry><Amt Ccy='CNY'>{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>{own}<NtryDtls><TxDtls>"
        f"<Refs><EndToEndId>{text}</EndToEndId></Refs><Amt Ccy='CNY'>{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd></TxDtls>"
        "</NtryDtls></Ntry>"
    )


class Counter:
    """Merchants a, b and c owe 3.00, 2.00 and 1.00, b twice: 2.00 and 0.50 from two days."""

    def __init__(self, books: Any, folder: Path) -> None:
        self.books, self.folder = books, folder
        owed = ["A1 merchant:a platform 3.00 2026-03-01", "A2 merchant:b platform 2.00 2026-03-01",
                "A3 merchant:c platform 1.00 2026-03-01"]  # fmt: skip
        self.bill(owed, "2026-03-02")
        self.bill(["A4 merchant:b platform 0.50 2026-03-02"], "2026-03-03")
        self.cashier = self.at(books.connection)
        rows = service.shown(books.connection, books.tenant, [], None, 9)
        self.ids = {row["party_id"][-1] + str(row["amount_minor"]): row["instruction_id"] for row in rows}

    def bill(self, owed: list[str], day: str) -> None:
        self.books.book("\n".join(["record debtor creditor amount booked_on", *owed]))
        self.books.close(day)
        self.books.instruct(day)
        self.books.write_files(day, self.folder)

    def at(self, connection: Any, day: int = 4) -> Cashier:
        """The cashier of a day of March."""
        session = SimpleNamespace(connection=connection, tenant=self.books.tenant, engine=self.books.engine)
        return Cashier(session, datetime(2026, 3, day, 9, tzinfo=UTC), date(2026, 3, day))  # type: ignore[arg-type]

    def file(self, *entries: tuple[str, str, str | None]) -> Path:
        """Each: the debts that it names, its amount, the bank's reference."""
        said = [credit(" ".join(self.ids[one].hex for one in names.split()), *rest) for names, *rest in entries]
        path = self.folder / "camt054.xml"
        path.write_text(notice(["<!-- -->", *said]), encoding="utf-8")
        return path

    def state(self) -> dict[str, str]:
        rows = service.shown(self.books.connection, self.books.tenant, [], None, 9)
        return {row["party_id"][-1] + str(row["amount_minor"]): row["state"] for row in rows}

    def balance(self, account: str) -> int:
        return balance(self.books, account)

    def faults(self) -> dict[str, str]:
        return faults(self.books, RULES)
