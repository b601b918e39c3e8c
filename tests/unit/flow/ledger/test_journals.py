"""Journals for Beancount and hledger: exact text, names that stay apart, and what both programs say of real books."""

import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from everycent.flow.ledger.contract import Outcome, Transfer, TransferKind
from everycent.flow.ledger.core.journals.names import account_name, commodity_name
from everycent.flow.ledger.service import JournalFormat, accounts_at, commodity, export, post

DAY = date(2026, 3, 1)
COMPONENT = re.compile(r"[A-Z1-9][^\W_]*(?:-[^\W_]*)*|0(?:[^\W_]|-)*")
text_of = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)


def transfer(number: int, debit: str, credit: str, amount: int, currency: str = "CNY", **more: Any) -> Transfer:
    more = {"booked_on": DAY, "cause": "obligations"} | more
    return Transfer(
        UUID(int=number), debit_account=debit, credit_account=credit, amount_minor=amount, currency=currency, **more
    )


@pytest.fixture
def journal(database: Any) -> Callable[..., str]:
    """The journal of books with these transfers."""

    def write(form: JournalFormat, transfers: list[Transfer], **how: Any) -> str:
        answers = post(database.connection, "t", "shop", transfers)
        assert all(answer.outcome is not Outcome.REFUSED for answer in answers), answers
        file = io.BytesIO()
        export(database.connection, "t", "shop", form, file, **how)
        return file.getvalue().decode()

    return write


SALES = [
    transfer(1, "operator/shanghai/goods", "party/merchant:m-1", 8999),
    transfer(2, "party/merchant:m-1", "channel/bank_file", 8000, cause='paid "in full"', booked_on=date(2026, 3, 2)),
    transfer(3, "party/merchant:m-1", "channel/bank_file", 9, kind=TransferKind.PENDING),
    transfer(4, "forest", "party/brand:森林", 1234, "tCO2e", cause="grown; one\nyear"),
]


def test_a_beancount_journal(journal: Any) -> None:
    assert (
        journal(JournalFormat.BEANCOUNT, SALES, decimals={"tCO2e": 3})
        == """\
option "title" "t shop"

2026-03-01 commodity CNY
  name: "CNY"
2026-03-01 commodity TCO2E-3802B758
  name: "tCO2e"

2026-03-01 open Assets:Channel:Bank-x5F-file
  name: "channel/bank_file"
2026-03-01 open Equity:Other:Forest
  name: "forest"
2026-03-01 open Income:Operator:Shanghai:Goods
  name: "operator/shanghai/goods"
2026-03-01 open Liabilities:Party:Brand:0森林
  name: "party/brand:森林"
2026-03-01 open Liabilities:Party:Merchant:M-1
  name: "party/merchant:m-1"

2026-03-01 * "obligations"
  transfer: "00000000-0000-0000-0000-000000000001"
  Income:Operator:Shanghai:Goods  89.99 CNY
  Liabilities:Party:Merchant:M-1  -89.99 CNY

2026-03-01 * "grown; one\\nyear"
  transfer: "00000000-0000-0000-0000-000000000004"
  Equity:Other:Forest  1.234 TCO2E-3802B758
  Liabilities:Party:Brand:0森林  -1.234 TCO2E-3802B758

2026-03-02 * "paid \\"in full\\""
  transfer: "00000000-0000-0000-0000-000000000002"
  Liabilities:Party:Merchant:M-1  80.00 CNY
  Assets:Channel:Bank-x5F-file  -80.00 CNY

2026-03-03 balance Assets:Channel:Bank-x5F-file  -80.00 ~ 0 CNY
2026-03-03 balance Equity:Other:Forest  1.234 ~ 0 TCO2E-3802B758
2026-03-03 balance Income:Operator:Shanghai:Goods  89.99 ~ 0 CNY
2026-03-03 balance Liabilities:Party:Brand:0森林  -1.234 ~ 0 TCO2E-3802B758
2026-03-03 balance Liabilities:Party:Merchant:M-1  -9.99 ~ 0 CNY
"""
    )


