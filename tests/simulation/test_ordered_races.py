"""Several real commands at once over one order: nothing beyond a cap, nothing lost, nothing cleared twice."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from market_place import MarketPlace
from server_folders import server_folder
from small_market import PROMOTIONS, Fact, market, returns, sales, written
from workplace import PATIENCE_S, Done, Place, finish

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import connect
from everycent.base.platform.details import Details
from everycent.flow.pipeline.service import Session

#: One pot for all: the brands carry 20.00 together, not a cent more.
TIGHT = PROMOTIONS.replace("{per: [merchant], period: month}", "{}").replace("cap: 30.00", "cap: 20.00")
#: Another amount than was charged first, and what corrects it.
LESS = TIGHT.replace("amount: coupon\n", 'amount: "coupon - 1"\n').replace("amount: price,", 'amount: "price - 1",')
CORRECTION = "everycent.flow.pipeline.corrected_batch:commit"
WINDOW = "everycent.flow.pipeline.windows:Windows._commit"


class Yard:
    """A place for commands and one for the same facts at once, in databases of the session's server."""

    def __init__(self, databases: Any, folder: Path, about: str) -> None:
        self.folder, self.about, self.deliveries = folder, about, 0
        (folder / "model.yaml").write_text(market(about))
        self.databases = databases

    def place(self, settings: Any) -> Place:
        return Place(self.folder / "place", {"EVERYCENT_DATABASE_URL": str(settings.database_url)})

    def run(self, facts: Sequence[Fact], as_of: str = "2026-03-01") -> list[str]:
        """The arguments of a run over the facts as files of their own."""
        self.deliveries += 1
        inbox = self.folder / f"in{self.deliveries}"
        written(facts, inbox, str(self.deliveries))
        return ["run", str(self.folder / "model.yaml"), "--records", str(inbox), "--as-of", as_of, "--json"]

    def rerate(self, *records: str) -> list[str]:
        """The arguments of a correction."""
        named = [word for record in records for word in ("--record", record)]
        return ["rerate", "run", str(self.folder / "model.yaml"), *named, "--json"]

    def rewind(self, to: str) -> list[str]:
        """The arguments of a rewind."""
        return ["rewind", "run", str(self.folder / "model.yaml"), "--to", to, "--json"]


@pytest.fixture
def folder() -> Iterator[Path]:
    made = server_folder("everycent-races-")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def seen(tmp_path: Path) -> Callable[[Any, Callable[[MarketPlace], Any]], Any]:
    """Looks at what is stored in a database."""

    def look(settings: Any, ask: Callable[[MarketPlace], Any], about: str = TIGHT) -> Any:
        with connect(settings) as connection, LocalEngine(1, 256, tmp_path / "spill") as engine:
            session = Session(settings, connection, engine, Details(connection, settings.lake_dir, settings.tenant))
            place = MarketPlace(session, tmp_path / "looking", market(about))
            place.proven()
            return ask(place)

    return look


def delivered(place: MarketPlace, facts: Sequence[Fact]) -> Any:
    """All that stands after one run over the facts."""
    place.deliver(facts)
    return place.effective()


def waits_until(true: Callable[[], bool]) -> None:
    """Until it is so; patience has an end."""
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.05)


