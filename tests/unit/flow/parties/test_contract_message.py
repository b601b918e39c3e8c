"""What a contract's message says, or why it says nothing of use."""

import json

import pytest
from contract_messages import said

from everycent.flow.parties.core.contract_message import ContractMessage, Refusal, Refused, read_message


def read(content: bytes) -> ContractMessage:
    message = read_message(content)
    assert isinstance(message, ContractMessage), message
    return message


def test_a_message_says_whom_a_contract_is_with_and_what_was_agreed() -> None:
    reserve = {"ratio": 0.05, "release_after": "30 days"}
    message = read(said(reserve=reserve, minimum_payout={"CNY": "100.00", "JPY": "100"}, sales_associate=""))
    assert message.relation == ("mall", "1", "1000", "1001", "concessionaire", "0001", "")
    assert message.minimum_minor == {"CNY": 10000, "JPY": 100}
    assert message.reserve is not None and str(message.reserve.ratio) == "0.05"
    assert message.reserve.release_after.days == 30


def test_the_same_words_are_the_same_content_however_they_are_written() -> None:
    words = json.loads(said(reserve={"ratio": "0.050"}))
    one = json.dumps(dict(reversed(words.items())), indent=2).encode()
    other = said(reserve={"ratio": 0.05}, sales_associate="", tenant="1")
    assert read(one).digest == read(other).digest != read(said()).digest


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"{", Refused.NOT_JSON, "not JSON in UTF-8"),
        (b"\xff", Refused.NOT_JSON, "not JSON in UTF-8"),
        (b"\x00", Refused.NOT_JSON, "not JSON in UTF-8"),
        (b'{"contract": "A", "contract": "B"}', Refused.NOT_JSON, "a word is there twice"),
        (said(merchant="\ud800"), Refused.NOT_JSON, "not JSON in UTF-8"),
        (said(merchant="m\u202e1"), Refused.NOT_A_CONTRACT, "printable characters"),
        (b"[" * 100_000, Refused.NOT_JSON, "not JSON"),
        (b"[]", Refused.NOT_A_CONTRACT, "one JSON object"),
        (said(merchant=None), Refused.NOT_A_CONTRACT, "'merchant': it is missing"),
        (said(min_payout="1.00"), Refused.NOT_A_CONTRACT, "'min_payout': a contract has no such word"),
        (said(merchant=" "), Refused.NOT_A_CONTRACT, "'merchant': this is a text of 1 to 200 printable characters"),
        (said(merchant="a\u0000b"), Refused.NOT_A_CONTRACT, "'merchant': this is a text of"),
        (said(merchant=True), Refused.NOT_A_CONTRACT, "'merchant': this is a text"),
        (said(revision="1"), Refused.NOT_A_CONTRACT, "'revision'"),
        (said(revision=0), Refused.NOT_A_CONTRACT, "'revision'"),
        (said(merchant_type="landlord"), Refused.NOT_A_CONTRACT, "'merchant_type'"),
        (said(valid_from="2026-02-30"), Refused.NOT_A_CONTRACT, "'valid_from'"),
        (said(valid_from=20260301), Refused.NOT_A_CONTRACT, "'valid_from': this is a date, such as 2026-03-01"),
        (said(cycle="fortnightly"), Refused.NOT_A_CONTRACT, "'cycle': 'fortnightly' is not a cycle"),
        (said(reserve={"ratio": "1.5"}), Refused.NOT_A_CONTRACT, "'reserve.ratio': this is a ratio from 0 to 1"),
        (said(reserve={"ratio": "0.1", "release_after": "soon"}), Refused.NOT_A_CONTRACT, "'soon' is not a duration"),
        (said(minimum_payout={"CNY": "0.001"}), Refused.NOT_A_CONTRACT, "'minimum_payout.CNY'"),
        (said(minimum_payout={"CNY": "-1.00"}), Refused.NOT_A_CONTRACT, "write 0 or more"),
        (said(minimum_payout={"XXQ": "1.00"}), Refused.NOT_A_CONTRACT, "'minimum_payout.XXQ'"),
    ],
    ids=str,
)
def test_what_says_no_contract_is_refused_by_name(content: bytes, name: Refused, message: str) -> None:
    refused = read_message(content)
    assert isinstance(refused, Refusal) and refused.name is name
    assert message in refused.message
