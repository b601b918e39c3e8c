"""A rule all of whose tables are empty is not asked: then it would find nothing, whatever the model declares."""

from dataclasses import replace
from typing import Any

import pytest

from everycent.proof.verify.core.rule import Rule
from everycent.proof.verify.declared import declared_tables
from everycent.proof.verify.service import RULES
from everycent.proof.verify.tables import DECIDED, DETAILS, stored_tables
from everycent.proof.verify.voucher_texts import read_vouchers

STORED = {*DETAILS, *DECIDED}
#: What the versions of a model that settled nothing yet declare.
DECLARED = """
    INSERT INTO declared.version VALUES ('v1'), ('v2');
    INSERT INTO declared.per_share VALUES ('v1', 'bonus', 'coupon', 'debtor');
    INSERT INTO declared.invoiced VALUES ('v1', 'seller', true), ('v2', 'brand', false);
    INSERT INTO declared.tax VALUES ('v1', 'seller', 'commission', 6000000, true, 'half_up');
"""


def test_no_rule_finds_anything_in_empty_tables(market: Any) -> None:
    nobody = (market.database.connection, market.engine, "default", "nobody's")
    with stored_tables(*nobody, []) as filled, declared_tables(*nobody):
        assert filled == frozenset()
        market.engine.connection.execute(DECLARED)
        read_vouchers(market.engine)
        for rule in RULES:
            assert market.engine.connection.execute(rule.sql).fetchall() == [(0, 0, None)], rule.name


def test_it_is_known_which_tables_have_rows(market: Any) -> None:
    with stored_tables(market.database.connection, market.engine, "default", "market", []) as filled:
        for name in STORED:
            context, _, table = name.partition(".")
            ((rows,),) = market.engine.connection.execute(f'SELECT count(*) FROM {context}."{table}"').fetchall()
            assert (rows > 0) == (name in filled), name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_reads_tables_that_are_stored(rule: Rule) -> None:
    looked_at = replace(rule, bad="SELECT 1").tables & STORED
    assert looked_at and looked_at <= rule.tables, "so it is asked wherever there is something to look at"
