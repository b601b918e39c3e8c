"""A bank's MT940 as records and its camt.053 as the other side: the same money, told twice."""

from typing import Any

import pytest

from everycent.flow.intake.contract import SourceError
from everycent.serve.cli.running import as_dict

MODEL = """
model: incoming-transfers
version: 1
currency: EUR
calendar: {time_zone: Europe/Berlin, day_cut: "00:00"}
parties:
  platform: {operator: shop-berlin}
  payer: {key: [payer]}
records:
  transfer:
    file: "*.sta"
    format: mt940
    when: amount > 0
    id: [reference]
    occurred_at: value_on
    columns:
      reference: {type: text, from: end_to_end_id}
      payer: {type: text, from: counterparty}
      amount: money
      value_on: timestamp
charges:
  prepaid: {for: transfer, amount: amount, debtor: platform, creditor: payer}
statements:
  payer: {cycle: daily}
recon:
  told_twice:
    left: {records: transfer, key: [reference], amount: amount}
    right:
      file: "*.xml"
      format: camt
      when: amount > 0
      columns: {reference: {type: text, from: end_to_end_id}, amount: money, booked: {type: timestamp, from: booked_on}}
      key: [reference]
      amount: amount
"""
MT940 = """:20:DAY
:25:DE99
:28C:1
:60F:C260301EUR100,00
:61:2603020302C10,50NTRFNONREF
:86:166?00GUTSCHRIFT?20EREF+E-1?32Anna
:61:2603020302D3,00NTRFNONREF
:86:177?00UEBERWEISUNG?20EREF+E-2?32Bea
:61:2603020302C2,25NTRFNONREF
:86:166?00GUTSCHRIFT?20EREF+E-3?32Carl
:62F:C260302EUR109,75
-
"""


def camt(closing: str = "109.75") -> str:
    def entry(amount: str, way: str, end_to_end: str) -> str:
        return (
            f"<Ntry><Amt Ccy='EUR'>{amount}</Amt><CdtDbtInd>{way}</CdtDbtInd><Sts>BOOK</Sts><BookgDt><DtTm>"
            f"2026-03-02T10:00:00+01:00</DtTm></BookgDt><NtryDtls><TxDtls><Refs><EndToEndId>{end_to_end}</EndToEndId>"
            f"</Refs></TxDtls></NtryDtls></Ntry>"
        )

    def balance(kind: str, amount: str) -> str:
        return (
            f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy='EUR'>{amount}</Amt><CdtDbtInd>CRDT"
            f"</CdtDbtInd><Dt><Dt>2026-03-02</Dt></Dt></Bal>"
        )

    entries = entry("10.50", "CRDT", "E-1") + entry("3.00", "DBIT", "E-2") + entry("2.25", "CRDT", "E-3")
    return (
        f"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.053.001.02'><BkToCstmrStmt><Stmt><Id>1</Id>"
        f"{balance('OPBD', '100.00')}{balance('CLBD', closing)}{entries}</Stmt></BkToCstmrStmt></Document>"
    )


def test_both_statements_tell_the_same_money(tell: Any) -> None:
    told = tell(MODEL, {"day.sta": MT940}, "2026-03-31", {"day.xml": camt()})
    assert told.obligations() == [
        ("prepaid", "platform", "payer:Anna", "10.50"),
        ("prepaid", "platform", "payer:Carl", "2.25"),
    ]
    found = as_dict(told.outcome)["recon"]["told_twice"]
    assert (found["breaks"], found["difference_minor"]) == (0, 0)
    [control] = found["controls"]
    assert (control["file"], control["stated"], control["agrees"]) == ("day.xml", "109.75", True)


def test_a_statement_whose_balance_does_not_follow_moves_no_money_and_one_on_the_other_side_is_told(tell: Any) -> None:
    with pytest.raises(SourceError, match=r"closing balance is stated on line 11 as 109\.76, its rows give 109\.75"):
        tell(MODEL, {"day.sta": MT940.replace("109,75", "109,76")}, "2026-03-31", {"day.xml": camt()})
    told = tell(MODEL, {"day.sta": MT940}, "2026-03-31", {"day.xml": camt("109.76")})
    [control] = as_dict(told.outcome)["recon"]["told_twice"]["controls"]
    assert (control["stated"], control["found"], control["agrees"]) == ("109.76", "109.75", False)
