"""JSON files by declaration: which of the objects within objects are rows, and what each object states of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from everycent.flow.intake.bills.parts import Malformed, Row, in_parts
from everycent.flow.intake.contract import BillPart, Control
from everycent.flow.intake.layouts import JsonControlSpec, JsonSpec
from everycent.flow.intake.readers.json_documents import json_objects
from everycent.flow.intake.readers.json_lines import cell_of, object_of

_NOTHING: Final = "nothing"


@dataclass
class _Stated:
    """A figure over the whole file, and the first object whose rows do not give it."""

    name: str
    spec: JsonControlSpec
    stated: Decimal = Decimal(0)
    found: Decimal = Decimal(0)
    parted: Control | None = field(default=None)

    def add(self, number: int, item: Mapping[str, Any], rows: Sequence[Mapping[str, str | None]]) -> None:
        """An object, by its number, and its rows."""
        said = _at(item, self.spec.at.split("."))
        cells = [row.get(self.spec.sums) for row in rows]
        try:
            stated, found = Decimal(cell_of(said) or ""), sum((Decimal(cell or "0") for cell in cells), Decimal(0))
        except InvalidOperation:
            written = ", ".join(cell or "" for cell in cells)
            self._parts(number, cell_of(said) or _NOTHING, written or _NOTHING)
            return
        self.stated, self.found = self.stated + stated, self.found + found
        if stated != found:
            self._parts(number, f"{stated:f}", f"{found:f}")

    def _parts(self, number: int, stated: str, found: str) -> None:
        if self.parted is None:
            self.parted = Control(f"{self.name}, object {number}", stated, found, None)

    def control(self) -> Control:
        """What is told: the first that parts, else the whole."""
        return self.parted or Control(self.name, f"{self.stated:f}", f"{self.found:f}", None)


@dataclass(frozen=True)
class JsonObjects:
    """A declared JSON format."""

    name: str
    spec: JsonSpec

    @property
    def columns(self) -> tuple[str, ...]:
        """As declared."""
        return tuple(self.spec.columns)

    def recognises(self, file: str, head: bytes) -> bool:  # noqa: ARG002 - a declaration is named where it stands
        return False

    def parse(self, path: Path, rows_per_part: int) -> Iterator[BillPart]:
        return in_parts(self._read(path), self.columns, rows_per_part)

    def _read(self, path: Path) -> Iterator[Row | Malformed | Control]:
        """Rows are numbered through the file: JSON has no lines that mean anything."""
        told, at = [_Stated(name, spec) for name, spec in self.spec.controls.items()], 0
        for number, text in enumerate(json_objects(path, self.spec.encoding), 1):
            item = object_of(text.encode("utf-8"))
            members = [{}] if self.spec.rows is None or isinstance(item, str) else _at(item, self.spec.rows.split("."))
            if not isinstance(item, dict) or not isinstance(members, list):
                at += 1
                wrong = item if isinstance(item, str) else f"object {number} has no list '{self.spec.rows}'"
                yield Malformed(at, wrong.replace("the line", f"value {number}"), text)
                continue
            rows = [self._cells(item, member) for member in members]
            for row in rows:
                at += 1
                yield Row(at, row)
            for each in told:
                each.add(number, item, rows)
        yield from (each.control() for each in told)

    def _cells(self, item: Mapping[str, Any], member: Any) -> dict[str, str | None]:
        within = () if self.spec.rows is None else tuple(self.spec.rows.split("."))
        cells: dict[str, str | None] = {}
        for name, path in self.spec.columns.items():
            parts = tuple(path.split("."))
            inside = bool(within) and parts[: len(within)] == within
            cells[name] = cell_of(_at(member, parts[len(within) :]) if inside else _at(item, parts))
        return cells


def _at(value: Any, path: Sequence[str]) -> Any:
    """What stands there; None where there is nothing."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
