"""Loads a settlement model from its YAML file, or says what is wrong with it and where."""

import hashlib
import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from everycent.base.engine.declaration import Declaration
from everycent.flow.model.contract import LoadedModel, ModelRefused, SettlementModel, compose, table_files
from everycent.flow.model.references import check_references
from everycent.flow.model.schema import json_schema
from everycent.flow.model.yaml_source import ModelIssue, Source, parse_yaml

__all__ = ["json_schema", "load_model"]


def load_model(path: Path, sections: Mapping[str, type[Declaration]]) -> LoadedModel:
    """The model in the file at `path`. `sections`: further top words, name -> declaration. Raises ModelRefused."""
    file = str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ModelRefused(file, [ModelIssue("there is no such file; give the path of a model.yaml")]) from None
    except IsADirectoryError:
        raise ModelRefused(file, [ModelIssue("this is a folder; give the path of the model.yaml in it")]) from None
    except UnicodeDecodeError as error:
        message = f"a model is written in UTF-8; byte {error.start} is not (save the file as UTF-8)"
        raise ModelRefused(file, [ModelIssue(message)]) from None
    source = parse_yaml(text)
    if source.issues:
        raise ModelRefused(file, source.issues)
    spec = _validate(file, source, compose(sections))
    issues = check_references(spec, source)
    if issues:
        raise ModelRefused(file, issues)
    files = _files_beside(path.parent, spec)
    return LoadedModel(path, text, source, spec, _version_hash(source.data, files), files)


def _validate(file: str, source: Source, model_type: type[SettlementModel]) -> SettlementModel:
    if not isinstance(source.data, dict):
        message = "a model is a mapping of words: model, version, currency, calendar, parties, records, charges ..."
        raise ModelRefused(file, [source.issue(message, ())])
    try:
        return model_type.model_validate(source.data)
    except ValidationError as refused:
        issues = [_issue(source, model_type, dict(error)) for error in refused.errors(include_url=False)]
        raise ModelRefused(file, list(dict.fromkeys(issues))) from None


def _issue(source: Source, model_type: type[BaseModel], error: dict[str, Any]) -> ModelIssue:
    path = tuple(part for part in error["loc"] if part != "[key]")
    match error["type"]:
        case "extra_forbidden":
            return source.issue(_unknown_word(source, model_type, path), path, key=True)
        case "missing":
            return source.issue(f"'{path[-1]}' is missing here", path, key=True)
        case "string_pattern_mismatch":
            return source.issue(f"'{error['input']}' is not of the form {error['ctx']['pattern']}", path)
        case "value_error":
            return source.issue(str(error["ctx"]["error"]), path, key=isinstance(error["input"], dict))
        case _:
            shown = "" if isinstance(error.get("input"), dict | list) else f", not '{error.get('input')}'"
            return source.issue(
                f"{error['msg'].removeprefix('Input ')}{shown}".replace("should be", "this should be", 1), path
            )


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
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [field.alias or name for name, field in current.model_fields.items()]
    return []


def _step(current: Any, part: Any) -> Any:
    if isinstance(current, type) and issubclass(current, BaseModel):
        for name, field in current.model_fields.items():
            if part in (name, field.alias):
                return _unwrapped(field.annotation)
        return None
    arguments = getattr(current, "__args__", ())
    return _unwrapped(arguments[-1]) if arguments else None


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
