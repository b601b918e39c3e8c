"""Result handler: a line of JSON for each run, at the end of a file."""

import json
from typing import Any

from pydantic import Field

from everycent.base.engine.declaration import Declaration
from everycent.proof.recon.chain import RunResult, Surroundings


class LogWords(Declaration):
    """Where the line goes."""

    file: str = Field(
        default="recon.jsonl", description="the file, from the scenario's folder on", examples=["r.jsonl"]
    )


class Log:
    """The handler `log`."""

    name = "log"
    words = LogWords

    def handle(self, words: LogWords, result: RunResult, around: Surroundings) -> str:
        """Adds the line; the same run again adds none."""
        if not result.changed:
            return f"{words.file} has this run already"
        path = around.folder / words.file
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(summary_of(result), ensure_ascii=False) + "\n")
        return f"a line in {words.file}"


def summary_of(result: RunResult) -> dict[str, Any]:
    """A run in a few words, for programs; amounts in minor units, of several currencies by code."""
    in_several: dict[str, dict[str, int]] = {}
    for row in () if result.total_currencies is None else result.total_currencies.to_pylist():
        of = in_several.setdefault(row["currency"], {"left_minor": 0, "right_minor": 0})
        for name in of:
            of[name] += int(row[name])
    return {
        "model": result.model,
        "scenario": result.scenario,
        "run_id": str(result.run_id),
        "run_no": result.run_no,
        "as_of": result.as_of.isoformat(),
        "agrees": result.agrees,
        "changed": result.changed,
        "currency": result.currency,
        "left_minor": None if in_several else result.left_minor,
        "right_minor": None if in_several else result.right_minor,
        "currencies": in_several,
        "breaks": result.breaks.num_rows,
        "buckets": {row["bucket"]: row["keys"] for row in result.totals.to_pylist() if row["keys"]},
        "findings": {each.checker: each.failure or each.findings.num_rows for each in result.checked},
    }


HANDLER = Log()
