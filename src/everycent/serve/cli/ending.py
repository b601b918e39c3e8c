"""`everycent statement close` and `statement events`: what ends the periods of statements that no calendar ends."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from everycent.base.platform.settings import Settings
from everycent.flow.approvals.contract import Outcome
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.service import end_by_hand, open_session
from everycent.flow.settlement import service as settlement
from everycent.flow.settlement.contract import BY_HAND, CycleEvent, EventAnswer
from everycent.serve.cli import exits
from everycent.serve.cli.statements import Told, tell, user
from everycent.serve.cli.terminal import out, print_json, print_table
from everycent.serve.wiring import SECTIONS, migrations


def close_command(
    path: Path, parties: Sequence[str], on: date | None, by: str | None, why: str | None, *, as_json: bool
) -> int:
    """Ends the open period of each party; 1 where one is refused."""
    model = load_model(path, SECTIONS)
    now = datetime.now(UTC)
    day = on or model.calendar.today(now)
    events = [CycleEvent(f"{party}/{day}", BY_HAND, party, day, user(by), why) for party in dict.fromkeys(parties)]
    with open_session(Settings.load(), migrations()) as session:
        answers = end_by_hand(session, model, events, now)
    return tell("party", [_told(each) for each in answers], as_json=as_json)


def _told(answer: EventAnswer) -> Told:
    if answer.refusal is not None:
        return Told(answer.event.party_id, Outcome.REFUSED, str(answer.refusal), answer.message)
    return Told(answer.event.party_id, Outcome.UNCHANGED if answer.again else Outcome.DONE)


def events_command(model: str | None, party: str | None, limit: int, *, as_json: bool) -> int:
    """Lists events, the latest first."""
    with open_session(Settings.load(), migrations()) as session:
        found = settlement.shown_events(session.connection, session.tenant, model, party, limit)
    if as_json:
        print_json({"events": found})
        return exits.OK
    if not found:
        out.print("no event came that ends a period")
        return exits.OK
    rows = [
        [each["party_id"], each["kind"], each["occurred_on"], each["given_by"], each["why"],
         f"{each['message']} ({each['refusal']})" if each["refusal"] else "ends a period"] for each in found
    ]  # fmt: skip
    print_table("Events", ("party", "kind", "on", "by", "why", ""), rows)
    return exits.OK
