"""Records in, parties out."""

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.flow.parties.contract import PARTY, PartySpec
from everycent.flow.parties.stage import identify

ROLES = {
    "platform": PartySpec(operator="shanghai"),
    "merchant": PartySpec(key=("merchant", "store")),
    "brand": PartySpec(key=("brand",)),
}


def records(*bodies: dict[str, str | None], columns: tuple[str, ...] = ("merchant", "store", "brand")) -> pa.Table:
    body = pa.struct([pa.field(name, pa.string()) for name in columns])
    return pa.table({"body": pa.array(list(bodies), body)})


def ids(parties: pa.Table) -> list[str]:
    found: list[str] = PARTY.check(parties)["party_id"].to_pylist()
    return found


def test_each_party_that_a_record_names_is_found_once(engine: LocalEngine) -> None:
    rows = records(
        {"merchant": "m-7", "store": "s-1", "brand": "b-2"},
        {"merchant": "m-7", "store": "s-2", "brand": "b-2"},
        {"merchant": "m-7", "store": "s-1", "brand": None},
    )
    found = identify(ROLES, rows, engine)
    assert ids(found) == ["brand:b-2", "merchant:m-7/s-1", "merchant:m-7/s-2", "platform"]
    assert found["party_key"].to_pylist() == ["b-2", "m-7/s-1", "m-7/s-2", "shanghai"]
    assert found["role"].to_pylist() == ["brand", "merchant", "merchant", "platform"]


def test_a_kind_without_a_roles_key_names_no_party_of_it(engine: LocalEngine) -> None:
    assert ids(identify(ROLES, records({"brand": "b-2"}, columns=("brand",)), engine)) == ["brand:b-2", "platform"]


def test_no_records_name_only_the_operator(engine: LocalEngine) -> None:
    assert ids(identify(ROLES, records(), engine)) == ["platform"]


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_records_does_not_show(engine: LocalEngine, order: int) -> None:
    bodies = [{"merchant": f"m-{i}", "store": "s", "brand": f"b-{i % 3}"} for i in range(50)]
    found = identify(ROLES, records(*bodies[::order]), engine)
    assert ids(found) == sorted(ids(found))
    assert found.num_rows == 50 + 3 + 1