def test_a_hledger_journal(journal: Any) -> None:
    assert (
        journal(JournalFormat.HLEDGER, SALES, decimals={"tCO2e": 3}, through=DAY)
        == """\
; t shop
decimal-mark .

commodity 1000.00 CNY
commodity 1000.000 "tCO2e"

account Assets:Channel:Bank-x5F-file  ; "channel/bank_file"
account Equity:Other:Forest  ; "forest"
account Income:Operator:Shanghai:Goods  ; "operator/shanghai/goods"
account Liabilities:Party:Brand:0森林  ; "party/brand:森林"
account Liabilities:Party:Merchant:M-1  ; "party/merchant:m-1"

2026-03-01 * (00000000-0000-0000-0000-000000000001) obligations
    Income:Operator:Shanghai:Goods  89.99 CNY
    Liabilities:Party:Merchant:M-1  -89.99 CNY

2026-03-01 * (00000000-0000-0000-0000-000000000004) grown, one year
    Equity:Other:Forest  1.234 "tCO2e"
    Liabilities:Party:Brand:0森林  -1.234 "tCO2e"


2026-03-01 * the ledger's balance
    Assets:Channel:Bank-x5F-file  0 CNY = 0.00 CNY

2026-03-01 * the ledger's balance
    Equity:Other:Forest  0 "tCO2e" = 1.234 "tCO2e"

2026-03-01 * the ledger's balance
    Income:Operator:Shanghai:Goods  0 CNY = 89.99 CNY

2026-03-01 * the ledger's balance
    Liabilities:Party:Brand:0森林  0 "tCO2e" = -1.234 "tCO2e"

2026-03-01 * the ledger's balance
    Liabilities:Party:Merchant:M-1  0 CNY = -89.99 CNY
"""
    )


@given(
    st.lists(text_of, min_size=2, max_size=2, unique=True),
    st.sampled_from(["", "party/", "operator/", "channel/", "bank/"]),
)
@example(["-x3A-", ":"], "")
@example(["m", "M"], "party/r:")
@example(["0m", "M"], "channel/")
@example(["", "0"], "channel/")
@example(["x-", "X-"], "bank/")
@example(["a:b", "a/b"], "party/")
@example(["-", "-x2D-"], "")
def test_accounts_keep_names_of_their_own(names: list[str], kind: str) -> None:
    one, other = (account_name(kind + name) for name in names)
    assert one != other
    assert not other.startswith(f"{one}:") and not one.startswith(f"{other}:")
    for name in (one, other):
        root, *components = name.split(":")
        assert root in ("Assets", "Liabilities", "Income", "Equity") and len(components) >= 2
        assert all(COMPONENT.fullmatch(component) for component in components), name


@given(text_of)
@example("tCO2e")
@example("TRUE")
@example("")
def test_commodities_are_as_beancount_can_write_them(name: str) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9'._-]{0,22}[A-Z0-9]", commodity_name(name))
    assert commodity_name(name) not in ("TRUE", "FALSE", "NULL")
    assert commodity_name("CNY") == "CNY" and commodity_name("TCO2E") == "TCO2E" != commodity_name("tCO2e")


def books_of_all_kinds(seed: int) -> list[Transfer]:
    """Names of any characters, four commodities, pending ones that are posted in part or taken back, large amounts."""
    draw = random.Random(seed)
    names = [
        "party/merchant:m-1", "party/merchant:M-1", "party/merchant:商户/一号", "party/brand:ブランド", "party/brand:a",
        "party/brand:a/b", "operator/shanghai/goods", "operator/上海/佣金", "operator/none", "channel/bank_file",
        "balance/shanghai/merchant:m-1", "balance/", "channel/", "bank/上海", "bank/", "shared/shanghai",
        "odd  name; of : all (kinds) [here] \"quoted\" \\ \t\n=*!", "-x3A-", ":", "0",
        "é", "e\u0301", "𝒳", "a" * 300,
    ]  # fmt: skip
    made: list[Transfer] = []
    for number in range(1, 201):
        debit, credit = draw.sample(names, 2)
        cause = draw.choice(["obligations", '* (odd) | cause ; # "x" \\n\n2026-01-01 open', "", "退款"]) or "none"
        day = date(2026, 3, 1 + draw.randrange(9))
        amount = draw.choice([1, 10, 99, 1000, 123456, 2**62])
        kind = draw.choice([TransferKind.POSTED, TransferKind.POSTED, TransferKind.PENDING])
        currency = draw.choice(["CNY", "JPY", "KWD", "tCO2e", '积分;"1"'])
        made.append(transfer(number, debit, credit, amount, currency, cause=cause, booked_on=day, kind=kind))
        if kind is TransferKind.PENDING and draw.random() < 0.6:
            ends = draw.choice([TransferKind.POST_PENDING, TransferKind.VOID_PENDING])
            part = amount if ends is TransferKind.VOID_PENDING else 1 + draw.randrange(amount)
            settles = UUID(int=number)
            made.append(
                transfer(1000 + number, debit, credit, part, currency, booked_on=day, kind=ends, settles=settles)
            )
    return made


