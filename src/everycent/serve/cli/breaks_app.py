"""The commands below `everycent breaks`, their options. Heavy modules are imported by the command that needs them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from everycent.serve.cli.breaking import Meant

breaks_app = typer.Typer(no_args_is_help=True, help="Breaks: list, look at, hand on, repair, write off, close.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Breaks, by the beginnings of their ids.")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Those that fit: model, scenario, key, kind, cause, state, reason, owner, older_than (days). May come "
        "again: values of one name are alternatives, names add up. Without a state: those that are open.",
    ),
]
Count = Annotated[
    int | None, typer.Option(help="How many you mean, where you say it by --where alone: others are left alone.")
]
Who = Annotated[str | None, typer.Option("--as", metavar="WHO", help="Who you are; the user of this machine if not.")]
Why = Annotated[str | None, typer.Option(help="Why; the history keeps it.")]


def _meant(ids: list[str] | None, where: list[str] | None, count: int | None, who: str | None) -> "Meant":
    from everycent.serve.cli.breaking import Meant

    return Meant(tuple(ids or ()), tuple(where or ()), count, who)


@breaks_app.command("list")
def breaks_list(
    ids: Ids = None,
    where: Where = None,
    limit: Annotated[int, typer.Option(min=1, help="So many are shown, the oldest first.")] = 50,
    json: Json = False,
) -> int:
    """List breaks, and how old they are."""
    from everycent.serve.cli.breaking import list_command

    return list_command(_meant(ids, where, None, None), limit, as_json=json)


@breaks_app.command("show")
def breaks_show(
    id: Annotated[str, typer.Argument(help="A break, by the beginning of its id.")],
    attachments: Annotated[Path | None, typer.Option(help="Write attached files into this folder.")] = None,
    json: Json = False,
) -> int:
    """Show one break with its whole history."""
    from everycent.serve.cli.breaking import show_command

    return show_command(id, attachments, as_json=json)


@breaks_app.command("assign")
def breaks_assign(
    to: Annotated[str, typer.Option(help="Whose they become.")],
    ids: Ids = None,
    where: Where = None,
    count: Count = None,
    why: Why = None,
    who: Who = None,
    json: Json = False,
) -> int:
    """Give breaks to a person."""
    from everycent.serve.cli import breaking as act

    return act.act_command(_meant(ids, where, count, who), act.assign_to(to, why), as_json=json)


@breaks_app.command("comment")
def breaks_comment(
    say: Annotated[str, typer.Option(help="What is kept.")],
    ids: Ids = None,
    where: Where = None,
    count: Count = None,
    who: Who = None,
    json: Json = False,
) -> int:
    """Keep a comment with breaks."""
    from everycent.serve.cli import breaking as act

    return act.act_command(_meant(ids, where, count, who), act.say(say), as_json=json)


@breaks_app.command("attach")
def breaks_attach(
    file: Annotated[Path, typer.Option(help="What is attached, at most 10 MB.")],
    ids: Ids = None,
    where: Where = None,
    count: Count = None,
    why: Why = None,
    who: Who = None,
    json: Json = False,
) -> int:
    """Keep a file with breaks."""
    from everycent.serve.cli import breaking as act

    return act.act_command(_meant(ids, where, count, who), act.attach_file(file, why), as_json=json)


@breaks_app.command("write-off")
def breaks_write_off(
    ids: Ids = None,
    where: Where = None,
    count: Count = None,
    why: Why = None,
    who: Who = None,
    json: Json = False,
) -> int:
    """Write differences off; above the model's limit a second person must approve."""
    from everycent.serve.cli import breaking as act

    return act.act_command(_meant(ids, where, count, who), act.write_it_off(why), as_json=json)


@breaks_app.command("approve")
def breaks_approve(
    ids: Ids = None,
    where: Where = None,
    count: Count = None,
    why: Why = None,
    who: Who = None,
    json: Json = False,
) -> int:
    """Say yes to write-offs that another person asked for."""
    from everycent.serve.cli import breaking as act

    return act.act_command(_meant(ids, where, count, who), act.say_yes(why), as_json=json)


