"""Factors from outside, as a model declares them: a query of a named database, a service that answers in JSON."""

from datetime import timedelta

from pydantic import Field

from everycent.base.engine.declaration import Declaration, Duration, Variable


class SqlSpec(Declaration):
    """Values from a read-only query, asked once for all of a batch's keys."""

    database: Variable = Field(
        description="the environment variable that holds the database's URL", examples=["PRICES_DB"]
    )
    statement: str = Field(
        description="a SELECT of the key columns and the value; %(column)s is the array of a key column's values",
        examples=["SELECT category, floor FROM floors WHERE category = ANY(%(category)s)"],
    )
    timeout_ms: int = Field(
        default=10_000, ge=1, description="how long one query may take, in milliseconds", examples=["2000"]
    )
    keep: Duration = Field(
        default=timedelta(0), description="how long an answer is used again without asking", examples=["10 minutes"]
    )


class RestSpec(Declaration):
    """Values from a service: it gets a list of keys by POST, and answers with a list of rows."""

    address: Variable = Field(
        description="the environment variable that holds the service's URL", examples=["DISCOUNTS_URL"]
    )
    send: str = Field(default="keys", description="the name of the list of keys in what is sent", examples=["items"])
    rows: str = Field(default="rows", description="the name of the list of rows in the answer", examples=["data"])
    batch: int = Field(default=500, ge=1, le=10_000, description="so many keys in one request", examples=["200"])
    timeout_ms: int = Field(
        default=2_000,
        ge=1,
        description="how long one request may take, its answer included, in milliseconds",
        examples=["1000"],
    )
    tries: int = Field(
        default=3, ge=1, le=10, description="how often a request is made before it counts as failed", examples=["5"]
    )
    give_up_after: int = Field(
        default=3,
        ge=1,
        description="after so many failed requests in a row the service is left alone for half a minute",
        examples=["10"],
    )
    keep: Duration = Field(
        default=timedelta(0), description="how long an answer is used again without asking", examples=["1 hour"]
    )
