"""Reconciliation jobs under kill -9: wherever a worker dies, the next goes on, and what is stored is that of one run.

One worker asks for the job, loads the sides, compares four shards of them, and gathers. Two at once share the shards.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_market import PROMOTIONS
from theatre import Scene, Story, Theatre, playing
from workplace import Place, finish

from everycent.base.platform.database import connect
from everycent.proof.recon.jobs import store

WORK = "everycent.proof.recon.jobs.working:Worker.work"
COMMIT = "everycent.proof.recon.service:insert_run"
ABOUT = (
    PROMOTIONS
    + """\
recon:
  bill:
    left: {file: ours.csv, columns: {id: text, paid: money}, key: id, amount: paid}
    right: {file: bill.csv, columns: {id: text, paid: money}, key: id, amount: paid}
    trigger: {file_arrival: {paths: ., settled: 0 minutes}}
    shards: SHARDS
"""
)
SIDES = {
    "ours.csv": "id,paid\n" + "".join(f"A{n},{n}.00\n" for n in range(1, 60)),
    "bill.csv": "id,paid\n" + "".join(f"A{n},{n}.{n % 7:02}\n" for n in range(1, 62) if n % 11),
}


def working(shards: int) -> Story:
    about = ABOUT.replace("SHARDS", str(shards))
    return Story([WORK, COMMIT], [], Scene(about, tables=SIDES, asks=("recon", "work", "MODEL", "--once")))


STORIES = {"in shards": working(4), "in one": working(1)}


@pytest.fixture(scope="module")
def theatre(databases: Any) -> Iterator[Theatre]:
    with playing(databases, STORIES) as made:
        yield made


def test_a_worker_that_dies_is_followed_by_another(theatre: Theatre) -> None:
    stage = theatre.stage("in shards")
    assert min(stage.statements) > 3
    assert any(line.startswith(b"recon.break\t") for line in stage.undisturbed.lines)
    assert theatre.killed("in shards", 1010), "it died at work"


@pytest.mark.soak
def test_sixty_kills(theatre: Theatre) -> None:
    assert theatre.stage("in shards").undisturbed.dump_hash == theatre.stage("in one").undisturbed.dump_hash
    hits = sum(theatre.killed("in shards", seed) for seed in range(60))
    print(f"{hits} of 60 kills hit the work, of {theatre.stage('in shards').statements} statements")
    assert hits >= 40, "the kills hit the work"


def test_two_workers_at_once_do_no_step_twice(databases: Any, tmp_path: Path) -> None:
    model = tmp_path / "model.yaml"
    Scene(ABOUT.replace("SHARDS", "12"), tables=SIDES, asks=("x",)).set_up(tmp_path, 0)
    with databases.fresh(tmp_path / "data") as settings:
        place = Place(tmp_path / "place", {"EVERYCENT_DATABASE_URL": str(settings.database_url)})
        asked = place.run(["recon", "jobs", "start", str(model), "bill", "--bill", str(tmp_path), "--json"])
        number = json.loads(asked.out)["job"]
        both = [place.start(["recon", "work", "--once", "--json"]) for _ in range(2)]
        told = [json.loads(finish(one).out) for one in both]
        with connect(settings) as connection:
            steps = store.steps(connection, "default", number)
            state = store.job(connection, "default", number).state
    assert state is store.JobState.DONE
    assert [step.begun for step in steps] == [1] * 14
    assert sum(each["steps"] for each in told) == 14
    assert not any(each["stopped"] for each in told)