@breaks_app.command("decline")
def breaks_decline(
    ids: Ids = None,
    where: Where = None,
    count: Count = None,
    why: Why = None,
    who: Who = None,
    json: Json = False,
) -> int:
    """Say no to write-offs that another person asked for."""
    from everycent.serve.cli import breaking as act

    return act.act_command(_meant(ids, where, count, who), act.say_no(why), as_json=json)


@breaks_app.command("close")
def breaks_close(
    reason: Annotated[str, typer.Option(help="accepted (it is right so), duplicate, or handled (outside).")],
    ids: Ids = None,
    where: Where = None,
    count: Count = None,
    why: Why = None,
    who: Who = None,
    json: Json = False,
) -> int:
    """Close breaks with a reason."""
    from everycent.serve.cli import breaking as act

    return act.act_command(_meant(ids, where, count, who), act.close_for(reason, why), as_json=json)


@breaks_app.command("reopen")
def breaks_reopen(
    ids: Ids = None,
    where: Where = None,
    count: Count = None,
    why: Why = None,
    who: Who = None,
    json: Json = False,
) -> int:
    """Open closed breaks again; they are then yours."""
    from everycent.serve.cli import breaking as act

    return act.act_command(_meant(ids, where, count, who), act.open_again(why), as_json=json)


@breaks_app.command("settle")
def breaks_settle(
    repaired: Annotated[bool, typer.Option("--repaired/--not-repaired", help="Whether it was made.")],
    ids: Ids = None,
    where: Where = None,
    count: Count = None,
    why: Why = None,
    who: Who = None,
    json: Json = False,
) -> int:
    """Say of repairs in doubt whether they were made."""
    from everycent.serve.cli import breaking as act

    return act.act_command(_meant(ids, where, count, who), act.settle_doubt(why, repaired=repaired), as_json=json)


ModelFile = Annotated[Path, typer.Argument(help="The settlement model, or a file of scenarios.")]
Scenario = Annotated[list[str] | None, typer.Option(help="Only this reconciliation. May come again.")]
Left = Annotated[list[Path] | None, typer.Option(help="Files of the left side, where it is files.")]
Right = Annotated[list[Path] | None, typer.Option(help="Files of the right side, where it is files.")]


@breaks_app.command("handle")
def breaks_handle(model: ModelFile, scenario: Scenario = None, json: Json = False) -> int:
    """Repair what the declared cures fit, and alert people of the rest: for a schedule."""
    from everycent.serve.cli.curing import handle_command

    return handle_command(model, scenario or [], as_json=json)


@breaks_app.command("repair")
def breaks_repair(
    model: ModelFile,
    ids: Ids = None,
    where: Where = None,
    count: Count = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
    who: Who = None,
    json: Json = False,
) -> int:
    """Repair breaks by the declared cures; without ids and --where, all that are confirmed."""
    from everycent.serve.cli.curing import repair_command

    return repair_command(model, _meant(ids, where, count, who), dry_run=dry_run, as_json=json)


@breaks_app.command("recheck")
def breaks_recheck(
    model: ModelFile,
    ids: Ids = None,
    where: Where = None,
    count: Count = None,
    left: Left = None,
    right: Right = None,
    json: Json = False,
) -> int:
    """Ask both sides again of some breaks' keys alone; without ids and --where, of those that are due."""
    from everycent.serve.cli.curing import recheck_command

    given = {"left": tuple(left or ()), "right": tuple(right or ())}
    return recheck_command(model, _meant(ids, where, count, None), given, as_json=json)


@breaks_app.command("rerun")
def breaks_rerun(
    model: ModelFile, scenario: Scenario = None, left: Left = None, right: Right = None, json: Json = False
) -> int:
    """Run whole reconciliations again: all their breaks are looked at."""
    from everycent.serve.cli.curing import rerun_command

    return rerun_command(model, scenario or [], left or [], right or [], as_json=json)
