"""The commands below `everycent figures`, their options. Heavy modules are imported by the command that needs them."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from everycent.serve.cli.options import Json, day

figures_app = typer.Typer(
    no_args_is_help=True, help="Figures of the books: ageing, revenue, cost, balances, payouts, what waits for whom."
)


Model = Annotated[str | None, typer.Option(help="The model's name, where the database holds several.")]
On = Annotated[
    date | None, typer.Option("--on", parser=day, metavar="DATE", help="At the end of this day; now if not given.")
]
Since = Annotated[
    date | None, typer.Option("--since", parser=day, metavar="DATE", help="Booked on this day or later; all if not.")
]
By = Annotated[str, typer.Option(help="A line for each party, or for each role.")]
Out = Annotated[list[Path] | None, typer.Option(help="A .csv or .xlsx file to write, all lines. May come again.")]
Limit = Annotated[int, typer.Option(min=1, help="So many lines are shown; files and --json have all.")]


@figures_app.command("ageing")
def figures_ageing(
    on: On = None,
    by: By = "party",
    age: Annotated[
        list[int] | None,
        typer.Option(min=1, help="From so many days on the next age begins; 31, 61, 91 if not."),
    ] = None,
    out: Out = None,
    limit: Limit = 50,
    model: Model = None,
    json: Json = False,
) -> int:
    """What the house owes, and is owed, by how long it has been so; what came first counts as paid first."""
    from everycent.serve.cli.figuring import figures_command

    return figures_command("ageing", model, on, None, by, age, out, limit, as_json=json)


@figures_app.command("revenue")
def figures_revenue(
    on: On = None, since: Since = None, out: Out = None, limit: Limit = 50, model: Model = None, json: Json = False
) -> int:
    """What each fee earned the platform's companies, and cost them; deposits are held, and stand apart."""
    from everycent.serve.cli.figuring import figures_command

    return figures_command("revenue", model, on, since, "party", None, out, limit, as_json=json)


@figures_app.command("cost")
def figures_cost(
    on: On = None,
    since: Since = None,
    by: By = "role",
    out: Out = None,
    limit: Limit = 50,
    model: Model = None,
    json: Json = False,
) -> int:
    """Who carried how much of what is shared, by charge and budget."""
    from everycent.serve.cli.figuring import figures_command

    return figures_command("cost", model, on, since, by, None, out, limit, as_json=json)


@figures_app.command("balances")
def figures_balances(
    on: On = None, by: By = "party", out: Out = None, limit: Limit = 50, model: Model = None, json: Json = False
) -> int:
    """What the house owes each party (below 0: is owed by it), and its deposits."""
    from everycent.serve.cli.figuring import figures_command

    return figures_command("balances", model, on, None, by, None, out, limit, as_json=json)


@figures_app.command("payouts")
def figures_payouts(on: On = None, out: Out = None, limit: Limit = 50, model: Model = None, json: Json = False) -> int:
    """Payments and collections by company, channel and state, and what of them is on its way."""
    from everycent.serve.cli.figuring import figures_command

    return figures_command("payouts", model, on, None, "party", None, out, limit, as_json=json)


@figures_app.command("waiting")
def figures_waiting(
    by: By = "party", out: Out = None, limit: Limit = 50, model: Model = None, json: Json = False
) -> int:
    """What waits for whom, and since when."""
    from everycent.serve.cli.figuring import figures_command

    return figures_command("waiting", model, None, None, by, None, out, limit, as_json=json)
