"""kill -9 of who hands vouchers over, asks about them, or hears of them: none is booked twice, and none is forgotten.

Real processes send vouchers over HTTP to an accounting system that is slow, refuses, loses and garbles, and hear its
call-backs; at moments by chance they get SIGKILL, wherever they are. Others write files and die in between.
"""

import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from accounting_system import SECRET, Accounting, accounting_system
from deaths import killed_at_work, successor
from workplace import Place

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection, connect
from everycent.base.platform.details import Details
from everycent.flow.ledger.contract import AccountingSpec, Transfer, Voucher, VoucherState
from everycent.flow.ledger.service import correct_voucher, make_vouchers, post, voucher_moves, vouchers_shown
from everycent.proof.verify.service import verify
from everycent.serve.cli import exits

#: Of processes that were alive.
KILLS = 60
COMPANIES = 10
DAY = date(2026, 3, 1)
SPEC = AccountingSpec(model="shop", codes={"operator/*": "6001", "bank/*": "1002"})
#: Most are booked at once; three of them end a pass.
FAULTS = (
    *(None,) * 12,
    *("slow",) * 4,
    "refuse",
    "refuse",
    "lose",
    "drop",
    503,
    "unsigned",
    "forged",
    "no json",
    "other",
)
SEND = ["ledger", "vouchers", "send", "--json"]


@dataclass
class Books:
    """A shop with several companies, of which vouchers are made again and again."""

    connection: Connection
    place: Place
    transfers: int = 0
    kills: Counter[str] = field(default_factory=Counter)

    def make(self) -> None:
        """Another transfer of each company, and its voucher; what was refused is corrected."""
        for company in range(COMPANIES):
            self.transfers += 1
            sides = (f"operator/company-{company}/rent", f"bank/company-{company}")
            asked = Transfer(UUID(int=self.transfers), DAY, *sides, self.transfers, "CNY", "rent")
            post(self.connection, "default", "shop", [asked])
        assert len(make_vouchers(self.connection, "default", SPEC, DAY, lambda _: {}, "ann", now())) == COMPANIES
        self.correct()

    def correct(self) -> None:
        """Corrects what was refused."""
        for wrong in self.vouchers(VoucherState.REFUSED):
            correct_voucher(self.connection, "default", SPEC, wrong.voucher_id, "ann", now())

    def vouchers(self, state: str | None = None) -> list[Voucher]:
        """Those that stand so; all if None."""
        return vouchers_shown(self.connection, "default", "shop", state=state)


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def shop(databases: Any, tmp_path: Path, **settings: str) -> Iterator[Books]:
    """Its books, which verify at the end."""
    with databases.fresh(tmp_path / "data") as known, connect(known) as connection:
        yield Books(connection, Place(tmp_path / "place", {"EVERYCENT_DATABASE_URL": known.database_url, **settings}))
        with LocalEngine(1, 512, tmp_path / "spill") as engine:
            verdict = verify(connection, Details(connection, known.lake_dir, "default"), engine, "default")
            assert [check for check in verdict.checks if check.bad] == []


def handed(system: Accounting) -> int:
    """How often it was given a voucher, or asked about one."""
    return sum(system.came.values()) + system.asked


def heard_or_done(
    system: Accounting, address: str, chance: random.Random, sender: "subprocess.Popen[str]", target: int
) -> bool:
    """Whether it was given enough, or no more comes; meanwhile it decides what it took."""
    booked_by_call_back(system, address, chance)
    return handed(system) >= target or sender.poll() is not None


def booked_by_call_back(system: Accounting, address: str, chance: random.Random) -> None:
    """The system decides one that it took; nobody may be there to hear it."""
    if system.taken and chance.random() < 0.1:
        voucher = min(system.taken)
        system.book(voucher)
        try:
            assert system.call_back(address, system.told(voucher))[0] == 200
        except httpx.TransportError:
            return  # it is asked about


@pytest.mark.soak
def test_vouchers_are_sent_and_heard_of_under_kills(databases: Any, tmp_path: Path) -> None:
    chance = random.Random(16)
    with (
        accounting_system() as system,
        shop(
            databases, tmp_path, EVERYCENT_ACCOUNTING_URL=system.url, EVERYCENT_ACCOUNTING_SECRET=SECRET.decode()
        ) as books,
    ):
        while sum(books.kills.values()) < KILLS:
            books.make()
            system.faults = chance.choices(FAULTS, k=1000)
            listener = books.place.start(["ledger", "vouchers", "listen"])
            assert listener.stderr is not None
            sender, address = books.place.start(SEND), listener.stderr.readline().split()[-1]
            targets = sorted(handed(system) + chance.randint(1, COMPANIES) for _ in range(2))
            dying = chance.sample([("sender", sender), ("listener", listener)], 2)
            for (name, process), target in zip(dying, targets, strict=True):
                books.kills[name] += killed_at_work(
                    process, chance, partial(heard_or_done, system, address, chance, sender, target)
                )
        system.faults = []
        for voucher in sorted(system.taken):
            system.book(voucher)
        for _ in range(3):  # what it has yet to say of the last ones, what of their corrections, and nothing more
            books.correct()
            last = successor(books.place, SEND)
        assert last.code == exits.OK, last.out
        stands = Counter(one.state for one in books.vouchers())
        assert set(stands) == {VoucherState.ACCEPTED, VoucherState.REPLACED}, "none is forgotten, or in doubt"
        accepted = books.vouchers(VoucherState.ACCEPTED)
        assert {str(one.voucher_id): one.number for one in accepted} == system.booked, "each under its number there"
        assert len(accepted) == books.transfers, "and of each number one revision"
        assert all(system.content[str(one.voucher_id)] == one.content.encode() for one in accepted)
        again = {key: times - system.dropped.get(key, 0) for key, times in system.came.items()}
        assert set(again.values()) == {1}, "what it has never goes out again"
        print(dict(books.kills), dict(stands), Counter(system.came.values()), f"asked {system.asked} times")


def lying(out: Path) -> int:
    """How many files are there, or beside."""
    return sum(name.endswith(".json") for _, _, names in os.walk(out) for name in names)


@pytest.mark.soak
def test_files_of_vouchers_are_written_under_kills(databases: Any, tmp_path: Path) -> None:
    chance = random.Random(17)
    with shop(databases, tmp_path) as books:
        out = tmp_path / "out"
        write = ["ledger", "vouchers", "write", "--hand-over", "--by", "ann", "--out", str(out)]

        while books.kills["writer"] < KILLS // 2:
            books.make()
            target = lying(out) + chance.randint(1, 2 * COMPANIES)
            writer = books.place.start(write)
            books.kills["writer"] += killed_at_work(writer, chance, lambda target=target: lying(out) >= target)
        assert successor(books.place, write).code == exits.OK
        vouchers = books.vouchers()
        assert {one.state for one in vouchers} == {VoucherState.SENT}
        found = Counter(sha256(path.read_bytes()).hexdigest() for path in out.glob("*.json"))
        assert found == Counter(one.digest for one in vouchers), "each is there once, with its bytes"
        assert {path.stem for path in out.glob("*.csv")} == {path.stem for path in out.glob("*.json")}
        assert len(list(out.iterdir())) == 2 * len(vouchers), "and nothing lies beside"
        moves = [voucher_moves(books.connection, "default", one.voucher_id) for one in vouchers]
        assert {tuple(move["move"] for move in each) for each in moves} == {("hand_over",)}
        print(dict(books.kills), f"{len(vouchers)} vouchers")
