"""The commands below `everycent non-order`, their options. Heavy modules are imported where they are needed."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from everycent.serve.cli.options import Json, day

non_order_app = typer.Typer(
    no_args_is_help=True, help="Charges that no order causes: deposits, fines, platform fees, deposits given back."
)


ModelFile = Annotated[Path, typer.Argument(metavar="MODEL", help="The model's file: it declares the kinds.")]
Who = Annotated[str | None, typer.Option("--by", metavar="WHO", help="Who you are; the user of this machine if not.")]
Source = Annotated[
    str, typer.Option(help="Whose references they are: a system, or people. With the reference it names a charge.")
]
Party = Annotated[str | None, typer.Option(help="Only this party's, by its id: seller:s-7.")]


@non_order_app.command("give")
def non_order_give(
    model: ModelFile,
    kind: Annotated[str, typer.Option(help="One of the kinds that the model declares under non_order_charges.")],
    party: Annotated[str, typer.Option(help="Of which party, by its id: seller:s-7.")],
    amount: Annotated[str, typer.Option(help="How much, in major units; always above 0: the kind says which way.")],
    reference: Annotated[str, typer.Option(help="Your own reference; given again, it is the same charge.")],
    on: Annotated[
        date | None, typer.Option("--on", parser=day, metavar="DATE", help="Owed from this day; today if not.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Its currency; the model's own if not given.")] = None,
    why: Annotated[str, typer.Option(help="Why; it is kept with the charge.")] = "",
    source: Source = "operations",
    by: Who = None,
    json: Json = False,
) -> int:
    """Give one charge: it is booked, or waits for the approval that its kind asks for."""
    from everycent.serve.cli.non_ordering import Wanted, give_command

    return give_command(model, Wanted(kind, party, amount, reference, on, currency, why, source), by, as_json=json)


@non_order_app.command("take")
def non_order_take(
    model: ModelFile,
    files: Annotated[
        list[Path],
        typer.Argument(
            help="CSV, JSON lines, XLSX or Parquet with the columns reference, kind, party, amount, occurred_on; and, "
            "where wanted, currency, reason, source."
        ),
    ],
    source: Source = "operations",
    by: Who = None,
    json: Json = False,
) -> int:
    """Give the charges in files, each by itself; what is refused is told by its line. Again, nothing changes."""
    from everycent.serve.cli.non_ordering import take_command

    return take_command(model, files, source, by, as_json=json)


@non_order_app.command("list")
def non_order_list(
    model: Annotated[str | None, typer.Option(help="Only this model, by its name.")] = None,
    state: Annotated[str | None, typer.Option(help="Only those that are asked, booked or declined.")] = None,
    party: Party = None,
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many are shown, the newest first.")] = 50,
    json: Json = False,
) -> int:
    """List charges: where each stands, and what became of its money."""
    from everycent.serve.cli.non_ordering import list_command

    return list_command(model, state, party, kind, limit, as_json=json)


@non_order_app.command("deposits")
def non_order_deposits(model: ModelFile, party: Party = None, json: Json = False) -> int:
    """Show what each party owes of deposits, has paid in, got back, and has left."""
    from everycent.serve.cli.non_ordering import deposits_command

    return deposits_command(model, party, as_json=json)
