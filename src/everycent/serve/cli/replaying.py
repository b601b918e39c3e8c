"""`everycent replay`: the life of one business id, as a table and as a page with a timeline."""

from pathlib import Path

from everycent.base.platform.settings import Settings
from everycent.flow.pipeline.session import open_session
from everycent.proof.explain.service import replay
from everycent.proof.recon.service import models_reconciled
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NothingStored
from everycent.serve.cli.terminal import err, out, print_json, print_table, shorten
from everycent.serve.wiring import migrations


def replay_command(id_text: str, model: str | None, path: Path | None, *, as_json: bool) -> int:
    """Prints the life of an id; with a path, writes its page."""
    with open_session(Settings.load(), migrations()) as session:
        stored = sorted({*session.models(), *models_reconciled(session.connection, session.tenant)})
        if model is not None and model not in stored:
            raise NothingStored(f"the database holds no model '{model}'; it holds {', '.join(stored) or 'none'}")
        life = replay(session.connection, session.details, session.engine, session.tenant, id_text, model)
    if path is not None:
        from everycent.serve.report.life import render_life

        path.parent.mkdir(parents=True, exist_ok=True)
        render_life(life, path)
    if as_json:
        print_json({**life.to_dict(), "written": None if path is None else str(path)})
        return exits.OK
    rows = [
        [event.when or "–", event.kind.replace("_", " "), shorten(event.text), event.place] for event in life.events
    ]
    print_table(f"The life of {life.asked}", ["when (UTC)", "what", "", "where"], rows)
    for missing in life.not_found:
        err.print(f"not found: {missing}", markup=False)
    if path is not None:
        out.print(f"written: {path}", markup=False)
    return exits.OK
