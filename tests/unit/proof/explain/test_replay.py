"""The life of a business id, in either tier: all that is stored of it, in order of time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from everycent.proof.explain.contract import EVENT_KINDS, Life, NothingFound
from everycent.proof.explain.service import replay


def life_of(market: Any, text: str) -> Life:
    return replay(market.database.connection, market.details, market.engine, "default", text)


def test_a_life_goes_from_the_record_to_the_payment_and_its_refund(market: Any) -> None:
    life = life_of(market, "A2")
    said = [(event.kind, event.text) for event in life.events]
    assert said[0] == ("record", "item_sold A2/1")
    assert ("record", "item_refunded R1, a refund") in said
    kinds = {kind for kind, _ in said}
    assert {"record", "charge", "obligation", "statement", "instruction"} <= kinds
    days = [event.day for event in life.events if event.day is not None]
    assert days == sorted(days), "in order of time"
    for day in set(days):
        of_day = [EVENT_KINDS.index(event.kind) for event in life.events if event.day == day]
        assert of_day == sorted(of_day), "and of a day as money flows"
    assert life.events[0].place == "item_sold.csv:3"
    moments = [
        (event.at.astimezone(UTC) + timedelta(hours=8), event.day)
        for event in life.events
        if isinstance(event.at, datetime)
    ]
    assert moments and not [each for each in moments if each[0].date() != each[1]], "of the business day in Shanghai"


def test_obligations_belong_to_the_records_of_the_life_each_told_once(market: Any) -> None:
    life = life_of(market, "item_sold:A2/1")
    records = {event.id for event in life.events if event.kind == "record"}
    assert len(records) == 2, "the record and its refund"
    owed = [event.id for event in life.events if event.kind == "obligation"]
    assert len(set(owed)) == len(owed) and {ident.split("/")[0] for ident in owed} == records


def test_an_id_is_found_in_any_column_and_by_its_uuid(market: Any) -> None:
    by_key = life_of(market, "A1/1")
    ident = next(event.id for event in by_key.events if event.kind == "record")
    assert life_of(market, ident).events == by_key.events
    held = {event.text for event in life_of(market, "A1").events if event.kind == "record"}
    assert "item_sold A1/1" in held


def test_what_reconciliations_found_is_part_of_a_life(market: Any) -> None:
    broken = next(event for event in life_of(market, "D").events if event.kind == "break")
    assert broken.text == "bill run 1, D: the right side has it, the left side does not (nothing against 0.04 CNY)"
    assert broken.place == "f:2"
    written_off = life_of(market, "B").events[0]
    assert written_off.kind == "reconciled" and "written off" in written_off.text


def test_what_is_not_there_is_said(market: Any) -> None:
    life = life_of(market, "A2/1")
    assert any("no reconciliation of market takes these records" in each for each in life.not_found)
    with pytest.raises(
        NothingFound, match="nothing is stored of 'A99': no record, nothing set aside, and no break; nearest"
    ):
        life_of(market, "A99")


def test_an_id_with_signs_of_patterns_means_itself(market: Any) -> None:
    for text in ("A%", "A_/1", "'; DROP TABLE x", '"', "\\"):
        with pytest.raises(NothingFound):
            life_of(market, text)


def test_a_life_is_plain_data_for_programs(market: Any) -> None:
    told = life_of(market, "D").to_dict()
    assert told["asked"] == "D"
    assert "break" in {event["kind"] for event in told["events"]}  # type: ignore[attr-defined]


def test_a_file_of_scenarios_that_may_compare_the_records_is_named(market: Any) -> None:
    connection = market.database.connection
    with connection.transaction(force_rollback=True):
        connection.execute(
            "INSERT INTO recon.run (tenant, model, run_id, scenario, run_no, currency, tolerance_minor, left_rows,"
            " right_rows, left_minor, right_minor, difference_minor, left_not_taken, right_not_taken)"
            " VALUES ('default', 'in-flight', gen_random_uuid(), 'sales', 1, 'CNY', 0, 1, 1, 5, 5, 0, 0, 0)"
        )
        said = life_of(market, "A2/1").not_found
    assert any(line.endswith("; of in-flight what differed is shown: keys that agreed leave no name") for line in said)
