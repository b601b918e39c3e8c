"""International bank account numbers (ISO 13616)."""

import re

_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")


def as_iban(account: str) -> str | None:
    """`account` in electronic form where it is a valid IBAN by its shape and check digits (ISO 7064, mod 97-10)."""
    compact = account.replace(" ", "").upper()
    if _IBAN.fullmatch(compact) is None:
        return None
    digits = "".join(str(int(char, 36)) for char in compact[4:] + compact[:4])
    return compact if int(digits) % 97 == 1 else None
