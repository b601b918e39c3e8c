"""Stories whose last command gets SIGKILL at a statement that a seed chooses, and is called again.

Each story begins with a database in which all is ready for the work. A command does it, and dies at one of the
statements that it makes meanwhile or shortly after that began; then it is called again. The canonical dump must be that
of a command that nobody killed.
"""

import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from server_folders import server_folder
from sessions import wait_until_alone
from small_market import Fact, market, written
from workplace import Commands, Found, Place, Watched

from everycent.base.platform.database import Connection, connect

TIERS = ({}, {"EVERYCENT_LAKE_FROM_ROWS": "2"})


@dataclass(frozen=True)
class Scene:
    """A command: a run over `facts` on a `day`, or what `asks` says, MODEL for its model, BESIDE with a file beside
    it.

    `about`: what the model of it says, with its `tables` by name.
    """

    about: str
    facts: Sequence[Fact] = ()
    day: str = ""
    asks: Sequence[str] = ()
    tables: Mapping[str, str] = field(default_factory=dict)

    def set_up(self, folder: Path, number: int) -> list[str]:
        """Writes its files into the story's folder. Gives the command's arguments."""
        model, inbox = folder / "model.yaml", folder / f"in{number}"
        model.write_text(market(self.about))
        for name, text in self.tables.items():
            (folder / name).write_text(text)
        if self.asks:
            named = {"MODEL": str(model), **{f"BESIDE {name}": str(folder / name) for name in self.tables}}
            return [named.get(word, word) for word in (*self.asks, "--json")]
        written(self.facts, inbox, str(number))
        return ["run", str(model), "--records", str(inbox), "--as-of", self.day, "--json"]


@dataclass(frozen=True)
class Story:
    """What comes `before`, and `then` the command during which one of the `works` (MODULE:NAME) is killed."""

    works: Sequence[str]
    before: Sequence[Scene]
    then: Scene
    settings: Mapping[str, str] = field(default_factory=dict)
    audit: Callable[[Connection], None] | None = None  # what else must hold at the end, however it came
    ends: Sequence[int] = (0,)  # codes with which it may end when it is called again


@dataclass(frozen=True)
class Stage:
    """A story that is ready to go on: a database to copy, the command's arguments, what comes of it undisturbed, and in
    how many statements of each work."""

    story: Story
    folder: Path
    database: str
    arguments: Sequence[str]
    undisturbed: Found
    statements: Sequence[int] = ()


class Theatre:
    """Sets stories up, and plays them."""

    def __init__(self, databases: Any, commands: Commands, folder: Path, stories: Mapping[str, Story]) -> None:
        self.databases, self.commands, self.folder, self.stories = databases, commands, folder, stories
        self.stages: dict[str, Stage] = {}
        self.open = ExitStack()

    def stage(self, name: str) -> Stage:
        """The story `name`, set up once."""
        if name not in self.stages:
            story, folder = self.stories[name], self.folder / name.replace(" ", "-")
            folder.mkdir()
            settings = self.open.enter_context(self.databases.fresh(folder / "data"))
            place = self._place(settings, "before", story.settings)
            for number, scene in enumerate(story.before):
                done = self.commands.run(place, scene.set_up(folder, number))
                assert done.code == 0, done.err
            database = place.settings["EVERYCENT_DATABASE_URL"].split("///")[1].split("?")[0]
            arguments = story.then.set_up(folder, len(story.before))
            stage = Stage(story, folder, database, arguments, Found("", (), (), (), False))
            found, first = self.played(stage, "undisturbed", {}, None)
            self.stages[name] = replace(stage, undisturbed=found, statements=first.statements)
        return self.stages[name]

    def killed(self, name: str, seed: int) -> bool:
        """Plays the story with a death at a moment that the seed chooses. Whether it hit the work."""
        stage, chance = self.stage(name), random.Random(f"{name} {seed}")
        work = seed // len(TIERS) % len(stage.story.works)
        nth = chance.randint(1, stage.statements[work])
        death = {"work": work, "nth": nth, "after_s": chance.choice([0, 0, chance.uniform(0, 0.004)])}
        found, first = self.played(stage, f"killed-{seed}", TIERS[seed % len(TIERS)], death)
        told = (stage.story.works[work], death, difference(found, stage.undisturbed))
        assert found.verified and not found.orphans and not found.missing, told
        assert found.dump_hash == stage.undisturbed.dump_hash, told
        return first.inside[work]

    def played(
        self, stage: Stage, name: str, tier: Mapping[str, str], death: Mapping[str, Any] | None
    ) -> tuple[Found, Watched]:
        """What is stored at the end, and the command, with a death the one that died."""
        with self.databases.fresh(self.folder / name, copy_of=stage.database) as settings:
            place = self._place(settings, f"{stage.folder.name}-{name}", {**stage.story.settings, **tier})
            first = self.commands.run(place, stage.arguments, stage.story.works, death)
            if death is None:
                assert first.code == 0, first.err
            else:
                assert first.code in (0, -9), first.err
                with connect(settings) as connection:
                    wait_until_alone(connection)  # a worker leaves work alone whose lock is held
                again = self.commands.run(place, stage.arguments)
                assert again.code in stage.story.ends, again.err
            if stage.story.audit is not None:
                with connect(settings) as connection:
                    stage.story.audit(connection)
            found = place.examine(verified=True)  # by the command, whose exit code says so
            shutil.rmtree(place.folder)
            return found, first

    def _place(self, settings: Any, name: str, tier: Mapping[str, str]) -> Place:
        address = {"EVERYCENT_DATABASE_URL": str(settings.database_url), "EVERYCENT_MEMORY_MB": "256"}
        return Place(self.folder / f"place-{name}", {**address, **tier})


def difference(found: Found, wanted: Found) -> list[bytes]:
    """Some lines of two dumps that are not in both."""
    return sorted(set(found.lines) ^ set(wanted.lines))[:6]


@contextmanager
def playing(databases: Any, stories: Mapping[str, Story]) -> Iterator[Theatre]:
    """A theatre for a module's tests."""
    folder = server_folder("everycent-kills-")
    commands = Commands()
    made = Theatre(databases, commands, folder, stories)
    with made.open:
        yield made
    commands.close()
    shutil.rmtree(folder, ignore_errors=True)
