"""Strict order under kill -9: wherever a pass, a window or a rewind dies, the same command ends as an undisturbed one.

Each story begins with a database in which all is ready for the work. A command does it, and gets SIGKILL at one of the
statements that it makes meanwhile or shortly after that began, which a seed chooses; then it is called again. The
canonical dump must be that of a command that nobody killed. What is told of a hundred kills is how many hit the work.
"""

import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from server_folders import server_folder
from small_market import PROMOTIONS, market, returns, sales, written
from workplace import Commands, Found, Place

WINDOWS = "everycent.flow.pipeline.windows:Windows.clear"
REWIND = "everycent.flow.pipeline.rewinding:_Rewind.run"
ONE_BY_ONE = PROMOTIONS.replace("window: 3}", "window: 1, wait: 60 days}")
SIDE_BY_SIDE = PROMOTIONS.replace("window: 3}", "window: 20, wait: 60 days}")
SALES, LATE = range(14), (0, 1, 2, 5)
ON_TIME = [n for n in SALES if n not in LATE]


@dataclass(frozen=True)
class Story:
    """A model; deliveries with their days that come before, and the one during which the `work` is killed."""

    about: str
    work: str
    before: tuple[tuple[list[Any], str], ...]
    then: tuple[list[Any], str]


EVERYTHING = [*sales(SALES), *returns((1, 4, 8))]
#: All waits for stragglers, till the day cut to May; the rewind takes back what was cleared, some of it closed.
STORIES = {
    "one by one": Story(ONE_BY_ONE, WINDOWS, ((EVERYTHING, "2026-03-01"),), (EVERYTHING, "2026-05-01")),
    "side by side": Story(SIDE_BY_SIDE, WINDOWS, ((EVERYTHING, "2026-03-01"),), (EVERYTHING, "2026-05-01")),
    "rewind": Story(
        PROMOTIONS,
        REWIND,
        (([*sales(ON_TIME), *returns((4, 8))], "2026-03-04"),),
        ([*sales(LATE), *returns((1,))], "2026-03-05"),
    ),
}
TIERS = ({}, {"EVERYCENT_LAKE_FROM_ROWS": "2"})


@dataclass(frozen=True)
class Stage:
    """A story that is ready to go on: a database to copy, what comes of it undisturbed, and in how many statements."""

    story: Story
    folder: Path
    database: str
    undisturbed: Found
    statements: int


class Theatre:
    """Sets stories up, and plays them."""

    def __init__(self, databases: Any, commands: Commands, folder: Path) -> None:
        self.databases, self.commands, self.folder = databases, commands, folder
        self.stages: dict[str, Stage] = {}
        self.open = ExitStack()

    def stage(self, name: str) -> Stage:
        """The story `name`, set up once."""
        if name not in self.stages:
            story, folder = STORIES[name], self.folder / name.replace(" ", "-")
            folder.mkdir()
            (folder / "model.yaml").write_text(market(story.about))
            settings = self.open.enter_context(self.databases.fresh(folder / "data"))
            for number, (facts, _) in enumerate((*story.before, story.then)):
                written(facts, folder / f"in{number}", str(number))
            place = self._place(settings, "before", {})
            for number, (_, day) in enumerate(story.before):
                assert self.commands.run(place, self._arguments(folder, number, day)).code == 0
            database = place.settings["EVERYCENT_DATABASE_URL"].split("///")[1].split("?")[0]
            stage = Stage(story, folder, database, Found("", (), (), (), False), 0)
            found, statements = self.played(stage, "undisturbed", {}, None)
            self.stages[name] = replace(stage, undisturbed=found, statements=statements)
        return self.stages[name]

    def killed(self, name: str, seed: int) -> bool:
        """Plays the story with a death at a moment that the seed chooses. Whether it hit the work."""
        stage, chance = self.stage(name), random.Random(f"{name} {seed}")
        nth = chance.randint(1, stage.statements)
        death = {"work": stage.story.work, "nth": nth, "after_s": chance.choice([0, 0, chance.uniform(0, 0.004)])}
        found, hit = self.played(stage, f"killed-{seed}", TIERS[seed % 2], death)
        assert found.verified and not found.orphans and not found.missing, death
        assert found.dump_hash == stage.undisturbed.dump_hash, (death, difference(found, stage.undisturbed))
        return bool(hit)

    def played(self, stage: Stage, name: str, tier: dict[str, str], death: dict[str, Any] | None) -> tuple[Found, int]:
        """What is stored at the end, and how many statements the work took; with a death, whether that hit the work."""
        day, number = stage.story.then[1], len(stage.story.before)
        arguments = self._arguments(stage.folder, number, day)
        with self.databases.fresh(self.folder / name, copy_of=stage.database) as settings:
            place = self._place(settings, f"{stage.folder.name}-{name}", tier)
            watched = death or {"work": stage.story.work, "nth": 0, "after_s": 0}
            first = self.commands.run(place, arguments, watched)
            if death is None:
                assert first.code == 0, first.err
                told = first.statements
            else:
                assert first.code in (0, -9), first.err
                told = first.inside
                again = self.commands.run(place, arguments)
                assert again.code == 0, again.err
            found = place.examine(verified=True)  # by the command, whose exit code says so
            shutil.rmtree(place.folder)
            return found, int(told)

    def _place(self, settings: Any, name: str, tier: dict[str, str]) -> Place:
        address = {"EVERYCENT_DATABASE_URL": str(settings.database_url), "EVERYCENT_MEMORY_MB": "256"}
        return Place(self.folder / f"place-{name}", {**address, **tier})

    @staticmethod
    def _arguments(folder: Path, number: int, day: str) -> list[str]:
        files = str(folder / f"in{number}")
        return ["run", str(folder / "model.yaml"), "--records", files, "--as-of", day, "--json"]


def difference(found: Found, wanted: Found) -> list[bytes]:
    """Some lines of two dumps that are not in both."""
    return sorted(set(found.lines) ^ set(wanted.lines))[:6]


@pytest.fixture(scope="module")
def theatre(databases: Any) -> Iterator[Theatre]:
    folder = server_folder("everycent-kills-")
    commands = Commands()
    made = Theatre(databases, commands, folder)
    with made.open:
        yield made
    commands.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("name", STORIES)
def test_wherever_it_dies_it_goes_on(theatre: Theatre, name: str) -> None:
    stage = theatre.stage(name)
    assert stage.undisturbed.verified and stage.statements > 20
    hits = [theatre.killed(name, seed) for seed in (1000, 1001)]
    assert any(hits), "at least one died at work"


@pytest.mark.soak
@pytest.mark.parametrize("name", STORIES)
def test_a_hundred_kills_each(theatre: Theatre, name: str) -> None:
    hits = sum(theatre.killed(name, seed) for seed in range(100))
    print(f"{name}: {hits} of 100 kills hit the work, of {theatre.stage(name).statements} statements")
    assert hits >= 90, "the kills hit the work"
