"""The JSON Schema is committed, is current, and accepts what the model's reader accepts, by any YAML parser."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from everycent.serve.cli.models import schema_text

ROOT = Path(__file__).parents[4]
SCHEMA = ROOT / "schemas" / "settlement-model.schema.json"
MODELS = [
    *sorted((ROOT / "examples").glob("*/model.yaml")),
    ROOT / "src" / "everycent" / "serve" / "demo" / "workspace" / "model.yaml",
]


def mistakes(model: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    return [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(model)]


def test_the_committed_schema_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "run `everycent model schema --out schemas/...`"
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.BaseLoader], ids=["typed", "text"])
def test_the_examples_are_valid_with_scalars_typed_or_as_text(model: Path, loader: Any) -> None:
    parsed = yaml.load(model.read_text(encoding="utf-8"), loader)
    assert mistakes(json.loads(json.dumps(parsed, default=str))) == []


@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.parent.name)
def test_the_examples_name_their_schema_for_editors(model: Path) -> None:
    word, _, name = model.read_text(encoding="utf-8").splitlines()[0].partition("$schema=")
    assert word == "# yaml-language-server: "
    assert name == SCHEMA.name or (model.parent / name).resolve() == SCHEMA


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("charges", "goods", "debitor"), "seller"),
        (("charges", "goods", "round"), "halfup"),
        (("statements", "seller", "cycle"), "fortnightly"),
        (("records", "item_delivered", "columns", "price"), "mony"),
        (("charges", "coupon", "apportion", "bearers", "platform"), "sixty"),
        (("charges", "goods", "enabled"), "perhaps"),
        (("model",), "harbour market"),
        (("currency",), None),
    ],
)
def test_an_editor_marks_these_mistakes(path: tuple[str, ...], value: object) -> None:
    model = yaml.safe_load(MODELS[-1].read_text(encoding="utf-8"))
    model = json.loads(json.dumps(model, default=str))
    at = model
    for word in path[:-1]:
        at = at[word]
    at[path[-1]] = value
    assert mistakes(model)


def test_chinese_names_are_names_to_editors_too() -> None:
    model = json.loads(json.dumps(yaml.safe_load(MODELS[-1].read_text(encoding="utf-8")), default=str))
    assert mistakes(model | {"model": "海港市场"}) == []
