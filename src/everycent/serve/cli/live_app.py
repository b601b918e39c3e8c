"""The commands of scenarios that are checked while things happen: `everycent recon put`, `watch` and `check`."""

from pathlib import Path
from typing import Annotated

import typer

from everycent.serve.cli.options import Json

Model = Annotated[Path, typer.Argument(help="The settlement model, or a scenario file.")]
OfScenario = Annotated[str | None, typer.Option("--scenario", help="Only this one of the live scenarios.")]


def put(
    model: Model,
    events: Annotated[str, typer.Argument(help="A file of events, one JSON object a line; - for standard input.")],
    wait: Annotated[bool, typer.Option(help="Wait while too many keys are unchecked, or give up with 75.")] = True,
    json: Json = False,
) -> int:
    """Take events of live scenarios in; again changes nothing."""
    from everycent.serve.cli.watching import put_command

    return put_command(model, events, wait=wait, as_json=json)


def watch(
    model: Model,
    scenario: OfScenario = None,
    once: Annotated[bool, typer.Option("--once", help="Check what is due now, then end.")] = False,
    until_empty: Annotated[bool, typer.Option("--until-empty", help="End when nothing waits any more.")] = False,
    run: Annotated[
        bool, typer.Option("--run", help="Then store what was checked as a run: its breaks stand, and are handled.")
    ] = False,
    fail_on_breaks: Annotated[bool, typer.Option("--fail-on-breaks", help="Exit with 1 where a break stands.")] = False,
    json: Json = False,
) -> int:
    """Check keys of live scenarios soon after their last event, as long as it runs. Several may watch together."""
    from everycent.serve.cli.watching import watch_command
    from everycent.serve.watch_loop import Until

    until = Until.ONCE if once else Until.EMPTY if until_empty else Until.NEVER
    if run and until == Until.NEVER:
        raise typer.BadParameter("--run stores what was checked when the watcher ends: add --once or --until-empty")
    return watch_command(model, scenario, until, run=run, fail_on_breaks=fail_on_breaks, as_json=json)


def check(
    model: Model,
    key: Annotated[list[str] | None, typer.Option(help="What it is about: the scenario's key; may come again.")] = None,
    keys: Annotated[
        str | None,
        typer.Option(help="A file of questions, the keys of each on a line with tabs between; - for standard input."),
    ] = None,
    scenario: OfScenario = None,
    json: Json = False,
) -> int:
    """Answer, in the time that the scenario says, whether a settlement step may go on: 0 yes, 1 no."""
    from everycent.serve.cli.watching import check_command, check_each_command

    if (key is None) == (keys is None):
        raise typer.BadParameter("say what is asked: --key, or --keys for questions line by line")
    if keys is not None:
        return check_each_command(model, scenario, keys)
    return check_command(model, scenario, key or [], as_json=json)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("put")(put)
    app.command("watch")(watch)
    app.command("check")(check)
