"""The commands of reconciliations that nobody waits for: `everycent recon work`, `schedule` and `jobs`."""

from pathlib import Path
from typing import Annotated

import typer

from everycent.serve.cli.options import Json

Models = Annotated[
    list[Path] | None, typer.Argument(help="Models or files of scenarios whose schedules and folders are seen to.")
]
Model = Annotated[Path, typer.Argument(help="The settlement model, or a file of scenarios.")]
Records = Annotated[list[str] | None, typer.Option(help="Files, folders or patterns of sides, as for `everycent run`.")]
Bill = Annotated[list[str] | None, typer.Option(help="The other side's files, folders or patterns.")]
Number = Annotated[int, typer.Argument(metavar="JOB", help="The job's number.")]

jobs_app = typer.Typer(no_args_is_help=True, help="Jobs of reconciliation: what they did, how far they are.")


def work(
    models: Models = None,
    records: Records = None,
    bill: Bill = None,
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, then end.")] = False,
    poll: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="How long to wait between two looks.")] = 15.0,
    json: Json = False,
) -> int:
    """Run schedules that are due, files that arrived and open shards, as long as it runs. Several may work together."""
    from everycent.serve.cli.jobs import work_command
    from everycent.serve.working import Places

    places = [Places(model, tuple(records or ()), tuple(bill or ())) for model in models or ()]
    return work_command(places, None if once else poll, as_json=json)


def schedule(
    models: Annotated[list[Path], typer.Argument(help="Models or files of scenarios.")],
    count: Annotated[int, typer.Option(min=1, max=1000, help="So many times of each scenario.")] = 3,
    json: Json = False,
) -> int:
    """Show when which scenario is due next, and the business day that it is due for."""
    from everycent.serve.cli.jobs import schedule_command
    from everycent.serve.working import Places

    return schedule_command([Places(model) for model in models], count, as_json=json)


@jobs_app.command("start")
def jobs_start(
    model: Model,
    scenario: Annotated[str, typer.Argument(help="The scenario's name.")],
    records: Records = None,
    bill: Bill = None,
    shards: Annotated[int | None, typer.Option(min=1, max=1024, help="Cut into so many shards.")] = None,
    json: Json = False,
) -> int:
    """Ask for a job; workers do it."""
    from everycent.serve.cli.jobs import start_command
    from everycent.serve.working import Places

    return start_command(Places(model, tuple(records or ()), tuple(bill or ())), scenario, shards, as_json=json)


@jobs_app.command("list")
def jobs_list(
    count: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 20,
    json: Json = False,
) -> int:
    """List jobs, the newest first."""
    from everycent.serve.cli.jobs import list_command

    return list_command(count, as_json=json)


@jobs_app.command("show")
def jobs_show(job: Number, json: Json = False) -> int:
    """Show a job: how far it is, how fast, how long it still takes, and who has which shard."""
    from everycent.serve.cli.jobs import show_command

    return show_command(job, as_json=json)


@jobs_app.command("pause")
def jobs_pause(job: Number, json: Json = False) -> int:
    """Begin no further shard of a job; those that were begun are ended."""
    return _turned(job, "paused", as_json=json)


@jobs_app.command("resume")
def jobs_resume(job: Number, json: Json = False) -> int:
    """Go on with a job that was paused or that stopped, at the shards that are not done."""
    return _turned(job, "open", as_json=json)


@jobs_app.command("cancel")
def jobs_cancel(job: Number, json: Json = False) -> int:
    """Give a job up; its files are removed, and no run is stored."""
    return _turned(job, "cancelled", as_json=json)


def _turned(job: int, state: str, *, as_json: bool) -> int:
    from everycent.serve.cli.jobs import turn_command

    return turn_command(job, state, as_json=as_json)


def add_to(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command("work")(work)
    app.command("schedule")(schedule)
    app.add_typer(jobs_app, name="jobs")
