"""Seals: trees as RFC 6962 has them, chained; of what is committed, and proofs that others can check."""

from collections.abc import Callable
from datetime import date
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.base.platform.database import connect
from everycent.flow.ledger.contract import AlteredSinceSealed, NoSuchTransfer, NotSealedYet, Outcome, Sealed, Transfer
from everycent.flow.ledger.core.sealing import LEAF, NODE, path_of, root_of
from everycent.flow.ledger.service import post, prove, seal

DAY = date(2026, 3, 1)

#: The leaves of Certificate Transparency's own reference test, and the roots of the first one, two, ... of them.
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaf(content: bytes) -> bytes:
    return sha256(LEAF + content).digest()


def test_roots_are_those_of_the_reference() -> None:
    assert [root_of([leaf(one) for one in LEAVES[:count]]).hex() for count in range(1, 9)] == ROOTS


@given(st.integers(1, 70), st.data())
def test_each_leaf_s_path_leads_to_the_root(count: int, data: st.DataObject) -> None:
    leaves = [leaf(bytes([number])) for number in range(count)]
    place = data.draw(st.integers(0, count - 1))
    assert walked(leaves[place], path_of(leaves, place)) == root_of(leaves)
    assert len(path_of(leaves, place)) <= (count - 1).bit_length()


def walked(at: bytes, path: Any) -> bytes:
    for side, beside in path:
        at = sha256(NODE + (beside + at if side == "left" else at + beside)).digest()
    return at


def transfer(number: int, cause: str = "test") -> Transfer:
    return Transfer(UUID(int=number), DAY, "bank", "party/merchant:商户 1", number, "CNY", cause)


@pytest.fixture
def posts(database: Any) -> Callable[..., None]:
    """Posts transfers, each by itself."""

    def ask(*numbers: int, connection: Any = None) -> None:
        for number in numbers:
            [answer] = post(connection or database.connection, "t", "shop", [transfer(number)])
            assert answer.outcome is Outcome.POSTED

    return ask


def test_a_pass_seals_what_was_posted_since_the_last(database: Any, posts: Any) -> None:
    connection = database.connection
    assert seal(connection, "t", "shop") == Sealed(())
    posts(1, 2, 3)
    [first] = seal(connection, "t", "shop").seals
    assert (first.seal_no, first.transfers, first.after_no, first.previous) == (1, 3, 0, bytes(32))
    assert seal(connection, "t", "shop") == Sealed(())
    posts(4)
    post(connection, "t", "another", [transfer(9)])
    [second] = seal(connection, "t", "shop").seals
    assert (second.seal_no, second.transfers, second.previous) == (2, 1, first.chained)
    assert seal(connection, "t", "shop") == Sealed(()), "the other model's posting is not of these books"
    [other] = seal(connection, "t", "another").seals
    assert (other.seal_no, other.transfers) == (1, 1)


def test_what_others_are_posting_is_waited_for(database: Any, posts: Any) -> None:
    with connect(database.settings) as slow:
        with slow.transaction():
            posts(1, connection=slow)
            posts(2)
            assert seal(database.connection, "t", "shop", patience_s=0) == Sealed((), under_way=True)
        with slow.transaction(force_rollback=True):
            posts(3, connection=slow)
        posts(4)
    [made] = seal(database.connection, "t", "shop").seals
    assert made.transfers == 3, "what was rolled back left a number that nobody will ever have"


def test_many_postings_make_several_seals(database: Any, posts: Any) -> None:
    posts(*range(1, 8))
    seals = seal(database.connection, "t", "shop", transfers_most=3).seals
    assert [(one.seal_no, one.transfers) for one in seals] == [(1, 3), (2, 3), (3, 1)]
    assert [one.previous for one in seals[1:]] == [one.chained for one in seals[:-1]]
    assert [one.after_no for one in seals[1:]] == [one.through_no for one in seals[:-1]]


def test_a_proof_leads_from_the_transfer_s_text_to_its_seal(database: Any, posts: Any) -> None:
    posts(*range(1, 8))
    seal(database.connection, "t", "shop", transfers_most=3)
    proof = prove(database.connection, "t", "shop", UUID(int=5))
    assert [one.seal_no for one in proof.seals] == [2, 3]
    assert walked(leaf(proof.leaf.encode()), proof.path) == proof.seals[0].root
    assert f"36:{UUID(int=5)},6:posted,0:,10:2026-03-01,4:bank,23:party/merchant:商户 1,1:5,3:CNY,4:test," in proof.leaf


def test_what_cannot_be_proven_is_refused_by_name(database: Any, posts: Any) -> None:
    connection = database.connection
    posts(1)
    seal(connection, "t", "shop")
    posts(2)
    with pytest.raises(NoSuchTransfer, match=str(UUID(int=7))):
        prove(connection, "t", "shop", UUID(int=7))
    with pytest.raises(NotSealedYet, match="after the last seal"):
        prove(connection, "t", "shop", UUID(int=2))
    connection.execute("UPDATE ledger.transfer SET amount_minor = 2 WHERE transfer_id = %s", (UUID(int=1),))
    with pytest.raises(AlteredSinceSealed, match="has another content there"):
        prove(connection, "t", "shop", UUID(int=1))
