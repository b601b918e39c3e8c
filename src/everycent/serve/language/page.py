"""The reference page: every section and word of the model's language, in the order in which money flows."""

import re
from dataclasses import dataclass
from typing import Any

from everycent.base.engine.declaration import Declaration
from everycent.serve.language.words import ANY_NAME, WORDS_BELOW, Section, Shape, Word, Written, sections


@dataclass(frozen=True)
class Part:
    """A station of the money's way: what is said there, in which sections, and where more is told."""

    title: str
    says: str
    paths: tuple[tuple[str, ...], ...]
    more: tuple[tuple[str, str], ...] = ()


_MANY = {Shape.ONE: "", Shape.LIST: "list of ", Shape.NAMED: "names, each with "}

#: A section belongs to the part that names the longest beginning of its path; one that none names comes last.
PARTS: tuple[Part, ...] = (
    Part(
        "The model · 结算模型",
        "Its name, its currency, and whose midnight ends a day.",
        ((), ("calendar",)),
        (("your first model", "how-to/first-model.md"),),
    ),
    Part(
        "Parties · 结算主体",
        "Who owes and is owed.",
        (("parties",), ("onboarding",)),
        (("your first model", "how-to/first-model.md"), ("parties and contracts", "how-to/parties.md")),
    ),
    Part(
        "Intake · 清分",
        "What comes in: business facts become records, each row accepted or set aside with its reason.",
        (("records",), ("tables",)),
        (("your own data", "how-to/your-own-data.md"),),
    ),
    Part(
        "Rating · 计费",
        "What each record costs, and where the values of the formulas come from.",
        (("factors",), ("charges",)),
        (
            ("factors", "how-to/factors.md"),
            ("formulas", "reference-formulas.md"),
            ("prices", "reference-prices.md"),
            ("rules", "reference-rules.md"),
            ("commission", "how-to/commission.md"),
            ("technical service fee", "how-to/technical-service-fee.md"),
        ),
    ),
    Part(
        "Clearing · 清算",
        "Who carries each charge, in which shares, up to which caps, and in which order.",
        (("charges", ANY_NAME, "apportion"), ("budgets",), ("order",)),
        (
            ("apportioning", "reference-apportion.md"),
            ("goods marketing", "how-to/goods-marketing.md"),
            ("order, late records and rewind", "how-to/order-and-rewind.md"),
            ("in pictures", "order-caps-rewind.md"),
        ),
    ),
    Part(
        "Settlement · 结算",
        "When a party's obligations are gathered into a statement, and when it closes.",
        (("statements",),),
        (("your first model", "how-to/first-model.md"),),
    ),
    Part(
        "Payments · 收付款",
        "How a closed statement is paid or collected.",
        (("payouts",),),
        (("your first model", "how-to/first-model.md"),),
    ),
    Part(
        "Reconciliation · 对账",
        "What is compared with another system's records.",
        (("recon",),),
        (
            ("reconcile", "how-to/reconcile.md"),
            ("handle breaks", "how-to/handle-breaks.md"),
            ("matching what is not equal", "reference-matching.md"),
        ),
    ),
    Part(
        "Golden cases · 用例",
        "A few facts in, and the obligations that must come out.",
        (("tests",),),
        (("your first model", "how-to/first-model.md"), ("simulate", "how-to/simulate.md")),
    ),
)
_FURTHER = Part("Further sections", "What else a model may say.", ())

_HEAD = """\
# Reference: the model's language · 结算模型的语言

<!-- Written by `everycent model reference --out docs/reference-model.md` from the declarations that read the model. -->

Every word that a settlement model may use, in the order in which money flows. It is made of the very declarations that
read a model, so it says what this version of the program accepts. A word that is not here is refused, with the line it
stands on and the word that is near.

**How to read it.** *As* says how a value is written: a *name* is of letters, digits, `_` and `-`; a *formula* is an
[SQL expression](reference-formulas.md); *one, or a list* is `price` or `[price, qty]`; a *length of time* is `7 days`
or `10 minutes`; amounts are in major units (`0.30` is thirty cents). *If not given* says what stands in for the word:
**required** means it must be there, a dash that nothing does. Where a section is headed `charges: NAME`, the author
gives the name.
"""


