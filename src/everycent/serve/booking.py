"""What reconciliations write off gets into the ledger, in the transaction that stores why."""

from collections.abc import Callable
from datetime import date, datetime

from everycent.flow.ledger import service as ledger
from everycent.flow.pipeline.service import Session
from everycent.proof.recon.breaks.desk import Done
from everycent.proof.recon.service import ReconRun, RunKey, SideRows, book_written_off, rebook


def book_entries(
    session: Session, key: RunKey, scenario: str, ran: ReconRun, sides: tuple[SideRows, SideRows], day: date
) -> None:
    """A run's entries are posted on `day`, once; those of runs before that it looked at and no longer has are taken
    back. In the transaction that stores the run."""
    cut = ran.beyond.cut["day"][0].as_py() if ran.beyond.cut.num_rows else None
    transfers = rebook(session.connection, session.engine, key, scenario, sides, day, cut)
    ledger.book(session.connection, key.tenant, key.model, transfers)


def act_booked(session: Session, act: Callable[[], Done], now: datetime) -> Done:
    """What a person does with breaks, and what that books, in one transaction."""
    with session.connection.transaction():
        done = act()
        if done.moved:
            for model, transfers in book_written_off(session.connection, session.tenant, done.moved, now).items():
                ledger.book(session.connection, session.tenant, model, transfers)
    return done
