"""`everycent model rules`: what is tried for a record, with the values it was rated with, and what is asked wrongly."""

from shop import RATES, SALES, Shop, sale

from everycent.serve.cli import exits

RULES = """commission:
    for: sale
    match: most_specific
    rules:
      - {name: any, amount: price * rate}
      - {name: books, when: category = 'books', price: {percentage: {of: price, rate: rate, minimum: 0.60}}}
      - {name: cheap, when: rate < 0.08 and category = 'toys', amount: "0"}
    debtor: merchant
    creditor: platform
"""


def told(shop: Shop) -> None:
    """A shop with rules, and two sales rated by them."""
    text = (shop.folder / "model.yaml").read_text(encoding="utf-8")
    charge = text[text.index("commission: {for: sale") : text.index("statements:")]
    shop.model((charge, RULES), (text[text.index("recon:") :], ""))
    shop.write({"data/sale.csv": SALES + sale("S1") + sale("S2", category="books")})
    assert shop.run().code == exits.OK


def test_why_a_record_was_rated_by_its_rule(shop: Shop) -> None:
    told(shop)
    shop.write({"rates.csv": RATES.replace("0.10", "0.07")})  # what was frozen stays
    model = str(shop.folder / "model.yaml")
    answer = shop.command("model", "rules", model, "--why", "S1", "--json")
    assert answer.code == exits.OK, answer.err
    commission = next(charge for charge in answer.json["charges"] if charge["charge"] == "commission")
    assert commission["amount_minor"] == 100
    assert [(rule["rule"], rule["state"], rule["why"]) for rule in commission["rules"]] == [
        ("cheap", "false", "rate < 0.08 and category = 'toys' is not true with rate = 0.1, category = 'toys'"),
        ("books", "false", "category = 'books' is not true with category = 'toys'"),
        ("any", "used", "it holds for every record"),
    ]
    text = shop.command("model", "rules", model, "--why", "sale:S2").out
    assert "commission: 0.60 CNY" in text
    assert "used       books: category = 'books' is true with category = 'books'" in text
    assert "outranked  any: it holds, but 'books' asks about 1 things, this one about 0" in text


def test_what_was_charged_is_explained_in_the_words_of_the_price(shop: Shop) -> None:
    told(shop)
    text = " ".join(shop.command("explain", "S2/commission").out.split())
    assert "rule books, the most specific that holds formula price {" in text
    assert "price {percentage: {of: price, rate: rate, minimum: 0.60}}, rounded half_up once" in text
    assert "price = 10.00" in text and "rate = 0.05 (" in text


def test_the_rules_of_a_model_are_listed_as_they_are_tried(shop: Shop) -> None:
    told(shop)
    rules = shop.command("model", "rules", str(shop.folder / "model.yaml"), "--json").json["rules"]
    assert [(rule["charge"], rule["rule"], rule["conditions"]) for rule in rules] == [
        ("goods", "goods", 0),
        ("commission", "cheap", 2),
        ("commission", "books", 1),
        ("commission", "any", 0),
    ]


def test_a_record_that_is_not_there_is_refused(shop: Shop) -> None:
    told(shop)
    answer = shop.command("model", "rules", str(shop.folder / "model.yaml"), "--why", "S9")
    assert answer.code == exits.REFUSED
    assert "has no stored record 'S9'; name it by its key, kind:key or uuid" in answer.err
