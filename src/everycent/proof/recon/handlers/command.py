"""Result handler: starts a program, which gets the run as JSON on its standard input."""

import json
import subprocess

from pydantic import Field

from everycent.base.engine.declaration import Declaration
from everycent.proof.recon.chain import LinkFailed, RunResult, Surroundings
from everycent.proof.recon.handlers.log import summary_of

_SAID_CHARACTERS_MAX = 300


class CommandWords(Declaration):
    """Which program, and when."""

    run: tuple[str, ...] = Field(
        min_length=1, description="the program and its arguments; no shell reads them", examples=[["./tell.sh", "ops"]]
    )
    on: str = Field(
        default="breaks", pattern="^(breaks|always)$", description="breaks: where the sides disagree; always: each run"
    )
    breaks_most: int = Field(
        default=1_000, ge=0, description="so many breaks are handed over; `breaks` counts them all"
    )
    timeout_s: int = Field(default=60, ge=1, description="how long it may take, in seconds")


class Command:
    """The handler `command`."""

    name = "command"
    words = CommandWords

    def handle(self, words: CommandWords, result: RunResult, around: Surroundings) -> str:
        """Runs it in the scenario's folder. Raises LinkFailed where it fails or takes too long."""
        if words.on == "breaks" and result.agrees:
            return "not started: the sides agree"
        others = () if result.break_currencies is None else result.break_currencies.to_pylist()
        currency_of = {row["finding_no"]: row for row in others if row["finding_no"] <= words.breaks_most}
        rows = [
            {
                **{
                    name: str(value) if name.endswith("_minor") and value is not None else value
                    for name, value in row.items()
                },
                **currency_of.get(number, {}),
            }
            for number, row in enumerate(result.breaks.slice(0, words.breaks_most).to_pylist(), 1)
        ]
        told = json.dumps({**summary_of(result), "rows": rows}, ensure_ascii=False)
        try:
            done = subprocess.run(
                words.run, input=told, text=True, capture_output=True, cwd=around.folder, timeout=words.timeout_s,
                check=False, env=dict(around.environ),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise LinkFailed(f"handler 'command': {words.run[0]} took longer than {words.timeout_s} s; ended") from None
        except OSError as error:
            raise LinkFailed(f"handler 'command': {words.run[0]} does not start: {error.strerror}") from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-_SAID_CHARACTERS_MAX:]
            raise LinkFailed(f"handler 'command': {words.run[0]} ended with code {done.returncode}: {said}")
        return f"{words.run[0]} ran"


HANDLER = Command()
