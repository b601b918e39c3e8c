"""The commands below `everycent ledger vouchers`, their options."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from everycent.serve.cli.ledger_app import Decimals, decimals_of
from everycent.serve.cli.options import Json, Port, day

vouchers_app = typer.Typer(
    no_args_is_help=True, help="Vouchers of the books for an accounting system, and what it says of them."
)

Accounting = Annotated[
    Path, typer.Argument(help="A YAML file: whose books, and the accounts' codes in the accounting system.")
]
Id = Annotated[str, typer.Argument(help="A voucher's id, or the beginning of it.")]
By = Annotated[str | None, typer.Option(help="Who does it; the user of the machine, if not given.")]
Model = Annotated[str | None, typer.Option(help="The model's name; all if not given.")]


@vouchers_app.command("make")
def make(
    accounting: Accounting,
    through: Annotated[
        date, typer.Option(parser=day, metavar="DATE", help="Of what was booked up to the end of this day.")
    ],
    decimals: Decimals = None,
    by: By = None,
    json: Json = False,
) -> int:
    """Make vouchers of what was booked and is in none yet, per company, day and currency; nothing if one is refused."""
    from everycent.serve.cli.vouchering import make_command

    return make_command(accounting, through, decimals_of(decimals), by, as_json=json)


@vouchers_app.command("list")
def list_(
    state: Annotated[
        str | None, typer.Option(help="made, sent, accepted, refused, disputed or replaced; all if not given.")
    ] = None,
    on: Annotated[date | None, typer.Option(parser=day, metavar="DATE", help="Of this day alone.")] = None,
    legal_entity: Annotated[str | None, typer.Option(help="Of this company alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most.")] = 100,
    model: Model = None,
    json: Json = False,
) -> int:
    """List vouchers, with where they stand and their numbers in the accounting system."""
    from everycent.serve.cli.vouchering import list_command

    return list_command(model, state, on, legal_entity, limit, as_json=json)


@vouchers_app.command("show")
def show(id: Id, json: Json = False) -> int:
    """Show a voucher's lines, and what became of it."""
    from everycent.serve.cli.vouchering import show_command

    return show_command(id, as_json=json)


@vouchers_app.command("write")
def write(
    out: Annotated[Path, typer.Option(help="The folder to write into.")],
    id: Annotated[list[str] | None, typer.Option(help="A voucher; those that are made, if none is given.")] = None,
    hand_over: Annotated[
        bool, typer.Option("--hand-over", help="They go to the accounting system as these files.")
    ] = False,
    by: By = None,
    model: Model = None,
    json: Json = False,
) -> int:
    """Write vouchers as files, each as JSON and as CSV with the same content."""
    from everycent.serve.cli.vouchering import write_command

    return write_command(model, id or (), out, by, hands_over=hand_over, as_json=json)


@vouchers_app.command("send")
def send(
    model: Model = None,
    simulated: Annotated[
        bool,
        typer.Option(
            "--simulated", help="To one that is made up here, to try things out; it refuses codes that begin with 9."
        ),
    ] = False,
    json: Json = False,
) -> int:
    """Hand vouchers over to the accounting system, and take in what it answers; 1 where it refuses one."""
    from everycent.serve.cli.vouchering import send_command

    return send_command(model, simulated=simulated, as_json=json)


@vouchers_app.command("listen")
def listen(port: Port = 0) -> int:
    """Take the accounting system's acknowledgements until stopped, a line of JSON each."""
    from everycent.serve.cli.vouchering import listen_command

    return listen_command(port)


@vouchers_app.command("answer")
def answer(
    id: Id,
    accepted: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="It is booked there, under this number.")
    ] = None,
    refused: Annotated[str | None, typer.Option(metavar="WHY", help="It is not, for this reason.")] = None,
    by: By = None,
    json: Json = False,
) -> int:
    """Say what became of a voucher that went as files, has no answer, or is disputed."""
    from everycent.serve.cli.vouchering import answer_command

    return answer_command(id, accepted, refused, by, as_json=json)


@vouchers_app.command("correct")
def correct(accounting: Accounting, id: Id, by: By = None, json: Json = False) -> int:
    """Make a refused voucher anew: the same number and transfers, with the codes of now."""
    from everycent.serve.cli.vouchering import correct_command

    return correct_command(accounting, id, by, as_json=json)
