"""The command for two files, `everycent recon LEFT RIGHT`: its options."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from everycent.serve.cli.options import Json

Key = Annotated[list[str] | None, typer.Option(help="The columns that rows find each other by: A, A,B or LEFT=RIGHT.")]
Compare = Annotated[
    list[str] | None,
    typer.Option(help="The columns compared: A, A,B or LEFT=RIGHT; each perhaps as A:number, A:time, A:text."),
]
Rule = Annotated[
    list[str] | None,
    typer.Option(help="What may explain rows that differ, as 'dates: {within: 2 days}'; again for more, in order."),
]
LeftFormat = Annotated[str | None, typer.Option(help="The left file's bill format, where it is not guessed.")]
Blank = Annotated[list[str] | None, typer.Option(help="A text that says that there is no value, for example N/A.")]
LeftSkips = Annotated[
    int | None, typer.Option(min=0, help="Lines before the left file's header; found out if not given.")
]
IgnoreCase = Annotated[bool, typer.Option("--ignore-case", help="Texts in capitals and in small letters are equal.")]
Out = Annotated[Path | None, typer.Option(help="Write breaks.parquet, breaks.csv, breaks.xlsx and report.html here.")]


def recon_files(
    left: Annotated[Path, typer.Argument(help="Our own side: CSV, XLSX, JSON lines, Parquet, or a known bill.")],
    right: Annotated[Path, typer.Argument(help="The other side.")],
    key: Key = None,
    compare: Compare = None,
    tolerance: Annotated[str, typer.Option(help="Amounts that differ by no more are written off.")] = "0",
    decimals: Annotated[
        int | None, typer.Option(min=0, max=9, help="Decimals of the amount; as many as it has if not given.")
    ] = None,
    sum_left: Annotated[bool, typer.Option("--sum-left", help="The left side's rows of a key add up.")] = False,
    sum_right: Annotated[bool, typer.Option("--sum-right", help="The right side's do.")] = False,
    left_format: LeftFormat = None,
    right_format: Annotated[str | None, typer.Option(help="The right file's.")] = None,
    rule: Rule = None,
    rules: Annotated[Path | None, typer.Option(help="A YAML file of such rules, with `columns` they look at.")] = None,
    null: Blank = None,
    keep_spaces: Annotated[bool, typer.Option("--keep-spaces", help="Spaces around a cell count.")] = False,
    ignore_case: IgnoreCase = False,
    left_numbers: Annotated[
        str | None, typer.Option(help="What stands before the left side's decimals: point or comma.")
    ] = None,
    right_numbers: Annotated[str | None, typer.Option(help="Before the right side's.")] = None,
    left_dates: Annotated[str | None, typer.Option(help="How the left side's dates are written: %d/%m/%Y.")] = None,
    right_dates: Annotated[str | None, typer.Option(help="How the right side's are.")] = None,
    left_encoding: Annotated[str | None, typer.Option(help="The left file's encoding, for example gbk.")] = None,
    right_encoding: Annotated[str | None, typer.Option(help="The right file's.")] = None,
    left_sheet: Annotated[str | None, typer.Option(help="The left workbook's sheet; the first if not given.")] = None,
    right_sheet: Annotated[str | None, typer.Option(help="The right workbook's.")] = None,
    left_skip_lines: LeftSkips = None,
    right_skip_lines: Annotated[int | None, typer.Option(min=0, help="Before the right one's.")] = None,
    out: Out = None,
    json: Json = False,
) -> int:
    """Compare two files: which rows differ, in what, and by how much."""
    from everycent.serve.cli.comparing import compare_command, reading_of
    from everycent.serve.comparing import Asked
    from everycent.serve.opening import Given
    from everycent.serve.two_files_rules import rules_written

    reading = reading_of(null or (), (left_numbers, right_numbers), (left_dates, right_dates))
    reading = replace(reading, trim=not keep_spaces, fold_case=ignore_case)
    files = (
        Given(left_format, left_encoding, left_sheet, left_skip_lines),
        Given(right_format, right_encoding, right_sheet, right_skip_lines),
    )
    asked = Asked(
        key or (), compare or (), tolerance, decimals, (sum_left, sum_right), files, reading,
        rules_written(rules, rule or ()),
    )  # fmt: skip
    return compare_command(left, right, asked, out, as_json=json)


def add_to(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("files")(recon_files)
