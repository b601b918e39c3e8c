"""What verify gives: the checks it made, and the first row of each that does not add up."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One check of one model. `first_bad` names the first bad row with both figures; None where all is well."""

    model: str
    name: str
    rows: int  # rows looked at
    bad: int  # rows that do not add up
    first_bad: str | None

    @property
    def ok(self) -> bool:
        """Whether every row adds up."""
        return self.first_bad is None


@dataclass(frozen=True)
class Verdict:
    """All checks, in a fixed order."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every cent is accounted for."""
        return all(check.ok for check in self.checks)

    @property
    def findings(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.ok)

    @property
    def rows(self) -> int:
        """Rows looked at, over all checks."""
        return sum(check.rows for check in self.checks)
