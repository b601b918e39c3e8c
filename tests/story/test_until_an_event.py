"""Statements that an event ends: what was completed until then joins, what was completed later is on the next one."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from contract_messages import said

from everycent.flow.model.contract import ModelRefused
from everycent.flow.model.service import load_model
from everycent.flow.parties.service import plan_onboarding, take_contracts
from everycent.flow.pipeline.service import end_by_hand
from everycent.flow.settlement.contract import CycleEvent, EventAnswer
from everycent.proof.verify import tables
from everycent.proof.verify.core.statements import STATEMENT_PERIOD
from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app
from everycent.serve.wiring import SECTIONS

MODEL = """
    model: ski-pass
    version: 1
    currency: CNY
    calendar: {time_zone: Asia/Shanghai}
    parties:
      platform: {operator: north}
      resort: {key: [resort]}
      school: {key: [school]}
    records:
      sale:
        id: [sale_no]
        occurred_at: sold_on
        columns: {sale_no: text, resort: text, school: text, price: money, sold_on: date}
      season_end:
        id: [notice]
        occurred_at: ended_on
        columns: {notice: text, resort: text, ended_on: date}
    charges:
      pass: {for: sale, amount: price, debtor: platform, creditor: resort}
      lesson: {for: sale, amount: price * 0.1, debtor: resort, creditor: school}
    statements:
      resort: {cycle: until season_end, ready_after: 2 days}
      school: {cycle: until closed}
"""
SALES = """\
    sale_no,resort,school,price,sold_on
    1,r,s,10.00,2026-03-01
    2,r,s,20.00,2026-03-10
    3,q,s,5.00,2026-03-02
"""
TODAY = datetime(2026, 3, 20, tzinfo=UTC)
LATER_SALES = """\
    sale_no,resort,school,price,sold_on
    4,r,s,40.00,2026-03-10
    5,r,s,80.00,2026-03-11
    6,q,s,7.00,2026-03-12
"""
NOTICES = """\
    notice,resort,ended_on
    n1,r,2026-03-10
    n2,q,2026-03-01
    n3,,2026-03-10
"""


def standing(told: Any) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = told.rows(
        "SELECT party_id, period, period_first::text, period_last::text, closes_on::text, net_minor::int, state"
        " FROM settlement.statement ORDER BY 1, 2"
    )
    return found


def by_hand(told: Any, *events: CycleEvent) -> list[EventAnswer]:
    folder = told.session.settings.data_dir.parent / "workspace"
    model = load_model(folder / "model.yaml", SECTIONS)
    return end_by_hand(told.session, model, events, TODAY)


def closed(party: str, day: str, by: str = "ann", **more: str) -> CycleEvent:
    return CycleEvent(
        more.get("event_id", f"{party}/{day}"), more.get("kind", "closed"), party, date.fromisoformat(day), by
    )


def test_what_was_completed_until_the_event_joins_and_what_came_later_does_not(tell: Callable[..., Any]) -> None:
    told = tell(MODEL, {"sale.csv": SALES}, as_of="2026-03-11")
    forever = ("9999-12-30", "9999-12-31")
    assert standing(told) == [
        ("resort:q", "E1", "1970-01-01", *forever, 450, "open"),
        ("resort:r", "E1", "1970-01-01", *forever, 2700, "open"),
        ("school:s", "E1", "1970-01-01", *forever, 350, "open"),
    ]
    told = tell(MODEL, {"season_end.csv": NOTICES, "sale.later.csv": LATER_SALES}, as_of="2026-03-13")
    assert standing(told) == [
        ("resort:q", "E1", "1970-01-01", *forever, 450 + 630, "open"),
        ("resort:r", "E1", "1970-01-01", "2026-03-10", "2026-03-13", 2700, "closed"),
        ("resort:r", "E2", "2026-03-11", *forever, 3600 + 7200, "open"),
        ("school:s", "E1", "1970-01-01", *forever, 350 + 1270, "open"),
    ], "sale 4 came when its day was booked already, so it is a late one, and on the next statement"
    assert told.rows("SELECT * FROM rating.held_charge") == [], "what ends a period needs no charge"
    kept = told.rows("SELECT party_id, refusal FROM settlement.cycle_event ORDER BY 1")
    assert kept == [("resort:q", "booked_after"), ("resort:r", None)]
    again = tell(MODEL, {"season_end.csv": NOTICES}, as_of="2026-03-14")
    assert not again.outcome.summary.changed, "a notice that comes again ends nothing twice"
    with told.session.connection.transaction(force_rollback=True):
        told.session.connection.execute("UPDATE settlement.cycle_event SET occurred_on = '2026-03-09'")
        assert [place for place, _ in misplaced(told)] == [
            "ski-pass/resort:r/E1/CNY/north",
            "ski-pass/resort:r/E2/CNY/north",
        ]


def misplaced(told: Any) -> list[Any]:
    """What the verifier's rule of periods finds, of the tables that it looks at."""
    names = ("settlement.statement", "settlement.cycle_event", "settlement.calendar_period")
    session = told.session
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "DECIDED", {name: tables.DECIDED[name] for name in names})
        patch.setattr(tables, "DETAILS", {})
        with tables.stored_tables(session.connection, session.engine, session.tenant, "ski-pass", []):
            return session.engine.connection.execute(STATEMENT_PERIOD.bad).fetchall()


