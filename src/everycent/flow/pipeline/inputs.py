"""Finds which file holds which record kind, which are attached tables, and which are another side's bill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from everycent.flow.model.contract import LoadedModel, table_files
from everycent.flow.pipeline.contract import InputRefused


@dataclass(frozen=True)
class Assigned:
    """A file that holds rows of a record kind. `among`: the folder or pattern that it was found in, None where it was
    named by itself."""

    kind: str
    path: Path
    among: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Inputs:
    """A run's files by use. `records` is the arrival sequence: kinds as declared (refunds after what they refund).

    `others` are the files that hold neither records nor an attached table.
    """

    records: tuple[Assigned, ...]
    tables: Mapping[str, Path]
    others: tuple[Path, ...]


def find_inputs(model: LoadedModel, given: Sequence[str]) -> Inputs:
    """Assigns the files given (a file, a folder, a pattern, or KIND=FILE) to the model's kinds. Raises InputRefused."""
    named, paths = _expand(model, given)
    tables = dict(model.files)
    by_name = {path.name: path for path in paths}
    for name in table_files(model.spec):
        if name not in tables:
            if name not in by_name:
                raise InputRefused(f"the model needs {name}; put it beside {model.path} or give it with --records")
            tables[name] = by_name[name]
    assigned = list(named)
    for kind, spec in model.spec.records.items():
        patterns = spec.file or (f"{kind}.*",)
        assigned += [
            Assigned(kind, path, among)
            for path, among in paths.items()
            if any(fnmatch(path.name, pattern) for pattern in patterns)
        ]
    assigned += _only_choice(model, paths, assigned, set(tables.values()))
    if not assigned:
        raise InputRefused(_nothing_to_take(model, list(paths)))
    order = {kind: at for at, kind in enumerate(arrival_order(model))}
    records = sorted(dict.fromkeys(assigned), key=lambda item: order[item.kind])
    used = {item.path for item in records} | set(tables.values())
    return Inputs(tuple(records), tables, tuple(path for path in paths if path not in used))


def given_files(model: LoadedModel, given: Sequence[str]) -> list[Path]:
    """All files given, whatever they hold. Raises InputRefused."""
    named, paths = _expand(model, given)
    return list(dict.fromkeys([*(item.path for item in named), *paths]))


def _nothing_to_take(model: LoadedModel, paths: list[Path]) -> str:
    """Why no file holds records, and what would."""
    if not paths:
        return "there is no file in what --records names; give files, a folder with files, or a pattern in quotes"
    names = ", ".join(path.name for path in paths[:5]) + (" ..." if len(paths) > 5 else "")
    patterns = [f"{kind} ({', '.join(spec.file) or f'{kind}.*'})" for kind, spec in model.spec.records.items()]
    kind = next(iter(model.spec.records))
    return (
        f"no record kind takes {names}; the model's kinds are {', '.join(patterns)}. "
        f"Rename the file, or name its kind: --records {kind}={paths[0]}"
    )


def _expand(model: LoadedModel, given: Sequence[str]) -> tuple[list[Assigned], dict[Path, str | None]]:
    """The files whose kind is named, and the others with what they were found among, None for one named by itself."""
    named: list[Assigned] = []
    paths: dict[Path, str | None] = {}
    for item in given:
        kind, equals, rest = item.partition("=")
        if equals and kind in model.spec.records and not Path(item).exists():
            named += [Assigned(kind, path, _among(rest, path)) for path in _files(rest)]
        else:
            paths |= {path: paths.get(path, item) and _among(item, path) for path in _files(item)}
    return named, paths


def _among(item: str, path: Path) -> str | None:
    return None if Path(item) == path else item


def _files(item: str) -> list[Path]:
    path = Path(item)
    if path.is_dir():
        return sorted(child for child in path.iterdir() if child.is_file() and not child.name.startswith("."))
    if path.is_file():
        return [path]
    anchor = Path(path.anchor) if path.is_absolute() else Path()
    pattern = str(path.relative_to(anchor)) if path.is_absolute() else item
    found = sorted(match for match in anchor.glob(pattern) if match.is_file())
    if not found:
        raise InputRefused(f"there is no file {item}; give files, a folder, or a pattern in quotes")
    return found


def _only_choice(
    model: LoadedModel, paths: Mapping[Path, str | None], assigned: list[Assigned], tables: set[Path]
) -> list[Assigned]:
    """Where a single kind names no file pattern and files are left over, they are that kind's, whatever their names."""
    open_kinds = [kind for kind, spec in model.spec.records.items() if not spec.file]
    taken = {item.path for item in assigned} | tables
    left = [path for path in paths if path not in taken]
    return [Assigned(open_kinds[0], path, paths[path]) for path in left] if len(open_kinds) == 1 else []


def arrival_order(model: LoadedModel) -> list[str]:
    """The kinds in the order in which their records are taken: as declared, refunds after all others."""
    kinds = model.spec.records
    return sorted(kinds, key=lambda kind: (kinds[kind].refunds is not None, list(kinds).index(kind)))
