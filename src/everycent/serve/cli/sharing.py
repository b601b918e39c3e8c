"""`everycent payments share`: parts of customers' payments go to receivers, at the payments' wallet."""

import csv
import getpass
import os
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path

from everycent.base.platform.settings import Settings
from everycent.flow.model.service import load_model
from everycent.flow.payments.service import CHARGE_COLUMN, PARTY_COLUMN, SHARE_COLUMNS
from everycent.flow.pipeline.service import open_session, share_payments
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NotSaid
from everycent.serve.cli.simulated_services import simulated_services
from everycent.serve.cli.terminal import err, print_json, print_table
from everycent.serve.wiring import SECTIONS, migrations


def share_command(
    model_path: Path, file: Path | None, channel: str | None, who: str | None, as_of: date | None,
    bills: Path | None, *, as_json: bool,
) -> int:  # fmt: skip
    """Shares payments, or without a file asks about those that have no end; 1 where a request was refused, 75 where
    nobody can tell of one. `bills`: at wallets that are made up here, which write theirs there."""
    model = load_model(model_path, SECTIONS)
    rows = None if file is None else _rows(file)
    person = who or getpass.getuser()
    with ExitStack() as running:
        session = running.enter_context(open_session(Settings.load(), migrations()))
        services = None if bills is None else running.enter_context(simulated_services(session, model, bills))
        environment = os.environ if services is None else services.environment
        told = share_payments(session, model, environment, channel, rows, person, datetime.now(UTC), as_of)
    if as_json:
        print_json({"requests": [asdict(each) for each in told]})
    else:
        titles = ["payment", "request", "came", "now", "why"]
        print_table("Payments shared", titles, [
            [each.payment, each.request, each.refusal or each.came, each.state or "", each.why or ""] for each in told
        ])  # fmt: skip
    if any(each.came == "unknown" for each in told):
        if not as_json:
            err.print("everycent: of some nobody can tell; nothing is done twice, say it again later", markup=False)
        return exits.UNAVAILABLE
    return exits.FAILED if any(each.came == "refused" for each in told) else exits.OK


def _rows(file: Path) -> list[dict[str, str | None]]:
    """Raises NotSaid, OSError."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text)
            missing = [name for name in SHARE_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise NotSaid(f"{file} has no column '{missing[0]}'; a file of shares has {', '.join(SHARE_COLUMNS)}")
            more = [name for name in (PARTY_COLUMN, CHARGE_COLUMN) if name in (reader.fieldnames or ())]
            names = [*SHARE_COLUMNS, *more]
            return [{name: row[name] for name in names} for row in reader]
    except (UnicodeDecodeError, csv.Error) as odd:
        raise NotSaid(f"{file} cannot be read ({odd}); write it as CSV in UTF-8") from odd
