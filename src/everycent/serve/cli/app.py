"""The commands, their options and their exit codes. Heavy modules are imported by the command that needs them."""

from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from everycent import __version__
from everycent.serve.cli import exits, files_app, jobs_app, live_app
from everycent.serve.cli.breaks_app import breaks_app
from everycent.serve.cli.figures_app import figures_app
from everycent.serve.cli.invoice_app import invoice_app
from everycent.serve.cli.ledger_app import ledger_app
from everycent.serve.cli.non_order_app import non_order_app
from everycent.serve.cli.options import Json, day
from everycent.serve.cli.party_app import party_app
from everycent.serve.cli.payments_app import payments_app
from everycent.serve.cli.statements_app import approvals_app, statement_app
from everycent.serve.cli.terminal import err
from everycent.serve.cli.vouchers_app import vouchers_app

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Settlement and reconciliation for platform businesses: every cent computed, explained, paid and proven.",
)
model_app = typer.Typer(no_args_is_help=True, help="Check, test and describe settlement models.")
db_app = typer.Typer(
    no_args_is_help=True, help="The database: embedded PostgreSQL, or your own by EVERYCENT_DATABASE_URL."
)
app.add_typer(model_app, name="model")
app.add_typer(db_app, name="db")
rewind_app = typer.Typer(no_args_is_help=True, help="Go back to a record and clear all after it again.")
app.add_typer(rewind_app, name="rewind")
rerate_app = typer.Typer(no_args_is_help=True, help="Correct charges of stored records by the model of now.")
app.add_typer(rerate_app, name="rerate")

recon_app = typer.Typer(
    no_args_is_help=True, help="Compare two files: `everycent recon LEFT RIGHT` is short for `recon files LEFT RIGHT`."
)
app.add_typer(recon_app, name="recon")
files_app.add_to(recon_app)
live_app.add_to(recon_app)
jobs_app.add_to(recon_app)

app.add_typer(breaks_app, name="breaks")
ledger_app.add_typer(vouchers_app, name="vouchers")
app.add_typer(ledger_app, name="ledger")
app.add_typer(figures_app, name="figures")
app.add_typer(non_order_app, name="non-order")
app.add_typer(party_app, name="party")
app.add_typer(payments_app, name="payments")
app.add_typer(statement_app, name="statement")
app.add_typer(invoice_app, name="invoice")
app.add_typer(approvals_app, name="approvals")

#: What may follow `everycent recon`; where none of them does, it is two files.
_RECON_COMMANDS = ("files", "run", "sketch", "compare", "put", "watch", "check", "work", "schedule", "jobs")

#: Options that take several values at once.
_MANY = ("--records", "--bill", "--on", "--tables", "--record", "--charge", "--left", "--right")

Model = Annotated[Path, typer.Argument(help="The settlement model, a YAML file.")]


def run_app(arguments: list[str]) -> int:
    """Runs one command line; returns its exit code. Expected refusals become a message on standard error."""
    try:
        result = _commands()(_repeated(arguments), prog_name="everycent", standalone_mode=False)
    except typer.Abort:
        return 130
    except typer.TyperException as error:
        # Usage errors know how to show themselves, with the command's usage; typer does not export their class.
        show = getattr(error, "show", None)
        if show is None:
            err.print(f"everycent: {error}", markup=False)
        else:
            show()
        return exits.REFUSED
    except KeyboardInterrupt:
        err.print("everycent: stopped; what was committed stays, run the same command again to go on")
        return 130
    except Exception as error:
        # Knowing every refusal means importing everything, which `--help` need not wait for.
        from everycent.serve.cli.refusals import exit_code, message

        code = exit_code(error)
        if code is None:
            raise
        err.print(f"everycent: {message(error)}", markup=False)
        return code
    return int(result or 0)


@cache
def _commands() -> Callable[..., Any]:
    """All commands, put together once in a process: `app` itself would do so at each call."""
    return typer.main.get_command(app)


