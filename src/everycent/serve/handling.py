"""Handles breaks of a model's or scenario file's reconciliations: looks again, repairs, alerts."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from everycent.proof.recon.breaks.alerting import Delivered, Written, deliver, write_alerts
from everycent.proof.recon.breaks.desk import NotDone
from everycent.proof.recon.breaks.observing import note_words
from everycent.proof.recon.breaks.rechecking import Rechecked, due_again, meant_again, recheck, refuse_rules
from everycent.proof.recon.breaks.repairers import handler_of
from everycent.proof.recon.breaks.repairing import RepairPass, Workshop, repair
from everycent.proof.recon.breaks.standing import StandingBreak
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.contract import HandlingSpec, LinkFailed
from everycent.serve.links import links_of
from everycent.serve.loading import Place, load_sides
from everycent.serve.reconciling import PlannedScenario


@dataclass(frozen=True)
class Handled:
    """What one pass did for a scenario's breaks."""

    scenario: str
    repairs: RepairPass
    written: Written
    busy: str | None = None  # why nothing was repaired: another pass does


def words_for(scenario: PlannedScenario) -> Words:
    """The scenario's words as they stand in its file now."""
    return Words(scenario.name, scenario.currency.code, scenario.spec.breaks or HandlingSpec(), scenario.plan.booking)


def workshop(place: Place, scenario: PlannedScenario, who: str | None, now: datetime) -> Workshop:
    """Where its breaks are repaired."""
    session, words = place.session, words_for(scenario)
    handlers = {rule.name: handler_of(rule, place.around.folder) for rule in words.handling.repair}
    named = {} if who is None else {"who": who}
    return Workshop(session.connection, session.engine, session.tenant, place.scope.name, words, handlers, now, **named)


def handle(place: Place, scenarios: Sequence[PlannedScenario], now: datetime) -> tuple[list[Handled], list[Delivered]]:
    """Repairs what rules fit, writes alerts about the rest, and sends what is due."""
    session, name = place.session, place.scope.name
    done = []
    for scenario in scenarios:
        note_words(session.connection, session.tenant, name, words_for(scenario), now)
        try:
            repairs, busy = repair(workshop(place, scenario, None, now)), None
        except NotDone as refused:
            repairs, busy = RepairPass(()), str(refused)
        written = write_alerts(session.connection, session.tenant, name, words_for(scenario), now)
        done.append(Handled(scenario.name, repairs, written, busy))
    return done, deliver(session.connection, session.tenant, name, place.around.environ, now)


def look_again(
    place: Place,
    scenario: PlannedScenario,
    given: dict[str, Sequence[Path]],
    meant: Sequence[StandingBreak] | None,
    now: datetime,
) -> Rechecked | None:
    """Rechecks those that a person means, or what is due; None where that is nothing. Raises NotDone, SourceError."""
    session, model = place.session, place.scope.name
    looked_at = (
        due_again(session.connection, session.tenant, model, scenario.name, now)
        if meant is None
        else meant_again(meant)
    )
    if not looked_at.num_rows:
        return None
    refuse_rules(scenario.plan)
    try:
        sides = load_sides(place, scenario, links_of(scenario.spec), given)
    except LinkFailed as failed:
        raise NotDone(str(failed)) from None
    try:
        return recheck(
            session.connection, session.engine, session.tenant, model, scenario.plan, words_for(scenario),
            (sides.left, sides.right), looked_at, now,
        )  # fmt: skip
    finally:
        for word in ("left", "right"):
            with suppress(KeyError):
                sides.raw[word].drop(session)
