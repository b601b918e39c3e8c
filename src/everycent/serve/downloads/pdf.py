"""A statement as PDF, with the glyphs of its font that it uses embedded. Needs the extra `pdf`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from everycent.serve.downloads.document import Document
from everycent.serve.downloads.facts import all_text, charges, facts, settled, sums
from everycent.serve.downloads.fonts import Font, find_font
from everycent.serve.downloads.refused import PdfNotInstalled
from everycent.serve.downloads.words import word

#: So many lines are printed; the other forms have all.
LINES_PRINTED = 2_000
_LINE_MM, _SMALL_MM = 5.2, 4.6
_INK, _SOFT, _RULE = (28, 36, 34), (100, 112, 108), (214, 219, 216)


def write_pdf(
    document: Document, path: Path, language: str, font: Path | None, environment: Mapping[str, str] = os.environ
) -> None:
    """Writes it whole, or not at all. `font`: the file of the font to use. Raises PdfNotInstalled, NoFont, OSError."""
    try:
        import fpdf
    except ImportError:
        raise PdfNotInstalled("PDFs need a package: pip install 'everycent[pdf]'; .csv and .xlsx do not") from None
    chosen = find_font(all_text(document, language), font, environment)
    page = _page(fpdf, document, language, chosen)
    part = path.with_name(f".{path.name}.part")
    try:
        page.output(str(part))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _page(fpdf: Any, document: Document, language: str, font: Font | None) -> Any:
    family = "helvetica" if font is None else "statement"

    class Pages(fpdf.FPDF):  # type: ignore[misc]  # its types are not at hand where it is not installed
        """Pages with their numbers below."""

        def footer(self) -> None:
            self.set_y(-12)
            self.set_font(family, size=7.5)
            self.set_text_color(*_SOFT)
            self.cell(0, 5, document.statement_id)
            self.set_x(-60)
            self.cell(45, 5, word("page", language).format(self.page_no(), "{nb}"), align="R")

    pages = Pages(orientation="portrait", unit="mm", format="A4")
    if font is not None:
        pages.add_font(family, fname=str(font.path), collection_font_number=font.number)
    pages.set_margins(15, 14, 15)
    pages.set_auto_page_break(True, margin=16)
    pages.add_page()
    writer = _Writer(pages, family)
    writer.title(word("title", language), document.party_id)
    writer.pairs(facts(document, language))
    writer.sums(sums(document, language), document.money.code)
    writer.heading(word("charges", language))
    writer.table(*charges(document, language), widths=(60, 20, 33, 33, 34), texts=1, last_is_total=True)
    writer.heading(word("paid", language))
    writer.table(*settled(document, language), widths=(36, 28, 116), texts=1, right=(1,))
    writer.heading(word("details", language))
    writer.table(*_lines(document, language), widths=(48, 36, 22, 38, 36), texts=4, right=(4,))
    if document.lines.num_rows > LINES_PRINTED:
        note = word("only the first", language).format(f"{LINES_PRINTED:,}", f"{document.lines.num_rows:,}")
        writer.note(note)
    return pages


def _lines(document: Document, language: str) -> tuple[list[str], list[list[str]]]:
    heads = [word(name, language) for name in ("order", "kind", "booked_on", "charge", "due")]
    rows = [
        [row["order"] or "", row["kind"] or "", str(row["booked_on"]), row["charge"], document.amount(row["due_minor"])]
        for row in document.lines.slice(0, LINES_PRINTED).to_pylist()
    ]
    return heads, rows


class _Writer:
    """Puts texts on pages, from top to bottom."""

    def __init__(self, pages: Any, family: str) -> None:
        self.pages, self.family = pages, family

    def _type(self, size: float, colour: tuple[int, int, int] = _INK) -> None:
        self.pages.set_font(self.family, size=size)
        self.pages.set_text_color(*colour)

    def title(self, text: str, below: str) -> None:
        self._type(18)
        self.pages.cell(0, 9, text, new_x="LMARGIN", new_y="NEXT")
        self._type(11, _SOFT)
        self.pages.cell(0, 6, self._cut(below, 180), new_x="LMARGIN", new_y="NEXT")
        self.pages.ln(3)

    def pairs(self, told: Sequence[tuple[str, str]]) -> None:
        for name, value in told:
            self._type(9, _SOFT)
            self.pages.cell(38, _LINE_MM, name)
            self._type(9)
            self.pages.multi_cell(0, _LINE_MM, value, new_x="LMARGIN", new_y="NEXT")
        self.pages.ln(2)

    def sums(self, told: Sequence[tuple[str, str]], code: str) -> None:
        for name, amount in told[:-1]:
            self._type(10, _SOFT)
            self.pages.cell(110, 6, name)
            self._type(10)
            self.pages.cell(0, 6, f"{amount} {code}", align="R", new_x="LMARGIN", new_y="NEXT")
        self._rule()
        self._type(13)
        name, amount = told[-1]
        self.pages.cell(110, 8, name)
        self.pages.cell(0, 8, f"{amount} {code}", align="R", new_x="LMARGIN", new_y="NEXT")

    def heading(self, text: str) -> None:
        if self.pages.will_page_break(22):
            self.pages.add_page()
        self.pages.ln(4)
        self._type(11.5)
        self.pages.cell(0, 7, text, new_x="LMARGIN", new_y="NEXT")

    def note(self, text: str) -> None:
        self.pages.ln(1)
        self._type(8, _SOFT)
        self.pages.multi_cell(0, _LINE_MM, text, new_x="LMARGIN", new_y="NEXT")

    def table(
        self,
        heads: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        widths: Sequence[int],
        texts: int,
        right: Sequence[int] | None = None,
        last_is_total: bool = False,
    ) -> None:
        """Rows of one line each, the head again on each page; the columns behind the first `texts` are numbers, or
        those of `right`."""
        numbers = range(texts, len(widths)) if right is None else right
        self._row(heads, widths, numbers, _SOFT)
        self._rule()
        for at, row in enumerate(rows):
            if self.pages.will_page_break(_SMALL_MM):
                self.pages.add_page()
                self._row(heads, widths, numbers, _SOFT)
                self._rule()
            if last_is_total and at == len(rows) - 1:
                self._rule()
            self._row(row, widths, numbers, _INK)

    def _row(
        self, cells: Sequence[str], widths: Sequence[int], numbers: Sequence[int], colour: tuple[int, int, int]
    ) -> None:
        self._type(8, colour)
        for at, (text, width) in enumerate(zip(cells, widths, strict=True)):
            place = "R" if at in numbers else "L"
            shown = text if at in numbers else self._cut(text, width - 2)  # an amount is never cut
            self.pages.cell(width, _SMALL_MM, shown, align=place)
        self.pages.ln(_SMALL_MM)

    def _rule(self) -> None:
        self.pages.set_draw_color(*_RULE)
        y = self.pages.get_y() + 0.3
        self.pages.line(15, y, 195, y)
        self.pages.ln(0.8)

    def _cut(self, text: str, width_mm: float) -> str:
        """The text as far as it fits."""
        if self.pages.get_string_width(text) <= width_mm:
            return text
        while text and self.pages.get_string_width(f"{text}...") > width_mm:
            text = text[:-1]
        return f"{text}..."
