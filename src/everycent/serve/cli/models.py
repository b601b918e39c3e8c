"""`everycent model`: check, test, rules, factors, schema, reference."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from everycent.base.money.amount import grouped_minor
from everycent.base.platform.settings import Settings
from everycent.flow.model.contract import compose
from everycent.flow.model.service import json_schema, load_model
from everycent.flow.pipeline.service import (
    factor_dictionary,
    local_engine,
    open_session,
    plan_model,
    rules_of_record,
    run_golden_cases,
)
from everycent.serve.cli import exits
from everycent.serve.cli.terminal import out, print_json, print_table
from everycent.serve.language.page import reference_page
from everycent.serve.reconciling import plan_scenarios
from everycent.serve.scenario_files import is_scenario_file, load_scenario_file
from everycent.serve.wiring import SECTIONS, migrations


def check_command(path: Path, *, as_json: bool) -> int:
    """Loads and plans the model, or the file of scenarios; ModelRefused says what is wrong."""
    if is_scenario_file(path):
        return _check_scenarios(path, as_json=as_json)
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
        "parallel": list(plan.parallel),
    }
    if as_json:
        print_json({"ok": True, **facts})
        return exits.OK
    out.print(f"{path}: the model can be used", markup=False)
    for name, value in facts.items():
        between = "\n" + " " * 20 if name == "parallel" else ", "
        shown = between.join(value) or "-" if isinstance(value, list) else value
        out.print(f"  {name.replace('_', ' '):18}{shown}", markup=False)
    return exits.OK


def _check_scenarios(path: Path, *, as_json: bool) -> int:
    file = load_scenario_file(path)
    planned = plan_scenarios(file, file)
    facts = {
        "scenario_file": file.name,
        "reconciliations": [one.name for one in planned],
        "scheduled": [one.name for one in planned if one.spec.schedule is not None or one.spec.trigger is not None],
        "carried_on": [one.name for one in planned if one.spec.carry],
        "live": [one.name for one in planned if one.spec.live is not None],
    }
    if as_json:
        print_json({"ok": True, **facts})
        return exits.OK
    out.print(f"{path}: the scenario file can be used", markup=False)
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


def rules_command(path: Path, why: str | None, *, as_json: bool) -> int:
    """Lists the rules of the model's charges, or says which were tried for one stored record, and why."""
    model = load_model(path, SECTIONS)
    if why is not None:
        with open_session(Settings.load(), migrations()) as session:
            tried = rules_of_record(session, model, why)
        if as_json:
            print_json(asdict(tried))
            return exits.OK
        out.print(f"{tried.kind} {tried.key} ({tried.record_id})", markup=False)
        for charge in tried.charges:
            amount = "" if charge.amount_minor is None else grouped_minor(charge.amount_minor, model.currency)
            out.print(f"  {charge.charge}: {charge.reason or f'{amount} {model.currency}'}", markup=False)
            for rule in charge.rules:
                out.print(f"    {rule.state:10} {rule.rule}: {rule.why}", markup=False)
        return exits.OK
    plan = plan_model(model, Settings.load().tenant, model.files)
    rules = [
        {"kind": kind, "charge": charge.name, "rule": rule.label, "when": rule.condition and rule.condition.text,
         "valid": rule.validity, "priority": rule.priority, "conditions": rule.specificity,
         "match": model.spec.charges[charge.name].match, "amount": rule.text}
        for kind, rated in plan.rating.items() for charge in rated.charges for rule in charge.rules
    ]  # fmt: skip
    if as_json:
        print_json({"model": model.name, "rules": rules})
        return exits.OK
    columns = ["kind", "charge", "match", "rule", "when", "valid", "priority", "conditions", "amount"]
    rows = [[str(rule[column] or ("" if column == "when" else rule[column])) for column in columns] for rule in rules]
    print_table("rules in the order in which they are tried", columns, rows, right=frozenset({6, 7}))
    return exits.OK


def factors_command(path: Path, *, as_json: bool) -> int:
    """Prints the factor dictionary."""
    model = load_model(path, SECTIONS)
    entries = factor_dictionary(plan_model(model, Settings.load().tenant, model.files))
    if as_json:
        print_json({"model": model.name, "factors": [asdict(entry) for entry in entries]})
        return exits.OK
    columns = ["factor", "type", "unit", "source", "by", "used by", "meaning"]
    rows = [
        [e.name, e.type, e.unit, e.source, ", ".join(e.key), ", ".join(e.used_by) or "-", e.meaning] for e in entries
    ]
    print_table(f"factors of {model.name}", columns, rows)
    return exits.OK


def schema_command(path: Path | None) -> int:
    """Prints or writes the model's JSON Schema."""
    return _written(path, schema_text())


def reference_command(path: Path | None) -> int:
    """Prints or writes the reference of the model's language."""
    return _written(path, reference_page(compose(SECTIONS)))


def _written(path: Path | None, text: str) -> int:
    if path is None:
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")
        out.print(f"{path} written", markup=False)
    return exits.OK


def schema_text() -> str:
    """The JSON Schema as it stands in files."""
    return json.dumps(json_schema(SECTIONS), indent=2, ensure_ascii=False) + "\n"
