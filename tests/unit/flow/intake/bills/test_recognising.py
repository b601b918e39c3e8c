"""Which of all installed formats knows a real file."""

from pathlib import Path

import pytest
from real_bills import needs, real

from everycent.flow.intake.bills.registry import format_of

KNOWN = {
    "camt/**/camt05*.xml": "camt",
    "mt940/**/jejik/*.sta": "mt940",
    "mt940/**/mBank/*.sta": "mt940",
    "bai2/**/*.bai2": "bai2",
    "ofx/*.ofx": "ofx",
    "psp/paypal/*_en.csv": "paypal_activity",
    "psp/adyen/*.csv": "adyen_settlement",
    "psp/braintree/*.csv": "braintree_settlement",
    "wechat-merchant/wechat_FUNDFLOW*.csv": "wechat_fundflow",
    "wechat-merchant/wechat_[ARS]*.csv": "wechat_bill",
    "cn-bills/example/wechat/*.csv": "wechat_personal",
    "cn-bills/example/alipay/*.csv": "alipay_personal",
}


@pytest.mark.parametrize(("files", "name"), KNOWN.items())
def test_a_real_file_is_known_by_its_one_format(files: str, name: str) -> None:
    found = sorted(real("").glob(files))
    if not found:
        pytest.skip(f"the real files {files} may not be shipped; EVERYCENT_SHARED_DATA names their parent folder")
    assert {known and known.name for known in map(format_of, found)} == {name}


@needs("olist")
@pytest.mark.parametrize(
    "files", ["olist/*.csv", "psp/paypal/statement_es.csv", "ibm-ar/*.csv", "carbon-cn/*.csv", "cn-bills/**/*.xls*"]
)
def test_what_is_no_bill_is_known_by_none(files: str) -> None:
    assert [(path.name, known) for path in sorted(real("").glob(files)) if (known := format_of(path))] == []


def test_a_file_of_nothing_is_known_by_none(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert format_of(tmp_path / "empty") is None


@pytest.mark.parametrize("head", [b"PK\x03\x04\x14\r\x00,\x00\n", bytes(range(256)), b"\r\r\n,\r", b"\xff\xfe\x00\x0d"])
def test_bytes_that_are_no_text_are_known_by_none(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "bytes").write_bytes(head * 50)
    assert format_of(tmp_path / "bytes") is None
