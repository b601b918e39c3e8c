"""Finds formats of bills among the installed packages: by name, or by what a file's first bytes show."""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

from everycent.flow.intake.bills.fixed_width import FixedWidth
from everycent.flow.intake.bills.json_objects import JsonObjects
from everycent.flow.intake.contract import BillFormat, SourceError
from everycent.flow.intake.layouts import LayoutSpec

GROUP: Final = "everycent.bill_formats"
HEAD_BYTES: Final = 1 << 16


class UnknownFormat(Exception):
    """No installed package offers the format; the message lists those that are there."""


def format_named(name: str) -> BillFormat:
    """The format of this name. Raises UnknownFormat, or SourceError where its package does not load."""
    offered = _offered()
    if name not in offered:
        there = ", ".join(offered) or "none"
        raise UnknownFormat(
            f"there is no bill format '{name}'; installed are: {there}. Install the package that has it as an entry "
            f"point of group {GROUP}"
        )
    return _load(offered[name])


def format_written(word: str | LayoutSpec) -> BillFormat:
    """The format that a model's `format` names or declares. Raises UnknownFormat, SourceError."""
    if not isinstance(word, LayoutSpec):
        return format_named(word)
    if word.json_objects is not None:
        return JsonObjects("json_objects", word.json_objects)
    assert word.fixed_width is not None, "a layout is one of both"
    return FixedWidth("fixed_width", word.fixed_width)


def format_of(path: Path) -> BillFormat | None:
    """The one format that knows its own in the file's name and first bytes; None where none does.

    Raises SourceError where two do, or where one that could not be asked leaves it open.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    known: list[BillFormat] = []
    failed: list[SourceError] = []
    for point in _offered().values():
        try:
            found = _load(point)
            if found.recognises(path.name, head):
                known.append(found)
        except SourceError as error:
            failed.append(error)
        except Exception as error:  # a plug-in may throw anything
            failed.append(SourceError(f"{path}: bill format '{point.name}' failed: {error!r}; mend {point.value}"))
    if len(known) > 1:
        names = " and ".join(each.name for each in known)
        raise SourceError(f"{path} could be {names}; say which with 'format'")
    if not known and failed:
        raise failed[0]
    return known[0] if known else None


def _offered() -> dict[str, EntryPoint]:
    """By name, in the order of their names."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}


def _load(point: EntryPoint) -> BillFormat:
    try:
        found: BillFormat = point.load()
    except Exception as error:  # a plug-in may throw anything
        raise SourceError(f"bill format '{point.name}' does not load: {error!r}; mend {point.value}") from error
    return found
