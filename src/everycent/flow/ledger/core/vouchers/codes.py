"""Which code an account of the ledger has in the accounting system."""

import re
from collections.abc import Mapping
from functools import cache

from everycent.flow.ledger.contract import BANK_ACCOUNT, OPERATOR_ACCOUNT, TAX_ACCOUNT


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
    operators = f"substring({account} FROM '^{OPERATOR_ACCOUNT}(.*)/[^/]*$')"
    others = " ".join(
        f"WHEN starts_with({account}, '{head}') THEN substr({account}, {len(head) + 1})"
        for head in (BANK_ACCOUNT, TAX_ACCOUNT)
    )
    return f"CASE WHEN starts_with({account}, '{OPERATOR_ACCOUNT}') THEN {operators} {others} END"
