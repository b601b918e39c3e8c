"""An accounting system that is made up here, and somebody who hears its acknowledgements."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from everycent.flow.ledger.service import RestAccounting
from everycent.flow.pipeline.service import Session
from everycent.serve.demo.accounting_system import AccountingSimulator, accounting_simulator
from everycent.serve.outside_accounting import Heard, receiving_acknowledgements


@dataclass(frozen=True)
class Books:
    """`heard`: what came of its acknowledgements."""

    simulator: AccountingSimulator
    heard: list[Heard]

    @property
    def system(self) -> RestAccounting:
        """How it is reached."""
        return RestAccounting(self.simulator.url, self.simulator.secret)


@contextmanager
def simulated_books(session: Session) -> Iterator[Books]:
    """The system while it runs."""
    secret, heard = secrets.token_bytes(32), list[Heard]()
    with (
        receiving_acknowledgements(session.settings, secret, told=heard.append) as call_back,
        accounting_simulator(secret, call_back) as simulator,
    ):
        yield Books(simulator, heard)
