"""The report in a real browser: it opens from a file, fetches nothing, says the verdict, and speaks both languages."""

import shutil
from pathlib import Path

import pytest

from everycent.serve.report.page import render

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine; install it to see the report opened"
)

MODEL = """
    model: corner-market
    version: 1
    currency: CNY
    calendar: {time_zone: Asia/Shanghai}
    parties:
      platform: {operator: market-shanghai}
      merchant: {key: [merchant]}
    records:
      sale:
        id: [sale_no]
        occurred_at: sold_on
        columns: {sale_no: text, merchant: text, price: money, sold_on: date}
    charges:
      goods: {for: sale, amount: price, debtor: platform, creditor: merchant}
      commission: {for: sale, amount: price * 0.05, debtor: merchant, creditor: platform}
    statements:
      merchant: {cycle: weekly}
    tables:
      accounts: {file: accounts.csv, key: [merchant], columns: {merchant: text, account: text}}
    payouts:
      merchant: {account: {table: accounts}}
"""
ACCOUNTS = "merchant,account\n<b>m-7</b>,DE89370400440532013000\n"
SALES = "sale_no,merchant,price,sold_on\n1,<b>m-7</b>,99.99,2026-03-03\n"

_QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


def test_a_person_opens_the_report_and_reads_it_in_both_languages(tell, tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    told = tell(MODEL, {"sales.csv": SALES, "accounts.csv": ACCOUNTS}, as_of="2026-04-01")
    page_file = tmp_path / "report.html"
    render(told.outcome.report, page_file)
    asked: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        page = browser.new_page(locale="en-GB")
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(page_file.as_uri())
        english = page.inner_text("body")
        page.get_by_role("button", name="中文").click()
        chinese = page.inner_text("body")
        browser.close()
    assert asked == [page_file.as_uri()], "the page stands alone"
    assert complaints == []
    for part in ("every cent accounted for", "corner-market", "94.99", "goods", "<b>m-7", "****3000"):
        assert part in english, part
    assert "DE8937" not in page_file.read_text(encoding="utf-8"), "a report goes to many, and shows no account's number"
    assert "对账" in chinese or "结算" in chinese
    assert "94.99" in chinese
