"""`everycent init` and `everycent demo`: a workspace with a model and data, and the whole way through it."""

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from everycent import __version__
from everycent.base.platform.settings import Settings
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.session import open_session
from everycent.serve.cli import exits
from everycent.serve.cli.models import schema_text
from everycent.serve.cli.running import as_dict, print_outcome, run_model
from everycent.serve.cli.terminal import Reporter, out, print_json, progress
from everycent.serve.demo.marketplace import generate
from everycent.serve.wiring import SECTIONS, migrations

_SCHEMA = "settlement-model.schema.json"  # named by the model's first line, for editors
_MADE = "made.json"  # what the workspace's data was made with


def init_command(folder: Path, orders: int, seed: int, *, as_json: bool) -> int:
    """Writes a model, its rate table and sample data into an empty folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputRefused(f"{folder} is not empty; name a new folder")
    with progress(quiet=as_json) as report:
        made = _make(folder, orders, seed, "CNY", report)
    if as_json:
        print_json(made)
        return exits.OK
    out.print(f"{folder}: a model, its rate table and the data of {orders:,} orders. Next:", markup=False)
    out.print(f"  cd {folder}", markup=False)
    out.print("  everycent model check model.yaml")
    out.print("  everycent model test model.yaml")
    out.print(f"  everycent run model.yaml --records data --bill '{_bills(made)}' --as-of {made['as_of']} --out out")
    return exits.OK


def demo_command(orders: int, seed: int, currency: str, folder: Path, *, as_json: bool) -> int:
    """Makes a marketplace, unless it is there already, and takes it all the way."""
    workspace = folder / f"{currency.lower()}-{orders}-orders-seed-{seed}"
    with progress(quiet=as_json) as report:
        made = _made(workspace, orders, seed, currency) or _make(workspace, orders, seed, currency, report)
        settings = Settings.load({**os.environ, "EVERYCENT_DATA_DIR": str((workspace / ".everycent").absolute())})
        model = load_model(workspace / made["model"], SECTIONS)
        with open_session(settings, migrations()) as session:
            records = [str(workspace / name) for name in made["records"]]
            bills = [str(workspace / name) for name in made["bills"]]
            day = date.fromisoformat(made["as_of"])
            outcome = run_model(session, model, records, bills, workspace / "out", day, report)
    if as_json:
        print_json(as_dict(outcome))
    else:
        print_outcome(outcome)
    return exits.OK if outcome.verdict.ok else exits.FAILED


def _made(folder: Path, orders: int, seed: int, currency: str) -> dict[str, Any] | None:
    """What the folder's data was made with, where it is what is asked for by this version."""
    try:
        made: dict[str, Any] = json.loads((folder / _MADE).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    asked = {"orders": orders, "seed": seed, "currency": currency, "everycent": __version__}
    return made if {name: made.get(name) for name in asked} == asked else None


def _make(folder: Path, orders: int, seed: int, currency: str, report: Reporter) -> dict[str, Any]:
    files = generate(folder, orders, seed, lambda done, total: report("making data", done, total), currency)
    write_schema(folder)
    made = {
        "everycent": __version__,
        "orders": orders,
        "seed": seed,
        "currency": currency,
        "model": str(files.model.relative_to(folder)),
        "records": [str(path.relative_to(folder)) for path in files.records],
        "bills": [str(path.relative_to(folder)) for path in files.bills],
        "as_of": files.as_of.isoformat(),
    }
    (folder / _MADE).write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return made


def write_schema(folder: Path) -> None:
    """The models' JSON Schema, beside a model."""
    (folder / _SCHEMA).write_text(schema_text(), encoding="utf-8")


def _bills(made: dict[str, Any]) -> str:
    return " ".join(made["bills"])
