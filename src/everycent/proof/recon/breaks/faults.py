"""What is wrong with a scenario's words of handling, found before anything is run."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from everycent.base.engine.formula import FormulaError
from everycent.base.money.currency import Currency
from everycent.proof.recon.breaks.choosing import check_rule
from everycent.proof.recon.breaks.repairers import UnknownRepair, handler_of
from everycent.proof.recon.contract import CAUSES, Bucket
from everycent.proof.recon.handling import HandlingSpec, RepairRuleSpec
from everycent.proof.recon.limits import minor_by_currency

_NO_BREAKS = (Bucket.EQUAL, Bucket.WITHIN_TOLERANCE, Bucket.MATCHED, Bucket.ONLY_RIGHT, Bucket.IN_TOTAL)
#: The kinds that a break may be of.
KINDS = tuple(bucket for bucket in Bucket if bucket not in _NO_BREAKS)
Place = tuple[str | int, ...]


def faults_of(
    spec: HandlingSpec, money: Currency, folder: Path, checkers: Collection[str] = ()
) -> Iterator[tuple[Place, str]]:
    """Each with the place below `breaks`. Programs are looked for below `folder`; `checkers`: the scenario's."""
    for at, rule in enumerate(spec.repair):
        for place, message in _of_rule(rule, money, folder, checkers):
            yield ("repair", at, *place), message
    if spec.write_off is not None:
        for word in ("limit", "approve_above"):
            given = getattr(spec.write_off, word)
            if given is not None and (wrong := _amounts(given, money)):
                yield ("write_off", word), wrong


def _of_rule(
    rule: RepairRuleSpec, money: Currency, folder: Path, checkers: Collection[str]
) -> Iterator[tuple[Place, str]]:
    for kind in rule.kinds:
        if kind not in KINDS and kind.partition("/")[0] not in checkers:
            found = "".join(f", or {name}/KIND for what '{name}' finds" for name in checkers)
            yield ("kinds",), f"'{kind}' is no kind of break; write one of {', '.join(KINDS)}{found}"
    for cause in rule.causes:
        if cause not in CAUSES and not checkers:
            yield ("causes",), f"'{cause}' is no cause; write one of {', '.join(CAUSES)}"
    message = None if rule.most_amount is None else _amounts(rule.most_amount, money)
    if message is not None:
        yield ("most_amount",), message
    else:
        try:
            check_rule(rule)
        except FormulaError as error:
            yield ("when",), error.message
        except ValueError as error:
            yield ("when",), str(error)
    try:
        handler_of(rule, folder)
    except UnknownRepair as error:
        yield ("handler",), str(error)
    if rule.script is not None and not os.access(folder / rule.script.file, os.X_OK):
        yield ("script", "file"), f"there is no program {rule.script.file} beside the model; put it there, executable"


def _amounts(given: str | Mapping[str, str], money: Currency) -> str | None:
    try:
        minor_by_currency(given, money)
    except ValueError as error:
        return str(error)
    return None
