"""What payments gives to the rest of the house: payment instructions, and its part of the model's language."""

from pydantic import Field

from everycent.base.engine.declaration import Declaration, Name, NumberText, Words


class PayoutAccountSpec(Declaration):
    """Where a party's account number is found: an attached table by party key; the party's own key otherwise."""

    table: str | None = Field(default=None, description="an attached table keyed by the party's key columns")
    number: Name = "account"
    name: Name = "account_name"


class PayoutSpec(Declaration):
    """How a party role is paid and charged."""

    channels: Words = ("bank_file",)
    minimum: NumberText = Field(default="0", description="smaller amounts wait for the next statement")
    account: PayoutAccountSpec | None = None
