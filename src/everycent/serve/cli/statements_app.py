"""The commands below `everycent statement` and `everycent approvals`, their options. Heavy modules are imported by the
command that needs them."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from everycent.serve.cli.options import Json, Port, day

statement_app = typer.Typer(no_args_is_help=True, help="Statements: list, look at, confirm, dispute, resolve, approve.")
approvals_app = typer.Typer(
    no_args_is_help=True, help="Approvals: what waits for whom, yes and no, groups, lent voices."
)

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Statements, by their ids.")]
ManyIds = Annotated[
    list[str],
    typer.Argument(metavar="ID...", help="Statements, by their ids; - reads them from standard input, one a line."),
]
Id = Annotated[str, typer.Argument(metavar="ID", help="A statement, by its id.")]
Who = Annotated[str | None, typer.Option("--by", metavar="WHO", help="Who you are; the user of this machine if not.")]
Why = Annotated[str | None, typer.Option(help="Why; the log keeps it.")]
Reason = Annotated[str, typer.Option("--why", help="Why; the log keeps it.")]
Model = Annotated[str | None, typer.Option(help="Only this model, by its name.")]
Yes = Annotated[bool, typer.Option("--yes/--no", help="Whether you agree; a no needs --why.")]


Since = Annotated[
    date | None,
    typer.Option("--since", parser=day, metavar="DATE", help="Only periods that end this day or later."),
]
Until = Annotated[
    date | None, typer.Option("--until", parser=day, metavar="DATE", help="Only periods that begin by this day.")
]


@statement_app.command("list")
def statement_list(
    model: Model = None,
    state: Annotated[
        str | None, typer.Option(help="Only those that are open, closed, disputed, confirmed or approved.")
    ] = None,
    waits_for: Annotated[
        str | None, typer.Option(help="Only those that wait for: close, confirm, approve, resolve, invoice or payment.")
    ] = None,
    party: Annotated[str | None, typer.Option(help="Only this party's, by its id: merchant:m-7.")] = None,
    since: Since = None,
    until: Until = None,
    currency: Annotated[str | None, typer.Option(help="Only those in this currency, by its ISO 4217 code.")] = None,
    least: Annotated[
        str | None, typer.Option(help="Only those with a balance of so much or more, either way; with --currency.")
    ] = None,
    most: Annotated[
        str | None, typer.Option(help="Only those with a balance of so much or less, either way; with --currency.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many are shown, the oldest first.")] = 50,
    json: Json = False,
) -> int:
    """List statements, and what each waits for."""
    from everycent.serve.cli.statements import Chosen, list_command

    chosen = Chosen(model, state, waits_for, party, since, until, currency, least, most, limit)
    return list_command(chosen, as_json=json)


@statement_app.command("close")
def statement_close(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The settlement model's file.")],
    parties: Annotated[list[str], typer.Argument(metavar="PARTY...", help="Parties, by their ids: merchant:m-7.")],
    on: Annotated[
        date | None, typer.Option("--on", parser=day, metavar="DATE", help="The period's last day; today if not given.")
    ] = None,
    by: Who = None,
    why: Why = None,
    json: Json = False,
) -> int:
    """End the open period of parties whose cycle is `until ...`; the next day cut closes their statements."""
    from everycent.serve.cli.ending import close_command

    return close_command(model, parties, on, by, why, as_json=json)


@statement_app.command("events")
def statement_events(
    model: Model = None,
    party: Annotated[str | None, typer.Option(help="Only this party's, by its id: merchant:m-7.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many are shown, the latest first.")] = 50,
    json: Json = False,
) -> int:
    """List the events that ended periods, and those that ended nothing, with the reason."""
    from everycent.serve.cli.ending import events_command

    return events_command(model, party, limit, as_json=json)


@statement_app.command("download")
def statement_download(
    ids: Ids,
    form: Annotated[
        list[str] | None, typer.Option("--format", help="csv, xlsx or pdf; may come again. pdf if not given.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder to write into.")] = Path(),
    language: Annotated[str, typer.Option(help="Of its words: en or zh.")] = "en",
    font: Annotated[
        Path | None, typer.Option(help="The font of PDFs: a .ttf, .ttc or .otf; $EVERYCENT_FONT, or one found, if not.")
    ] = None,
    json: Json = False,
) -> int:
    """Write statements for their parties to read: whose, by what terms, by charge and order, what became of it."""
    from everycent.serve.cli.downloading import download_command

    return download_command(ids, form or ["pdf"], out, language, font, as_json=json)


@statement_app.command("show")
def statement_show(id: Id, json: Json = False) -> int:
    """Show one statement: its figures, where it stands, and who has to say yes to it."""
    from everycent.serve.cli.statements import show_command

    return show_command(id, as_json=json)


@statement_app.command("log")
def statement_log(id: Id, json: Json = False) -> int:
    """Show all that happened to a statement since it closed: who, when and why."""
    from everycent.serve.cli.statements import log_command

    return log_command(id, as_json=json)


@statement_app.command("confirm")
def statement_confirm(ids: ManyIds, why: Why = None, by: Who = None, json: Json = False) -> int:
    """Say for their party that statements are right."""
    from everycent.serve.cli.statements import act_command

    return act_command("confirm", ids, by, why, as_json=json)


@statement_app.command("dispute")
def statement_dispute(ids: ManyIds, why: Reason, by: Who = None, json: Json = False) -> int:
    """Say what is wrong with statements; they are not paid until that is resolved."""
    from everycent.serve.cli.statements import act_command

    return act_command("dispute", ids, by, why, as_json=json)


@statement_app.command("resolve")
def statement_resolve(ids: ManyIds, why: Reason, by: Who = None, json: Json = False) -> int:
    """Say what was done about disputes; who had to confirm and to approve is asked anew."""
    from everycent.serve.cli.statements import act_command

    return act_command("resolve", ids, by, why, as_json=json)


@statement_app.command("park")
def statement_park(ids: ManyIds, why: Reason, by: Who = None, json: Json = False) -> int:
    """Hold released statements back from payment: none is instructed, nor anew where its payment comes back."""
    from everycent.serve.cli.statements import act_command

    return act_command("park", ids, by, why, as_json=json)


@statement_app.command("unpark")
def statement_unpark(ids: ManyIds, why: Why = None, by: Who = None, json: Json = False) -> int:
    """Let parked statements go: the next run instructs them."""
    from everycent.serve.cli.statements import act_command

    return act_command("unpark", ids, by, why, as_json=json)


@statement_app.command("approve")
def statement_approve(ids: ManyIds, yes: Yes = True, why: Why = None, by: Who = None, json: Json = False) -> int:
    """Say yes or no to paying statements, on the level that waits; with the last yes they are released for payment."""
    from everycent.serve.cli.statements import approve_command

    return approve_command(ids, by, why, yes=yes, as_json=json)


Request = Annotated[str, typer.Argument(metavar="REQUEST", help="A request, by the beginning of its id.")]


@approvals_app.command("list")
def approvals_list(
    model: Model = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="WHO", help="Only those that this person may decide.")
    ] = None,
    json: Json = False,
) -> int:
    """List the requests that wait, and for whom."""
    from everycent.serve.cli.approving import list_command

    return list_command(model, by, as_json=json)


@approvals_app.command("decide")
def approvals_decide(request: Request, yes: Yes, why: Why = None, by: Who = None, json: Json = False) -> int:
    """Say yes or no to a request, on the level that waits."""
    from everycent.serve.cli.approving import say_command

    return say_command(request, by, why, yes=yes, withdraws=False, as_json=json)


@approvals_app.command("withdraw")
def approvals_withdraw(request: Request, by: Who = None, json: Json = False) -> int:
    """Take a request back that you made."""
    from everycent.serve.cli.approving import say_command

    return say_command(request, by, None, yes=False, withdraws=True, as_json=json)


@approvals_app.command("send")
def approvals_send(
    model: Model = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="To one that is made up here, and calls back at once.")
    ] = False,
    json: Json = False,
) -> int:
    """Tell the approval system outside what waits; it answers by call-backs (approvals listen).

    The one that is made up here says no to amounts whose last digit is 8, and yes to all others.
    """
    from everycent.serve.cli.approving import send_command

    return send_command(model, simulated=simulated, as_json=json)


@approvals_app.command("listen")
def approvals_listen(
    port: Port,
) -> int:
    """Take the approval system's decisions until stopped, a line of JSON each."""
    from everycent.serve.cli.approving import listen_command

    return listen_command(port)