def stopped(command: "subprocess.Popen[str]") -> bool:
    """Whether the process was stopped by a signal."""
    assert command.poll() is None, f"it ended: {command.communicate()}"
    return Path(f"/proc/{command.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def waiting(settings: Any) -> int:
    """How many commands wait for the model's lock in this database."""
    with connect(settings) as connection:
        [(count,)] = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    return int(count)


def test_two_commands_race_for_the_last_cent_of_a_cap(databases: Any, folder: Path, seen: Any) -> None:
    yard = Yard(databases, folder, TIGHT)
    facts = sales(range(8))
    with databases.fresh(folder / "place" / "data") as settings:
        place = yard.place(settings)
        commands = [place.start(yard.run(half)) for half in (facts[::2], facts[1::2])]
        ended = [finish(command) for command in commands]
        assert [done.code for done in ended] == [0, 0], [done.err for done in ended]
        effective, sums = seen(settings, lambda place: (place.effective(), place.sums(of=("charge", "leaf"))))
    asked = sum(round(float(line.split(",")[4]) * 100) for _, _, line in facts)
    assert sums["coupon", "brand"] == 2000, "all of the cap, and not a cent more"
    assert sums["coupon", "platform"] == asked - 2000, "and nothing is lost"
    with databases.fresh(folder / "once") as settings:
        assert seen(settings, lambda place: delivered(place, facts)) == effective


def test_facts_and_a_rewind_that_come_in_the_middle_of_a_rewind(databases: Any, folder: Path, seen: Any) -> None:
    """A rewind stops after its second window. A run with late facts and another rewind wait until it is done."""
    yard = Yard(databases, folder, TIGHT)
    first, late = sales([1, 2, 4, 5, 6, 7, 8, 9]), [*sales([0, 3]), *returns((1, 4))]
    with databases.fresh(folder / "place" / "data") as settings:
        place = yard.place(settings)
        assert place.run(yard.run(first)).code == 0
        rewinding = place.start(yard.rewind("S02"), driver=[WINDOW, "after", "2", "pause"])
        waits_until(lambda: stopped(rewinding))
        others = [place.start(arguments) for arguments in (yard.run(late), yard.rewind("S05"))]
        waits_until(lambda: waiting(settings) == 2)
        os.kill(rewinding.pid, signal.SIGCONT)
        ended = [finish(command) for command in (rewinding, *others)]
        assert [done.code for done in ended] == [0, 0, 0], [done.err for done in ended]
        assert all("another run of the model" in done.err for done in ended[1:]), "they say that they wait"
        effective = seen(settings, MarketPlace.effective)
        with connect(settings) as connection:
            states = connection.execute("SELECT generation, state FROM platform.generation ORDER BY 1").fetchall()
        assert states == [(1, "effective"), (2, "effective"), (3, "effective")], "one after the other"
    with databases.fresh(folder / "once") as settings:
        assert seen(settings, lambda place: delivered(place, [*first, *late])) == effective


def in_the_middle(place: Place, settings: Any, commands: Sequence[list[str]]) -> list[Done]:
    """The first command stops after its first commit, and goes on when all others wait for it."""
    first = place.start(commands[0], driver=[CORRECTION, "after", "1", "pause"])
    waits_until(lambda: stopped(first))
    others = [place.start(arguments) for arguments in commands[1:]]
    waits_until(lambda: waiting(settings) == len(others))
    os.kill(first.pid, signal.SIGCONT)
    ended = [finish(command) for command in (first, *others)]
    assert all("another run of the model" in done.err for done in ended[1:]), "they say that they wait"
    return ended


def test_facts_and_a_correction_that_come_in_the_middle_of_a_correction(
    databases: Any, folder: Path, seen: Any
) -> None:
    """A correction stops between what arrival decided and what order did. A run with refunds of what is corrected, and
    the same correction again, wait until it is done; all comes out as one after the other."""
    yard = Yard(databases, folder, TIGHT)
    facts, late, records = sales(range(6)), returns((1, 4)), ("S01", "S02")

    def one_after_another(place: MarketPlace) -> Any:
        place.deliver(facts)
        place = place.about(market(LESS))
        place.rerate(*records)
        place.deliver(late)
        return place.effective()

    with databases.fresh(folder / "place" / "data") as settings:
        place = yard.place(settings)
        assert place.run(yard.run(facts)).code == 0
        (folder / "model.yaml").write_text(market(LESS))
        commands = [yard.rerate(*records), yard.run(late), yard.rerate(*records)]
        ended = in_the_middle(place, settings, commands)
        assert [done.code for done in ended] == [0, 0, 0], [done.err for done in ended]
        assert json.loads(ended[-1].out)["changes"] == [], "what is corrected is not corrected again"
        with connect(settings) as connection:
            assert connection.execute("SELECT DISTINCT revision FROM rating.corrected_charge").fetchall() == [(1,)]
        effective = seen(settings, MarketPlace.effective, LESS)
    with databases.fresh(folder / "once") as settings:
        assert seen(settings, one_after_another) == effective
