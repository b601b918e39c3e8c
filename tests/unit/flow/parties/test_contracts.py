"""Contract messages into the database: parties, relations both ways, contracts by day; nothing is lost."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from contract_messages import ROLES, rule, said

from everycent.flow.parties import service, store
from everycent.flow.parties.contract import OnboardingSpec
from everycent.flow.parties.core.onboarding import plan_onboarding

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
AT = ("default", "market")


@pytest.fixture
def connection(database: Any) -> Any:
    return database.connection


def take(connection: Any, *messages: bytes, dry_run: bool = False) -> list[tuple[str, str | None]]:
    taken = service.take_contracts(connection, *AT, rule(), messages, NOW, dry_run=dry_run)
    return [(each.outcome.value, each.refusal.name.value if each.refusal else each.party_id) for each in taken]


def rows(connection: Any) -> dict[str, int]:
    names = ("party", "relation", "contract", "contract_message", "event")
    return {name: connection.execute(f"SELECT count(*) FROM parties.{name}").fetchone()[0] for name in names}


def test_a_message_makes_the_party_once(connection: Any) -> None:
    assert take(connection, said()) == [("taken", "merchant:1001/0001")]
    once = rows(connection)
    assert once == {"party": 1, "relation": 1, "contract": 1, "contract_message": 1, "event": 1}
    assert take(connection, said(), said())[1] == ("duplicate", None)
    assert rows(connection) == once
    assert store.read(connection, *AT).to_pylist() == [
        {"party_id": "merchant:1001/0001", "role": "merchant", "party_key": "1001/0001"}
    ]
    assert [each["kind"] for each in service.events(connection, *AT, "merchant:1001/0001")] == [service.ACCOUNT_WANTED]


def test_what_is_refused_is_kept_as_it_came_and_may_come_again(connection: Any) -> None:
    elsewhere = said(tenant="2", contract="HT-2", store="0002")
    assert take(connection, b"{cut", elsewhere, b"\x00\xff") == [
        ("refused", "not_json"), ("refused", "unknown_tenant"), ("refused", "not_json"),
    ]  # fmt: skip
    kept = service.refusals(connection, *AT)
    assert [bytes(each["content"]) for each in kept] == [b"{cut", elsewhere, b"\x00\xff"]
    assert take(connection, elsewhere) == [("refused", "unknown_tenant")]
    assert rows(connection)["contract_message"] == 3
    wider = plan_onboarding(OnboardingSpec(sources={"mall": ("2",)}), ROLES)
    again = service.retry_contracts(connection, *AT, wider, NOW)
    assert [each.outcome.value for each in again] == ["refused", "taken", "refused"]
    assert len(service.refusals(connection, *AT)) == 2


def test_a_conflict_is_kept_and_changes_nothing(connection: Any) -> None:
    take(connection, said())
    assert take(connection, said(cycle="weekly")) == [("conflict", "content_conflict")]
    assert [each["cycle"] for each in service.contracts(connection, *AT)] == ["monthly"]
    assert [each["outcome"] for each in service.refusals(connection, *AT)] == ["conflict"]


def test_overlapping_contracts_are_refused_across_deliveries(connection: Any) -> None:
    take(connection, said())
    second = said(contract="HT-2", company="1002", valid_from="2026-07-01", valid_to=None)
    assert take(connection, second) == [("refused", "contract_periods_overlap")]
    assert take(connection, said(revision=2, valid_from="2026-07-01", valid_to="2026-07-01"))[0][0] == "changed"
    assert [each.outcome.value for each in service.retry_contracts(connection, *AT, rule(), NOW)] == ["taken"]


def test_a_dry_run_keeps_nothing(connection: Any) -> None:
    assert take(connection, said(), b"{", dry_run=True)[0] == ("taken", "merchant:1001/0001")
    assert set(rows(connection).values()) == {0}


def test_relations_are_searched_both_ways(connection: Any) -> None:
    take(connection, said(), said(contract="HT-2", store="0002"), said(contract="HT-3", sales_associate="77"))
    of = {"merchant": "1001", "store": "0002"}
    assert [each["party_id"] for each in service.related(connection, *AT, of)] == ["merchant:1001/0002"]
    (group,) = service.related(connection, *AT, {"party_id": "guide:77"})
    assert (group["source_system"], group["company"], group["sales_associate"]) == ("mall", "1000", "77")
    found = service.parties(connection, "default", None, {"company": "1000", "role": "merchant"}, 10)
    assert [(each["party_id"], each["contracts"]) for each in found] == [
        ("merchant:1001/0001", 1), ("merchant:1001/0002", 1),
    ]  # fmt: skip
    assert service.related(connection, "another", None, {"merchant": "1001"}) == []


def test_what_a_contract_says_changes_on_its_day_in_whatever_order_messages_come(connection: Any) -> None:
    changed = said(revision=2, valid_from="2026-06-01", cycle="weekly", mode="gross", reserve={"ratio": "0.05"})
    take(connection, changed, said(minimum_payout={"CNY": "1.00"}))
    first, second = store.contract_periods(connection, *AT).to_pylist()
    assert (first["since"], first["until"], first["cycle"]) == (date(2026, 1, 1), date(2026, 6, 1), "monthly")
    assert (second["since"], second["until"], second["cycle"]) == (date(2026, 6, 1), date(2027, 1, 1), "weekly")
    assert (first["minimum_payout_minor"], str(second["reserve_ratio"])) == ('{"CNY": 100}', "0.05000000")
    numbers = store.contract_numbers(connection, *AT, "merchant", ["merchant", "store"], "agreement").to_pylist()
    assert [(row["merchant"], row["agreement"], row["valid_from"]) for row in numbers] == [
        ("1001", "HT-1", date(2026, 1, 1)), ("1001", "HT-1", date(2026, 6, 1)),
    ]  # fmt: skip


def test_a_party_of_a_contract_stands_before_every_batch(connection: Any) -> None:
    known = store.PARTY.columns
    import pyarrow as pa

    row = {"party_id": "merchant:1001/0001", "role": "merchant", "party_key": "1001/0001"}
    with connection.transaction():
        store.write(connection, *AT, 7, pa.Table.from_pylist([row], schema=known))
    (taken,) = service.take_contracts(connection, *AT, rule(), [said()], NOW)
    assert taken.new_party, "nobody had asked for its account"
    assert connection.execute("SELECT first_batch_no FROM parties.party").fetchone() == (0,)