def _repeated(arguments: list[str]) -> list[str]:
    """`--records A B C` as `--records A --records B --records C`: a shell's pattern gives many files to one option."""
    if arguments[:1] == ["recon"] and len(arguments) > 1 and arguments[1] not in (*_RECON_COMMANDS, "--help"):
        arguments = ["recon", _RECON_COMMANDS[0], *arguments[1:]]
    if arguments[:1] == ["ledger"]:
        return arguments  # there `--on` is one day
    spread: list[str] = []
    option = None
    for at, word in enumerate(arguments):
        if word.startswith("-"):
            option = word if word in _MANY else None
        elif option is not None and arguments[at - 1] != option:
            spread.append(option)
        spread.append(word)
    return spread


AsOf = Annotated[
    date | None,
    typer.Option(
        "--as-of", parser=day, metavar="DATE", help="Business day on which statements are closed; today if not given."
    ),
]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"everycent {__version__}")
        raise typer.Exit


@app.callback()
def everycent(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Settlement and reconciliation for platform businesses: every cent computed, explained, paid and proven."""
    del version  # its callback has printed it


@app.command()
def run(
    model: Model,
    records: Annotated[list[str], typer.Option(help="Files, folders or patterns; KIND=FILE names the record kind.")],
    bill: Annotated[list[str] | None, typer.Option(help="The other side's files, for reconciliation.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write Parquet files, the bank file and report.html here.")] = None,
    as_of: AsOf = None,
    fail_on_breaks: Annotated[
        bool, typer.Option("--fail-on-breaks", help="Exit with 1 where a reconciliation finds a break.")
    ] = False,
    json: Json = False,
) -> int:
    """Take records through the model: charges, obligations, statements, payment instructions, reconciliation."""
    from everycent.serve.cli.running import run_command

    return run_command(model, records, bill or [], out, as_of, fail_on_breaks=fail_on_breaks, as_json=json)


@app.command("prove-run", hidden=True)
def prove_run(file_no: Annotated[int, typer.Argument()]) -> int:
    """Go on with a run that took everything in; it starts this itself where memory is small."""
    from everycent.serve.cli.running import prove_command

    return prove_command(file_no)


@app.command()
def rate(
    model: Model,
    parked: Annotated[bool, typer.Option("--parked", help="Rate the parked charges again.")] = False,
    tables: Annotated[list[str] | None, typer.Option(help="Attached tables that are not beside the model.")] = None,
    json: Json = False,
) -> int:
    """Rate parked charges again, with the model and the tables of now; what cannot be rated stays parked."""
    if not parked:
        raise typer.BadParameter("say what is to be rated: --parked, the charges that wait")
    from everycent.serve.cli.parking import rate_command

    return rate_command(model, tables or [], as_json=json)


To = Annotated[str | None, typer.Option("--to", help="Back to this record, by its uuid or key.")]
From = Annotated[str | None, typer.Option("--from", metavar="DATETIME", help="Back to this time, with its zone.")]


def _rewind(*, dry_run: bool) -> Callable[..., int]:
    """`plan` and `run` take the same options."""

    def command(model: Model, to: To = None, from_: From = None, json: Json = False) -> int:
        from everycent.serve.cli.rewinding import rewind_command

        return rewind_command(model, to, from_, dry_run=dry_run, as_json=json)

    return command


rewind_app.command(
    "plan", help="Say what a rewind would do: records, statements, each party's money. Nothing is changed."
)(_rewind(dry_run=True))
rewind_app.command(
    "run",
    help="Go back to a record or a time, and clear all after it again in order."
    " After a break, the same command goes on.",
)(_rewind(dry_run=False))


Record = Annotated[list[str] | None, typer.Option(help="Records to rate again: their key, kind:key or uuid.")]
Kind = Annotated[str | None, typer.Option(help="Or all records of this kind.")]
Since = Annotated[
    date | None, typer.Option("--since", parser=day, metavar="DATE", help="Of the kind, from this business date on.")
]
Until = Annotated[
    date | None, typer.Option("--until", parser=day, metavar="DATE", help="Of the kind, up to this business date.")
]
Charge = Annotated[
    list[str] | None,
    typer.Option(help="These charges alone; shares of a budget are shared again, even if the charge is the same."),
]
LookUp = Annotated[
    bool, typer.Option("--look-up", help="Look factors up again; else the values frozen in the snapshots are used.")
]
Tables = Annotated[list[str] | None, typer.Option(help="Attached tables that are not beside the model.")]


def _rerate(*, dry_run: bool) -> Callable[..., int]:
    """`plan` and `run` take the same options."""

    def command(
        model: Model,
        record: Record = None,
        kind: Kind = None,
        since: Since = None,
        until: Until = None,
        charge: Charge = None,
        look_up: LookUp = False,
        tables: Tables = None,
        json: Json = False,
    ) -> int:
        from everycent.flow.pipeline.service import Chosen, Wish
        from everycent.serve.cli.rerating import rerate_command

        chosen, wish = Chosen(tuple(record or ()), kind, since, until), Wish(tuple(charge or ()), look_up)
        return rerate_command(model, tables or [], chosen, wish, dry_run=dry_run, as_json=json)

    return command


rerate_app.command(
    "plan", help="Say what a correction would do: charges, statements, each party's money. Nothing is changed."
)(_rerate(dry_run=True))
rerate_app.command(
    "run",
    help="Take back what records were charged, and charge them by the model of now. Later records stay as they are.",
)(_rerate(dry_run=False))


@app.command("parked")
def parked_charges(model: Model, json: Json = False) -> int:
    """List the charges that wait, by reason, with records to look at."""
    from everycent.serve.cli.parking import parked_command

    return parked_command(model, as_json=json)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    orders: Annotated[int, typer.Option(min=1, help="How many orders the sample data has.")] = 1000,
    seed: Annotated[int, typer.Option(help="The sample data's seed.")] = 1,
    json: Json = False,
) -> int:
    """Make a workspace: a model to start from, its rate table, and sample data."""
    from everycent.serve.cli.workspaces import init_command

    return init_command(folder, orders, seed, as_json=json)


@app.command()
def demo(
    orders: Annotated[int, typer.Option(min=1, help="How many orders the marketplace has.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The marketplace's seed.")] = 1,
    currency: Annotated[str, typer.Option(help="The marketplace's currency (ISO 4217).")] = "CNY",
    folder: Annotated[Path, typer.Option(help="Where the demo's workspace is kept.")] = Path("demo"),
    json: Json = False,
) -> int:
    """A marketplace's orders all the way to paid and proven."""
    from everycent.serve.cli.workspaces import demo_command

    return demo_command(orders, seed, currency, folder, as_json=json)


@app.command()
def story(
    folder: Annotated[Path, typer.Option(help="Where it is played; made anew.")] = Path("demo/contract-to-bank"),
    json: Json = False,
) -> int:
    """From the signed contract to the bank's statement: a story, played command by command."""
    from everycent.serve.cli.telling import story_command

    return story_command(folder, as_json=json)


@app.command()
def explain(
    id: Annotated[str, typer.Argument(help="A record, record/charge, obligation, statement or instruction.")],
    model: Annotated[str | None, typer.Option(help="The model's name, where several have such a record.")] = None,
    json: Json = False,
) -> int:
    """Walk any cent back to the source row it came from."""
    from everycent.serve.cli.asking import explain_command

    return explain_command(id, model, as_json=json)


@app.command()
def replay(
    id: Annotated[str, typer.Argument(help="Any business id: an order's, a payment's, a record's key or uuid.")],
    model: Annotated[str | None, typer.Option(help="Only this model, by its name.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write a page with a timeline here.")] = None,
    json: Json = False,
) -> int:
    """Show the whole life of one business id in order of time: records, charges, payments, reconciliations."""
    from everycent.serve.cli.replaying import replay_command

    return replay_command(id, model, out, as_json=json)


@app.command()
def verify(
    model: Annotated[str | None, typer.Option(help="Only this model, by its name.")] = None,
    kept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROOT", help="A chained root of the ledger's seals that you kept: it must be there still."
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Re-add everything that is stored, independently; name the first row that does not add up."""
    from everycent.serve.cli.asking import verify_command

    return verify_command(model, kept or [], as_json=json)


@app.command()
def report(
    model: Annotated[str | None, typer.Option(help="The model's name, where the database holds several.")] = None,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    json: Json = False,
) -> int:
    """Write report.html: the flow of money, statements, payments, breaks; one self-contained page."""
    from everycent.serve.cli.asking import report_command

    return report_command(model, out, as_json=json)


@model_app.command("check")
def model_check(model: Model, json: Json = False) -> int:
    """Say whether a model can be used, or what is wrong with it, where, and what would be right."""
    from everycent.serve.cli.models import check_command

    return check_command(model, as_json=json)


@model_app.command("test")
def model_test(model: Model, json: Json = False) -> int:
    """Run the golden cases inside a model."""
    from everycent.serve.cli.models import test_command

    return test_command(model, as_json=json)


On = Annotated[list[str] | None, typer.Option(help="Files, folders or patterns to compute instead of what is stored.")]
Page = Annotated[Path | None, typer.Option(help="Write a page with a picture of the difference here.")]


@model_app.command("simulate")
def model_simulate(
    model: Model,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A word changed: charges.commission.round=down. May come again.")
    ] = None,
    on: On = None,
    as_of: AsOf = None,
    out: Page = None,
    json: Json = False,
) -> int:
    """Compute history with another version of its model, or with words changed; commit nothing, show what differs."""
    from everycent.serve.cli.simulations import simulate_command

    return simulate_command(model, set_ or [], on or [], as_of, out, as_json=json)


@model_app.command("diff")
def model_diff(
    old: Annotated[Path, typer.Argument(help="One version of the model.")],
    new: Annotated[Path, typer.Argument(help="The other.")],
    on: On = None,
    as_of: AsOf = None,
    out: Page = None,
    json: Json = False,
) -> int:
    """Compute history with two versions of a model; commit nothing, show what differs between them."""
    from everycent.serve.cli.simulations import diff_command

    return diff_command(old, new, on or [], as_of, out, as_json=json)


@model_app.command("rules")
def model_rules(
    model: Model,
    why: Annotated[
        str | None, typer.Option(metavar="RECORD", help="A stored record: its key, kind:key or uuid.")
    ] = None,
    json: Json = False,
) -> int:
    """List the rules of a model's charges, or say which were tried for a stored record, and why each did or did not."""
    from everycent.serve.cli.models import rules_command

    return rules_command(model, why, as_json=json)


@model_app.command("factors")
def model_factors(model: Model, json: Json = False) -> int:
    """Print the factor dictionary: each factor's type, unit, meaning and source, and who uses it."""
    from everycent.serve.cli.models import factors_command

    return factors_command(model, as_json=json)


@model_app.command("schema")
def model_schema(
    out: Annotated[Path | None, typer.Option(help="The file to write; standard output if not given.")] = None,
) -> int:
    """Print the model's JSON Schema, for editors."""
    from everycent.serve.cli.models import schema_command

    return schema_command(out)


@model_app.command("reference")
def model_reference(
    out: Annotated[Path | None, typer.Option(help="The file to write; standard output if not given.")] = None,
) -> int:
    """Print the reference of the model's language, as Markdown."""
    from everycent.serve.cli.models import reference_command

    return reference_command(out)


@recon_app.command("run")
def recon_run(
    scenario: Annotated[str, typer.Argument(help="A scenario file; with --model the name of one of its scenarios.")],
    model: Annotated[Path | None, typer.Option(help="The settlement model that the scenario stands in.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Of the file's scenarios this one.")] = None,
    left: Annotated[list[Path] | None, typer.Option(help="The left side's files, where it is `file`.")] = None,
    right: Annotated[list[Path] | None, typer.Option(help="The right side's.")] = None,
    side: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="Of more than two sides: a side's file.")
    ] = None,
    as_of: AsOf = None,
    due: Annotated[
        bool, typer.Option("--due", help="Run what the scenarios' triggers fire, and nothing else.")
    ] = False,
    events: Annotated[Path | None, typer.Option(help="With --due: events for triggers, JSON lines or CSV.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write breaks and findings here, with the rows as they came.")
    ] = None,
    json: Json = False,
) -> int:
    """Run declared reconciliations: load both sides, compare, check, keep what was found, handle it."""
    from everycent.serve.cli.chaining import AskedRun, run_scenarios

    asked = AskedRun(scenario, model, only or (), left or (), right or (), side or (), as_of, out, due, events)
    return run_scenarios(asked, as_json=json)


