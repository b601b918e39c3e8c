"""Which code an account of the ledger has in the accounting system."""

import re
from collections.abc import Mapping
from functools import cache

from everycent.flow.ledger.contract import (
    BALANCE_ACCOUNT,
    BANK_ACCOUNT,
    OPERATOR_ACCOUNT,
    SHARED_ACCOUNT,
    TAX_ACCOUNT,
)

#: In vouchers alone, what a company has with another: `intercompany/<legal_entity>/<the other>`, against which it books
#: its side of a transfer between accounts of the two.
INTERCOMPANY = "intercompany/"


class Codes:
    """A declared table: names of accounts, `*` for anything, each with its code."""

    def __init__(self, codes: Mapping[str, str]) -> None:
        by_letters = sorted(codes, key=lambda name: (-len(name.replace("*", "")), name))
        self._patterns = [(re.compile(_pattern(name), re.DOTALL), codes[name]) for name in by_letters]
        self.code = cache(self._code)

    def _code(self, account: str) -> str | None:
        """The code of an account; None where no name fits."""
        return next((code for pattern, code in self._patterns if pattern.fullmatch(account)), None)


def _pattern(name: str) -> str:
    return ".*".join(re.escape(part) for part in name.split("*"))


def legal_entity_sql(account: str) -> str:
    """PostgreSQL expression of the legal entity that an account's name says; NULL where it says none."""
    entities = {
        OPERATOR_ACCOUNT: f"substring({account} FROM '^{OPERATOR_ACCOUNT}(.*)/[^/]*$')",
        BALANCE_ACCOUNT: f"substring({account} FROM '^{BALANCE_ACCOUNT}(.*?)/[^/:]+:.*$')",
    }
    entities |= {head: f"substr({account}, {len(head) + 1})" for head in (BANK_ACCOUNT, SHARED_ACCOUNT, TAX_ACCOUNT)}
    cases = " ".join(f"WHEN starts_with({account}, '{head}') THEN {entity}" for head, entity in entities.items())
    return f"CASE {cases} END"
