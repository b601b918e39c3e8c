"""Rows of a service: page by page, or looked up by key; JSON or CSV, within times, asked again where it fails."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Self

import pyarrow as pa
from pydantic import Field, model_validator

from everycent.base.engine.declaration import Declaration, Variable
from everycent.base.platform.lookups.service import NoAnswer, Service, exact_json
from everycent.flow.intake.contract import RawRows
from everycent.proof.recon.chain import Keys, LinkFailed, Surroundings
from everycent.proof.recon.loaders.numbering import numbered


class HttpWords(Declaration):
    """A service and how its pages follow each other."""

    address: Variable = Field(description="the environment variable with the service's URL", examples=["ORDERS_URL"])
    path: str = Field(default="", description="what follows the URL; {as_of} is the day", examples=["/v1/orders"])
    query: dict[str, str] = Field(
        default_factory=dict, description="parameters of the URL; {as_of} is the day", examples=[{"day": "{as_of}"}]
    )
    token: Variable | None = Field(default=None, description="the environment variable with a bearer token")
    gives: Literal["json", "csv"] = Field(default="json", description="how it answers")
    rows: str = Field(
        default="rows", description="of JSON, where the list of rows is, by dots; empty: the answer itself is the list"
    )
    page: str | None = Field(
        default=None, description="the parameter that counts pages; a page without rows is the last", examples=["page"]
    )
    first_page: int = Field(default=1, ge=0, description="the number of the first page")
    next: str | None = Field(
        default=None,
        description="of JSON, where the mark of the next page is, by dots; without one it is the last",
        examples=["paging.next"],
    )
    mark: str = Field(default="after", description="the parameter that takes the mark", examples=["cursor"])
    send: str = Field(default="keys", description="of a look-up by POST, the name of the list of keys")
    pages_most: int = Field(default=100_000, ge=1, description="more pages than these are an error")
    timeout_ms: int = Field(default=10_000, ge=1, description="how long one answer may take, in milliseconds")
    tries: int = Field(default=3, ge=1, le=10, description="how often a request is made before it counts as failed")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.page is not None and self.next is not None:
            raise ValueError("pages are counted ('page') or follow marks ('next'), not both")
        if self.next is not None and self.gives == "csv":
            raise ValueError("a page of CSV has no mark of the next; count pages with 'page'")
        return self


@dataclass(frozen=True)
class _Page:
    rows: pa.Table
    mark: str | None


class Http:
    """The loader `http`. A row's line is its place in the order of the answers."""

    name = "http"
    words = HttpWords
    drivable = True

    def load(self, words: HttpWords, around: Surroundings, keys: Keys | None) -> Iterator[RawRows]:
        """A part for each page. Raises LinkFailed."""
        url = around.variable(words.address).rstrip("/") + around.filled(words.path)
        headers = {} if words.token is None else {"Authorization": f"Bearer {around.variable(words.token)}"}
        service = Service(url, words.timeout_ms / 1000, words.tries, headers=headers)
        query = {name: around.filled(value) for name, value in words.query.items()}
        pages = _pages(service, words, query) if keys is None else _looked_up(service, words, query, keys)
        try:
            yield from numbered((page.rows for page in pages), (), f"http:{words.address}{words.path}")
        except NoAnswer as failure:
            raise LinkFailed(f"loader 'http': {words.address}: {failure}") from None


def _pages(service: Service, words: HttpWords, query: dict[str, str]) -> Iterator[_Page]:
    read = _reader(words)
    with service.client() as client:
        for count in range(words.pages_most):
            if words.page is not None:
                query[words.page] = str(words.first_page + count)
            page = service.ask(client, "GET", read, params=query)
            if words.page is not None and not page.rows.num_rows:
                return
            yield page
            if words.page is None and page.mark is None:
                return
            if page.mark is not None:
                if query.get(words.mark) == page.mark:
                    raise NoAnswer(f"the mark of the next page, '{page.mark}', is this page's own; it would never end")
                query[words.mark] = page.mark
    raise NoAnswer(f"it has more than {words.pages_most} pages; raise pages_most if that is right")


def _looked_up(service: Service, words: HttpWords, query: dict[str, str], keys: Keys) -> Iterator[_Page]:
    asked = {words.send: [dict(zip(keys.columns, row, strict=True)) for row in keys.rows]}
    with service.client() as client:
        yield service.ask(client, "POST", _reader(words), params=query, json=asked)


def _reader(words: HttpWords) -> Callable[[bytes], _Page]:
    return _read_csv if words.gives == "csv" else lambda text: _read_json(text, words)


def _read_csv(text: bytes) -> _Page:
    try:
        header, *rows = csv.reader(io.StringIO(text.decode("utf-8-sig"), newline=""), strict=True)
        return _Page(_table([dict(zip(header, row, strict=True)) for row in rows], header), None)
    except (ValueError, csv.Error) as error:
        raise NoAnswer(f"the service's answer is no CSV: {error}") from None


def _read_json(text: bytes, words: HttpWords) -> _Page:
    answer = exact_json(text)
    rows = _at(answer, words.rows)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        where = f"at '{words.rows}'" if words.rows else "as a whole"
        raise NoAnswer(f"the service's answer has no list of rows {where}")
    mark = None if words.next is None else _at(answer, words.next)
    return _Page(
        _table(rows, list(dict.fromkeys(name for row in rows for name in row))), None if not mark else str(mark)
    )


def _at(answer: Any, dots: str) -> Any:
    for word in dots.split(".") if dots else ():
        answer = answer.get(word) if isinstance(answer, dict) else None
    return answer


def _table(rows: list[Mapping[str, Any]], names: list[str]) -> pa.Table:
    return pa.table([pa.array([_text(row.get(name)) for row in rows], pa.string()) for name in names], names=names)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


LOADER = Http()
