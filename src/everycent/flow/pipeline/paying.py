"""Payments in one model's session: what is sent, what comes back, and what persons say of it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from everycent.flow.intake.service import format_named, open_bill, refuse_disagreeing
from everycent.flow.ledger import store as ledger_store
from everycent.flow.model.contract import LoadedModel
from everycent.flow.payments import service as payments
from everycent.flow.payments import store as payments_store
from everycent.flow.payments.service import Read, Sent, Taken
from everycent.flow.pipeline.plan import plan_model
from everycent.flow.pipeline.session import Session

#: How many rows of a bank's file are held at once while it is read.
_ROWS_AT_ONCE = 1 << 16

_Work = Callable[[payments.Desk, payments.Channel], Sent]


@dataclass(frozen=True)
class Cashier:
    """Where payments are made: `now` and the day `as_of` on which results are booked."""

    session: Session
    now: datetime
    as_of: date

    def standing(
        self, states: Sequence[str], model: str | None, limit: int
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """How many instructions stand where, and some of them."""
        where = self.session.connection, self.session.tenant, states, model
        return payments_store.counted(*where), payments_store.shown(*where, limit)

    def named(self, digits: str) -> list[dict[str, Any]]:
        """The instructions whose ids begin so; three at most."""
        return payments_store.named(self.session.connection, self.session.tenant, digits)

    def moves(self, instruction_id: UUID) -> list[dict[str, Any]]:
        """The moves of an instruction."""
        return payments_store.history(self.session.connection, self.session.tenant, instruction_id)

    def sides(self, instruction_id: UUID) -> list[dict[str, Any]]:
        """The sides of statements that an instruction pays, or did not pay."""
        return payments_store.sides(self.session.connection, self.session.tenant, instruction_id)

    def submit(self, model: LoadedModel, environment: Mapping[str, str]) -> Sent:
        """Sends what is ready by the model's payment service. Raises ModelRefused, InputRefused, ChannelBusy."""
        return self._at_service(model, environment, payments.submit)

    def ask(self, model: LoadedModel, environment: Mapping[str, str]) -> Sent:
        """Asks the model's payment service about what is not at its end. Raises as `submit`."""
        return self._at_service(model, environment, payments.ask)

    def _at_service(self, model: LoadedModel, environment: Mapping[str, str], work: _Work) -> Sent:
        plan = plan_model(model, self.session.tenant, model.files).payments
        channel = payments.rest_channel(plan, environment, lambda: int(time.time()))
        where = (self.session.connection, self.session.engine, plan, self.session.tenant, model.name)
        desk = payments.StoredDesk(*where, channel.name, self.as_of, ledger_store.write, self.now)
        with payments.sending(self.session.connection, self.session.tenant, model.name, channel.name):
            return work(desk, channel)

    def read(self, path: Path) -> Read:
        """Takes in a bank's file: pain.002, camt.052, .053 or .054. All of it, or nothing.

        Raises ComeBackRefused, SourceError.
        """
        lines = payments.status_lines(path)
        if lines is None:
            lines = payments.statement_lines(self._rows(path))
        who = f"bank file {path.name}"
        return payments.read_lines(
            self.session.connection, ledger_store.write, self.session.tenant, lines, who, self.now, self.as_of
        )

    def _rows(self, path: Path) -> Iterator[Mapping[str, str | None]]:
        source = open_bill(path, format_named("camt"))
        refuse_disagreeing(source)
        for shard in source.shards(_ROWS_AT_ONCE):
            if shard.malformed.num_rows:
                raise payments.ComeBackRefused(
                    f"{path}: {shard.malformed['reason'][0].as_py()}; nothing of it was taken in"
                )
            yield from shard.table.to_pylist()

    def call_back(self, secret: str, path: str, headers: Mapping[str, str], body: bytes) -> Taken:
        """Takes in a call-back of a payment service. Raises ComeBackRefused."""
        said = payments.read_call_back(secret, int(self.now.timestamp()), path, headers, body)
        (taken,) = self._say([said])
        if taken.came is payments.Came.UNKNOWN_ORDER:
            raise payments.ComeBackRefused(f"unknown_order: there is no instruction {said.key}")
        return taken

    def by_hand(self, ids: Sequence[UUID], move: payments.Move, who: str, why: str | None) -> list[Taken]:
        """What a person says of instructions; the first who releases one asks for it. Raises InstructionAltered."""
        return payments.by_hand(
            self.session.connection, ledger_store.write, self.session.tenant, ids, move, who, why, self.now, self.as_of
        )

    def _say(self, said: Sequence[payments.Said]) -> list[Taken]:
        return payments.take_in(
            self.session.connection, ledger_store.write, self.session.tenant, said, self.now, self.as_of
        )
