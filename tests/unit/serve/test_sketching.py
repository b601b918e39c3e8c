"""`everycent recon sketch` and `compare`: two companies find what differs without showing each other their rows."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app
from everycent.serve.sketching import compare_sketches

SECRET = "5f0c8d1e7a9b4c3d5f0c8d1e7a9b4c3d"
HOW = ("--key", "id", "--compare", "amount:number,status:text")
ROW = st.tuples(st.sampled_from("ABCDEF"), st.integers(0, 3), st.sampled_from(["paid", "back", ""]))


def made(folder: Path, name: str, rows: list[tuple[str, int, str]], *more: str, secret: str = SECRET) -> Path:
    """A company's file, and the sketch of it."""
    lines = ["id,amount,status", *(f"{key},{amount},{status}" for key, amount, status in rows)]
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (folder / f"{name}.secret").write_text(secret + "\n")
    words = ["recon", "sketch", f"{folder}/{name}.csv", *HOW, "--secret", f"{folder}/{name}.secret", *more]
    assert run_app([*words, "--out", f"{folder}/{name}.sketch"]) == exits.OK
    return folder / f"{name}.sketch"


def hashed(secret: str, purpose: bytes, *cells: str) -> int:
    """The oracle: what docs/how-to/reconcile-with-a-partner.md says of a row's hash."""
    prefix = (purpose + hashlib.sha256(secret.encode()).digest()).hex()
    text = "".join(f"{len(cell)}:{cell}" if cell else "~" for cell in cells)
    return int(hashlib.sha256((prefix + text).encode()).hexdigest()[:12], 16)


def hashed_rows(rows: list[tuple[str, int, str]]) -> Counter[tuple[int, int]]:
    return Counter(
        (hashed(SECRET, b"k", key), hashed(SECRET, b"r", key, f"{amount}.000000000", status))
        for key, amount, status in rows
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, min_size=1, max_size=20), st.lists(ROW, min_size=1, max_size=20))
def test_two_sketches_give_what_counting_the_rows_gives(
    tmp_path: Path, left: list[tuple[str, int, str]], right: list[tuple[str, int, str]]
) -> None:
    taken = compare_sketches(made(tmp_path, "ours", left), made(tmp_path, "theirs", right))
    expected = hashed_rows(left)
    expected.subtract(hashed_rows(right))
    found = zip(taken.found.keys.tolist(), taken.found.rows.tolist(), taken.found.counts.tolist(), strict=True)
    assert taken.found.complete
    assert {(key, row): count for key, row, count in found} == {row: n for row, n in expected.items() if n}


def test_a_company_names_its_own_rows_that_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ours = made(tmp_path, "ours", [("A", 1, "paid"), ("B", 2, "paid"), ("C", 3, "paid")])
    theirs = made(tmp_path, "theirs", [("A", 1, "paid"), ("B", 2, "back"), ("D", 4, "paid")])
    capsys.readouterr()
    find = ("--find", f"{tmp_path}/ours.csv", *HOW, "--secret", f"{tmp_path}/ours.secret", "--json")
    assert run_app(["recon", "compare", str(ours), str(theirs), *find]) == exits.FAILED
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (found["keys"], found["left_only"], found["right_only"], found["complete"]) == (3, 2, 2, True)
    assert [(row["source_line"], row["key"]) for row in found["own_rows"]] == [(3, "B"), (4, "C")]
    assert run_app(["recon", "compare", str(ours), str(ours)]) == exits.OK


@pytest.mark.parametrize(
    ("key", "compare", "secret", "message"),
    [
        ("id", "amount:number,status:text", "other", "holds another secret than the sketches were made with"),
        ("id,status", "amount:number,status:text", "ours", "give --key and --compare as they were then"),
        ("id", "amount:number", "ours", "give --key and --compare as they were then"),
    ],
)
def test_own_rows_are_not_looked_for_by_other_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str, compare: str, secret: str, message: str
) -> None:
    ours = made(tmp_path, "ours", [("A", 1, "paid"), ("B", 2, "paid")])
    theirs = made(tmp_path, "theirs", [("A", 1, "paid")])
    made(tmp_path, "other", [("A", 1, "paid")], secret="0" * 32)
    capsys.readouterr()
    find = (
        "--find",
        f"{tmp_path}/ours.csv",
        "--key",
        key,
        "--compare",
        compare,
        "--secret",
        f"{tmp_path}/{secret}.secret",
    )
    assert run_app(["recon", "compare", str(ours), str(theirs), *find]) == exits.REFUSED
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_sketch_tells_when_it_is_too_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = [(f"K{n}", n, "paid") for n in range(3_000)]
    ours, theirs = made(tmp_path, "ours", many, "--differences", "50"), made(
        tmp_path, "theirs", [("A", 1, "")], "--differences", "50"
    )  # fmt: skip
    assert ours.stat().st_size < 10_000
    assert run_app(["recon", "compare", str(ours), str(theirs)]) == exits.FAILED
    assert "the sketches are too small for all that differs" in " ".join(capsys.readouterr().err.split())


def test_sketches_that_do_not_fit_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("A", 1, "paid")]
    ours = made(tmp_path, "ours", rows)
    others = {
        "made with different secrets": made(tmp_path, "other", rows, secret="0" * 32),
        "of different sizes": made(tmp_path, "small", rows, "--differences", "2000"),
    }
    cut, altered = tmp_path / "cut.sketch", tmp_path / "altered.sketch"
    cut.write_bytes(ours.read_bytes()[:-1])
    altered.write_bytes(ours.read_bytes().replace(b'"rows": 1', b'"rows": 2'))
    no_sketch = tmp_path / "ours.csv"
    others |= {"is cut off or altered": cut, "cut off or altered; have": altered, "is no sketch": no_sketch}
    for said, other in others.items():
        capsys.readouterr()
        assert run_app(["recon", "compare", str(ours), str(other)]) == exits.REFUSED
        assert said in " ".join(capsys.readouterr().err.split())


def test_a_secret_that_can_be_guessed_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("id,amount,status\nA,1,paid\n")
    (tmp_path / "short").write_text("1234\n")
    words = ["recon", "sketch", f"{tmp_path}/a.csv", *HOW, "--secret", f"{tmp_path}/short", "--out", f"{tmp_path}/s"]
    assert run_app(words) == exits.REFUSED
    assert "a secret that cannot be guessed has at least 16" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "s").exists()


def test_another_secret_gives_another_sketch(tmp_path: Path) -> None:
    rows = [("A", 1, "paid"), ("B", 2, "paid")]
    one, other = made(tmp_path, "one", rows), made(tmp_path, "two", rows, secret="1" * 32)
    assert not np.array_equal(*(np.frombuffer(path.read_bytes()[-64:-32], np.uint8) for path in (one, other)))