@approvals_app.command("delegate")
def approvals_delegate(
    to: Annotated[str, typer.Option(help="Who may speak for you.")],
    since: Annotated[
        date | None, typer.Option(parser=day, metavar="DATE", help="From this day on (UTC); today if not given.")
    ] = None,
    until: Annotated[date | None, typer.Option(parser=day, metavar="DATE", help="Up to this day, it inside.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3660, help="Or for so many days, the first one inside.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="For this kind of requests alone: statement, payment. May come again.")
    ] = None,
    by: Who = None,
    json: Json = False,
) -> int:
    """Lend your voice to another person for some days."""
    from everycent.serve.cli.approving import delegate_command

    return delegate_command(to, since, until, days, kind or [], by, as_json=json)


@approvals_app.command("group")
def approvals_group(
    group: Annotated[str | None, typer.Argument(help="The group; all groups if not given.")] = None,
    add: Annotated[list[str] | None, typer.Option(help="Who comes in. May come again.")] = None,
    remove: Annotated[list[str] | None, typer.Option(help="Who leaves. May come again.")] = None,
    by: Who = None,
    json: Json = False,
) -> int:
    """Show who is in which group, or put people in and out."""
    from everycent.serve.cli.approving import group_command

    return group_command(group, add or [], remove or [], by, as_json=json)
