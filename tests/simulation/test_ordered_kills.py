"""Strict order under kill -9: wherever a pass, a window or a rewind dies, the same command ends as an undisturbed one.

What is told of a hundred kills is how many hit the work.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from small_market import PROMOTIONS, returns, sales
from theatre import Scene, Story, Theatre, playing

WINDOWS = "everycent.flow.pipeline.windows:Windows.clear"
REWIND = "everycent.flow.pipeline.rewinding:_Rewind.run"
ONE_BY_ONE = PROMOTIONS.replace("window: 3}", "window: 1, wait: 60 days}")
SIDE_BY_SIDE = PROMOTIONS.replace("window: 3}", "window: 20, wait: 60 days}")
SALES, LATE = range(14), (0, 1, 2, 5)
ON_TIME = [n for n in SALES if n not in LATE]
EVERYTHING = [*sales(SALES), *returns((1, 4, 8))]


def waiting(about: str) -> Story:
    """All waits for stragglers, till the day cut to May."""
    return Story([WINDOWS], [Scene(about, EVERYTHING, "2026-03-01")], Scene(about, EVERYTHING, "2026-05-01"))


#: The rewind takes back what was cleared, some of it closed.
STORIES = {
    "one by one": waiting(ONE_BY_ONE),
    "side by side": waiting(SIDE_BY_SIDE),
    "rewind": Story(
        [REWIND],
        [Scene(PROMOTIONS, [*sales(ON_TIME), *returns((4, 8))], "2026-03-04")],
        Scene(PROMOTIONS, [*sales(LATE), *returns((1,))], "2026-03-05"),
    ),
}


@pytest.fixture(scope="module")
def theatre(databases: Any) -> Iterator[Theatre]:
    with playing(databases, STORIES) as made:
        yield made


@pytest.mark.parametrize(("name", "seed"), [("one by one", 1001), ("side by side", 1002), ("rewind", 1001)])
def test_wherever_it_dies_it_goes_on(theatre: Theatre, name: str, seed: int) -> None:
    stage = theatre.stage(name)
    assert stage.undisturbed.verified and stage.statements[0] > 20
    assert theatre.killed(name, seed), "it died at work"


@pytest.mark.soak
@pytest.mark.parametrize("name", STORIES)
def test_a_hundred_kills_each(theatre: Theatre, name: str) -> None:
    hits = sum(theatre.killed(name, seed) for seed in range(100))
    print(f"{name}: {hits} of 100 kills hit the work, of {theatre.stage(name).statements[0]} statements")
    assert hits >= 90, "the kills hit the work"
