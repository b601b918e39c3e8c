"""Account and commodity names in the grammar that Beancount and hledger share: different names stay different.

Beancount's: components with `:` between, under one of five roots; each begins with a capital or a digit and goes on
with letters, digits and hyphens (beancount/core/account.py); a commodity has 2 to 24 of A-Z 0-9 ' . _ -
(parser/lexer.l).
"""

import re
from hashlib import sha256

from everycent.flow.ledger.contract import (
    BALANCE_ACCOUNT,
    BANK_ACCOUNT,
    CHANNEL_ACCOUNT,
    ON_ACCOUNT,
    OPERATOR_ACCOUNT,
    PARTY_ACCOUNT,
    RESERVE_ACCOUNT,
    SHARED_ACCOUNT,
    TAX_ACCOUNT,
)

_COMMODITY = re.compile(r"[A-Z][A-Z0-9]{1,23}")
_WORDS = ("TRUE", "FALSE", "NULL")  # what Beancount reads as values
_NOT_IN_A_COMMODITY = re.compile(r"[^A-Z0-9]+")
_STEM, _DIGITS = 15, 8


def account_name(account: str) -> str:
    """What an account is called: what parties are owed, have in reserve, on account or prepaid, and taxes are
    liabilities, channels and banks are assets, the operator's own side is income (and its costs, with the other sign),
    what others than parties got of customers' payments an expense; others' names are equity.

    No account's name is the beginning of another's, so that a balance is its own and nobody else's.
    """
    for beginning, name in ((PARTY_ACCOUNT, "Party"), (RESERVE_ACCOUNT, "Reserve"), (ON_ACCOUNT, "OnAccount")):
        role, colon, key = account.removeprefix(beginning).partition(":")
        if account.startswith(beginning) and colon:
            return f"Liabilities:{name}:{_component(role)}:{_component(key)}"
    if account.startswith(OPERATOR_ACCOUNT):
        legal_entity, slash, charge = account.removeprefix(OPERATOR_ACCOUNT).partition("/")
        if slash:
            return f"Income:Operator:{_component(legal_entity)}:{_component(charge)}"
    elif account.startswith(CHANNEL_ACCOUNT):
        return f"Assets:Channel:{_component(account.removeprefix(CHANNEL_ACCOUNT))}"
    elif account.startswith(BANK_ACCOUNT):
        return f"Assets:Bank:{_component(account.removeprefix(BANK_ACCOUNT))}"
    elif account.startswith(BALANCE_ACCOUNT):
        return f"Liabilities:Balance:{_component(account.removeprefix(BALANCE_ACCOUNT))}"
    elif account.startswith(SHARED_ACCOUNT):
        return f"Expenses:Shared:{_component(account.removeprefix(SHARED_ACCOUNT))}"
    elif account.startswith(TAX_ACCOUNT):
        return f"Liabilities:Tax:{_component(account.removeprefix(TAX_ACCOUNT))}"
    return f"Equity:Other:{_component(account)}"


def _component(text: str) -> str:
    """Text as a component. A small letter at its beginning becomes a capital; before all else that is no digit but 0
    there is a 0. Other characters than letters, digits and hyphens become `-x<code point>-`, and so does a hyphen
    before an x."""
    said = "".join(
        character
        if character.isalpha() or character.isdecimal() or (character == "-" and text[at + 1 : at + 2] != "x")
        else f"-x{ord(character):X}-"
        for at, character in enumerate(text)
    )
    if "a" <= said[:1] <= "z":
        return said[0].upper() + said[1:]
    return said if "1" <= said[:1] <= "9" else f"0{said}"


def commodity_name(commodity: str) -> str:
    """A commodity as Beancount can write it: codes as ISO 4217's stay, others have their capitals and a hash: tCO2e is
    TCO2E-6F3C5A1B."""
    if _COMMODITY.fullmatch(commodity) and commodity not in _WORDS:
        return commodity
    stem = _NOT_IN_A_COMMODITY.sub("", commodity.upper())[:_STEM]
    stem = stem if "A" <= stem[:1] <= "Z" else f"X{stem}"[:_STEM]
    return f"{stem}-{sha256(commodity.encode()).hexdigest()[:_DIGITS].upper()}"
