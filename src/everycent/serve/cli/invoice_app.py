"""The commands below `everycent invoice`, their options. Heavy modules are imported by the command that needs them."""

from datetime import date
from typing import Annotated

import typer

from everycent.serve.cli.options import Json, day

invoice_app = typer.Typer(
    no_args_is_help=True, help="Invoices of statements: what is due, what was issued and received, what holds."
)


Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Invoices, by their ids: STATEMENT/SIDE/N.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="An invoice, by its id: STATEMENT/payable/N.")]
Who = Annotated[str | None, typer.Option("--by", metavar="WHO", help="Who you are; the user of this machine if not.")]
Why = Annotated[str | None, typer.Option(help="Why; the log keeps it.")]
Reason = Annotated[str, typer.Option("--why", help="Why; the log keeps it.")]


@invoice_app.command("list")
def invoice_list(
    model: Annotated[str | None, typer.Option(help="Only this model, by its name.")] = None,
    statement: Annotated[str | None, typer.Option(help="Only those of this statement, by its id.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only those that are due, issued, received, confirmed or voided.")
    ] = None,
    issuer: Annotated[
        str | None, typer.Option(help="Only those that this party, or this legal entity, has to give.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many are shown.")] = 50,
    json: Json = False,
) -> int:
    """List invoices: whose, of whom, without tax and with it, and where they stand."""
    from everycent.serve.cli.invoicing import list_command

    return list_command(model, statement, state, issuer, limit, as_json=json)


@invoice_app.command("issue")
def invoice_issue(
    ids: Ids,
    number: Annotated[
        str | None, typer.Option(help="Its number, of one invoice; the legal entity's next of its year if not given.")
    ] = None,
    on: Annotated[
        date | None, typer.Option("--on", parser=day, metavar="DATE", help="Its day; the open business day if not.")
    ] = None,
    by: Who = None,
    json: Json = False,
) -> int:
    """Write down that the legal entity issued invoices to its parties."""
    from everycent.serve.cli.invoicing import issue_command

    return issue_command(ids, number, on, by, as_json=json)


@invoice_app.command("receive")
def invoice_receive(
    id: Id,
    number: Annotated[str, typer.Option(help="Its number.")],
    total: Annotated[str, typer.Option(help="Its total with tax, in major units; it has to be what is due.")],
    on: Annotated[date, typer.Option("--on", parser=day, metavar="DATE", help="Its day.")],
    by: Who = None,
    json: Json = False,
) -> int:
    """Take in an invoice that a party gave."""
    from everycent.serve.cli.invoicing import receive_command

    return receive_command(id, number, total, on, by, as_json=json)


@invoice_app.command("confirm")
def invoice_confirm(ids: Ids, why: Why = None, by: Who = None, json: Json = False) -> int:
    """Say that invoices are accepted; with its last one a statement waits for them no longer."""
    from everycent.serve.cli.invoicing import say_command

    return say_command("confirm", ids, by, why, as_json=json)


@invoice_app.command("void")
def invoice_void(ids: Ids, why: Reason, by: Who = None, json: Json = False) -> int:
    """Say that invoices hold no longer; others are due in their places."""
    from everycent.serve.cli.invoicing import say_command

    return say_command("void", ids, by, why, as_json=json)
