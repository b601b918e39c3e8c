"""Payment services to try things with: real HTTP servers that take signed orders, call back, and write their bill.

What becomes of an order goes by the last character of the account, so that a demo needs no configuration. Customers'
payments, of which a wallet has all that anybody names, are shared as they are asked to be. What a service paid stands
in its bill, a CSV file; that is its memory, too, from one time that it runs to the next.
"""

import csv
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from everycent.base.money.amount import format_minor
from everycent.base.money.currency import currency
from everycent.flow.payments.contract import ComeBackRefused
from everycent.flow.payments.service import refuse_unsigned, signed
from everycent.serve.demo.loopback import Answering, served

BILL_COLUMNS = ("number", "order", "kind", "amount", "currency", "payment", "receiver")
#: What a request of profit sharing does -> what the bill calls it.
_OF_SHARES = {"share": "share", "return": "given back", "finish": "released"}
#: The currency of customers' payments that are shared.
_OF_WALLETS = "CNY"
_CALL_BACK_S = 10.0


class Manner(StrEnum):
    """How a service treats an order."""

    PAYS = "pays"
    REFUSES = "refuses"
    RETURNS = "returns"  # it pays, and the money comes back
    LOSES = "loses"  # it pays, and its answer is lost
    TWICE = "twice"  # it pays, and calls back twice


#: By the account's last character; all others are paid. 8 and 9 as with the bank.
_BY_LAST = {"0": Manner.LOSES, "3": Manner.TWICE, "8": Manner.REFUSES, "9": Manner.RETURNS}


@dataclass
class PaymentServiceSimulator:
    """`told`: call-backs that are to be sent, in order. `rows`: the bill."""

    secret: str
    call_back: str
    url: str = ""
    rows: list[dict[str, str]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)

    def take(self, order: dict[str, Any]) -> dict[str, Any] | None:
        """Pays an order once; what is answered, None where the answer is lost."""
        manner = _BY_LAST.get(order["account"][-1:], Manner.PAYS)
        said = {name: order[name] for name in ("order", "amount_minor", "currency")}
        if manner is Manner.REFUSES:
            return {**said, "state": "refused", "reason": "the account is closed"}
        if self._number(order["order"]) is None:
            self._pay(order, said, manner)
        said["reference"] = self._number(order["order"])
        return None if manner is Manner.LOSES else {**said, "state": "accepted"}

    def deliver(self) -> None:
        """Calls back about all that it has not yet told."""
        for said in self.told:
            body = json.dumps(said).encode()
            headers = signed(self.secret, int(time.time()), "POST", urlsplit(self.call_back).path, body)
            httpx.post(self.call_back, content=body, headers=headers, timeout=_CALL_BACK_S)
        self.told.clear()

    def status(self, key: str) -> dict[str, Any]:
        """What is answered to who asks about an order."""
        rows = [row for row in self.rows if row["order"] == key]
        if not rows:
            return {"order": key, "state": "unknown"}
        state = "returned" if rows[-1]["kind"] == "return" else "paid"
        return {"order": key, "state": state, "amount_minor": _minor(rows[0]), "currency": rows[0]["currency"],
                "reference": rows[0]["number"]}  # fmt: skip

    def share(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Shares a customer's payment, gives back, or releases what is left, a request once; what is answered."""
        if self._number(asked["order"]) is None:
            sign = -1 if asked["does"] == "return" else 1
            for receiver, fen in [*asked["shares"], *([] if asked["shares"] else [("", 0)])]:
                more = {"payment": asked["payment"], "receiver": receiver}
                self._book(
                    {"order": asked["order"], "currency": _OF_WALLETS}, _OF_SHARES[asked["does"]], sign * fen, **more
                )
        return {"order": asked["order"], "state": "paid"}

    def shares_of(self, payment: str) -> list[dict[str, Any]]:
        """The requests about a customer's payment, in their order."""
        does = {kind: word for word, kind in _OF_SHARES.items()}
        had: dict[str, dict[str, Any]] = {}
        for row in self.rows:
            if row["payment"] == payment and row["kind"] in does:
                one = had.setdefault(row["order"], {"order": row["order"], "does": does[row["kind"]], "shares": []})
                if row["receiver"]:
                    one["shares"].append([row["receiver"], abs(_minor(row))])
        return [{**one, "state": "paid"} for one in had.values()]

    def _number(self, key: str) -> str | None:
        return next((row["number"] for row in self.rows if row["order"] == key), None)

    def _pay(self, order: dict[str, Any], said: dict[str, Any], manner: Manner) -> None:
        self._book(order, "payment", order["amount_minor"])
        paid = {**said, "state": "paid", "reference": self.rows[-1]["number"]}
        self.told += [paid] * (2 if manner is Manner.TWICE else 1)
        if manner is Manner.RETURNS:
            self._book(order, "return", -order["amount_minor"])
            self.told.append({**paid, "state": "returned", "reason": "the account takes no money"})

    def _book(
        self, order: dict[str, Any], kind: str, amount_minor: int, *, payment: str = "", receiver: str = ""
    ) -> None:
        amount = format_minor(amount_minor, currency(order["currency"]))
        values = (f"P{len(self.rows) + 1:04}", order["order"], kind, amount, order["currency"], payment, receiver)
        self.rows.append(dict(zip(BILL_COLUMNS, values, strict=True)))


def _minor(row: Mapping[str, str]) -> int:
    money = currency(row["currency"])
    amount_minor = int(row["amount"].replace(".", ""))
    assert format_minor(amount_minor, money) == row["amount"], "a bill's amounts have all their digits"
    return amount_minor


@contextmanager
def payment_simulator(secret: str, call_back: str, bill: Path) -> Iterator[PaymentServiceSimulator]:
    """The service while it runs, on the loopback interface; its bill is written in the end."""
    service = PaymentServiceSimulator(secret, call_back)
    if bill.exists():
        with bill.open(encoding="utf-8", newline="") as file:
            service.rows = list(csv.DictReader(file))

    class Handler(Answering):
        def do_POST(self) -> None:
            body = self.body()
            if self._is_signed(body):
                take = service.share if self.path.endswith("/shares") else service.take
                said = take(json.loads(body))
                self.say(503) if said is None else self._answer(200, said)

        def do_GET(self) -> None:
            where, _, name = self.path.rpartition("/")
            if self._is_signed(b"") and where.endswith("/shares"):
                self._answer(200, {"requests": service.shares_of(unquote(name))})
            elif not where.endswith("/shares") and self._is_signed(b""):
                said = service.status(name)
                self._answer(404 if said["state"] == "unknown" else 200, said)

        def _is_signed(self, body: bytes) -> bool:
            try:
                refuse_unsigned(secret, int(time.time()), self.command, self.path, body, dict(self.headers.items()))
            except ComeBackRefused as refused:
                self._answer(401, {"error": str(refused)})
                return False
            return True

        def _answer(self, status: int, said: dict[str, Any]) -> None:
            self.say(status, json.dumps(said).encode())

    with served(Handler) as address:
        service.url = f"{address}/v1"
        yield service
    bill.parent.mkdir(parents=True, exist_ok=True)
    with bill.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, BILL_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(service.rows)
