"""In-line questions to a database that is slow, that goes away, and that comes back: each is answered in its time."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from everycent.base.platform.database import connect
from everycent.flow.pipeline.service import open_session
from everycent.proof.recon.service import Decision
from everycent.serve.cli.watching import open_live
from everycent.serve.gating import Checkpoint, checkpoint
from everycent.serve.wiring import migrations

FILE = """\
name: order-checks
currency: CNY
calendar: {time_zone: Asia/Shanghai}
recon:
  paid:
    left: {columns: {order: text, price: money}, key: order, amount: price}
    right: {columns: {order: text, paid: money}, key: order, amount: paid}
    live: {left: orders, right: payments}
    inline: {within: WITHIN, otherwise: hold}
"""
NO_EVENT = "S1: no event of it has come"


@pytest.fixture
def opened(database: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens checkpoints of a scenario file."""

    def open_with(within: str) -> Any:
        (tmp_path / "file.yaml").write_text(FILE.replace("WITHIN", within))
        session = stack.enter_context(open_session(database.settings, migrations()))
        return stack.enter_context(checkpoint(session, open_live(session, tmp_path / "file.yaml")))

    with ExitStack() as stack:
        yield open_with


def asked(gate: Checkpoint) -> tuple[Decision, bool, str]:
    answer = gate.may_go_on("paid", ["S1"])
    return answer.decision, answer.told, answer.reason


def test_while_another_holds_the_lock_the_answer_is_the_declared_one_and_in_time(opened: Any, database: Any) -> None:
    gate = opened("500 ms")
    with connect(database.settings) as locking:
        with locking.transaction():
            locking.execute("LOCK TABLE recon.pending")
            begun = monotonic()
            decision, told, reason = asked(gate)
            took_s = monotonic() - begun
            assert (decision, told) == (Decision.HOLD, False)
            assert reason.startswith(("there was no answer within 500 ms", "it failed: canceling statement"))
            assert gate.in_time.rest(timedelta(seconds=30)), "what nobody waits for any more ends while it is locked"
        assert took_s < 20, "the lock is held until the answer is there"


def test_a_connection_that_broke_is_made_again(opened: Any, database: Any) -> None:
    gate = opened("60 seconds")
    assert asked(gate) == (Decision.HOLD, False, NO_EVENT)
    of_gate = gate.session.connection.info.backend_pid
    with connect(database.settings) as other:
        other.execute("SELECT pg_terminate_backend(%s, 30000)", (of_gate,))
    assert asked(gate)[:2] == (Decision.HOLD, False)
    assert asked(gate) == (Decision.HOLD, False, NO_EVENT)


def test_a_database_that_is_gone_is_told_as_the_reason_and_soon_not_asked_any_more(
    opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = opened("60 seconds")
    gate.session.connection.close()
    gone = "postgresql://nobody@127.0.0.1:1/nothing"

    def unreachable() -> Any:
        connect(replace(gate.session.settings, database_url=gone))

    monkeypatch.setattr(gate, "connect_again", unreachable)
    reasons = [asked(gate)[2] for _ in range(4)]
    assert all("the database does not answer" in reason for reason in reasons[:3])
    assert reasons[3] == "it failed several times in a row, and is not tried again at once"
