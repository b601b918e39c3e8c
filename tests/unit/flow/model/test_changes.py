from pathlib import Path

import pytest

from everycent.flow.model.changes import changed_text
from everycent.flow.model.contract import ModelRefused
from everycent.flow.model.service import load_model
from everycent.flow.model.yaml_source import parse_yaml

MODEL = """
model: shop
version: 1
charges:
  fee:
    round: half_up
    rules:
      - amount: price * 0.05
      - {when: price > 10, amount: price}
"""


def changed(**changes: str) -> tuple[object, list[str]]:
    text, issues = changed_text(parse_yaml(MODEL).data, {path.replace("__", "."): new for path, new in changes.items()})
    return parse_yaml(text).data, [issue.message for issue in issues]


def test_words_are_changed_and_added_where_they_belong():
    data, issues = changed(
        charges__fee__round="down",
        charges__fee__rules__1__amount="price - 1",
        charges__fee__enabled="no",
        version="1.00",
    )
    fee = data["charges"]["fee"]
    assert issues == []
    assert (fee["round"], fee["rules"][1]["amount"], fee["enabled"], data["version"]) == (
        "down",
        "price - 1",
        "no",
        "1.00",
    )
    assert fee["rules"][0] == {"amount": "price * 0.05"}, "the rest stays"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("charges.tax.round", "charges has no 'tax'; it has fee"),
        ("charges.fee.rules.7.amount", "charges.fee.rules has no '7'; it has 0, 1"),
        ("charges.fee.round.up", "charges.fee.round has no 'up'; it has no words of its own"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_with_what_is_there(path: str, says: str):
    _, issues = changed_text(parse_yaml(MODEL).data, {path: "1"})
    assert [issue.message for issue in issues] == [f"--set: {says}"]


def test_a_constant_takes_the_place_of_a_factor_s_source():
    factors = "factors: {rate: {rest: {address: RATES}, key: [category], type: decimal(4), meaning: a share}}"
    text, issues = changed_text(parse_yaml(factors).data, {"factors.rate.constant": "0.05"})
    assert issues == []
    changed_to = {"constant": "0.05", "type": "decimal(4)", "meaning": "a share"}
    assert parse_yaml(text).data == {"factors": {"rate": changed_to}}


def test_a_changed_model_is_checked_like_any_other(tmp_path: Path):
    path = tmp_path / "model.yaml"
    path.write_text(MODEL)
    with pytest.raises(ModelRefused, match=r"charges\.fee\.round: there is no 'sideways' here"):
        load_model(path, {}, {"charges.fee.round": "sideways"})
