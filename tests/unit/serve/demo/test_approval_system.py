"""The made-up approval system: who decides, and what is said."""

import pytest

from everycent.serve.demo.approval_system import ApprovalSimulator


@pytest.mark.parametrize(
    ("amount_minor", "asked_by", "groups", "said"),
    [
        (100, "ann", ["operations"], ("bob", True, None)),
        (100, "bob", ["operations"], ("cid", True, None)),
        (100, "bob", ["finance", "operations"], ("dora", True, None)),
        (108, "ann", ["operations"], ("bob", False, "the papers are missing")),
        (100, "dora", ["finance"], None),
        (100, "ann", ["nobody"], None),
    ],
)
def test_somebody_else_than_who_asked_decides_by_the_amount(
    amount_minor: int, asked_by: str, groups: list[str], said: tuple[str, bool, str | None] | None
) -> None:
    people = {"operations": ("bob", "cid"), "finance": ("dora",)}
    request = {"request": "r", "model": "m", "amount_minor": amount_minor, "requested_by": asked_by, "groups": groups}
    decision = ApprovalSimulator(b"", "", people).decision(request)
    assert (decision and (decision["by"], decision["yes"], decision["reason"])) == said
