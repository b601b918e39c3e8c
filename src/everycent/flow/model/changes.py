"""Parameters changed for a trial: `charges.commission.round=down` over the model's own words."""

from collections.abc import Mapping
from typing import Any

import yaml

from everycent.flow.model.yaml_source import ModelIssue, Path, parse_yaml


def changed_text(data: Any, changes: Mapping[str, str]) -> tuple[str, list[ModelIssue]]:
    """The model's YAML with words changed, and which paths lead nowhere.

    Keys lead to a word, parts joined by "."; values are YAML. A word may be added to one that the model has. A factor's
    constant takes the place of the source that it had.
    """
    issues = []
    for path, text in changes.items():
        value = parse_yaml(text)
        if value.issues:
            issues.append(ModelIssue(f"--set {path}: '{text}' is not YAML; write a value, or a list as [a, b]"))
            continue
        words = tuple(path.split("."))
        data, refused = _with(data, words, value.data, ())
        if refused is None and len(words) == 3 and words[0] == "factors" and words[2] == "constant":
            data, refused = _with(data, words[:2], _constant(data["factors"][words[1]]), ())
        issues += [] if refused is None else [refused]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True), issues


def _constant(factor: Mapping[str, Any]) -> dict[str, Any]:
    """A factor's words without those of where else its value came from."""
    return {word: value for word, value in factor.items() if word in ("constant", "type", "unit", "meaning")}


def _with(data: Any, path: Path, value: Any, walked: Path) -> tuple[Any, ModelIssue | None]:
    """A copy of `data` with `value` at `path`."""
    if not path:
        return value, None
    word, rest = path[0], path[1:]
    if isinstance(data, dict) and (word in data or not rest):
        inner, refused = _with(data.get(word), rest, value, (*walked, word))
        return {**data, word: inner}, refused
    if isinstance(data, list) and str(word).isdecimal() and int(word) < len(data):
        at = int(word)
        inner, refused = _with(data[at], rest, value, (*walked, at))
        return [*data[:at], inner, *data[at + 1 :]], refused
    where = ".".join(map(str, walked)) or "the model"
    has = ", ".join(map(str, data if isinstance(data, dict) else range(len(data) if isinstance(data, list) else 0)))
    return data, ModelIssue(f"--set: {where} has no '{word}'; it has {has or 'no words of its own'}")
