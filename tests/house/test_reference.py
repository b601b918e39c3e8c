"""The reference of the model's language is committed, current and complete: each word says what it means."""

import re

import pytest
from sources import ROOT

from everycent.base.engine.declaration import Declaration
from everycent.flow.model.contract import compose
from everycent.serve.language.page import PARTS, reference_page
from everycent.serve.language.words import Section, reader, sections
from everycent.serve.wiring import SECTIONS

PAGE = ROOT / "docs" / "reference-model.md"
MODEL = compose(SECTIONS)
FOUND = sections(MODEL)


def shown(section: Section) -> str:
    return ": ".join(section.path) or "model"


def test_the_committed_page_is_current() -> None:
    page = reference_page(MODEL)
    assert PAGE.read_text(encoding="utf-8") == page, "run `everycent model reference --out docs/reference-model.md`"


@pytest.mark.parametrize("section", FOUND, ids=shown)
def test_each_word_has_a_meaning_and_an_example_or_its_values_explained(section: Section) -> None:
    assert section.about, f"{section.declaration.__name__} has no docstring"
    for word in section.words:
        place = f"{shown(section)}: {word.name}"
        assert word.meaning, f"{place}: say what it means, in Field(description=...)"
        if set(word.written.values) == {"yes", "no"}:
            continue
        for value in word.written.values:
            assert re.search(rf"\b{value}\b", word.meaning), f"{place}: the description says nothing of {value}"
        if not word.written.values and not word.written.inside:
            assert word.examples, f"{place}: show how it is written, in Field(examples=[...])"


@pytest.mark.parametrize("section", FOUND, ids=shown)
def test_the_examples_are_accepted_by_the_model_s_reader(section: Section) -> None:
    fields = {field.alias or name: field for name, field in section.declaration.model_fields.items()}
    for word in section.words:
        for example in word.examples:
            reader(fields[word.name]).validate_python(example)


def test_links_lead_to_headings_and_files() -> None:
    page = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert len(set(anchors)) == len(anchors), "two sections have one heading"
    links = set(re.findall(r"\]\(([^)]+)\)", page))
    assert {link for link in links if link.startswith("#")} <= {f"#{anchor}" for anchor in anchors}
    for link in links:
        assert link.startswith("#") or (PAGE.parent / link).is_file(), link
    assert links >= {target for part in PARTS for _, target in part.more}


def test_a_section_that_no_part_names_is_not_lost() -> None:
    class Insurance(Declaration):
        """Who pays when goods are lost."""

        insurer: str

    page = reference_page(compose({**SECTIONS, "insurance": Insurance}))
    assert "## Further sections" in page
    assert "### insurance: NAME\n\nWho pays when goods are lost." in page
