"""`everycent model`: check, test, schema."""

import json
import sys
from pathlib import Path

from everycent.base.platform.settings import Settings
from everycent.flow.model.service import json_schema, load_model
from everycent.flow.pipeline.service import local_engine, plan_model, run_golden_cases
from everycent.serve.cli import exits
from everycent.serve.cli.terminal import out, print_json
from everycent.serve.reconciling import plan_scenarios
from everycent.serve.wiring import SECTIONS


def check_command(path: Path, *, as_json: bool) -> int:
    """Loads and plans the model; ModelRefused says what is wrong."""
    settings = Settings.load()
    model = load_model(path, SECTIONS)
    plan = plan_model(model, settings.tenant, model.files)
    plan_scenarios(model, plan)
    spec = model.spec
    facts = {
        "model": model.name,
        "version": str(spec.version),
        "version_hash": model.version_hash,
        "records": list(spec.records),
        "charges": [name for name, charge in spec.charges.items() if charge.enabled],
        "switched_off": [name for name, charge in spec.charges.items() if not charge.enabled],
        "parties": list(spec.parties),
        "tables": [table.file for table in plan.tables.values() if table.file in model.files],
        "give_with_records": [
            table.file for table in plan.tables.values() if table.file and table.file not in model.files
        ],
        "tests": len(spec.tests),
    }
    if as_json:
        print_json({"ok": True, **facts})
        return exits.OK
    out.print(f"{path}: the model can be used", markup=False)
    for name, value in facts.items():
        shown = ", ".join(value) or "-" if isinstance(value, list) else value
        out.print(f"  {name.replace('_', ' '):18}{shown}", markup=False)
    return exits.OK


def test_command(path: Path, *, as_json: bool) -> int:
    """Runs the golden cases; exit code 1 where one differs."""
    settings = Settings.load()
    model = load_model(path, SECTIONS)
    with local_engine(settings) as engine:
        outcomes = run_golden_cases(model, settings.tenant, engine)
    failed = [outcome for outcome in outcomes if outcome.differences]
    if as_json:
        cases = [{"name": outcome.name, "differences": list(outcome.differences)} for outcome in outcomes]
        print_json({"passed": len(outcomes) - len(failed), "failed": len(failed), "cases": cases})
        return exits.FAILED if failed else exits.OK
    for outcome in outcomes:
        out.print(f"{'FAIL' if outcome.differences else 'ok  '}  {outcome.name}", markup=False)
        for difference in outcome.differences:
            out.print(f"        {difference}", markup=False)
    out.print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return exits.FAILED if failed else exits.OK


def schema_command(path: Path | None) -> int:
    """Prints or writes the model's JSON Schema."""
    if path is None:
        sys.stdout.write(schema_text())
    else:
        path.write_text(schema_text(), encoding="utf-8")
        out.print(f"{path} written", markup=False)
    return exits.OK


def schema_text() -> str:
    """The JSON Schema as it stands in files."""
    return json.dumps(json_schema(SECTIONS), indent=2, ensure_ascii=False) + "\n"
