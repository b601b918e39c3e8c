"""Loads a settlement model from its YAML file, or says what is wrong with it and where."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_origin

from pydantic import BaseModel, ValidationError

from everycent.base.engine.declaration import Declaration
from everycent.flow.model.changes import changed_text
from everycent.flow.model.contract import LoadedModel, ModelRefused, SettlementModel, compose, table_files
from everycent.flow.model.references import check_references
from everycent.flow.model.schema import json_schema
from everycent.flow.model.yaml_source import ModelIssue, Place, Source, parse_yaml

__all__ = ["json_schema", "load_declared", "load_model"]

Declared = TypeVar("Declared", bound=Declaration)


def load_model(
    path: Path, sections: Mapping[str, type[Declaration]], changes: Mapping[str, str] | None = None
) -> LoadedModel:
    """The model in the file at `path`. `sections`: further top words, name -> declaration. Raises ModelRefused.

    `changes` are tried out on it: `charges.commission.round` -> `down`.
    """
    file = str(path)
    text = _text(path)
    source = parse_yaml(text)
    if changes and not source.issues:
        text, issues = changed_text(source.data, changes)
        source = parse_yaml(text)
        source.issues += issues
    if source.issues:
        raise ModelRefused(file, source.issues)
    spec = _validate(file, source, compose(sections))
    issues = check_references(spec, source)
    if issues:
        raise ModelRefused(file, issues)
    files = _files_beside(path.parent, spec)
    return LoadedModel(path, text, source, spec, _version_hash(source.data, files), files)


def load_declared(path: Path, declared: type[Declared]) -> tuple[Source, Declared]:
    """Another YAML file in the model's way of writing, with the place of each word. Raises ModelRefused."""
    source = parse_yaml(_text(path))
    if source.issues:
        raise ModelRefused(str(path), source.issues)
    return source, _validate(str(path), source, declared)