def ledgers_own(database: Any, through: date | None = None) -> dict[tuple[str, str], Decimal]:
    """Each account's balance, as journals sign it, that is not zero."""
    found = {}
    for one in accounts_at(database.connection, "t", "shop", None, through):
        of = commodity(one.currency, {"tCO2e": 3})
        found[one.account, one.currency] = -Decimal(one.standing.balance_minor).scaleb(-of.exponent)
    return {place: balance for place, balance in found.items() if balance}


@pytest.mark.parametrize("through", [None, date(2026, 3, 4)])
def test_bean_check_accepts_the_journal_and_has_the_same_balances(
    database: Any, journal: Any, tmp_path: Path, through: date | None
) -> None:
    file = tmp_path / "books.beancount"
    books = books_of_all_kinds(1)
    text = journal(JournalFormat.BEANCOUNT, books, decimals={"tCO2e": 3}, through=through)
    assert text == journal(JournalFormat.BEANCOUNT, books, decimals={"tCO2e": 3}, through=through), "the same bytes"
    file.write_text(text, encoding="utf-8")
    check = [Path(sys.executable).with_name("bean-check"), "--no-cache", str(file)]
    checked = subprocess.run(check, capture_output=True, text=True, timeout=120)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert beancounts_own(file) == ledgers_own(database, through)
    file.write_text(re.sub(r"(?<=  )\d+(?= JPY\n)", "7", text, count=1), encoding="utf-8")
    assert subprocess.run(check, capture_output=True, timeout=120).returncode != 0, "another amount is found"


def beancounts_own(file: Path) -> dict[tuple[str, str], Decimal]:
    """What Beancount itself adds up, under the ledger's names."""
    from beancount import loader
    from beancount.core import data

    entries, errors, _ = loader.load_file(str(file))
    assert not errors
    named = {
        entry.account if isinstance(entry, data.Open) else entry.currency: entry.meta["name"]
        for entry in entries
        if isinstance(entry, data.Open | data.Commodity)
    }
    found: dict[tuple[str, str], Decimal] = {}
    for entry in entries:
        for posting in entry.postings if isinstance(entry, data.Transaction) else ():
            place = named[posting.account], named[posting.units.currency]
            found[place] = found.get(place, Decimal(0)) + posting.units.number
    return {place: balance for place, balance in found.items() if balance}


@pytest.mark.skipif(
    shutil.which("hledger") is None, reason="hledger is not installed (Debian: apt-get install hledger)"
)
@pytest.mark.parametrize("through", [None, date(2026, 3, 4)])
def test_hledger_s_strict_checks_accept_the_journal_and_balances_are_the_same(
    database: Any, journal: Any, tmp_path: Path, through: date | None
) -> None:
    file = tmp_path / "books.journal"
    text = journal(JournalFormat.HLEDGER, books_of_all_kinds(2), decimals={"tCO2e": 3}, through=through)
    file.write_text(text, encoding="utf-8")
    assert hledger(file, "check", "--strict", "ordereddates").returncode == 0
    listed = json.loads(hledger(file, "balance", "--flat", "--no-total", "--output-format=json").stdout)
    own = {
        (account, amount["acommodity"]): Decimal(amount["aquantity"]["decimalMantissa"]).scaleb(
            -amount["aquantity"]["decimalPlaces"]
        )
        for account, _, _, amounts in listed[0]
        for amount in amounts
        if amount["aquantity"]["decimalMantissa"]
    }
    bad = {'积分;"1"': commodity_name('积分;"1"')}
    assert own == {
        (account_name(account), bad.get(currency, currency)): balance
        for (account, currency), balance in ledgers_own(database, through).items()
    }
    file.write_text(re.sub(r"(?<=  )\d+(?= JPY\n)", "7", text, count=1), encoding="utf-8")
    assert hledger(file, "check").returncode != 0, "another amount is found"


def hledger(file: Path, *asked: str) -> Any:
    given = {**os.environ, "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    return subprocess.run(["hledger", "-f", str(file), *asked], capture_output=True, text=True, timeout=120, env=given)


@pytest.mark.parametrize("form", JournalFormat)
def test_empty_books_make_an_empty_journal(journal: Any, form: JournalFormat) -> None:
    assert "2026" not in journal(form, [])