def reference_page(root: type[Declaration]) -> str:
    """The page as Markdown, of the model's declaration with all its sections; equal words give equal bytes."""
    found = sections(root, [path[0] for part in PARTS for path in part.paths if path])
    titles = {section.declaration: _title(section.path) for section in found}
    parts = [part for part in (*PARTS, _FURTHER) if any(_part(section) is part for section in found)]
    pieces = [_HEAD, _overview(parts, found)]
    for part in parts:
        mine = sorted((s for s in found if _part(s) is part), key=lambda s: _place(s, part))
        more = " · ".join(f"[{label}]({link})" for label, link in part.more)
        pieces.append(f"## {part.title}\n\n{part.says}" + (f" More: {more}." if more else "") + "\n")
        pieces += [_section(section, titles) for section in mine]
    return "\n".join(pieces)


def _part(section: Section) -> Part:
    fits = [(len(path), part) for part in PARTS for path in part.paths if section.path[: len(path)] == path and path]
    if not section.path:
        return PARTS[0]
    return max(fits, key=lambda fit: fit[0])[1] if fits else _FURTHER


def _place(section: Section, part: Part) -> int:
    """Sections stand as their part names them, and as declared within."""
    fits = [(len(path), at) for at, path in enumerate(part.paths) if section.path[: len(path)] == path]
    return max(fits)[1] if fits else len(part.paths)


def _title(path: tuple[str, ...]) -> str:
    """`charges: NAME: price`; an anchor is this in lower case, with dashes for blanks, without colons."""
    return ": ".join(path) if path else "the top of the file"


def _anchor(title: str) -> str:
    return title.lower().replace(":", "").replace(" ", "-")


def _overview(parts: list[Part], found: list[Section]) -> str:
    lines = ["| part | says | top words |", "|---|---|---|"]
    for part in parts:
        top = dict.fromkeys(section.path[0] for section in found if _part(section) is part and section.path)
        words = ", ".join(f"`{word}`" for word in top)
        lines.append(f"| [{part.title}](#{_part_anchor(part.title)}) | {part.says} | {words} |")
    return "\n".join(lines) + "\n"


def _part_anchor(title: str) -> str:
    return title.lower().replace(" · ", "--").replace(" ", "-")


def _section(section: Section, titles: dict[type[Declaration], str]) -> str:
    lines = [f"### {titles[section.declaration]}", "", section.about, ""]
    lines += ["| word | as | if not given | meaning | example |", "|---|---|---|---|---|"]
    lines += [_line(word, titles) for word in section.words]
    for word in section.words:
        for example in word.examples:
            if isinstance(example, str) and "\n" in example:
                lines += ["", f"`{word.name}`, for example:", "", "```", *example.splitlines(), "```"]
    return "\n".join(lines) + "\n"


def _line(word: Word, titles: dict[type[Declaration], str]) -> str:
    default = "**required**" if word.default is None else f"`{word.default}`" if word.default else "–"
    short = [example for example in word.examples if not (isinstance(example, str) and "\n" in example)]
    shown = ", ".join(f"`{in_yaml(example)}`" for example in short)
    cells = (f"`{word.name}`", _as(word.written, titles), default, _meaning(word), shown)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _meaning(word: Word) -> str:
    """What it means; the values that it explains stand out."""
    text = word.meaning.replace("->", "→")
    for value in word.written.values:
        text = re.sub(rf"(?<![`\w]){re.escape(value)}(?=:)", f"`{value}`", text)
    return text


def _as(written: Written, titles: dict[type[Declaration], str]) -> str:
    if written.inside:
        links = [(titles[child.declaration], child.shape) for child in written.inside]
        sections_below = [f"{_MANY[shape]}[{title}](#{_anchor(title)})" for title, shape in links]
        return " or ".join([*(word for word in written.label.split(" or ") if word != WORDS_BELOW), *sections_below])
    return _MANY[written.shape] + (" · ".join(f"`{value}`" for value in written.values) or written.label)


def in_yaml(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {in_yaml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(in_yaml, value)) + "]"
    return str(value)
