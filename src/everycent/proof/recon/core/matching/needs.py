"""Which columns a rule looks at, and the refusal of one that looks at what a side does not have."""

from everycent.proof.recon.contract import ReconSpec, SideSpec
from everycent.proof.recon.rules import (
    ConvertRuleSpec,
    DatesRuleSpec,
    KeyRuleSpec,
    MatchRuleSpec,
    NetOfFeesRuleSpec,
    ReferenceRuleSpec,
)

#: The word by which a side names a column of its items; `key` and `amount` each side has.
_WORD = {
    "status": "status",
    "occurred_on": "occurred_at",
    "reference": "reference",
    "counterparty": "counterparty",
    "group": "group",
}


def refuse_unseen(scenario: str, spec: ReconSpec) -> None:
    """ValueError where a rule needs a column that a side does not name, or where there is none for its kind."""
    for place, rule in enumerate(spec.rules, 1):
        at = f"recon '{scenario}': rule {place} '{rule.name or rule.kind}'"
        for column in _needed(rule):
            refuse_lacking(at, column, spec)
        _refuse_by_kind(at, rule, spec)


def refuse_lacking(at: str, column: str, spec: ReconSpec) -> None:
    """ValueError where a side does not name the column."""
    for side, given in (("left", spec.left), ("right", spec.right)):
        if not _has(given, column):
            raise ValueError(
                f"{at} looks at '{column}', which the {side} side does not name; write there '{_WORD[column]}'"
            )


def _has(side: SideSpec, column: str) -> bool:
    return column not in _WORD or getattr(side, _WORD[column]) is not None


def _needed(rule: MatchRuleSpec) -> list[str]:
    """The columns that both sides must have."""
    words = rule.one
    needed = list(getattr(words, "by", ()))
    if isinstance(words, KeyRuleSpec) and "may_differ" in words.model_fields_set:
        needed += words.may_differ
    if isinstance(words, DatesRuleSpec) or getattr(words, "within", None) or getattr(words, "later", None):
        needed.append("occurred_on")
    if isinstance(words, ReferenceRuleSpec):
        needed.append("reference")
    return list(dict.fromkeys(needed))


def _refuse_by_kind(at: str, rule: MatchRuleSpec, spec: ReconSpec) -> None:
    """What a conversion and a stated fee need of one side."""
    words = rule.one
    if isinstance(words, ConvertRuleSpec):
        if spec.left.currency is None and spec.right.currency is None:
            raise ValueError(f"{at} converts between currencies, and no side has any but one; write 'currency' there")
        if not _has(spec.left, "occurred_on"):
            raise ValueError(f"{at} takes the rate of the left row's date; write 'occurred_at' there")
    if isinstance(words, NetOfFeesRuleSpec) and words.stated and spec.left.fee is None and spec.right.fee is None:
        raise ValueError(f"{at} takes the fee that a row states, and no side has any; write 'fee' there")
