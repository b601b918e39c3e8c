"""Look-ups outside: a real service with faults, a real database that must not be written."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from price_service import PriceService, price_service

from everycent.base.platform.lookups.answers import NOT_THERE, Answer, Key, matched
from everycent.base.platform.lookups.rest import COOL_DOWN_S, RestLookUp
from everycent.base.platform.lookups.sql import SqlLookUp

TOYS: Key = ("toys",)
BOOKS: Key = ("books",)


@pytest.fixture
def service() -> Iterator[PriceService]:
    with price_service({"toys": "0.1000000000000000055", "books": "12"}) as running:
        yield running


def look_up(service: PriceService, **settings: Any) -> RestLookUp:
    told = {"send": "keys", "rows": "rows", "batch": 500, "timeout_s": 5.0, "tries": 3, "give_up_after": 2}
    return RestLookUp(service.url, **{**told, "sleep": lambda seconds: None, **settings})


def asked(service: PriceService, *keys: Key, **settings: Any) -> dict[Key, Answer]:
    return dict(look_up(service, **settings).fetch(["category"], keys, "price"))


def test_numbers_come_exactly_and_a_key_without_a_row_is_absent(service: PriceService) -> None:
    assert asked(service, TOYS, BOOKS, ("pots",)) == {
        TOYS: Answer(Decimal("0.1000000000000000055")),
        BOOKS: Answer(12),
        ("pots",): Answer(why=NOT_THERE, absent=True),
    }


def test_keys_are_asked_in_batches(service: PriceService) -> None:
    asked(service, TOYS, BOOKS, ("pots",), batch=2)
    assert service.asked == [["toys", "books"], ["pots"]]


@pytest.mark.parametrize("fault", ["slow", "drip", 500, 429, "no json", "other shape", "hang up"])
def test_one_fault_is_mended_by_asking_again(service: PriceService, fault: Any) -> None:
    service.faults = [fault]
    assert asked(service, BOOKS, timeout_s=1.0) == {BOOKS: Answer(12)}
    assert len(service.asked) == 2


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("slow", "the service did not answer within 300 ms, 3 times"),
        ("drip", "the service did not answer within 300 ms, 3 times"),
        (503, "the service answered with status 503, 3 times"),
        ("no json", "the service's answer is no JSON, 3 times"),
        ("other shape", "the service's answer has no list of rows named 'rows', 3 times"),
        ("hang up", "the service cannot be reached (RemoteProtocolError), 3 times"),
    ],
)
def test_what_fails_each_time_is_an_answer_that_says_why(service: PriceService, fault: Any, why: str) -> None:
    service.faults = [fault] * 3
    timeout_s = 0.3 if "300 ms" in why else 5.0
    assert asked(service, BOOKS, TOYS, timeout_s=timeout_s) == {BOOKS: Answer(why=why), TOYS: Answer(why=why)}


def test_a_refusal_is_not_asked_again(service: PriceService) -> None:
    service.faults = [404]
    assert asked(service, BOOKS) == {BOOKS: Answer(why="the service answered with status 404")}
    assert len(service.asked) == 1


def test_the_waits_between_tries_grow(service: PriceService) -> None:
    waits: list[float] = []
    service.faults = [500] * 4
    asked(service, BOOKS, tries=4, sleep=waits.append)
    assert waits == [0.1, 0.2, 0.4]


def test_a_service_that_only_fails_is_let_be_and_tried_again_later(service: PriceService) -> None:
    now = [0.0]
    asker = look_up(service, tries=1, give_up_after=2, clock=lambda: now[0], batch=1)
    service.faults = [500, 500, 500]
    found = asker.fetch(["category"], [TOYS, BOOKS, ("pots",), ("hats",)], "price")
    assert len(service.asked) == 2, "two failed, the others were not asked"
    assert found[("hats",)].why == "the service is left alone for a while after 2 requests that failed"
    now[0] = COOL_DOWN_S
    assert asker.fetch(["category"], [BOOKS], "price")[BOOKS].why == "the service answered with status 500"
    now[0] = 2 * COOL_DOWN_S
    assert asker.fetch(["category"], [BOOKS], "price") == {BOOKS: Answer(12)}
    assert asker.fetch(["category"], [TOYS], "price")[TOYS].why is None


def test_the_same_answer_twice_is_one_and_two_answers_are_none(service: PriceService) -> None:
    service.faults = ["twice", "twice differently"]
    assert asked(service, BOOKS) == {BOOKS: Answer(12)}
    assert asked(service, BOOKS) == {BOOKS: Answer(why="it was answered twice, with different values")}


def test_nobody_at_the_address_is_an_answer() -> None:
    with price_service({}) as gone:
        pass
    assert "cannot be reached" in str(asked(gone, BOOKS, timeout_s=2.0)[BOOKS].why)


def test_rows_nobody_asked_for_and_rows_without_a_value() -> None:
    rows = [{"category": "hats", "price": 1}, {"category": "toys"}, {"category": "books", "price": [1]}]
    found = matched(["category"], [TOYS, BOOKS], "price", rows)
    assert found == {
        TOYS: Answer(why="the answer's row has no 'price'"),
        BOOKS: Answer(why="'price' is no single value"),
    }


@pytest.fixture
def prices(database: Any) -> Any:
    database.connection.execute("CREATE TABLE public.price (category text, day date, price numeric)")
    database.connection.execute(
        "INSERT INTO public.price VALUES ('toys', '2026-03-01', 0.10), ('books', '2026-03-02', 12)"
    )
    return database


def queried(prices: Any, statement: str, *keys: Key, timeout_ms: int = 5000) -> dict[Key, Answer]:
    asker = SqlLookUp(prices.settings.database_url, statement, timeout_ms)
    return dict(asker.fetch(["category"], keys, "price"))


BY_CATEGORY = "SELECT category, price FROM price WHERE category = ANY(%(category)s)"


def test_one_query_answers_all_keys(prices: Any) -> None:
    assert queried(prices, BY_CATEGORY, TOYS, BOOKS, ("pots",)) == {
        TOYS: Answer(Decimal("0.10")),
        BOOKS: Answer(Decimal(12)),
        ("pots",): Answer(why=NOT_THERE, absent=True),
    }


@pytest.mark.parametrize(
    ("asked", "found"),
    [("category LIKE 't%'", True), ("7 % 4 = 3", True), ("category LIKE '%s'", True), ("1 %2 = 0", False)],
)
def test_a_percent_sign_is_itself_beside_parameters(prices: Any, asked: str, found: bool) -> None:
    answer = queried(prices, f"{BY_CATEGORY} AND {asked}", TOYS)[TOYS]
    assert (answer.value, answer.absent) == ((Decimal("0.10"), False) if found else (None, True))


def test_quotes_in_a_key_are_a_key(prices: Any) -> None:
    evil = ("'; DROP TABLE price; --",)
    assert queried(prices, BY_CATEGORY, evil)[evil].absent
    assert queried(prices, BY_CATEGORY, BOOKS)[BOOKS].value == 12


@pytest.mark.parametrize(
    "statement",
    [
        "WITH gone AS (DELETE FROM price RETURNING *) SELECT category, price FROM gone"
        " WHERE category = ANY(%(category)s)",
        "INSERT INTO price SELECT unnest(%(category)s::text[]) RETURNING category, price",
        "SELECT set_config('transaction_read_only', 'off', true) AS category, 1 AS price WHERE %(category)s <> '{}'",
        f"{BY_CATEGORY}; DELETE FROM price",
    ],
)
def test_the_session_cannot_write(prices: Any, statement: str) -> None:
    assert "the database refused its query" in str(queried(prices, statement, TOYS)[TOYS].why)
    assert prices.connection.execute("SELECT count(*) FROM public.price").fetchone() == (2,)


def test_a_query_that_takes_too_long_is_ended(prices: Any) -> None:
    slow = f"{BY_CATEGORY} AND pg_sleep(5) IS NOT NULL"
    assert "statement timeout" in str(queried(prices, slow, TOYS, timeout_ms=200)[TOYS].why)


def test_a_query_without_the_value_says_what_it_gives(prices: Any) -> None:
    found = queried(prices, "SELECT category, day FROM price WHERE category = ANY(%(category)s)", TOYS)
    assert found[TOYS].why == "the query gives category, day; it is to give category, price"


def test_a_database_that_is_not_there_is_an_answer() -> None:
    asker = SqlLookUp("postgresql://nobody@127.0.0.1:1/nothing", BY_CATEGORY, 1000)
    assert "the database refused its query" in str(asker.fetch(["category"], [TOYS], "price")[TOYS].why)
