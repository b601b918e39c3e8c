import os
import subprocess
import sys
from pathlib import Path

from doors_contract import DoorsContract
from grimp import ImportGraph
from sources import ROOT

DOORS = [
    "contract <- everycent",
    "stage <- everycent.flow.pipeline",
    "service <- everycent.flow.pipeline everycent.serve",
]


def trespasses(*imports: tuple[str, str]) -> list[tuple[str, str, str]]:
    graph = ImportGraph()
    for importer, imported in imports:
        graph.add_module(importer)
        graph.add_module(imported)
        graph.add_import(importer=importer, imported=imported)
    options = {"houses": ["everycent.flow"], "doors": DOORS}
    doors = DoorsContract(name="doors", session_options={}, contract_options=options)
    check = doors.check(graph, verbose=False)
    assert check.kept == (not check.metadata["trespasses"])
    return list(check.metadata["trespasses"])


def test_the_import_contracts_are_kept() -> None:
    lint = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "house")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 0, lint.stdout + lint.stderr


def test_contexts_meet_at_their_doors() -> None:
    assert not trespasses(
        ("everycent.flow.rating.core.plan", "everycent.flow.intake.contract"),
        ("everycent.flow.pipeline.compute", "everycent.flow.rating.stage"),
        ("everycent.serve.cli.app", "everycent.flow.settlement.service"),
        ("everycent.flow.rating.stage", "everycent.flow.rating.core.plan"),
    )


def test_a_context_is_not_entered_through_the_window() -> None:
    [(importer, imported, reason)] = trespasses(("everycent.flow.rating.stage", "everycent.flow.intake.core.checks"))
    assert (importer, imported) == ("everycent.flow.rating.stage", "everycent.flow.intake.core.checks")
    assert reason == "'core' is everycent.flow.intake's own affair; its doors are contract, stage, service"


def test_a_door_is_for_those_it_names() -> None:
    [(*_, reason)] = trespasses(("everycent.serve.cli.app", "everycent.flow.rating.stage"))
    assert reason == "the door 'stage' is for everycent.flow.pipeline"
    [(*_, reason)] = trespasses(("everycent.flow.payments.stage", "everycent.flow.settlement.service"))
    assert reason == "the door 'service' is for everycent.flow.pipeline and everycent.serve"
