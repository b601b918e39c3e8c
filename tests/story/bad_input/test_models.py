"""A model that cannot be used: every mistake with its line, its column, and what would be right."""

from pathlib import Path

import pytest
from shop import RATES, Shop

from everycent.serve.cli import exits

COMMISSION, GOODS = "amount: price * rate", "amount: price, debtor: platform, creditor: merchant}\n"
UNUSABLE_MODELS: dict[str, tuple[tuple[str, str], str]] = {
    "a factor that is not there": (
        (COMMISSION, "amount: price * rat"),
        "model.yaml:27:43: charges.commission.amount: there is no 'rat' here; did you mean rate?",
    ),
    "formulas in a circle": (
        (COMMISSION, "amount: commission * rate"),
        "model.yaml:27:15: charges.commission: charges use one another in a circle: commission uses commission; one",
    ),
    "formulas in a circle of two": (
        (
            GOODS + "  commission: {for: sale, " + COMMISSION,
            GOODS.replace("price", "commission") + "  commission: {for: sale, amount: goods * rate",
        ),
        "model.yaml:26:10: charges.goods: charges use one another in a circle: goods uses commission uses goods; one",
    ),
    "text and money": (
        (COMMISSION, "amount: price + category"),
        "model.yaml:27:35: charges.commission.amount: 'price + category': '+' needs numbers, not text; texts are",
    ),
    "a time and seven days": (
        (COMMISSION, "amount: sold_at + 7 days"),
        "model.yaml:27:35: charges.commission.amount: 'days' after a number is not understood; time is added as "
        "sold_at + interval '7 days'",
    ),
    "a query in a formula": (
        (COMMISSION, "amount: (select count(*) from read_csv('/etc/passwd'))"),
        "charges.commission.amount: queries and tables are not part of formulas",
    ),
    "an amount that is no number": (
        (COMMISSION, "amount: category"),
        "model.yaml:27:35: charges.commission.amount: an amount is a number; 'category' is text",
    ),
    "YAML with a bracket left open": (
        ("{key: [merchant]}", "{key: [merchant}"),
        "model.yaml:7:28: this is not YAML: expected ',' or ']', but got '}'; check indentation, quotes",
    ),
    "YAML indented by a tab": (
        ("\n  merchant: {key", "\n\tmerchant: {key"),
        "model.yaml:7:1: this is not YAML: found character '\\t' that cannot start any token; indent with spaces",
    ),
    "a word that is not there": (
        ("debtor: merchant", "debitor: merchant"),
        "model.yaml:27:49: charges.commission.debitor: unknown word 'debitor'; did you mean 'debtor'? (words here: ",
    ),
    "a word written twice": (
        ("currency: CNY", "currency: CNY\ncurrency: USD"),
        "model.yaml:4:1: currency: 'currency' is written twice, first in line 3; keep one",
    ),
    "a currency by its nickname": (
        ("currency: CNY", "currency: RMB"),
        "model.yaml:3:11: currency: 'RMB' is not a current ISO 4217 currency; did you mean CNY?",
    ),
    "an unknown time zone": (
        ("Asia/Shanghai", "CST"),
        "model.yaml:4:23: calendar.time_zone: there is no time zone 'CST'; write an IANA name such as Asia/Shanghai",
    ),
    "a party that nobody would pay": (
        ("  merchant: {cycle: daily}", "  # merchant: {cycle: daily}"),
        "statements: words are expected here, each with its value (word: value), not nothing",
    ),
    "a role without statements": (
        ("platform: {operator: shanghai}", "platform: {operator: shanghai}\n  brand: {key: [category]}"),
        "model.yaml:7:3: parties.brand: role 'brand' has no statements, so nobody would see what it is owed; add it",
    ),
    "a role that is not declared": (
        ("creditor: merchant}", "creditor: mercant}"),
        "there is no party role 'mercant'; did you mean 'merchant'?",
    ),
    "a type that is not there": (
        ("price: money, pieces", "price: mony, pieces"),
        "records.sale.columns.price.type: 'mony' does not fit; did you mean 'money'? write text, integer, decimal",
    ),
    "a column with SQL in its name": (
        ("pieces: integer", "'x\"; drop table intake.record; --': integer"),
        "'x\"; drop table intake.record; --' does not fit; write a name of letters, digits, '_' and '-'",
    ),
    "a cycle that is not there": (
        ("cycle: daily", "cycle: fortnightly"),
        "model.yaml:29:21: statements.merchant.cycle: 'fortnightly' does not fit; write daily, weekly",
    ),
    "a minimum in other minor units": (
        ("channels: [bank_file]", "channels: [bank_file], minimum: 0.005"),
        "model.yaml:31:46: payouts.merchant.minimum: '0.005' has 3 decimals, CNY has 2",
    ),
    "a channel that is not there": (
        ("channels: [bank_file]", "channels: [pigeon]"),
        "model.yaml:31:24: payouts.merchant.channels: 'pigeon' is no channel; there are: bank_file, rest, balance",
    ),
    "a column that the rate table lacks": (
        ("key: [category], type", "key: [category], column: rates, type"),
        "model.yaml:24:53: factors.rate.column: rates.csv has no column 'rates'; did you mean 'rate'?",
    ),
    "an encoding that is not there": (
        ("id: [sale]\n", "id: [sale]\n    encoding: gkb\n"),
        "model.yaml:12:15: records.sale.encoding: 'gkb' is not an encoding; write for example utf-8, gbk or utf-16",
    ),
    "a step that is not installed": (
        ("id: [sale]\n", "id: [sale]\n    steps: [our_own]\n"),
        "model.yaml:12:12: records.sale.steps: step 'our_own' is not installed; installed are: none",
    ),
    "a reconciliation by a column that is not there": (
        ("key: [sale], amount: price}\ntests", "key: [order], amount: price}\ntests"),
        "recon.against_bill.right: 'order' is not a column of this side; its columns are price, sale",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE_MODELS)
def test_a_model_that_cannot_be_used_says_where_and_what_would_be_right(tmp_path: Path, case: str) -> None:
    edit, said = UNUSABLE_MODELS[case]
    shop = Shop(tmp_path, {"EVERYCENT_DATA_DIR": str(tmp_path / ".everycent")})
    shop.model(edit)
    shop.write({"rates.csv": RATES})
    answer = shop.command("model", "check", str(tmp_path / "model.yaml"))
    assert (answer.code, answer.out) == (exits.REFUSED, "")
    assert answer.err.startswith("everycent: model.yaml:")
    assert said in answer.err


UNREADABLE_MODELS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "model.yaml: the file is empty; `everycent init` writes a model to start from"),
    "prose": (b"pay everybody", "model.yaml:1:1: a model is a mapping of words: model, version, currency"),
    "GBK": (
        "model: a\ntitle: 市场\n".encode("gbk"),
        "model.yaml:2:8: a model is written in UTF-8",
    ),
    "with a NUL": (b"model: a\nversion: \x001\n", "model.yaml:2:10: a character that YAML does not allow"),
    "nested without end": (b"[" * 2_000, "model.yaml: this is nested too deeply to be a model"),
    "an alias bomb": (b"a: &a [x, x]\nb: &b [*a, *a]\n", "anchors and aliases are not part of the model's language"),
}


@pytest.mark.parametrize("case", UNREADABLE_MODELS)
def test_a_model_that_cannot_be_read(tmp_path: Path, case: str) -> None:
    content, said = UNREADABLE_MODELS[case]
    shop = Shop(tmp_path, {"EVERYCENT_DATA_DIR": str(tmp_path / ".everycent")})
    shop.write({"model.yaml": content})
    answer = shop.command("model", "check", str(tmp_path / "model.yaml"), "--json")
    assert (answer.code, answer.out) == (exits.REFUSED, "")
    assert said in answer.err
    assert "model.yaml" in shop.command("model", "check", str(tmp_path / "other" / "model.yaml")).err


def test_a_model_is_refused_before_its_database_is_asked(books: tuple[Shop, str]) -> None:
    shop, before = books
    shop.model((COMMISSION, "amount: price * rat"))
    answer = shop.run()
    shop.model()
    assert answer.code == exits.REFUSED and "did you mean rate?" in answer.err
    assert shop.dump_hash() == before
