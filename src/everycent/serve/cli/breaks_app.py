"""The commands below `everycent breaks`, their options. Heavy modules are imported by the command that needs them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everycent.serve.cli.options import Json

if TYPE_CHECKING:
    from everycent.serve.cli.breaking import Meant

breaks_app = typer.Typer(no_args_is_help=True, help="Breaks: list, look at, hand on, repair, write off, close.")

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Breaks, by the beginnings of their ids, or by their keys."),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Those that fit: model, scenario, key, kind, cause, state, reason, owner (none: nobody's), older_than "
        "(days), overdue (yes). May come again: values of one name are alternatives, names add up. Without a state: "
        "those that are open.",
    ),
]
Count = Annotated[
    int | None, typer.Option(help="How many you mean, where --where fits more than one: others are left alone.")
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
    out: Annotated[Path | None, typer.Option(help="Write all of them as a .csv or .xlsx file.")] = None,
    json: Json = False,
) -> int:
    """List breaks, and how old they are."""
    from everycent.serve.cli.breaking import list_command

    return list_command(_meant(ids, where, None, None), limit, out, as_json=json)


@breaks_app.command("show")
def breaks_show(
    id: Annotated[str, typer.Argument(help="A break, by the beginning of its id, or by its key.")],
    attachments: Annotated[Path | None, typer.Option(help="Write attached files into this folder.")] = None,
    json: Json = False,
) -> int:
    """Show one break with its whole history."""
    from everycent.serve.cli.breaking import show_command

    return show_command(id, attachments, as_json=json)


@breaks_app.command("ageing")
def breaks_ageing(
    where: Where = None,
    by: Annotated[str, typer.Option(help="In rows: owner, scenario, kind, cause or state.")] = "owner",
    out: Annotated[Path | None, typer.Option(help="Write it as a .csv or .xlsx file, too.")] = None,
    json: Json = False,
) -> int:
    """How old open breaks are, and whose; which are open longer than their scenario allows."""
    from everycent.serve.cli.ageing import ageing_command

    return ageing_command(_meant(None, where, None, None), by, out, as_json=json)


@dataclass(frozen=True)
class _Act:
    """A command by which a person does something with breaks; `takes`: its own options, by name."""

    name: str
    help: str
    takes: Mapping[str, Any] = field(default_factory=dict)
    says_why: bool = True

    def command(self) -> Callable[..., int]:
        """What typer calls: the options that are its own, then those that all acts have."""

        def act(**given: Any) -> int:
            from everycent.serve.cli import breaking

            meant = _meant(given["ids"], given["where"], given["count"], given["who"])
            return breaking.act_command(meant, breaking.action(self.name, given), as_json=given["json"])

        shared = {"ids": Ids, "where": Where, "count": Count, "why": Why, "who": Who, "json": Json}
        if not self.says_why:
            del shared["why"]
        types = {**self.takes, **shared}
        act.__doc__, act.__annotations__ = self.help, {**types, "return": int}
        act.__signature__ = Signature(  # type: ignore[attr-defined]
            [
                Parameter(
                    name,
                    Parameter.KEYWORD_ONLY,
                    annotation=kind,
                    default=Parameter.empty if name in self.takes else (False if name == "json" else None),
                )
                for name, kind in types.items()
            ]
        )
        return act


_ACTS = (
    _Act("assign", "Give breaks to a person.", {"to": Annotated[str, typer.Option(help="Whose they become.")]}),
    _Act(
        "comment",
        "Keep a comment with breaks.",
        {"say": Annotated[str, typer.Option(help="What is kept.")]},
        says_why=False,
    ),
    _Act(
        "attach",
        "Keep a file with breaks.",
        {"file": Annotated[Path, typer.Option(help="What is attached, at most 10 MB.")]},
    ),
    _Act("write-off", "Write differences off; above the model's limit a second person must approve."),
    _Act("approve", "Say yes to write-offs that another person asked for."),
    _Act("decline", "Say no to write-offs that another person asked for."),
    _Act(
        "close",
        "Close breaks with a reason.",
        {
            "reason": Annotated[
                str, typer.Option(help="accepted (it is right so), duplicate, or handled (put right outside).")
            ]
        },
    ),
    _Act("reopen", "Open closed breaks again; they are then yours."),
    _Act(
        "settle",
        "Say of repairs in doubt whether they were made.",
        {"repaired": Annotated[bool, typer.Option("--repaired/--not-repaired", help="Whether it was made.")]},
    ),
)
for _act in _ACTS:
    breaks_app.command(_act.name)(_act.command())


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
