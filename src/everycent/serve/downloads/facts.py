"""What a statement says above its lines, as pairs and small tables of text; the same in every form of it."""

from everycent.base.money.cycle import day_told, days_told
from everycent.serve.downloads.document import Document, HandedOn, Settled
from everycent.serve.downloads.words import every_word, word


def facts(document: Document, language: str) -> list[tuple[str, str]]:
    """Whose it is, of when, by what terms, and where it stands."""
    first, last = days_told(document.period_first, document.period_last)
    days = f"{document.period} ({first} - {last})"
    told = [
        ("number", document.statement_id),
        ("party", document.party_id),
        ("legal_entity", document.legal_entity),
        ("period", days),
        ("terms", word(document.mode, language)),
        ("state", word(document.state, language)),
        ("closes_on", day_told(document.closes_on))
        if document.closed_as_of is None
        else ("closed_as_of", document.closed_as_of),
        ("released_as_of", document.released_as_of),
        ("currency", document.money.code),
    ]
    return [(word(name, language), str(value)) for name, value in told if value is not None]


def sums(document: Document, language: str) -> list[tuple[str, str]]:
    """What is owed either way, what was carried or held back, and the balance."""
    owes = -document.receivable_minor
    told = [(word("payable", language), document.payable_minor), (word("receivable", language), owes)]
    told += [(_handed_on(each, language), each.amount_minor) for each in document.handed_on]
    told.append((word("balance", language), document.net_minor))
    assert sum(minor for _, minor in told[:-1]) == told[-1][1], "what is shown adds up"
    return [(name, document.amount(minor)) for name, minor in told]


def _handed_on(each: HandedOn, language: str) -> str:
    beside = each.other_statement or (each.release_on and f"{word('until', language)} {each.release_on}")
    return f"{word(each.kind, language)}{f' ({beside})' if beside else ''}"


def charges(document: Document, language: str) -> tuple[list[str], list[list[str]]]:
    """Heads and rows: what each charge comes to, and the total."""
    heads = [word(name, language) for name in ("charge", "lines", "payable", "receivable", "balance")]
    rows = [
        [each.charge, f"{each.lines:,}", document.amount(each.payable_minor), document.amount(each.receivable_minor),
         document.amount(each.payable_minor - each.receivable_minor)] for each in document.charges
    ]  # fmt: skip
    lines = sum(each.lines for each in document.charges)
    owed = document.payable_minor - document.receivable_minor
    amounts = (document.payable_minor, document.receivable_minor, owed)
    return heads, [*rows, [word("total", language), f"{lines:,}", *map(document.amount, amounts)]]


def settled(document: Document, language: str) -> tuple[list[str], list[list[str]]]:
    """Heads and rows: what became of each side, and what was paid with it."""
    heads = [word(name, language) for name in ("side", "amount", "outcome")]
    rows = [[_side(each, language), document.amount(each.amount_minor), _outcome(each, language)]
            for each in document.settled]  # fmt: skip
    return heads, rows or [[word("not yet", language), "", ""]]


def _side(each: Settled, language: str) -> str:
    return each.side if each.is_charge else word(f"side.{each.side}", language)


def _outcome(each: Settled, language: str) -> str:
    state = each.state and word(each.state, language)
    told = (word(each.outcome, language), state, each.instruction_id)
    return ", ".join(part for part in told if part)


def all_text(document: Document, language: str) -> str:
    """Every text that stands on it, for a font to be found that can write it."""
    tables = (charges(document, language), settled(document, language))
    parts = [cell for heads, rows in tables for row in (heads, *rows) for cell in row]
    parts += [text for pair in (*facts(document, language), *sums(document, language)) for text in pair]
    for name in ("kind", "order", "charge", "other_party"):
        parts += [text for text in document.lines[name].unique().to_pylist() if text]
    return "".join([*parts, *every_word(language)])
