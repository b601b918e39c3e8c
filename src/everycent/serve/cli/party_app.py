"""The commands below `everycent party`, their options. Heavy modules are imported by the command that needs them."""

from pathlib import Path
from typing import Annotated

import typer

from everycent.serve.cli.account_app import account_app
from everycent.serve.cli.options import Json

party_app = typer.Typer(
    no_args_is_help=True, help="Parties: who is owed and owes, their contracts, where they are paid."
)
contract_app = typer.Typer(no_args_is_help=True, help="Contracts that come as messages, and make parties.")
party_app.add_typer(contract_app, name="contract")
party_app.add_typer(account_app, name="account")

ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="The settlement model, a YAML file.")]
ModelName = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only this model, by its name.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would become of them; nothing is kept.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FIELD=VALUE",
        help="Those that fit: role, party_id, or a field of their contracts' relation groups: system, tenant, company, "
        "merchant, merchant_type, store, sales_associate. May come again; all have to fit.",
    ),
]


@party_app.command("list")
def party_list(
    where: Where = None,
    model: ModelName = None,
    limit: Annotated[int, typer.Option(min=1, help="So many are shown.")] = 100,
    json: Json = False,
) -> int:
    """List parties, by role or by what the business calls them."""
    from everycent.serve.cli.party_commands import list_command

    return list_command(where or [], model, limit, as_json=json)


@party_app.command("show")
def party_show(
    party: Annotated[str, typer.Argument(help="A party's id, such as merchant:m-7/s-1.")],
    model: ModelName = None,
    json: Json = False,
) -> int:
    """Show one party: its relation groups, its contracts and when each holds, what others were told of it."""
    from everycent.serve.cli.party_commands import show_command

    return show_command(party, model, as_json=json)


@contract_app.command("take")
def contract_take(
    model: ModelFile,
    messages: Annotated[list[str], typer.Argument(help="Files with a JSON object in each line; `-`: standard input.")],
    dry_run: DryRun = False,
    json: Json = False,
) -> int:
    """Take contract-approved messages: parties, relations, contracts. What is refused is kept with its reason."""
    from everycent.serve.cli.party_commands import take_command

    return take_command(model, messages, dry_run=dry_run, as_json=json)


@contract_app.command("retry")
def contract_retry(model: ModelFile, dry_run: DryRun = False, json: Json = False) -> int:
    """Take the messages again that were refused, now that the model or other contracts are mended."""
    from everycent.serve.cli.party_commands import retry_command

    return retry_command(model, dry_run=dry_run, as_json=json)


@contract_app.command("list")
def contract_list(
    party: Annotated[str | None, typer.Option(help="Of this party, by its id.")] = None,
    model: ModelName = None,
    refused: Annotated[bool, typer.Option("--refused", help="The messages that were not taken instead.")] = False,
    json: Json = False,
) -> int:
    """List contracts with every revision and the days on which it holds, or the messages that were not taken."""
    from everycent.serve.cli.party_commands import contracts_command

    return contracts_command(party, model, refused=refused, as_json=json)
