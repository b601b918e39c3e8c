"""The commands of payments: `everycent payments ...`."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from everycent.serve.cli.options import Json, Port, day

Model = Annotated[Path, typer.Argument(help="The settlement model, a YAML file.")]
Ids = Annotated[
    list[str],
    typer.Argument(metavar="ID...", help="Instructions, by their ids or the first digits, or by a statement's."),
]
Who = Annotated[str | None, typer.Option("--as", metavar="WHO", help="Who you are; your login name if not given.")]
Why = Annotated[str | None, typer.Option("--why", help="In words, kept with it.")]
NeedsWhy = Annotated[str, typer.Option("--why", help="In words, kept with it.")]
AsOf = Annotated[
    date | None,
    typer.Option(
        "--as-of", parser=day, metavar="DATE", help="The day on which results are booked; today if not given."
    ),
]
Yes = Annotated[bool, typer.Option("--yes/--no", help="Yes, or no with --why.")]
Channel = Annotated[str | None, typer.Option(help="This channel alone, such as bank_file or rest.")]

payments_app = typer.Typer(
    no_args_is_help=True, help="Payments and collections: where they stand, and what moves them."
)


@payments_app.command("list")
def payments_list(
    state: Annotated[list[str] | None, typer.Option(help="Those that stand there; may come again.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model, by its name.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 50,
    json: Json = False,
) -> int:
    """List instructions, and how many stand where."""
    from everycent.serve.cli.paying import list_command

    return list_command(state or [], model, limit, as_json=json)


@payments_app.command("show")
def payments_show(id: Annotated[str, typer.Argument(help="Its id, or the first digits.")], json: Json = False) -> int:
    """Show an instruction: what it pays, where it stands, and each move that led there."""
    from everycent.serve.cli.paying import show_command

    return show_command(id, as_json=json)


@payments_app.command("release")
def payments_release(ids: Ids, yes: Yes = True, why: Why = None, who: Who = None, json: Json = False) -> int:
    """Say yes or no to payments that people release, on the level that waits; with the last yes they may go."""
    from everycent.serve.cli.paying import release_command

    return release_command(ids, who, why, yes=yes, as_json=json)


@payments_app.command("cancel")
def payments_cancel(ids: Ids, why: NeedsWhy, who: Who = None, as_of: AsOf = None, json: Json = False) -> int:
    """Take back what was not sent yet; its statements are instructed anew at the next closing."""
    return _by_hand(ids, "cancel", who, why, as_of, as_json=json)


@payments_app.command("park")
def payments_park(ids: Ids, why: NeedsWhy, who: Who = None, json: Json = False) -> int:
    """Park what nobody can tell the end of, until a person has found out."""
    return _by_hand(ids, "park", who, why, None, as_json=json)


@payments_app.command("judge")
def payments_judge(
    ids: Ids,
    outcome: Annotated[str, typer.Option(metavar="paid|failed|returned", help="What became of it.")],
    why: NeedsWhy,
    who: Who = None,
    as_of: AsOf = None,
    json: Json = False,
) -> int:
    """Say what became of parked payments, once you have found out."""
    if outcome not in ("paid", "failed", "returned"):
        raise typer.BadParameter(f"'{outcome}' is no outcome; write paid, failed or returned")
    return _by_hand(ids, f"judge_{outcome}", who, why, as_of, as_json=json)


@payments_app.command("received")
def payments_received(ids: Ids, why: NeedsWhy, who: Who = None, as_of: AsOf = None, json: Json = False) -> int:
    """Say that what was to be collected came in, all of it, once you have found the money."""
    from everycent.serve.cli.paying import received_command

    return received_command(ids, who, why, as_of, as_json=json)


@payments_app.command("take")
def payments_take(
    file: Annotated[Path, typer.Argument(help="The bank's file in which it is told.")],
    line: Annotated[str, typer.Option(metavar="LINE", help="The line, as `payments read` lists it.")],
    ids: Annotated[
        list[str], typer.Option("--for", metavar="ID", help="What it pays, by id or first digits; may come again.")
    ],
    why: NeedsWhy,
    who: Who = None,
    as_of: AsOf = None,
    json: Json = False,
) -> int:
    """Say what money that came in is for; it pays these one after another, and what is left stays on account."""
    from everycent.serve.cli.paying import take_command

    return take_command(file, line, ids, who, why, as_of, as_json=json)


@payments_app.command("use")
def payments_use(ids: Ids, why: NeedsWhy, who: Who = None, as_of: AsOf = None, json: Json = False) -> int:
    """Pay what a party owes from what is free of it on account, the oldest first."""
    from everycent.serve.cli.paying import use_command

    return use_command(ids, who, why, as_of, as_json=json)


@payments_app.command("pay-back")
def payments_pay_back(
    receipt: Annotated[
        str,
        typer.Argument(
            help="Money on account, by its id or first digits, as on-account shows it; or by its party, "
            "where it has one alone that is free."
        ),
    ],
    why: NeedsWhy,
    amount: Annotated[str | None, typer.Option(help="So much of it; all that is free if not given.")] = None,
    who: Who = None,
    as_of: AsOf = None,
    json: Json = False,
) -> int:
    """Pay back to a party what is free of money that came in: the next run instructs it, to its verified account."""
    from everycent.serve.cli.paying import pay_back_command

    return pay_back_command(receipt, amount, who, why, as_of, as_json=json)


@payments_app.command("on-account")
def payments_on_account(
    party: Annotated[str | None, typer.Option(help="Of this party, by its id.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model, by its name.")] = None,
    all_of_them: Annotated[bool, typer.Option("--all", help="What has paid in full, too.")] = False,
    json: Json = False,
) -> int:
    """Show money that came in and is kept for parties: what of it is set aside, has paid, and is free."""
    from everycent.serve.cli.paying import on_account_command

    return on_account_command(party, model, all_of_them=all_of_them, as_json=json)


@payments_app.command("submit")
def payments_submit(
    model: Model,
    as_of: AsOf = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="To services that are made up here, to try things out.")
    ] = False,
    to: Annotated[Path, typer.Option(help="The folder for the bills of made-up services.")] = Path("bills"),
    json: Json = False,
) -> int:
    """Send what is ready to the model's payment services, after finding out about what is unknown.

    A made-up service pays, calls back and writes a bill. By an account's last character: 0, its answer is lost; 3, it
    calls back twice; 8, it refuses; 9, the money comes back.
    """
    from everycent.serve.cli.paying import send_command

    return send_command(model, as_of, only_ask=False, bills=to if simulated else None, as_json=json)


@payments_app.command("ask")
def payments_ask(model: Model, as_of: AsOf = None, json: Json = False) -> int:
    """Ask the model's payment service about what is not at its end."""
    from everycent.serve.cli.paying import send_command

    return send_command(model, as_of, only_ask=True, as_json=json)


