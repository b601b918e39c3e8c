"""What is wrong with a scenario's words of `breaks`, told with its place in the file."""

from pathlib import Path

from everycent.base.money.currency import Currency
from everycent.flow.model.contract import ModelIssue, Source
from everycent.proof.recon.breaks.faults import faults_of
from everycent.proof.recon.contract import ReconSpec


def handling_issues(
    source: Source, path: tuple[str, ...], spec: ReconSpec, money: Currency, folder: Path
) -> list[ModelIssue]:
    """Of the scenario at `path`; programs are looked for below `folder`."""
    if spec.breaks is None:
        return []
    checkers = [name for word in spec.check for name in word]
    faults = faults_of(spec.breaks, money, folder, checkers)
    return [source.issue(said, (*path, "breaks", *at)) for at, said in faults]
