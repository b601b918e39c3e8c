"""What a rule finds in the rows that it is shown: explanations, each with its verdict."""

from dataclasses import dataclass, field

import pyarrow as pa

#: A line for each row that an explanation would claim.
EXPLANATION = pa.schema(
    [pa.field("explanation", pa.int64()), pa.field("side", pa.string()), pa.field("row_no", pa.int64())]
)

#: Which explanations hold: unique ones are a match each, others one together with all that have the same `knot`.
VERDICT = pa.schema(
    [
        pa.field("explanation", pa.int64()),
        pa.field("label", pa.string()),
        pa.field("knot", pa.int64()),
        pa.field("differing", pa.string()),
        pa.field("proposed", pa.bool_()),  # of one knot's undecided ones, those proposed go together
        pa.field("nearness", pa.int64()),  # the less the nearer; it ranks what is undecided, and decides nothing
    ]
)

#: Rows about which nothing can be said within the budget. A knot here may be one of VERDICT's.
GIVEN_UP = pa.schema([pa.field("knot", pa.int64()), pa.field("side", pa.string()), pa.field("row_no", pa.int64())])

#: What an explanation leaves between left and right.
DIFFERENCE = pa.schema(
    [
        pa.field("explanation", pa.int64()),
        pa.field("cause", pa.string()),
        pa.field("difference_minor", pa.decimal128(38, 0)),
        pa.field("currency", pa.string()),
    ]
)


@dataclass(frozen=True)
class Found:
    """A row is in at most one explanation that is unique, and then in no other; and in at most one knot."""

    explanations: pa.Table = field(default_factory=EXPLANATION.empty_table)
    verdicts: pa.Table = field(default_factory=VERDICT.empty_table)
    given_up: pa.Table = field(default_factory=GIVEN_UP.empty_table)
    differences: pa.Table = field(default_factory=DIFFERENCE.empty_table)
