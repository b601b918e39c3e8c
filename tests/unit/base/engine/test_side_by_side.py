"""Tasks on several threads."""

import threading
import time

import pytest

from everycent.base.engine.side_by_side import side_by_side


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_results_come_in_the_order_of_the_tasks(threads: int, count: int):
    assert side_by_side([lambda at=at: at * at for at in range(count)], threads) == [at * at for at in range(count)]


def test_two_tasks_run_at_once():
    met = threading.Barrier(2)
    side_by_side([lambda: met.wait(10)] * 2, 2)  # would be broken after 10 s by one that waits alone


def test_tasks_may_do_the_same_in_turn():
    def nested(depth: int) -> int:
        time.sleep(0.001)
        return 1 if depth == 0 else sum(side_by_side([lambda: nested(depth - 1)] * 3, 2))

    assert nested(4) == 81


@pytest.mark.parametrize("broken", [0, 1, 9])
def test_what_a_task_raises_is_raised(broken: int):
    def task(at: int) -> int:
        time.sleep(0.001)
        return 1 // (at != broken)

    with pytest.raises(ZeroDivisionError):
        side_by_side([lambda at=at: task(at) for at in range(10)], 2)
