"""A report's data as a finance person might meet it; amounts in minor units of CNY."""

from dataclasses import replace
from datetime import date

import pytest

from everycent.serve.report.data import (
    BreakRow,
    BucketRow,
    Check,
    FlowRow,
    InstructionRow,
    IntakeRow,
    PartyRow,
    ReasonRow,
    ReportData,
    StandingRow,
    StatementRow,
    StatementTotals,
    Total,
)

FLOWS = (
    FlowRow("channel", "received", "platform", 110_402, 15_512_099_20, 702_318_40),
    FlowRow("platform", "goods", "seller", 140_220, 14_104_332_10, 640_110_05),
    FlowRow("platform", "freight", "seller", 80_120, 1_010_902_00, 45_100_10),
    FlowRow("seller", "commission", "platform", 140_220, 1_109_231_77, 52_002_00),
    FlowRow("platform", "coupon", "seller", 35_012, 240_120_31, 9_120_01),
    FlowRow("brand", "coupon", "seller", 35_012, 122_010_22, 5_002_00),
    FlowRow("distributor", "coupon", "seller", 22_110, 38_111_90, 2_011_00),
    FlowRow("platform", "payment_fee", "channel", 110_402, 93_072_60, 0),
)

EXAMPLE = ReportData(
    model="harbour-market",
    model_version="1 · 3f9c2a17",
    tenant="default",
    currency="CNY",
    exponent=2,
    first_day=date(2026, 3, 1),
    last_day=date(2026, 5, 23),
    records=269_330,
    checks=(
        Check("charges add up to obligations", True, "", 418_201),
        Check("statements are the sum of their obligations", True, "", 9_120),
        Check("the ledger balances", True, "", 512),
    ),
    intake=(
        IntakeRow("item_delivered.csv", "item_delivered", 140_220, 140_220, 0, 0, 0),
        IntakeRow("item_delivered_manual.csv", "item_delivered", 9, 0, 3, 1, 5),
        IntakeRow("item_refunded.csv", "item_refunded", 9_400, 9_400, 0, 0, 0),
        IntakeRow("payment_received.csv", "payment_received", 110_402, 110_402, 0, 0, 0),
        IntakeRow("payment_refunded.csv", "payment_refunded", 9_512, 9_512, 0, 0, 0),
    ),
    set_aside=(
        ReasonRow("duplicate", "the same record was accepted before", 3, "item_delivered_manual.csv:2"),
        ReasonRow(
            "conflict", "the same id was accepted before with other content: price", 1, "item_delivered_manual.csv:5"
        ),
        ReasonRow(
            "quarantined", "category: 'teleportation' is not one of appliances, automotive, baby …", 1, "x.csv:7"
        ),
        ReasonRow("quarantined", "price: '330.995' has 3 decimals; CNY has 2, write 331.00", 1, "x.csv:6"),
    ),
    held=(ReasonRow("held", "goods: no rule matches", 12, "A1/1"),),
    flows=FLOWS,
    standings=(
        StandingRow("platform", "kept", 1_102_330_40),
        StandingRow("platform", "passed", 14_764_680_17),
        StandingRow("platform", "returned", 754_320_40),
        StandingRow("seller", "paid", 13_402_118_20),
        StandingRow("seller", "offset", 1_050_229_77),
        StandingRow("seller", "open", 361_785_40),
        StandingRow("seller", "returned", 701_343_16),
        StandingRow("channel", "offset", 93_072_60),
    ),
    parties=tuple(
        PartyRow(
            f"seller:seller-{n:06}", "seller", 1000 - n, 900_000_00 - n * 70_000, 70_000_00, 830_000_00 - n * 70_000
        )
        for n in range(1, 51)
    ),
    parties_total=Total(3_290, 13_402_118_20),
    statements=tuple(
        StatementRow(
            f"harbour-market/seller:seller-{n:06}/2026-W12/CNY/harbour-shanghai",
            f"seller:seller-{n:06}",
            "2026-W12",
            "open" if n % 7 == 0 else "closed",
            date(2026, 3, 30),
            90 - n,
            90_000_00 - n * 100,
            7_000_00,
            83_000_00 - n * 100,
        )
        for n in range(1, 51)
    ),
    statements_by_state={
        "closed": StatementTotals(9_002, 13_500_118_20, 98_000_00),
        "open": StatementTotals(118, 361_785_40),
    },
    instructions=tuple(
        InstructionRow(
            f"PI-{n:08}",
            "channel:alipay" if n % 9 == 0 else f"seller:seller-{n:06}",
            "collect" if n % 9 == 0 else "pay",
            "bank_file",
            f"99{n:014}",
            "created",
            83_000_00 - n * 1000,
        )
        for n in range(1, 51)
    ),
    instructions_by_direction={"pay": Total(8_700, 13_402_118_20), "collect": Total(288, 14_716_708_20)},
    buckets=(
        BucketRow("payments_against_bill", "equal", 110_385, 110_385, 110_385, 15_510_877_10, 15_510_877_10),
        BucketRow("payments_against_bill", "amount_differs", 4, 4, 4, 903_11, 905_10),
        BucketRow("payments_against_bill", "status_differs", 4, 4, 4, 311_00, 311_00),
        BucketRow("payments_against_bill", "missing_right", 4, 4, 0, 404_99, 0),
        BucketRow("payments_against_bill", "missing_left", 4, 0, 4, 0, 250_07),
        BucketRow("payments_against_bill", "duplicated_right", 8, 4, 8, 220_00, 440_00),
        BucketRow("refunds_against_bill", "equal", 9_512, 9_512, 9_512, 702_318_40, 702_318_40),
    ),
    breaks=(
        BreakRow(
            "payments_against_bill",
            "amount_differs",
            "amount_differs",
            "P0000000786-1",
            "channel_bill.csv:85",
            71_90,
            71_89,
            "success",
            "success",
            1,
        ),
        BreakRow(
            "payments_against_bill",
            "status_differs",
            "status_differs",
            "P0000000463-1",
            "channel_bill.csv:85",
            72_69,
            72_69,
            "success",
            "closed",
            0,
        ),
        BreakRow(
            "payments_against_bill",
            "missing_right",
            "missing_right",
            "P0000000794-1",
            "channel_bill.csv:85",
            53_99,
            None,
            "success",
            "",
            53_99,
        ),
        BreakRow(
            "payments_against_bill",
            "missing_left",
            "missing_left",
            "PX0000000001-1",
            "channel_bill.csv:86",
            None,
            274_77,
            "",
            "success",
            -274_77,
        ),
        BreakRow(
            "payments_against_bill",
            "duplicated_right",
            "duplicated_right",
            "P470-1",
            "channel_bill.csv:78",
            62_99,
            125_98,
            "success",
            "success",
            -62_99,
        ),
    ),
    breaks_by_scenario={"payments_against_bill": 20},
    refused=(),
    others=(),
)

EMPTY = replace(
    EXAMPLE, records=0, checks=(), intake=(), set_aside=(), held=(), flows=(), standings=(), parties=(), statements=(),
    parties_total=Total(0), statements_by_state={}, instructions=(), instructions_by_direction={}, buckets=(),
    breaks=(), breaks_by_scenario={}, first_day=None, last_day=None,
)  # fmt: skip


@pytest.fixture
def example() -> ReportData:
    return EXAMPLE


@pytest.fixture
def empty() -> ReportData:
    return EMPTY
