"""Options that many commands have."""

from datetime import date
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
#: Of what listens for call-backs; 0 takes any that is free.
Port = Annotated[
    int, typer.Option(min=0, max=65_535, help="Where call-backs come, on the loopback interface; 0: any free port.")
]


def day(text: str) -> date:
    """The parser of options that take a date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not a date; write for example 2026-03-31") from None
