"""Obligations in, transfers out."""

from collections.abc import Callable

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.ledger.contract import TRANSFER
from everycent.flow.ledger.stage import post

Read = Callable[[str], pa.Table]


def moved(transfers: pa.Table) -> list[tuple[str, str, str, int]]:
    TRANSFER.check(transfers)
    return [
        (str(row["booked_on"]), row["debit_account"], row["credit_account"], int(row["amount_minor"]))
        for row in transfers.to_pylist()
    ]


def test_an_obligation_debits_its_debtor_and_credits_its_creditor(engine: LocalEngine, obligations: Read) -> None:
    given_ = obligations("""
        record charge      debtor      creditor    amount booked_on
        A1     goods       platform    merchant:m  89.99  2026-03-01
        A1     commission  merchant:m  platform     5.00  2026-03-01
        A1     coupon      brand:b     merchant:m   2.80  2026-03-01
        A2     goods       platform    merchant:m  10.01  2026-03-01
        A3     goods       platform    merchant:m   1.00  2026-03-02
    """)
    assert moved(post(given_, ("platform",), engine)) == [
        ("2026-03-01", "operator/shanghai/goods", "party/merchant:m", 10000),
        ("2026-03-01", "party/brand:b", "party/merchant:m", 280),
        ("2026-03-01", "party/merchant:m", "operator/shanghai/commission", 500),
        ("2026-03-02", "operator/shanghai/goods", "party/merchant:m", 100),
    ]


def test_a_negative_amount_swaps_the_sides(engine: LocalEngine, obligations: Read) -> None:
    given_ = obligations("""
        record debtor    creditor    amount booked_on
        A1     platform  merchant:m   5.00  2026-03-01
        R1     platform  merchant:m  -2.00  2026-03-01
        Z1     platform  merchant:m   0.00  2026-03-01
    """)
    assert moved(post(given_, ("platform",), engine)) == [
        ("2026-03-01", "operator/shanghai/goods", "party/merchant:m", 500),
        ("2026-03-01", "party/merchant:m", "operator/shanghai/goods", 200),
    ]


def test_what_stays_within_one_account_moves_nothing(engine: LocalEngine, obligations: Read) -> None:
    given_ = obligations("""
        record charge  debtor    creditor  amount booked_on
        A1     coupon  platform  platform    5.00  2026-03-01
    """)
    assert moved(post(given_, ("platform",), engine)) == []
    assert moved(post(OBLIGATION.empty(), ("platform",), engine)) == []


party = st.sampled_from(["platform", "merchant:a", "merchant:b", "brand:c"])
row = st.fixed_dictionaries({"debtor": party, "creditor": party, "amount": st.integers(-(2**62), 2**62)})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(row, min_size=1, max_size=12), st.integers(0, 12))
def test_transfers_move_what_obligations_owe_however_they_are_cut(
    engine: LocalEngine, obligations: Read, rows: list[dict[str, object]], cut: int
) -> None:
    text = "record debtor creditor amount booked_on currency\n" + "\n".join(
        f"A{at} {row['debtor']} {row['creditor']} {row['amount']} 2026-03-01 JPY" for at, row in enumerate(rows)
    )
    whole = obligations(text)
    owed: dict[str, int] = {}
    for row_ in rows:
        for account, sign in ((row_["debtor"], -1), (row_["creditor"], 1)):
            name = "operator/shanghai/goods" if account == "platform" else f"party/{account}"
            owed[name] = owed.get(name, 0) + sign * int(str(row_["amount"]))
    balance: dict[str, int] = dict.fromkeys(owed, 0)
    ids = set()
    for part in (whole.slice(0, cut), whole.slice(cut)):
        for transfer in post(part, ("platform",), engine).to_pylist():
            balance[transfer["debit_account"]] -= int(transfer["amount_minor"])
            balance[transfer["credit_account"]] += int(transfer["amount_minor"])
            assert transfer["amount_minor"] > 0
            assert transfer["transfer_id"] not in ids
            ids.add(transfer["transfer_id"])
    assert balance == owed