@payments_app.command("read")
def payments_read(
    files: Annotated[list[Path], typer.Argument(help="Banks' files: pain.002, camt.052, camt.053, camt.054, MT940.")],
    as_of: AsOf = None,
    json: Json = False,
) -> int:
    """Take in what banks say of payments; each file in full or not at all, and again without any effect."""
    from everycent.serve.cli.paying import read_command

    return read_command(files, as_of, as_json=json)


@payments_app.command("listen")
def payments_listen(
    model: Model,
    port: Port,
    channel: Annotated[str | None, typer.Option(help="Whose service calls back, where a model has several.")] = None,
) -> int:
    """Take a payment service's call-backs until stopped, a line of JSON each."""
    from everycent.serve.cli.paying import listen_command

    return listen_command(model, port, channel)


@payments_app.command("share")
def payments_share(
    model: Model,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A CSV file: payment, request, paid, paid_on, does, receiver, amount, and party if it is one."
        ),
    ] = None,
    channel: Annotated[str | None, typer.Option(help="The wallet, where a model has several services.")] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="At wallets that are made up here, whose bills go to --to.")
    ] = False,
    to: Annotated[Path, typer.Option(help="The folder for the bills of made-up wallets.")] = Path("bills"),
    as_of: AsOf = None,
    who: Who = None,
    json: Json = False,
) -> int:
    """Share customers' payments at their wallet: to receivers, given back, or what is left released. Without a file,
    ask about what has no end yet."""
    from everycent.serve.cli.sharing import share_command

    return share_command(model, file, channel, who, as_of, to if simulated else None, as_json=json)


@payments_app.command("events")
def payments_events(
    after: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Those after this one: the last you have.")] = 0,
    model: Annotated[str | None, typer.Option(help="Only this model, by its name.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 1000,
    kind: Annotated[str | None, typer.Option(help="Only this kind, for example payment_returned.")] = None,
) -> int:
    """Print what source systems are told of payments' ends, a line of JSON each, in order; none is ever changed."""
    from everycent.serve.cli.paying import events_command

    return events_command(model, after, limit, kind)


@payments_app.command("simulate")
def payments_simulate(
    files: Annotated[list[Path], typer.Argument(help="Files that were written for a bank (pain.001, pain.008).")],
    to: Annotated[Path, typer.Option(help="The folder for the bank's answers.")] = Path("bank"),
    json: Json = False,
) -> int:
    """Let a bank that is made up here answer payment files and direct debits, to try things out: status reports,
    account statements, notices of what came back.

    An account that ends with 8 is refused; what goes to one that ends with 9 comes back, and a debit of it for want of
    money.
    """
    from everycent.serve.cli.simulated_bank import simulate_command

    return simulate_command(files, to, as_json=json)


@payments_app.command("stop")
def payments_stop(why: NeedsWhy, channel: Channel = None, who: Who = None, json: Json = False) -> int:
    """Stop payments: nothing more is sent or filed until they are started."""
    from everycent.serve.cli.paying import stop_command

    return stop_command(channel, who, why, as_json=json)


@payments_app.command("start")
def payments_start(channel: Channel = None, who: Who = None, json: Json = False) -> int:
    """Let payments go on that were stopped."""
    from everycent.serve.cli.paying import stop_command

    return stop_command(channel, who, None, as_json=json)


def _by_hand(ids: list[str], move: str, who: str | None, why: str | None, as_of: date | None, *, as_json: bool) -> int:
    from everycent.serve.cli.paying import by_hand_command

    return by_hand_command(ids, move, who, why, as_of, as_json=as_json)
