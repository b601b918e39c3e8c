"""Laws of judging transfers: cuts change nothing, again changes nothing, debits are credits, limits hold."""

from datetime import date
from itertools import pairwise
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.flow.ledger.contract import Limit, Outcome, Standing, Transfer, TransferKind
from everycent.flow.ledger.core.judging import Books, Judgement, Limited, judge
from everycent.flow.ledger.core.moving import day_totals

LIMITS = (
    Limit("a", "CNY", least_minor=-5),
    Limit("b", "CNY", least_minor=0, most_minor=20),
    Limit("c", "JPY", most_minor=3),
)
SETTLING = (TransferKind.POST_PENDING, TransferKind.VOID_PENDING)


@st.composite
def transfers(draw: st.DrawFn) -> list[Transfer]:
    """Transfers between few accounts, some asked for twice, some settling others, some linked."""
    made: list[Transfer] = []
    for number in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(TransferKind))
        settles = None
        debit, credit = draw(st.permutations("abc"))[:2]
        currency, amount = draw(st.sampled_from(["CNY", "CNY", "JPY"])), draw(st.integers(0, 12))
        if kind in SETTLING:
            settles = UUID(int=draw(st.integers(0, number)))
            before = [one for one in made if one.transfer_id == settles]
            if before and draw(st.booleans()):
                debit, credit, currency = before[0].debit_account, before[0].credit_account, before[0].currency
                amount = draw(st.sampled_from([amount, before[0].amount_minor]))
        ident = UUID(int=draw(st.one_of(st.just(number), st.integers(0, number))))
        day = date(2026, 3, draw(st.integers(1, 2)))
        linked = draw(st.sampled_from([False, False, True]))
        made.append(Transfer(ident, day, debit, credit, amount, currency, "law", kind, settles, linked))
        if draw(st.integers(0, 5)) == 0:
            made.append(draw(st.sampled_from(made)))
    return made


def fresh() -> Books:
    return Books({}, {}, {(one.account, one.currency): Limited(one, Standing()) for one in LIMITS})


def after(books: Books, judgement: Judgement) -> Books:
    """The books once a judgement was posted."""
    posted = {one.transfer_id: one for one in judgement.to_post}
    settled = {one.settles: one.transfer_id for one in judgement.to_post if one.settles is not None}
    return Books(books.known | posted, books.settled | settled, dict(judgement.limited))


@settings(deadline=None)
@given(asked=transfers(), cuts=st.sets(st.integers(1, 15)))
def test_cut_between_chains_gives_the_same_answers_and_books(asked: list[Transfer], cuts: set[int]) -> None:
    whole = judge(asked, fresh())
    books, answers = fresh(), []
    ends = [at for at in sorted(cuts) if at < len(asked) and not asked[at - 1].linked]
    for start, end in pairwise([0, *ends, len(asked)]):
        part = judge(asked[start:end], books)
        answers += part.answers
        books = after(books, part)
    assert tuple(answers) == whole.answers
    assert books == after(fresh(), whole)


@settings(deadline=None)
@given(asked=transfers())
def test_asked_again_what_was_posted_is_posted_already(asked: list[Transfer]) -> None:
    first = judge(asked, fresh())
    alone = [Transfer(**{**vars(one), "linked": False}) for one in first.to_post]
    again = judge(alone, after(fresh(), first))
    assert again.to_post == ()
    assert {answer.outcome for answer in again.answers} <= {Outcome.ALREADY_POSTED}
    assert again.limited == first.limited


@settings(deadline=None)
@given(asked=transfers())
def test_debits_are_credits_limits_hold_and_chains_are_whole(asked: list[Transfer]) -> None:
    judged = judge(asked, fresh())
    totals = day_totals(judged.to_post, {one.transfer_id: one for one in judged.to_post})
    for currency in ("CNY", "JPY"):
        mine = [total for (_, of, _), total in totals.items() if of == currency]
        assert sum(one.debits_minor for one in mine) == sum(one.credits_minor for one in mine)
        assert sum(one.debits_pending_minor for one in mine) == sum(one.credits_pending_minor for one in mine)
    for (account, currency), limited in judged.limited.items():
        mine = [total for (name, of, _), total in totals.items() if (name, of) == (account, currency)]
        stands = limited.standing
        assert stands.balance_minor == sum(one.balance_minor for one in mine)
        assert stands.debits_pending_minor == sum(one.debits_pending_minor for one in mine) >= 0
        assert limited.limit.least_minor is None or (
            stands.balance_minor - stands.debits_pending_minor >= limited.limit.least_minor
        )
        assert limited.limit.most_minor is None or (
            stands.balance_minor + stands.credits_pending_minor <= limited.limit.most_minor
        )
    chain: list[Outcome] = []
    for one, answer in zip(asked, judged.answers, strict=True):
        chain.append(answer.outcome)
        if not one.linked:
            assert not {Outcome.REFUSED, Outcome.POSTED} <= set(chain)
            chain = []
