"""What an id may mean."""

import pytest

from everycent.proof.explain.core.asked import Asked, readings

ID = "00000000-0000-0000-0000-00000000000a"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A1", [Asked(key="A1")]),
        ("A1/1", [Asked(key="A1/1"), Asked(key="A1", charge="1")]),
        (
            "sold:A1/1/coupon/0",
            [
                Asked(key="sold:A1/1/coupon/0"),
                Asked(key="sold:A1/1/coupon", charge="0"),
                Asked(key="sold:A1/1", charge="coupon", bearer=0),
                Asked(kind="sold", key="A1/1/coupon/0"),
                Asked(kind="sold", key="A1/1/coupon", charge="0"),
                Asked(kind="sold", key="A1/1", charge="coupon", bearer=0),
            ],
        ),
    ],
)
def test_a_key_is_read_the_longest_way_first(text: str, wanted: list[Asked]) -> None:
    assert readings(text) == wanted


@pytest.mark.parametrize(
    ("behind", "charge", "bearer"), [("", None, None), ("/goods", "goods", None), ("/coupon/1", "coupon", 1)]
)
def test_a_uuid_is_a_record(behind: str, charge: str | None, bearer: int | None) -> None:
    asked = readings(ID + behind)[0]
    assert (str(asked.record_id), asked.charge, asked.bearer) == (ID, charge, bearer)


def test_a_key_may_look_like_a_uuid() -> None:
    key = ID.replace("-", "") + "/1"
    assert [asked.key for asked in readings(key)] == [None, key, key[:-2]]