OwnKey = Annotated[list[str], typer.Option(help="The columns that name a row.")]
OwnCompare = Annotated[
    list[str], typer.Option(help="The columns compared, in an order that both sides share: amount:number,status:text.")
]
Secret = Annotated[Path, typer.Option(help="A file with the secret that both sides share.")]


@recon_app.command("sketch")
def recon_sketch(
    file: Annotated[Path, typer.Argument(help="The own side.")],
    key: OwnKey,
    compare: OwnCompare,
    secret: Secret,
    out: Annotated[Path, typer.Option(help="The sketch to write.")],
    differences: Annotated[int, typer.Option(help="Room for so many differing rows; the same on both sides.")] = 10_000,
    bill_format: Annotated[str | None, typer.Option("--format", help="The file's bill format, if not guessed.")] = None,
) -> int:
    """Make a sketch of a side: kilobytes that a partner compares with theirs, without seeing the rows."""
    from everycent.serve.cli.sketching import sketch_command
    from everycent.serve.sketching import Side

    return sketch_command(Side(file, key, compare, secret, bill_format), differences, out)


@recon_app.command("compare")
def recon_compare(
    left: Annotated[Path, typer.Argument(help="One side's sketch.")],
    right: Annotated[Path, typer.Argument(help="The other's.")],
    find: Annotated[Path | None, typer.Option(help="The own file: name its rows that differ.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="As for the sketch; with --find.")] = None,
    compare: Annotated[list[str] | None, typer.Option(help="As for the sketch; with --find.")] = None,
    secret: Annotated[Path | None, typer.Option(help="As for the sketch; with --find.")] = None,
    bill_format: Annotated[str | None, typer.Option("--format", help="As for the sketch; with --find.")] = None,
    json: Json = False,
) -> int:
    """Compare two sketches: how many rows differ, and with --find which of one's own."""
    from everycent.serve.cli.sketching import compare_command
    from everycent.serve.sketching import Side

    own = None
    if find is not None:
        if not key or secret is None:
            raise typer.BadParameter("--find needs --key, --compare and --secret as they were for the sketch")
        own = Side(find, key, compare or (), secret, bill_format)
    return compare_command(left, right, own, as_json=json)


@db_app.command("start")
def db_start(json: Json = False) -> int:
    """Start the embedded database and keep it running."""
    from everycent.serve.cli.databases import start_command

    return start_command(as_json=json)


@db_app.command("stop")
def db_stop(json: Json = False) -> int:
    """Stop the embedded database."""
    from everycent.serve.cli.databases import stop_command

    return stop_command(as_json=json)


@db_app.command("status")
def db_status(json: Json = False) -> int:
    """Say where the database is, whether it runs, and which migrations it has."""
    from everycent.serve.cli.databases import status_command

    return status_command(as_json=json)


@db_app.command("upgrade")
def db_upgrade(json: Json = False) -> int:
    """Bring the database's tables to this program's version."""
    from everycent.serve.cli.databases import upgrade_command

    return upgrade_command(as_json=json)


@db_app.command("dump")
def db_dump(
    out: Annotated[Path | None, typer.Option(help="The file to write; standard output if not given.")] = None,
    hash_only: Annotated[bool, typer.Option("--hash", help="Print only the dump's SHA-256.")] = False,
) -> int:
    """Dump every decided row in canonical order, without clock values: equal states give equal bytes."""
    from everycent.serve.cli.databases import dump_command

    return dump_command(out, hash_only=hash_only)
