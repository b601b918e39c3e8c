"""`everycent story`: plays the story from the contract to the bank, each of its commands as if it were typed."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from everycent.base.platform.postgres import serving
from everycent.base.platform.settings import Settings
from everycent.flow.parties import service
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import open_session
from everycent.serve.cli import exits
from everycent.serve.cli.terminal import err, out, print_json
from everycent.serve.cli.workspaces import write_schema
from everycent.serve.demo.story import Line, Scene, scenes, spread, write_story
from everycent.serve.wiring import migrations

#: Stands in the folder while the story is played: who finds it there begins anew.
_UNFINISHED = ".unfinished"
_MODEL = "model.yaml"
#: The story's model, by its name.
_STORY = "lantern-mall"
_AGAIN = (
    Scene(
        "The story was played here before, and is verified once more; remove the folder to play it again",
        ((Line("everycent verify", ("verify",), keeps=None, says_no=False),),),
    ),
)


@dataclass(frozen=True)
class Played:
    """A line of the story, how it ended, and what it took."""

    line: Line
    code: int
    seconds: float

    @property
    def as_told(self) -> bool:
        return self.code == (exits.FAILED if self.line.says_no else exits.OK)


def story_command(folder: Path, *, as_json: bool) -> int:
    """Plays the story in a folder of its own; where it was played before, what came of it is verified again.

    Raises InputRefused: the folder holds something else, or the database a story that was begun before.
    """
    before = folder.exists() and not (folder / _UNFINISHED).exists()
    if before and not (folder / _MODEL).is_file():
        raise InputRefused(f"{folder} is there and holds no story; name another folder")
    if not before:
        _refuse_begun(Settings.load())
        shutil.rmtree(folder, ignore_errors=True)
        write_story(folder)
        write_schema(folder)
        (folder / _UNFINISHED).touch()
    with _at_home(folder), serving(Settings.load()):
        played = _play(_AGAIN if before else scenes(Path()), as_json=as_json)
    if played[-1].as_told:
        (folder / _UNFINISHED).unlink(missing_ok=True)
    _say(folder, played, as_json=as_json)
    return exits.OK if played[-1].as_told else exits.FAILED


def _refuse_begun(settings: Settings) -> None:
    """A database of one's own outlives the folder: what a story left in it would be met again, and end otherwise than
    told. The embedded database goes with the folder."""
    if settings.database_url is None:
        return
    with open_session(settings, migrations()) as session:
        begun = service.parties(session.connection, session.tenant, _STORY, {}, 1)
    if begun:
        raise InputRefused(
            f"story_begun_before: the database of EVERYCENT_DATABASE_URL holds a story of tenant '{settings.tenant}' "
            "that was begun before, and it is played once; set EVERYCENT_TENANT to a new name, such as "
            f"{settings.tenant}-2, and play it again (or unset EVERYCENT_DATABASE_URL: then it has one of its own)"
        )


@contextmanager
def _at_home(folder: Path) -> Iterator[None]:
    """As if somebody had gone to the folder in a shell of their own."""
    kept = dict(os.environ)
    with chdir(folder):
        os.environ["EVERYCENT_DATA_DIR"] = str(Path(".everycent").absolute())
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(kept)


def _play(told: Sequence[Scene], *, as_json: bool) -> list[Played]:
    """Plays line by line, up to the first that does not end as it is told."""
    played: list[Played] = []
    with redirect_stdout(StringIO()) if as_json else nullcontext():
        for scene in told:
            out.print(f"\n{scene.title}\n", style="bold", markup=False)
            for part in scene.parts:
                if isinstance(part, str):
                    out.print(f"{part}\n", style="italic", markup=False)
                    continue
                for line in part:
                    played.append(_typed(line))
                    if not played[-1].as_told:
                        return played
    return played


def _typed(line: Line) -> Played:
    from everycent.serve.cli.app import run_app  # it knows this command, too

    out.print(f"$ {line.text}", style="cyan", markup=False)
    began = time.perf_counter()
    said = StringIO()
    with redirect_stdout(said) if line.keeps else nullcontext():
        code = run_app(spread(line.words))
    if line.keeps:
        os.environ[line.keeps] = said.getvalue().strip()
    out.print()
    return Played(line, code, time.perf_counter() - began)


def _say(folder: Path, played: list[Played], *, as_json: bool) -> None:
    last = played[-1]
    if as_json:
        lines = [{"line": one.line.text, "exit": one.code, "seconds": round(one.seconds, 2)} for one in played]
        print_json({"folder": str(folder), "played": last.as_told, "lines": lines})
    elif last.as_told:
        out.print(f"report: {folder / 'report.html'}; all else is in that folder, too, to ask on", markup=False)
    else:
        err.print(f"everycent: the story stopped: '{last.line.text}' ended with {last.code}", markup=False)
