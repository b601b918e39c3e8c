"""Seeded faults in a large bill: exactly those are found, and pandas agrees."""

import random
from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from everycent.proof.recon.contract import SIDE
from everycent.proof.recon.stage import Reconciled

Compare = Callable[..., Reconciled]


def clean(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "source_file": "ours.parquet",
            "source_line": np.arange(1, rows + 1),
            "key": [f"ORD-{n:07d}" for n in rng.permutation(rows)],
            "amount_minor": rng.integers(-50_000, 500_000, rows),
            "status": rng.choice(["paid", "refunded"], rows),
        }
    )


def injected(bill: pd.DataFrame, seed: int, faults: int) -> tuple[pd.DataFrame, set[tuple[str, str]]]:
    """The bill with `faults` rows spoilt, each its own way, and the list of (key, bucket) to be found."""
    dice = random.Random(seed)
    spoilt, known, extra, dropped = bill.copy(), set(), [], []
    for place in dice.sample(range(len(bill)), faults):
        key = str(bill.at[place, "key"])
        match dice.choice(["lost", "doubled", "amount", "status", "unknown"]):
            case "lost":
                dropped.append(place)
                known.add((key, "missing_right"))
            case "doubled":
                extra.append({**bill.loc[place].to_dict(), "source_line": 0})
                known.add((key, "duplicated_right"))
            case "amount":
                spoilt.at[place, "amount_minor"] += dice.choice([-1, 1, 900])
                known.add((key, "amount_differs"))
            case "status":
                spoilt.at[place, "status"] = "unknown"
                known.add((key, "status_differs"))
            case _:
                extra.append({**bill.loc[place].to_dict(), "key": "X" + key})
                known.add(("X" + key, "missing_left"))
    return pd.concat([spoilt.drop(index=dropped), pd.DataFrame(extra)], ignore_index=True), known


@pytest.mark.parametrize("seed", range(3))
def test_exactly_the_injected_faults_are_found(compare: Compare, seed: int) -> None:
    ours = clean(20_000, seed)
    bill, known = injected(ours.sample(frac=1, random_state=seed).reset_index(drop=True), seed, faults=40)
    result = compare(
        pa.Table.from_pandas(ours, SIDE, preserve_index=False),
        pa.Table.from_pandas(bill, SIDE, preserve_index=False),
    )
    found = [(row["key"], row["bucket"]) for row in result.breaks.to_pylist()]
    assert len(found) == len(known) and set(found) == known
    merged = ours.merge(bill.drop_duplicates("key"), on="key", how="outer", suffixes=("", "_bill"), indicator=True)
    assert int((merged["_merge"] == "left_only").sum()) == sum(bucket == "missing_right" for _, bucket in found)
    both = merged[merged["_merge"] == "both"]
    assert int((both["amount_minor"] != both["amount_minor_bill"]).sum()) == sum(
        b == "amount_differs" for _, b in found
    )
    assert result.difference_minor == int(ours["amount_minor"].sum()) - int(bill["amount_minor"].sum())


def test_a_key_that_repeats_everywhere_does_not_multiply(compare: Compare) -> None:
    """100,000 rows of one key on both sides: a row by row join would be 10^10 pairs."""
    rows = 100_000
    one = pa.table(
        {
            "source_file": pa.repeat("f", rows),
            "source_line": pa.array(range(rows)),
            "key": pa.repeat("K", rows),
            "amount_minor": pa.array([n % 7 for n in range(rows)]),
            "status": pa.nulls(rows, pa.string()),
        },
        schema=SIDE,
    )
    half = rows // 2
    result = compare(one, one.slice(0, half))
    assert result.breaks.num_rows == rows - 1 + half - 1
    assert [t["left_rows"] for t in result.totals.to_pylist() if t["left_rows"]] == [1, rows - 1]
    assert compare(one, one).breaks.num_rows == 0
