"""`everycent figures`: figures of the books on a terminal, as JSON, and in files."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal, cast

from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import currency
from everycent.base.platform.settings import Settings
from everycent.flow.pipeline.service import Session, open_session
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NothingStored, NotSaid
from everycent.serve.cli.terminal import out, print_json, print_table
from everycent.serve.figures.asked import AGES_DAYS, Asked, Figures
from everycent.serve.figures.collecting import collected
from everycent.serve.figures.writing import spoken, write
from everycent.serve.wiring import migrations


def figures_command(
    name: str,
    model: str | None,
    on: date | None,
    since: date | None,
    by: str,
    ages: Sequence[int] | None,
    files: Sequence[Path] | None,
    limit: int,
    *,
    as_json: bool,
) -> int:
    """Shows one table of figures, and writes it to files."""
    if by not in ("party", "role"):
        raise NotSaid(f"--by {by}: write party or role")
    for path in files or ():
        if path.suffix.lower() not in (".csv", ".xlsx"):
            raise NotSaid(f"--out {path}: name a .csv or an .xlsx file")
    with open_session(Settings.load(), migrations()) as session:
        of = _model(session, model)
        days = tuple(sorted(set(ages))) if ages else AGES_DAYS
        asked = Asked(session.tenant, of, on, since, cast(Literal["party", "role"], by), days)
        figures = collected(session.connection, session.details, session.engine, name, asked, datetime.now(UTC))
    for path in files or ():
        write(figures, path)
    if as_json:
        print_json(
            {"figures": figures.name, "model": of, "on": on, "since": since, "rows": figures.dicts(),
             "totals": figures.totals(), "written": [str(path) for path in files or ()]}
        )  # fmt: skip
        return exits.OK
    _print(figures, limit, files or ())
    return exits.OK


def _print(figures: Figures, limit: int, files: Sequence[Path]) -> None:
    if not figures.rows:
        out.print(f"{figures.title}: nothing", markup=False)
    else:
        right = frozenset(at for at, column in enumerate(figures.columns) if column.kind in ("amount", "count"))
        heads = [column.name.replace("_", " ") if column.name != "currency" else "" for column in figures.columns]
        rows = spoken(figures)
        print_table(figures.title, heads, [*rows[:limit], *_totals(figures)], right=right)
        if len(rows) > limit:
            out.print(f"... and {len(rows) - limit:,} more lines, which the totals hold: --limit, or --out FILE.xlsx")
    for path in files:
        out.print(f"written: {path}", markup=False)


def _totals(figures: Figures) -> list[list[str]]:
    """A line for each currency."""
    lines = []
    for code, sums in figures.totals().items():
        line = [grouped_minor(sums[name], currency(code)) if name in sums else "" for name in figures.names]
        line[0], line[figures.at("currency")] = "total", code
        lines.append(line)
    return lines


def _model(session: Session, model: str | None) -> str:
    """Whose figures are meant. Raises NothingStored."""
    known = session.models()
    if not known:
        raise NothingStored("nothing is stored yet; `everycent demo` or `everycent run` fills the books")
    if model is None and len(known) > 1:
        raise NothingStored(f"the database holds {', '.join(known)}; name one with --model")
    if model is not None and model not in known:
        raise NothingStored(f"the database has no model '{model}'; it has {', '.join(known)}")
    return model or known[0]