def _text(path: Path) -> str:
    """Raises ModelRefused."""
    file = str(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ModelRefused(file, [ModelIssue("there is no such file; give the path of a model.yaml")]) from None
    except IsADirectoryError:
        raise ModelRefused(file, [ModelIssue("this is a folder; give the path of the model.yaml in it")]) from None
    except UnicodeDecodeError as error:
        lines = error.object[: error.start].decode("utf-8").split("\n")
        place = Place(len(lines), len(lines[-1]) + 1)
        message = "a model is written in UTF-8, and this character is not; save the file as UTF-8"
        raise ModelRefused(file, [ModelIssue(message, (), place)]) from None


def _validate(file: str, source: Source, model_type: type[Declared]) -> Declared:
    if not isinstance(source.data, dict):
        message = "a model is a mapping of words: model, version, currency, calendar, parties, records, charges ..."
        raise ModelRefused(file, [source.issue(message, ())])
    try:
        return model_type.model_validate(source.data)
    except ValidationError as refused:
        errors = [dict(error) for error in refused.errors(include_url=False)]
        issues = [
            _issue(source, model_type, error) for error in errors if not _misspelt(source, model_type, error, errors)
        ]
        raise ModelRefused(file, list(dict.fromkeys(issues))) from None


def _misspelt(
    source: Source, model_type: type[BaseModel], error: dict[str, Any], errors: Sequence[dict[str, Any]]
) -> bool:
    """True of a missing word that stands there, but misspelt, which is told already."""
    if error["type"] != "missing":
        return False
    strangers = [other["loc"] for other in errors if other["type"] == "extra_forbidden"]
    return any(
        loc[:-1] == error["loc"][:-1]
        and get_close_matches(str(loc[-1]), _words_at(model_type, loc[:-1], source.data), n=1) == [error["loc"][-1]]
        for loc in strangers
    )


def _issue(source: Source, model_type: type[BaseModel], error: dict[str, Any]) -> ModelIssue:
    path = tuple(part for part in error["loc"] if not (isinstance(part, str) and re.fullmatch(r"\[\w+\]", part)))
    if error["type"] == "extra_forbidden":
        return source.issue(_unknown_word(source, model_type, path), path, key=True)
    return source.issue(_said(error, path), path, key=error["type"] == "missing" or isinstance(error["input"], dict))


def _said(error: dict[str, Any], path: tuple[Any, ...]) -> str:
    """What is wrong with a word's value and what would be right, in the words of the model's author."""
    given = error.get("input")
    found = _described(given)
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "missing" if isinstance(path[-1], int):
            return f"one more value is needed here, at place {path[-1] + 1}"
        case "missing":
            return f"'{path[-1]}' is missing here"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"words are expected here, each with its value (word: value), not {found}"
        case "string_type":
            return f"one text is expected here, not {found}"
        case "tuple_type" | "list_type":
            return f"a list is expected here, for example [a, b], not {found}"
        case "int_parsing" | "int_type" | "int_from_float":
            return f"a whole number is expected here, not {found}"
        case "bool_parsing" | "bool_type":
            return f"write yes or no here, not {found}"
        case "literal_error" | "enum":
            words = re.findall(r"'([^']*)'", context["expected"])
            near = get_close_matches(str(given), words, n=1)
            return f"there is no {found} here; " + (
                f"did you mean '{near[0]}'?" if near else f"write {', '.join(words)}"
            )
        case "greater_than_equal":
            return f"this is {context['ge']} or more, not {found}"
        case "less_than_equal":
            return f"this is {context['le']} or less, not {found}"
        case _:
            return f"{error['msg'].removeprefix('Input ').replace('should', 'this should', 1)}, not {found}"


def _described(given: Any) -> str:
    match given:
        case None:
            return "nothing"
        case dict():
            return "words of its own"
        case list():
            return "a list"
    return f"'{given}'"


def _unknown_word(source: Source, model_type: type[BaseModel], path: tuple[Any, ...]) -> str:
    known = _words_at(model_type, path[:-1], source.data)
    near = get_close_matches(str(path[-1]), known, n=1)
    did_you_mean = f"; did you mean '{near[0]}'?" if near else ""
    allowed = f" (words here: {', '.join(sorted(known))})" if known else ""
    return f"unknown word '{path[-1]}'{did_you_mean}{allowed}"


def _words_at(model_type: type[BaseModel], path: tuple[Any, ...], data: Any) -> list[str]:
    """The words that the declaration at `path` knows, found by walking the types."""
    current: Any = model_type
    for part in path:
        data = data[part] if isinstance(data, dict | list) else None
        current = _step(current, part)
        if current is None:
            return []
    current = _fitting(current, "")
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [field.alias or name for name, field in current.model_fields.items()]
    return []


def _fitting(annotation: Any, part: Any) -> Any:
    """The one of several types that has `part` below it: a list for a number, a declaration for a word."""
    if get_origin(annotation) is Annotated:
        return _fitting(annotation.__origin__, part)
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    options = [_fitting(option, part) for option in annotation.__args__]
    return next((found for found in options if (get_origin(found) in (tuple, list)) == isinstance(part, int)), None)


def _step(current: Any, part: Any) -> Any:
    current = _fitting(current, part)
    if isinstance(current, type) and issubclass(current, BaseModel):
        for name, field in current.model_fields.items():
            if part in (name, field.alias):
                return _unwrapped(field.annotation)
        return None
    arguments = getattr(current, "__args__", ())
    items = [argument for argument in arguments if argument is not Ellipsis]
    return _unwrapped(items[-1]) if items else None


def _unwrapped(annotation: Any) -> Any:
    """X for `X | None`; anything else as it is."""
    options = [option for option in getattr(annotation, "__args__", ()) if option is not type(None)]
    return options[0] if type(None) in getattr(annotation, "__args__", ()) and options else annotation


def _files_beside(folder: Path, spec: SettlementModel) -> dict[str, Path]:
    return {name: folder / name for name in table_files(spec) if (folder / name).is_file()}


def _version_hash(data: Any, files: Mapping[str, Path]) -> str:
    digest = hashlib.sha256(json.dumps(data, sort_keys=False, ensure_ascii=False).encode())
    for name, path in sorted(files.items()):
        digest.update(name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
