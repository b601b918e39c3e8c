"""The links that a scenario names: found, and their words checked, before anything is run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from everycent.flow.model.contract import ModelIssue, Source
from everycent.proof.recon.contract import Link, LinkFailed, ReconSpec, SideSpec
from everycent.proof.recon.service import Chosen, UnknownLink, choose


@dataclass(frozen=True)
class Links:
    """The links of a scenario, in the order in which it names them."""

    left: Chosen | None
    right: Chosen | None
    trigger: Chosen | None
    checkers: tuple[Chosen, ...]
    handlers: tuple[Chosen, ...]


def links_of(spec: ReconSpec) -> Links:
    """The links of a scenario that `link_issues` found nothing wrong with."""
    left, right, trigger = (
        None if word is None else choose(link, word)
        for link, word in ((Link.LOADER, spec.left.load), (Link.LOADER, spec.right.load), (Link.TRIGGER, spec.trigger))
    )
    checkers = tuple(choose(Link.CHECKER, word) for word in spec.check)
    return Links(left, right, trigger, checkers, tuple(choose(Link.HANDLER, word) for word in spec.handle))


def link_issues(source: Source, path: tuple[str, ...], spec: ReconSpec) -> list[ModelIssue]:
    """What is wrong with the links of a scenario at `path`, and where."""
    issues: list[ModelIssue] = []
    for at, link, word in _named(path, spec):
        issues += _issues(source, at, link, word)
    for name, side in (("left", spec.left), ("right", spec.right)):
        if side.driven is not None and (said := _undrivable(side, name, spec)) is not None:
            issues.append(source.issue(said, (*path, name, "driven"), key=True))
    return issues


def _named(path: tuple[str, ...], spec: ReconSpec) -> Iterator[tuple[tuple[str | int, ...], Link, Mapping[str, Any]]]:
    for name, side in (("left", spec.left), ("right", spec.right)):
        if side.load is not None:
            yield (*path, name, "load"), Link.LOADER, side.load
    if spec.trigger is not None:
        yield (*path, "trigger"), Link.TRIGGER, spec.trigger
    for link, words in ((Link.CHECKER, spec.check), (Link.HANDLER, spec.handle)):
        for at, word in enumerate(words):
            yield (*path, link.value, at), link, word


def _issues(source: Source, at: tuple[str | int, ...], link: Link, word: Mapping[str, Any]) -> Iterator[ModelIssue]:
    name = next(iter(word))
    try:
        choose(link, word)
    except (UnknownLink, LinkFailed) as error:
        yield source.issue(str(error), (*at, name), key=True)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            said = found["msg"].removeprefix("Value error, ")
            where = (*at, name, *found["loc"])
            if found["type"] == "missing":
                said = f"'{found['loc'][-1]}' is missing here"
            if found["type"] == "extra_forbidden":
                said = f"{link.name.lower()} '{name}' has no word '{found['loc'][-1]}'"
            yield source.issue(said, where, key=True)


def _undrivable(side: SideSpec, name: str, spec: ReconSpec) -> str | None:
    """Why the side cannot be looked up by the other's keys."""
    if side.load is None:
        return "a side is driven where a loader looks its rows up; write `load`"
    other = spec.right if name == "left" else spec.left
    if other.driven is not None:
        return "each side would wait for the other's keys; let one drive"
    if len(other.key) != len(side.key):
        return f"the other side's key has {len(other.key)} columns, this side's {len(side.key)}; they are to match"
    try:
        drivable = choose(Link.LOADER, side.load).offered.drivable
    except (UnknownLink, LinkFailed, ValidationError):
        return None  # told already
    return None if drivable else f"loader '{next(iter(side.load))}' does not look up by key; leave `driven` out"
