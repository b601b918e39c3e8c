"""Which values a column may have: `in`, `min` and `max`."""

from everycent.base.engine.sql import literal
from everycent.base.money.amount import NotAnAmount, parse_minor
from everycent.flow.intake.core.cells import CellReader, written_sql
from everycent.flow.intake.core.refusal import IntakeRefused, Word


def limit_cases(reader: CellReader, value: str, path: Word) -> list[str]:
    """`WHEN ... THEN reason` for each limit that the SQL `value` can break. Raises IntakeRefused below `path`."""
    cases = []
    shown = f"{literal(reader.name + ' is ')} || {written_sql(reader.type, value)} || "
    if reader.spec.allowed is not None:
        allowed = [_constant_sql(reader, text, (*path, "in")) for text in reader.spec.allowed]
        expected = literal(f"; it must be one of {', '.join(reader.spec.allowed)}")
        cases.append(f"WHEN {value} NOT IN ({', '.join(allowed)}) THEN {shown}{expected}")
    for word, limit, wrong in (("min", reader.spec.min, "<"), ("max", reader.spec.max, ">")):
        if limit is not None:
            bound = literal(f"; it must be {limit} or {'more' if word == 'min' else 'less'}")
            cases.append(f"WHEN {value} {wrong} {_constant_sql(reader, limit, (*path, word))} THEN {shown}{bound}")
    return cases


def _constant_sql(reader: CellReader, text: str, path: Word) -> str:
    """A value that the model writes, exactly in the column's type. Raises IntakeRefused."""
    match reader.type.kind:
        case "money":
            try:
                return str(parse_minor(text, reader.currency))
            except NotAnAmount as error:
                raise IntakeRefused(path, str(error)) from None
        case "integer" if not text.lstrip("+-").isdigit():
            raise IntakeRefused(path, f"'{text}' is not a whole number")
        case "decimal" if len(text.partition(".")[2].rstrip("0")) > reader.type.scale:
            raise IntakeRefused(path, f"'{text}' has more decimals than {reader.type}")
    return f"CAST({literal(text)} AS {reader.type.duckdb})"
