"""The commands below `everycent ledger`, their options. Heavy modules are imported by the command that needs them."""

from datetime import date
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from everycent.serve.cli.options import Json, day

ledger_app = typer.Typer(no_args_is_help=True, help="The books: balances of any day, seals, proofs, exports.")


def decimals_of(given: list[str] | None) -> dict[str, int]:
    """`tCO2e=3` as a name and a number."""
    said: dict[str, int] = {}
    for text in given or ():
        name, equals, number = text.partition("=")
        if not (name and equals and number.isascii() and number.isdigit() and int(number) <= 18):
            raise typer.BadParameter(f"'{text}' is no commodity with its decimals, up to 18; write for example tCO2e=3")
        said[name] = int(number)
    return said


Model = Annotated[str | None, typer.Option(help="The model's name, where the database holds several.")]
On = Annotated[
    date | None, typer.Option("--on", parser=day, metavar="DATE", help="At the end of this day; now if not given.")
]
Decimals = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=N", help="Decimals of a commodity that ISO 4217 does not know. May come again."),
]


@ledger_app.command("balance")
def balance(
    account: Annotated[
        str | None, typer.Argument(help="An account, or the beginning of several, ending in `/`; all if not given.")
    ] = None,
    on: On = None,
    limit: Annotated[int, typer.Option(min=1, help="So many are shown, by name; --json gives all.")] = 100,
    decimals: Decimals = None,
    model: Model = None,
    json: Json = False,
) -> int:
    """Balances of accounts, at the end of any day."""
    from everycent.serve.cli.books import balance_command

    return balance_command(model, account, on, limit, decimals_of(decimals), as_json=json)


@ledger_app.command("trial-balance")
def trial_balance(on: On = None, decimals: Decimals = None, model: Model = None, json: Json = False) -> int:
    """Debits and credits of all accounts, at the end of any day; 1 where they differ."""
    from everycent.serve.cli.books import trial_balance_command

    return trial_balance_command(model, on, decimals_of(decimals), as_json=json)


@ledger_app.command("export")
def export(
    out: Annotated[Path, typer.Option(help="The file to write.")],
    form: Annotated[str, typer.Option("--format", help="beancount or hledger.")] = "beancount",
    on: On = None,
    decimals: Decimals = None,
    model: Model = None,
    json: Json = False,
) -> int:
    """Write the books as a journal for Beancount or hledger, with each account's balance for them to check."""
    from everycent.serve.cli.books import export_command

    return export_command(model, form, out, on, decimals_of(decimals), as_json=json)


@ledger_app.command("seal")
def seal(model: Model = None, json: Json = False) -> int:
    """Seal what was posted since the last seal. Keep the chained root elsewhere: `verify --kept` asks for it."""
    from everycent.serve.cli.books import seal_command

    return seal_command(model, as_json=json)


@ledger_app.command("prove")
def prove(
    id: Annotated[UUID, typer.Argument(help="A transfer's id; an instruction's is that of its transfer.")],
    model: Model = None,
    json: Json = False,
) -> int:
    """Show that a transfer is among what was sealed: hashes by which anybody can work out a chained root."""
    from everycent.serve.cli.books import prove_command

    return prove_command(model, id, as_json=json)
