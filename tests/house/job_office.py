"""Jobs of reconciliation in a test's database, on sides that the test gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import REFUSED, SIDE
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.jobs import store
from everycent.proof.recon.jobs.store import Asked, Job
from everycent.proof.recon.jobs.working import Loaded, Planned, Worker, work_off
from everycent.proof.recon.service import Came, ReconRun

Row = tuple[str, int, str | None]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
PLAN = ReconPlan("bill", 1, left_sums=False, right_sums=False, compares_status=True)


def side(file: str, *rows: Row, refused: int = 0, left_out: int = 0) -> SideRows:
    taken = [
        {"source_file": file, "source_line": n, "key": key, "amount_minor": amount, "status": status}
        for n, (key, amount, status) in enumerate(rows, 1)
    ]
    bad = [{"source_file": file, "source_line": 10_000 + n, "reason": "no key: no value in id"} for n in range(refused)]
    return SideRows(pa.Table.from_pylist(taken, SIDE), pa.Table.from_pylist(bad, REFUSED), left_out)


def many(rows: int) -> tuple[SideRows, SideRows]:
    """Two sides of so many rows, of which some differ."""
    left: list[Row] = [(f"A{n}", n, "paid") for n in range(rows)]
    right: list[Row] = [(f"A{n}", n + 7 * (n % 5 == 0), "paid") for n in range(rows) if n % 11]
    return side("ours.csv", *left, refused=2, left_out=3), side("bill.csv", *right)


@dataclass
class Given:
    """Sides by scenario; what was loaded is counted."""

    sides: Mapping[str, tuple[SideRows, SideRows]]
    how: Mapping[str, ReconPlan] = field(default_factory=dict)
    loads: list[str] = field(default_factory=list)
    followed: list[int] = field(default_factory=list)
    dies: bool = False

    def plan(self, asked: Asked) -> Planned:
        return Planned(self.how.get(asked.scenario, PLAN), "CNY")

    def load(self, asked: Asked, engine: LocalEngine) -> Loaded:
        self.loads.append(asked.scenario)
        return Loaded(*self.sides[asked.scenario])

    def stored(
        self, asked: Asked, ran: ReconRun, sides: tuple[SideRows, SideRows], came: Sequence[Came]
    ) -> Callable[[], Sequence[str]]:
        def follow() -> Sequence[str]:
            self.followed.append(ran.run_no)
            if self.dies:
                raise KeyboardInterrupt
            return ["somebody was told"]

        return follow


@dataclass
class Office:
    """A place where jobs are asked for and worked off."""

    worker: Worker
    given: Given
    occasions: Any = field(default_factory=lambda: count(1))

    @property
    def connection(self) -> Any:
        return self.worker.connection

    def ask(self, scenario: str = "bill", shards: int | None = None, occasion: str | None = None) -> int | None:
        asked = Asked("market", scenario, occasion or f"test {next(self.occasions)}", shards=shards)
        with self.connection.transaction():
            return store.ask(self.connection, "default", asked)

    def asked(self, scenario: str = "bill", shards: int | None = None) -> int:
        number = self.ask(scenario, shards)
        assert number is not None
        return number

    def job(self, number: int) -> Job:
        return store.job(self.connection, "default", number)

    def work(self) -> int:
        return work_off(self.worker, lambda _: None)
