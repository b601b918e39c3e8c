"""A watcher's breaks stand, are repaired and told to people, by the same words as those of any run."""

from collections.abc import Callable
from datetime import datetime
from os import environ

from everycent.base.platform.work_folder import work_folder
from everycent.flow.pipeline.service import Session
from everycent.proof.recon.contract import Surroundings
from everycent.proof.recon.service import RunKey, broken_as_sides, run
from everycent.serve.booking import book_entries
from everycent.serve.handling import handle
from everycent.serve.loading import Place
from everycent.serve.reconciling import PlannedScenario
from everycent.serve.watching import Live, watched


def tell_of_breaks(session: Session, live: Live, now: datetime, tell: Callable[[str], None]) -> None:
    """For scenarios that say whom to alert: what is broken, or was, is stored as a run of these keys alone, and handled
    as `breaks handle` does. The same again stores nothing, and nobody is told of a break twice."""
    concerned = [scenario for scenario in live.scenarios if scenario.spec.breaks and scenario.spec.breaks.alert]
    for scenario in concerned:
        _store(session, live, scenario, now)
    if not concerned:
        return
    with work_folder(session.settings.temp_dir) as folder:
        parent, day = live.model.path.absolute().parent, live.model.calendar.today(now)
        around = Surroundings(parent, day, folder, dict(environ), session.settings)
        _, delivered = handle(Place(session, live.model, live.plan, around), concerned, now)
    for one in delivered:
        if one.failure is not None:
            tell(f"not delivered, tried again later: {one.scenario}: {one.failure}")


def _store(session: Session, live: Live, scenario: PlannedScenario, now: datetime) -> None:
    who, connection, engine = watched(session, live, scenario), session.connection, session.engine
    sides = broken_as_sides(connection, engine, who)
    if sides is None:
        return
    how = (who.tenant, who.model, scenario.currency.code, scenario.plan)
    with connection.transaction():
        ran = run(connection, engine, *how, *sides, scenario.spec.breaks, now)
        key = RunKey(who.tenant, who.model, ran.run_id)
        book_entries(session, key, scenario.name, ran, sides, live.model.calendar.today(now))
    for side in sides:
        engine.connection.execute(f"DROP TABLE {side.rows}")