def test_a_person_ends_it_and_what_does_not_fit_is_refused_by_name(
    tell: Callable[..., Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tell(MODEL, {"sale.csv": SALES}, as_of="2026-03-11")
    answers = by_hand(
        told, closed("school:s", "2026-03-09"), closed("school:nobody", "2026-03-10"), closed("platform", "2026-03-10"),
        closed("school:s", "2026-03-21"), closed("school:s", "2026-03-10", " "),
        closed("school:s", "2026-03-10", kind="season_end"),
    )  # fmt: skip
    assert [answer.refusal for answer in answers] == [
        "booked_after", "not_by_event", "unknown_party", "unnamed", "not_by_event", "not_yet"
    ]  # fmt: skip
    assert "--on 2026-03-10" in answers[0].message
    [done] = by_hand(told, closed("school:s", "2026-03-10"))
    assert (done.period, done.refusal) == ("E1", None)
    again, other, before = by_hand(
        told, closed("school:s", "2026-03-10", "ben"), closed("school:s", "2026-03-15", event_id="school:s/2026-03-10"),
        closed("school:s", "2026-03-08"),
    )[::-1]  # fmt: skip
    assert [again.refusal, other.again, before.refusal] == ["other_content", True, "ended_already"]
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", told.session.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(told.session.settings.data_dir))
    model = str(told.session.settings.data_dir.parent / "workspace" / "model.yaml")
    command = ["statement", "close", model, "resort:r", "resort:q", "--on", "2026-03-05", "--by", "ann", "--json"]
    capsys.readouterr()
    assert run_app(command) == exits.FAILED
    said = json.loads(capsys.readouterr().out)
    assert said["done"] == ["resort:q"] and [each["refusal"] for each in said["refused"]] == ["booked_after"]
    assert run_app(["statement", "events", "--json"]) == exits.OK
    listed = json.loads(capsys.readouterr().out)["events"]
    assert run_app(["statement", "show", "ski-pass/resort:r/E1/CNY/north"]) == exits.OK
    shown = capsys.readouterr().out
    assert "period_first  …" in shown and "closes_on  …" in shown and "[]" not in shown
    assert {(each["party_id"], each["occurred_on"]) for each in listed} == {
        ("school:s", "2026-03-10"), ("resort:q", "2026-03-05")
    }  # fmt: skip
    told = tell(MODEL, {"sale.later.csv": LATER_SALES}, as_of="2026-03-13")
    assert {(row[0], row[1], row[-1]) for row in standing(told)} == {
        ("resort:q", "E1", "closed"), ("resort:q", "E2", "open"), ("resort:r", "E1", "open"),
        ("school:s", "E1", "closed"), ("school:s", "E2", "open"),
    }  # fmt: skip


CONTRACTED = (
    MODEL.replace("resort: {key: [resort]}", "resort: {key: [resort], onboard: {key: {resort: merchant}}}")
    .replace(
        "school: {key: [school]}",
        "school: {key: [school], onboard: {sales_associate: yes, key: {school: sales_associate}}}",
    )
    .replace("cycle: until closed}", "cycle: monthly}\n    onboarding: {sources: {mall: [1]}}")
)


def agreed(told: Any, *messages: bytes) -> list[str | None]:
    spec = load_model(told.session.settings.data_dir.parent / "workspace" / "model.yaml", SECTIONS).spec
    plan = plan_onboarding(spec.onboarding, spec.parties)
    plan = plan.naming(spec.charges, ["north"], ["CNY"], spec.ending_events)
    taken = take_contracts(told.session.connection, told.session.tenant, "ski-pass", plan, messages, TODAY)
    return [each.refusal and str(each.refusal.name) for each in taken]


def test_a_contract_may_go_by_events_and_its_change_ends_their_period(tell: Callable[..., Any]) -> None:
    """Resort r by event until the 11th, monthly then; school s by the month until the 4th, then by a person's word."""
    told = tell(
        CONTRACTED, {"sale.first.csv": "sale_no,resort,school,price,sold_on\n0,q,u,1.00,2026-02-27\n"}, "2026-02-28"
    )
    r = {"merchant": "r", "valid_to": None}
    s = {"contract": "HT-2", "sales_associate": "s", "valid_from": "2026-03-05", "valid_to": None}
    assert agreed(
        told,
        said(**r, cycle="until season_end"), said(**s, cycle="until closed"),
        said(**s | {"contract": "HT-3", "sales_associate": "t"}, cycle="until season_end"),
    ) == [None, None, "unknown_event"], "a season's end names no school"  # fmt: skip
    told = tell(CONTRACTED, {"sale.csv": SALES}, as_of="2026-03-11")
    open_end = ("9999-12-30", "9999-12-31")
    by_contract = ("resort:r", "2026-01-01..E1", "2026-01-01")
    assert {row for row in standing(told) if row[0] in ("resort:r", "school:s")} == {
        (*by_contract, *open_end, 2700, "open"),
        ("school:s", "2026-03", "2026-03-01", "2026-03-31", "2026-04-01", 150, "open"),
        ("school:s", "2026-03-05..E1", "2026-03-05", *open_end, 200, "open"),
    }
    assert agreed(told, said(**r, revision=2, valid_from="2026-03-12", cycle="monthly")) == [None]
    late = by_hand(told, closed("school:s", "2026-03-04"), closed("resort:r", "2026-03-12"))
    assert [each.refusal for each in late] == ["not_by_event"] * 2, "on these days they are settled by the calendar"
    [done] = by_hand(told, closed("school:s", "2026-03-10"))
    assert done.refusal is None
    told = tell(CONTRACTED, {"sale.later.csv": LATER_SALES + "    7,r,s,3.00,2026-03-12\n"}, as_of="2026-03-13")
    assert {row for row in standing(told) if row[0] in ("resort:r", "school:s")} == {
        (*by_contract, "2026-03-11", "2026-03-14", 2700, "open"),
        ("resort:r", "2026-01-01..E1..2026-03-11", "2026-01-01", "2026-03-11", "2026-03-14", 3600 + 7200, "open"),
        ("resort:r", "2026-03-12..2026-03-31", "2026-03-12", "2026-03-31", "2026-04-03", 270, "open"),
        ("school:s", "2026-03", "2026-03-01", "2026-03-31", "2026-04-01", 150, "open"),
        ("school:s", "2026-03-05..E1", "2026-03-05", "2026-03-10", "2026-03-11", 200, "closed"),
        ("school:s", "2026-03-11..E2", "2026-03-11", *open_end, 1300, "open"),
    }
    kept = told.rows("SELECT party_id, kind, occurred_on::text FROM settlement.cycle_event ORDER BY 1")
    assert kept == [("resort:r", "other_terms", "2026-03-11"), ("school:s", "closed", "2026-03-10")]
    for wrong in ("period_last = '2026-03-10'", "period_first = '2026-01-02'"):
        with told.session.connection.transaction(force_rollback=True):
            told.session.connection.execute(f"UPDATE settlement.statement SET {wrong} WHERE period ~ '[.]E1[.]'")
            found = {place for place, _ in misplaced(told)}
            assert "ski-pass/resort:r/2026-01-01..E1..2026-03-11/CNY/north" in found, wrong


REFUSED = (
    ("until season_end", "until seasons_end", "there is no record kind 'seasons_end'"),
    ("until season_end", "calendar retial", "there is no calendar 'retial'"),
    ("until season_end", "until Season", "'until Season' does not fit; write daily, weekly"),
    ("season_end:\n        id", "closed:\n        id", "until closed is ended by a person alone, and a record kind is"),
    ("columns: {notice: text, resort: text,", "columns: {notice: text, place: text,", "it has no column 'resort'"),
)


def test_a_cycle_that_nothing_could_end_is_refused(tmp_path: Any) -> None:
    from textwrap import dedent

    for right, wrong, refused in REFUSED:
        (tmp_path / "model.yaml").write_text(dedent(MODEL.replace(right, wrong)), encoding="utf-8")
        with pytest.raises(ModelRefused, match=refused.replace("(", r"\(")):
            load_model(tmp_path / "model.yaml", SECTIONS)
