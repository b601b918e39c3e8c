"""`everycent payments share`: parts of customers' payments go to receivers, at the payments' wallet."""

import csv
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from everycent.base.platform.settings import Settings
from everycent.flow.model.service import load_model
from everycent.flow.payments.service import SHARE_COLUMNS
from everycent.flow.pipeline.service import share_payments
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NotSaid
from everycent.serve.cli.terminal import err, print_json, print_table
from everycent.serve.wiring import SECTIONS


def share_command(model_path: Path, file: Path, channel: str | None, *, as_json: bool) -> int:
    """Shares payments; 1 where a request was refused, 75 where nobody can tell of one."""
    model = load_model(model_path, SECTIONS)
    rows = _rows(file)
    today = model.calendar.today(datetime.now(UTC))
    told = share_payments(model, Settings.load().tenant, os.environ, channel, rows, today)
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
            return [{name: row[name] for name in SHARE_COLUMNS} for row in reader]
    except (UnicodeDecodeError, csv.Error) as odd:
        raise NotSaid(f"{file} cannot be read ({odd}); write it as CSV in UTF-8") from odd
