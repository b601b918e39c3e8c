"""Text as banks and spreadsheets may be given it."""

import re
import unicodedata

_FORMULA = re.compile(r"\s*[=+\-@\t\r\n]")


def printable(text: str, characters_max: int) -> str:
    """`text` on one line without control, format and unassigned characters, cut to `characters_max`.

    Letters of all scripts stay. "-" where nothing is left.
    """
    spaced = "".join(" " if char.isspace() else char for char in text)
    kept = "".join(char for char in spaced if not unicodedata.category(char).startswith("C"))
    cut = " ".join(kept.split())[:characters_max].strip() or "-"
    assert 1 <= len(cut) <= characters_max, "a text element is never empty"
    return cut


def spreadsheet_safe(text: str) -> str:
    """`text` with an apostrophe in front where a spreadsheet would run it as a formula (OWASP, CSV injection)."""
    return f"'{text}" if _FORMULA.match(text) else text
