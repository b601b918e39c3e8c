"""The commands below `everycent party account`, their options. Heavy modules are imported by the command that needs
them."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from everycent.serve.cli.options import Json, Port, day

account_app = typer.Typer(no_args_is_help=True, help="Payout accounts: give, confirm, verify, withdraw.")

ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="The settlement model, a YAML file.")]
ModelName = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only this model, by its name.")]
Party = Annotated[str, typer.Argument(help="A party's id, such as merchant:m-7/s-1.")]
AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT", help="An account's id.")]
AccountOrParty = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="An account's id, or a party's: then its newest that is not given up.")
]
Who = Annotated[str | None, typer.Option("--as", metavar="WHO", help="Who you are; the user of this machine if not.")]
Why = Annotated[str | None, typer.Option(help="Why; the history keeps it.")]
Number = Annotated[
    str,
    typer.Option("--number-from", metavar="FILE", help="A file with the account's number; `-`: standard input."),
]


@account_app.command("give")
def account_give(
    party: Party,
    method: Annotated[str, typer.Option(help="bank_card, alipay or wechat.")],
    holder: Annotated[str, typer.Option(help="The name the account is under.")],
    number: Number = "-",
    who: Who = None,
    model: ModelName = None,
    json: Json = False,
) -> int:
    """Give a party an account. Where it had a verified one, somebody else has to confirm it."""
    from everycent.serve.cli.account_commands import give_command

    return give_command(party, method, holder, number, who, model, as_json=json)


def _move(move: str) -> Callable[..., int]:
    """The moves that people make take the same options."""

    def command(account: AccountId, why: Why = None, who: Who = None, json: Json = False) -> int:
        from everycent.serve.cli.account_commands import move_command

        return move_command(account, move, who, why, as_json=json)

    return command


for _name, _help in (
    ("confirm", "Say yes to an account that somebody else gave."),
    ("decline", "Say no to it."),
    ("withdraw", "Take an account back: nobody is paid there from now on."),
):
    account_app.command(_name, help=_help)(_move(_name))


@account_app.command("mandate")
def account_mandate(
    account: AccountOrParty,
    signed_on: Annotated[date, typer.Option(parser=day, metavar="DATE", help="The day on which it was signed.")],
    source: Annotated[
        str, typer.Option("--id-from", metavar="FILE", help="A file with the mandate's id; `-`: standard input.")
    ] = "-",
    who: Who = None,
    json: Json = False,
) -> int:
    """Keep that the party signed a mandate: what it owes may be taken from this account by direct debit."""
    from everycent.serve.cli.account_commands import mandate_command

    return mandate_command(account, signed_on, source, who, as_json=json)


@account_app.command("revoke-mandate")
def account_revoke_mandate(
    account: AccountOrParty,
    why: Annotated[str, typer.Option(help="Why; it is kept.")],
    on: Annotated[date | None, typer.Option(parser=day, metavar="DATE", help="Since when; today if not given.")] = None,
    who: Who = None,
    json: Json = False,
) -> int:
    """Keep that the party took its mandate back: nothing more is debited."""
    from everycent.serve.cli.account_commands import revoke_command

    return revoke_command(account, on, who, why, as_json=json)


@account_app.command("list")
def account_list(
    party: Annotated[str | None, typer.Option(help="Of this party, by its id.")] = None,
    model: ModelName = None,
    json: Json = False,
) -> int:
    """List accounts, masked, with their states and the day from which they are used."""
    from everycent.serve.cli.account_commands import list_command

    return list_command(party, model, as_json=json)


@account_app.command("show")
def account_show(account: AccountId, json: Json = False) -> int:
    """Show one account, masked, with all that moved it."""
    from everycent.serve.cli.account_commands import show_command

    return show_command(account, as_json=json)


@account_app.command("verify")
def account_verify(
    model: ModelFile,
    wait: Annotated[
        int, typer.Option(metavar="SECONDS", min=0, help="Take call-backs for so long, or until all came.")
    ] = 0,
    port: Port = 0,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Ask a service that is made up here, to try things out.")
    ] = False,
    json: Json = False,
) -> int:
    """Ask the verification service about accounts that wait for it, and again about those without an answer."""
    from everycent.serve.cli.account_commands import verify_command

    return verify_command(model, wait, port, simulated=simulated, as_json=json)


@account_app.command("listen")
def account_listen(
    model: ModelFile,
    port: Port,
) -> int:
    """Take the verification service's call-backs until stopped, a line of JSON each."""
    from everycent.serve.cli.account_commands import listen_command

    return listen_command(model, port)


@account_app.command("answers")
def account_answers(json: Json = False) -> int:
    """List the call-backs that were not taken, and why."""
    from everycent.serve.cli.account_commands import answers_command

    return answers_command(as_json=json)


@account_app.command("find")
def account_find(number: Number = "-", json: Json = False) -> int:
    """Find the accounts that have a number."""
    from everycent.serve.cli.account_commands import find_command

    return find_command(number, as_json=json)


@account_app.command("new-key")
def account_new_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's name: letters, digits, '-', '_'.")] = "k1",
) -> int:
    """Print a new key for EVERYCENT_ACCOUNT_KEYS. Keep it safe: without it no account can be paid."""
    from everycent.serve.cli.account_commands import new_key_command

    return new_key_command(key_id)


@account_app.command("rekey")
def account_rekey(json: Json = False) -> int:
    """Seal all numbers anew under the first key of EVERYCENT_ACCOUNT_KEYS; older keys may be dropped afterwards."""
    from everycent.serve.cli.account_commands import rekey_command

    return rekey_command(as_json=json)
