"""Reads a model's YAML with every scalar as text and the place of every word, so that errors can point at it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """A 1-based line and column in the model's file."""

    line: int
    column: int


@dataclass(frozen=True)
class ModelIssue:
    """One thing wrong with a model: what, where, and (in the message) what would be right."""

    message: str
    path: Path = ()
    place: Place | None = None

    def at(self, file: str) -> str:
        """`file:line:column: path: message`, as editors and people read it."""
        where = f"{file}:{self.place.line}:{self.place.column}" if self.place else file
        word = ".".join(str(part) for part in self.path)
        return f"{where}: {word}: {self.message}" if word else f"{where}: {self.message}"


@dataclass
class Source:
    """A parsed YAML file: plain data (strings, lists, dicts, None), and where each key and value stands."""

    data: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    issues: list[ModelIssue] = field(default_factory=list)

    def issue(
        self, message: str, path: Sequence[str | int], *, offset: int | None = None, key: bool = False
    ) -> ModelIssue:
        """An issue at `path`, or at its nearest known parent; `offset` counts characters into a one-line scalar."""
        known = tuple(path)
        while known and known not in self.values:
            known = known[:-1]
        place = (self.keys.get(known) if key else None) or self.values.get(known)
        if place is not None and offset is not None and known == tuple(path):
            place = Place(place.line, place.column + offset)
        return ModelIssue(message, tuple(path), place)


def parse_yaml(text: str) -> Source:
    """Parses one YAML document. What is wrong with its form is in `issues`; then `data` may be None."""
    source = Source()
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else None
        hint = (
            "indent with spaces, not tabs"
            if "'\\t'" in str(error.problem)
            else "check indentation, quotes and colons here"
        )
        source.issues.append(ModelIssue(f"this is not YAML: {error.problem}; {hint}", (), place))
        return source
    except yaml.reader.ReaderError as error:
        lines = text[: error.position].split("\n")
        message = f"a character that YAML does not allow ({error.reason}); take it out"
        source.issues.append(ModelIssue(message, (), Place(len(lines), len(lines[-1]) + 1)))
        return source
    except RecursionError:
        source.issues.append(ModelIssue("this is nested too deeply to be a model"))
        return source
    if root is None:
        source.issues.append(ModelIssue("the file is empty; `everycent init` writes a model to start from"))
        return source
    source.data = _plain(root, (), source, seen=set())
    return source


def _plain(node: yaml.Node, path: Path, source: Source, seen: set[int]) -> Any:
    place = Place(node.start_mark.line + 1, node.start_mark.column + 1)
    source.values[path] = place
    if id(node) in seen:
        source.issues.append(
            ModelIssue("anchors and aliases are not part of the model's language; write it out", path, place)
        )
        return None
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, source, seen)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, at), source, seen) for at, item in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode), f"YAML has no other nodes: {node}"
    if node.tag == "tag:yaml.org,2002:null":
        return None
    if node.style in ("'", '"'):
        source.values[path] = Place(place.line, place.column + 1)
    return node.value


def _mapping(node: yaml.MappingNode, path: Path, source: Source, seen: set[int]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key_node, value_node in node.value:
        place = Place(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if not isinstance(key_node, yaml.ScalarNode):
            source.issues.append(ModelIssue("a key is one word, not a list or a mapping", path, place))
            continue
        key = key_node.value
        here = (*path, key)
        if key in plain:
            message = f"'{key}' is written twice, first in line {source.keys[here].line}; keep one"
            source.issues.append(ModelIssue(message, here, place))
            continue
        source.keys[here] = place
        plain[key] = _plain(value_node, here, source, seen)
    return plain
