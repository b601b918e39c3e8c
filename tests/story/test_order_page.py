"""The page on order, caps, reversal and rewind: what it tells is run from it, and each of its figures is looked up."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "order-caps-rewind.md").read_text(encoding="utf-8")

#: The effective obligations by record: what each bearer carries, its total, and on which of the brand's statements.
SHARES = """
    SELECT o.sequence_no::text, r.key,
        sum(o.amount_minor) FILTER (WHERE o.leaf = 'platform'), max(t.platform) AS platform_total,
        sum(o.amount_minor) FILTER (WHERE o.leaf = 'brand'), max(t.brand) AS brand_total,
        coalesce(sum(o.amount_minor) FILTER (WHERE o.debtor_statement LIKE '%%/2026-03-03/%%'), 0),
        coalesce(sum(o.amount_minor) FILTER (WHERE o.debtor_statement LIKE '%%/2026-03-04/%%'), 0)
    FROM clearing.ordered_obligation o JOIN intake.record r USING (tenant, model, record_id) CROSS JOIN LATERAL (
        SELECT max(total_after_minor) FILTER (WHERE leaf = 'platform') AS platform,
            max(total_after_minor) FILTER (WHERE leaf = 'brand') AS brand FROM clearing.ordered_obligation s
        WHERE s.record_id = o.record_id AND s.generation = o.generation AND s.amount_minor IS NOT NULL) AS t
    WHERE NOT EXISTS (
        SELECT FROM platform.generation g WHERE g.generation > o.generation AND g.starts_at <= o.sequence_no)
    GROUP BY 1, 2 ORDER BY 1
"""
COLUMNS = {
    "number": 0, "record": 1, "platform": 2, "platform its total": 3, "brand": 4, "brand its total": 5,
    "in the closed statement": 6, "in the next one": 7,
}  # fmt: skip


def shown(minor: Any) -> str:
    return minor if isinstance(minor, str) else f"{int(minor) / 100:.2f}"


def table(text: str) -> tuple[list[str], list[list[str]]]:
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    named = [f"{head[at - 1]} {name}" if name == "its total" else name for at, name in enumerate(head)]
    return named, rows


def test_the_page_tells_what_happens(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    monkeypatch.chdir(tmp_path)
    looked_up = 0
    for found in re.finditer(
        r"(?:`([\w-]+\.csv)`[^\n]*\n\n)?```(\w*)\n(.*?)```|((?:^\|[^\n]*\n)+)", PAGE, re.DOTALL | re.MULTILINE
    ):
        file, language, block, rows = found.groups()
        if rows:
            names, told = table(rows)
            stored = database.connection.execute(SHARES).fetchall()
            assert [[shown(row[COLUMNS[name]]) for name in names] for row in stored] == told
            looked_up += len(told)
        elif language == "yaml":
            Path("model.yaml").write_text(block, encoding="utf-8")
        elif file:
            Path(file).write_text(block, encoding="utf-8")
        else:
            assert run_app(shlex.split(block)[1:]) == exits.OK
    assert looked_up == 4 + 6 + 7
    assert "nothing would move" in capsys.readouterr().out
    statements = "SELECT period, state, receivable_minor FROM settlement.statement WHERE role = 'brand' ORDER BY 1"
    assert database.connection.execute(statements).fetchall() == [
        ("2026-03-03", "closed", 3000),
        ("2026-03-04", "open", 1000),
    ]

    assert run_app(["explain", "A3/coupon"]) == exits.OK
    said = capsys.readouterr().out
    assert "brand:b-1 owes merchant:m-1 7.00 CNY" in said and "brand:b-1 owes merchant:m-1 3.00 CNY" in said
    assert said.count("6.00 CNY more than its share") == said.count("of 10.00 in 2") == 2, "4.00 of it is its share"


@pytest.mark.parametrize("name", ["order", "caps", "reversal", "rewind"])
def test_the_pictures_show_the_page_s_figures(name: str) -> None:
    picture = (DOCS / "images" / f"{name}.svg").read_text(encoding="utf-8")
    texts = re.findall(r">([^<>]+)</text>", picture)
    figures = {figure for text in texts for figure in re.findall(r"\d+\.\d\d", text)}
    assert figures <= set(re.findall(r"\d+\.\d\d", PAGE)), "a figure that the page does not tell"
    assert "prefers-color-scheme: dark" in picture and f"](images/{name}.svg)" in PAGE
    label = re.search(r'aria-label="([^"]+)"', picture)
    assert label is not None and f"![{label[1]}]" in PAGE, "who cannot see it reads the same"
