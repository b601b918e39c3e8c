"""What settlement gives to the rest of the house: statements, and its part of the model's language."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field

from everycent.base.engine.declaration import Declaration, Duration


class StatementState(StrEnum):
    """The life of a statement, in this issue: it accrues, then it is closed for good."""

    OPEN = "open"
    CLOSED = "closed"


class StatementSpec(Declaration):
    """How a party role is settled."""

    cycle: str = Field(pattern=r"^(daily|weekly|monthly|T\+\d{1,3})$", description="T+n: each business day's, n days after it")
    ready_after: Duration = Field(default=timedelta(0), description="how long after its period a statement stays open")
    mode: Literal["net", "gross"] = "net"
