"""The ordered pass and rewinds of the real command, killed with SIGKILL: called again, they end as undisturbed."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from workplace import Place

MODEL = """
model: promotions
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties:
  platform: {operator: shanghai}
  merchant: {key: [merchant]}
  brand: {key: [brand]}
records:
  sold:
    file: sold*.csv
    id: [id]
    occurred_at: at
    columns: {id: text, merchant: text, brand: text, coupon: money, at: timestamp}
budgets: {spring: {per: [merchant], period: month}}
charges:
  coupon:
    for: sold
    amount: coupon
    creditor: merchant
    apportion: {budget: spring, by: ratio, bearers: {brand: {weight: 60, cap: 30.00}, platform: 40}}
order: {by: [occurred_at, id], late: rewind, window: 4}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
payouts: {}
"""
WINDOW = "everycent.flow.pipeline.windows:Windows._commit"
SWITCH = "everycent.flow.pipeline.rewinding:_Rewind._switch"
#: Four windows, then a rewind of five: where the two runs die.
SPOTS = [
    (1, WINDOW, "after", 2),
    (2, WINDOW, "before", 1),
    (2, WINDOW, "after", 3),
    (2, SWITCH, "before", 1),
    (2, SWITCH, "after", 1),
]


def facts(folder: Path) -> list[Path]:
    """A model and two deliveries; the second one's records come before many of the first."""
    (folder / "model.yaml").write_text(MODEL)
    lines = [
        f"S{n:02},m-{n % 2},b-{n % 3},{7 + n}.{n:02},2026-03-{1 + n // 4:02} {8 + n % 4:02}:00:00" for n in range(20)
    ]
    files = []
    for number, chosen in ((1, [3, 4, *range(6, 20)]), (2, [0, 1, 2, 5])):
        files.append(folder / f"sold{number}.csv")
        files[-1].write_text("\n".join(["id,merchant,brand,coupon,at", *(lines[n] for n in chosen)]) + "\n")
    return files


def arguments(folder: Path, file: Path) -> list[str]:
    return ["run", str(folder / "model.yaml"), "--records", str(file), "--as-of", "2026-03-04"]


def taken_in(place: Place, folder: Path, death: tuple[int, str, str, int] | None) -> tuple[bytes, ...]:
    """Both deliveries; the run that dies is called again. What is stored in the end, but for sizes of lake parts."""
    for number, file in enumerate(facts(folder), start=1):
        if death is not None and death[0] == number:
            _, spot, when, nth = death
            died = place.run(arguments(folder, file), driver=[spot, when, str(nth), "self"])
            assert died.code != 0
        done = place.run(arguments(folder, file))
        assert done.code == 0, done.err
    found = place.examine()
    assert found.verified and not found.orphans and not found.missing
    return found.lines


@pytest.fixture
def undisturbed(tmp_path: Path) -> Iterator[tuple[bytes, ...]]:
    place = Place(tmp_path / "undisturbed")
    yield taken_in(place, tmp_path, None)
    place.clear()


def killed_as_undisturbed(tmp_path: Path, undisturbed: tuple[bytes, ...], death: tuple[int, str, str, int]) -> None:
    place = Place(tmp_path / "killed")
    try:
        assert taken_in(place, tmp_path, death) == undisturbed, death
    finally:
        place.clear()


@pytest.mark.parametrize("death", [SPOTS[0], SPOTS[2], SPOTS[4]], ids=lambda death: f"{death[1][-7:]} {death[2]}")
def test_a_killed_pass_goes_on(
    tmp_path: Path, undisturbed: tuple[bytes, ...], death: tuple[int, str, str, int]
) -> None:
    killed_as_undisturbed(tmp_path, undisturbed, death)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100))
def test_a_hundred_kills(tmp_path: Path, undisturbed: tuple[bytes, ...], seed: int) -> None:
    killed_as_undisturbed(tmp_path, undisturbed, random.Random(seed).choice(SPOTS))
