"""How long totals are kept: by the business day, or for as long as there are any. Pure arithmetic of dates."""

from datetime import date, timedelta
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from everycent.base.money.cycle import Cycle, Length

_DAY = timedelta(days=1)


class Span(StrEnum):
    """The period that a total is of, by the business date of its records."""

    DAY = "day"  # 2026-03-01
    WEEK = "week"  # 2026-W09, Monday to Sunday
    MONTH = "month"  # 2026-03
    QUARTER = "quarter"  # 2026-Q1
    YEAR = "year"  # 2026
    NONE = "none"  # one total for all time


def span_label(span: Span, day: date) -> str:
    """The period that a business day is in: 2026-03-01, 2026-W09, 2026-03, 2026-Q1, 2026; empty for none."""
    if span is Span.NONE:
        return ""
    if span is Span.YEAR:
        return f"{day.year:04d}"
    if span is Span.QUARTER:
        return f"{day.year:04d}-Q{(day.month + 2) // 3}"
    return Cycle(_LENGTH[span]).period(day).label


def span_labels(span: Span, days: npt.NDArray[np.datetime64]) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Each day's period, as int32[n] places among distinct labels. Each distinct day is looked at once."""
    if span is Span.NONE or len(days) == 0:
        return np.zeros(len(days), dtype=np.int32), [""]
    numbers = days.astype("datetime64[D]").astype(np.int64)
    first = int(numbers.min())
    seen = np.zeros(int(numbers.max()) - first + 1, dtype=np.bool_)
    seen[numbers - first] = True
    labels: dict[str, int] = {}
    code = np.zeros(len(seen), dtype=np.int32)
    for at in np.flatnonzero(seen):
        label = span_label(span, date(1970, 1, 1) + (first + int(at)) * _DAY)
        code[at] = labels.setdefault(label, len(labels))
    return code[numbers - first], list(labels)


_LENGTH = {Span.DAY: Length.DAY, Span.WEEK: Length.WEEK, Span.MONTH: Length.MONTH}
