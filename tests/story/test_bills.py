"""Bills as records and as the other side: one that contradicts itself moves no money unless the model says so."""

from typing import Any

import pytest

from everycent.flow.intake.contract import SourceError
from everycent.flow.model.contract import ModelRefused
from everycent.serve.cli.running import as_dict, print_outcome

MODEL = """
model: tea-house
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai, day_cut: "00:00"}
parties:
  platform: {operator: tea-shanghai}
  merchant: {key: [merchant]}
records:
  paid:
    file: "bill*.csv"
    format: wechat_bill
    CONTROLS
    when: 交易状态 = 'SUCCESS'
    id: [order_id]
    occurred_at: paid_at
    columns:
      order_id: {type: text, from: 商户订单号}
      merchant: {type: text, from: 特约商户号}
      交易状态: text
      amount: money
      paid_at: {type: timestamp, from: 交易时间}
charges:
  goods: {for: paid, amount: amount, debtor: platform, creditor: merchant}
statements:
  merchant: {cycle: daily}
recon:
  till_against_bill:
    left:
      file: "till*.txt"
      format:
        fixed_width:
          records:
            sale:
              prefix: "2"
              columns:
                order_id: {start: 2, length: 4}
                amount: {start: 6, length: 7, type: amount, decimals: 2, sign: {at: 13}}
          controls:
            total: {prefix: "7", cell: {start: 2, length: 9, type: amount, decimals: 2}, sums: amount}
      columns: {order_id: text, amount: money}
      key: [order_id]
      amount: amount
    right:
      file: "bill*.csv"
      format: wechat_bill
      columns: {order_id: {type: text, from: 商户订单号}, amount: money}
      key: [order_id]
      amount: amount
      rows: sum
"""
HEADER = "交易时间,公众账号ID,特约商户号,商户订单号,交易状态,应结订单金额,退款金额,手续费"
BILL = f"""{HEADER}
`2026-03-01 10:00:00,`wx1,`m1,`A1,`SUCCESS,`10.00,`0.00,`0.06
`2026-03-01 11:00:00,`wx1,`m1,`A2,`SUCCESS,`5.00,`0.00,`0.03
`2026-03-01 12:00:00,`wx1,`m1,`A2,`REFUND,`0.00,`5.00,`-0.03
总交易单数,应结订单总金额,退款总金额,手续费总金额
`3,`TOTAL,`5.00,`0.06
"""
TILL = "2A1  0001000 \n2A2  0000000 \n7STATED\n"


def bill(total: str = "15.00") -> dict[str, str]:
    return {"bill.csv": BILL.replace("TOTAL", total)}


def till(stated: str = "000001000") -> dict[str, str]:
    return {"till.txt": TILL.replace("STATED", stated)}


def model(controls: str = "controls: refuse") -> str:
    return MODEL.replace("CONTROLS", controls)


def test_a_bill_that_agrees_with_itself_is_settled_and_reconciled(tell: Any) -> None:
    told = tell(model(), bill(), "2026-03-31", till())
    assert [row[0] for row in told.rows("SELECT key FROM intake.record ORDER BY key")] == ["A1", "A2"]
    assert told.obligations() == [
        ("goods", "platform", "merchant:m1", "10.00"),
        ("goods", "platform", "merchant:m1", "5.00"),
    ]
    answer = as_dict(told.outcome)
    assert [control["agrees"] for control in answer["files"][0]["controls"]] == [True] * 4
    found = answer["recon"]["till_against_bill"]
    assert (found["breaks"], found["difference_minor"]) == (0, 0)
    assert [(each["side"], each["file"], each["name"]) for each in found["controls"]] == [
        ("left", "till.txt", "total"),
        *(("right", "bill.csv", name) for name in ("总交易单数", "应结订单总金额", "退款总金额", "手续费总金额")),
    ]


def test_a_bill_that_contradicts_itself_moves_no_money(tell: Any) -> None:
    with pytest.raises(SourceError) as refused:
        tell(model(), bill("15.01"), "2026-03-31", till())
    message = str(refused.value)
    assert "bill.csv contradicts itself: 应结订单总金额 is stated on line 6 as 15.01, its rows give 15.00" in message
    assert "controls: report" in message


def test_where_the_model_says_so_it_is_taken_and_the_figure_is_told(tell: Any, capsys: Any) -> None:
    told = tell(model("controls: report"), bill("15.01"), "2026-03-31", till())
    assert told.counts("paid")["accepted"] == 2
    (wrong,) = [each for each in as_dict(told.outcome)["files"][0]["controls"] if not each["agrees"]]
    assert (wrong["name"], wrong["stated"], wrong["found"], wrong["line"]) == ("应结订单总金额", "15.01", "15.00", 6)
    print_outcome(told.outcome)
    said = " ".join(capsys.readouterr().err.split())
    assert "bill.csv: 应结订单总金额 is stated on line 6 as 15.01, its rows give 15.00" in said


def test_a_side_that_contradicts_itself_is_told_with_the_scenario(tell: Any) -> None:
    told = tell(model(), bill(), "2026-03-31", till("000000999"))
    controls = as_dict(told.outcome)["recon"]["till_against_bill"]["controls"]
    assert controls[0] == {
        "side": "left",
        "file": "till.txt",
        "name": "total",
        "stated": "9.99",
        "found": "10.00",
        "line": 3,
        "agrees": False,
    }
    assert all(each["agrees"] for each in controls[1:])


def test_formats_that_nobody_installed_are_told_at_their_place(tell: Any) -> None:
    with pytest.raises(ModelRefused) as refused:
        tell(model().replace("wechat_bill", "wechat_bil"), bill(), "2026-03-31", till())
    assert "records.paid.format: there is no bill format 'wechat_bil'; installed are: " in str(refused.value)


def test_a_column_that_the_format_does_not_give(tell: Any) -> None:
    with pytest.raises(SourceError, match="has no column '商户订单'; did you mean 商户订单号"):
        tell(model().replace("from: 商户订单号", "from: 商户订单"), bill(), "2026-03-31", till())
