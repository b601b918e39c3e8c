"""Which file holds what: by pattern, by name, by what is left over; and what is refused."""

from pathlib import Path

import pytest

from everycent.flow.model.contract import LoadedModel
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.inputs import find_inputs, given_files

MODEL = """\
model: corner-shop
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties: {platform: {operator: shanghai}, merchant: {key: [merchant]}}
tables:
  products: {file: products.csv, key: [product], columns: {product: text, category: text}}
records:
  refund:
    file: "refund*"
    refunds: sale
    of: [sale]
    id: [refund]
    occurred_at: at
    columns: {refund: text, sale: text, given: money, at: timestamp}
    amount: given
  sale:
    SALE_FILE
    id: [sale]
    occurred_at: at
    columns: {sale: text, merchant: text, price: money, at: timestamp}
    amount: price
charges:
  goods: {for: sale, amount: price, debtor: platform, creditor: merchant}
statements: {merchant: {cycle: daily}}
"""


def model(folder: Path, sale_file: str = 'file: "sale*"') -> LoadedModel:
    path = folder / "model.yaml"
    path.write_text(MODEL.replace("SALE_FILE", sale_file))
    return load_model(path, {})


def data(folder: Path, *names: str) -> Path:
    there = folder / "data"
    there.mkdir(exist_ok=True)
    for name in names:
        (there / name).write_text("x\n")
    return there


def assigned(loaded: LoadedModel, *given: str) -> list[tuple[str, str]]:
    return [(item.kind, item.path.name) for item in find_inputs(loaded, given).records]


def test_a_folder_is_taken_by_patterns_refunds_after_what_they_refund(tmp_path: Path) -> None:
    folder = data(tmp_path, "sale_2.csv", "refund.csv", "sale_1.csv", "products.csv", "notes.txt", ".hidden")
    loaded = model(tmp_path)
    inputs = find_inputs(loaded, [str(folder)])
    assert assigned(loaded, str(folder)) == [("sale", "sale_1.csv"), ("sale", "sale_2.csv"), ("refund", "refund.csv")]
    assert {name: path.name for name, path in inputs.tables.items()} == {"products.csv": "products.csv"}
    assert [path.name for path in inputs.others] == ["notes.txt"]


def test_a_file_may_be_named_for_its_kind(tmp_path: Path) -> None:
    folder = data(tmp_path, "march.csv", "products.csv")
    given = [f"sale={folder}/march.csv", str(folder / "products.csv")]
    assert assigned(model(tmp_path), *given) == [("sale", "march.csv")]
    assert [path.name for path in given_files(model(tmp_path), given)] == ["march.csv", "products.csv"]


def test_a_file_given_twice_is_taken_once(tmp_path: Path) -> None:
    folder = data(tmp_path, "sale.csv", "products.csv")
    assert assigned(model(tmp_path), str(folder), f"{folder}/sale*.csv") == [("sale", "sale.csv")]


def test_what_is_left_over_is_of_the_only_kind_without_a_pattern(tmp_path: Path) -> None:
    folder = data(tmp_path, "march.csv", "products.csv", "refund.csv")
    loaded = model(tmp_path, sale_file="encoding: utf-8")
    assert assigned(loaded, str(folder)) == [("sale", "march.csv"), ("refund", "refund.csv")]


@pytest.mark.parametrize(
    ("files", "given", "said"),
    [
        (
            ["products.csv"],
            "none.csv",
            "there is no file {folder}/none.csv; give files, a folder, or a pattern in quotes",
        ),
        (["products.csv"], "*.parquet", "there is no file {folder}/*.parquet"),
        (["sale.csv"], "", "the model needs products.csv; put it beside {model} or give it with --records"),
        (["products.csv", "orders.csv"], "", "no record kind takes orders.csv, products.csv; the model's kinds are "),
    ],
)
def test_what_cannot_be_assigned_is_refused(tmp_path: Path, files: list[str], given: str, said: str) -> None:
    folder = data(tmp_path, *files)
    loaded = model(tmp_path)
    with pytest.raises(InputRefused) as refused:
        find_inputs(loaded, [str(folder / given)])
    assert str(refused.value).startswith(said.format(folder=folder, model=loaded.path))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_text("product,category\n")
    with pytest.raises(InputRefused, match="there is no file in what --records names"):
        find_inputs(model(tmp_path), [str(data(tmp_path))])
