"""The chain's links, each an interface that any installed package may fill: loader, trigger, checker, result handler.

A scenario names a link by the name of its entry point and gives it words of its own: `load: {postgres: {...}}`. The
parser is a format of bills (`flow.intake.contract.BillFormat`) or a side's declared columns.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

import pyarrow as pa

from everycent.base.engine.declaration import Declaration
from everycent.base.engine.types import ColumnType
from everycent.flow.intake.contract import RawRows


class Link(StrEnum):
    """A place in the chain; its value is the word that scenarios name it by."""

    LOADER = "load"
    TRIGGER = "trigger"
    CHECKER = "check"
    HANDLER = "handle"

    @property
    def group(self) -> str:
        """The group of entry points in which packages offer it."""
        return f"everycent.recon_{self.name.lower()}s"


class LinkFailed(Exception):
    """A link could not do its work. The message says which, what happened, and what would be right."""


@dataclass(frozen=True)
class Surroundings:
    """What every link is told of where it works. `environ` holds addresses and secrets, which no scenario states."""

    folder: Path  # the scenario file's: paths in it start here
    as_of: date  # the business day that is reconciled
    temp_dir: Path  # for what is unpacked or fetched; emptied when the run ends
    environ: Mapping[str, str] = field(repr=False, default_factory=dict)
    settings: Any = field(repr=False, default=None)  # base.platform's Settings of the own database; None: not running
    rows_per_part: int = 65_536

    def variable(self, name: str) -> str:
        """What an environment variable holds. Raises LinkFailed."""
        if not self.environ.get(name):
            raise LinkFailed(f"the environment variable {name} is not set; a scenario names it")
        return self.environ[name]

    def filled(self, text: str) -> str:
        """`text` with the day for `{as_of}`, and for `{as_of:%Y%m%d}` as that says."""
        return re.sub(r"\{as_of(?::([^}]*))?\}", lambda found: self._day(found[1]), text)

    def _day(self, written: str | None) -> str:
        return self.as_of.strftime(written) if written else self.as_of.isoformat()


@dataclass(frozen=True)
class Keys:
    """The other side's keys, for a loader that looks rows up: `columns` as the side names its key, a row for each."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class LoadedFile:
    """A file to be parsed as the side declares (its format, or by its ending); `name` is what breaks call it.

    `constants` are columns that all of its rows have, where the file's place says them (dt=2026-03-01).
    """

    path: Path
    name: str
    constants: Mapping[str, str] = field(default_factory=dict)


class Loader(Protocol):
    """Gives one side's raw data; an entry point of group `everycent.recon_loaders`.

    It is asked in a thread of its own, a foreign one in a process of its own that is ended when it takes too long.
    """

    @property
    def name(self) -> str:
        """The word that scenarios name it by."""

    @property
    def words(self) -> type[Declaration]:
        """Its words below its name; checked before anything is run."""

    @property
    def drivable(self) -> bool:
        """Whether it can look up rows by keys."""

    def load(self, words: Any, around: Surroundings, keys: Keys | None) -> Iterator[LoadedFile | RawRows]:
        """Files, or rows part by part, each row with its place (`file`, `lines`: stable names, so that the same data
        again is known again). With `keys` only rows of these. Several calls with keys may run at once, so it keeps
        nothing. Raises LinkFailed or SourceError."""


@dataclass(frozen=True)
class Awaited:
    """The files that a trigger waits for: names, patterns or folders, from the scenario's folder on. One counts once it
    has not changed for so long as `settled`, or where `marker` is given: once one of its name and that ending is there.
    """

    paths: tuple[str, ...]
    settled: timedelta
    marker: str | None = None


@dataclass(frozen=True)
class Arrived:
    """A file that is whole, and the SHA-256 of its content."""

    path: Path
    digest: str


@dataclass(frozen=True)
class Occasion:
    """What a trigger is asked with. `events` are rows that came in (null: none); `done` the marks of what was fired;
    `files`, by path, what is there of those that it waits for (SeesFiles); `sides` the names, of each side that is a
    file, of its files."""

    now: datetime
    events: pa.Table | None = None
    done: frozenset[str] = frozenset()
    files: tuple[Arrived, ...] = ()
    sides: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Firing:
    """One run that is due. `mark` names it for ever, so that it is run once; `keys`: of the driving side, None: all.
    `takes`: further marks that are done with it, as of each of its files."""

    mark: str
    as_of: date | None = None
    keys: tuple[str, ...] | None = None
    files: tuple[Path, ...] = ()
    takes: tuple[str, ...] = ()

    @property
    def marks(self) -> frozenset[str]:
        """All that is not due again."""
        return frozenset((self.mark, *self.takes))


class Trigger(Protocol):
    """Says when, and for what, a scenario is run; an entry point of group `everycent.recon_triggers`."""

    @property
    def name(self) -> str:
        """The word that scenarios name it by."""

    @property
    def words(self) -> type[Declaration]:
        """Its words below its name."""

    def due(self, words: Any, around: Surroundings, occasion: Occasion) -> Sequence[Firing]:
        """What is to be run now and was not fired before, in its order. It keeps nothing. Raises LinkFailed."""


@runtime_checkable
class SeesFiles(Protocol):
    """What a trigger has, too, that waits for files: it is then asked with those that are whole."""

    def awaits(self, words: Any) -> Awaited:
        """Which files, and when one is whole."""


#: Before the name of a declared column in the sides that checkers get.
DECLARED = "declared."

#: What a further checker finds. `reason` is for people. Ordered by key, kind, places.
FINDING = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("kind", pa.string()),  # a name of the checker's own
        pa.field("reason", pa.string()),
        pa.field("left_file", pa.string()),  # null: it is about no row of that side
        pa.field("left_line", pa.int64()),
        pa.field("right_file", pa.string()),
        pa.field("right_line", pa.int64()),
    ]
)

#: A row of either side as it was loaded, kept where it is in a break. Ordered by side, file, line.
RAW_ROW = pa.schema(
    [
        pa.field("side", pa.string()),  # left | right
        pa.field("source_file", pa.string()),
        pa.field("source_line", pa.int64()),
        pa.field("key", pa.string()),
        pa.field("raw", pa.string()),  # a JSON object of its columns, before anything is made of them
    ]
)


@dataclass(frozen=True)
class CheckSides:
    """What a checker gets beside what the comparison found: both sides (SIDE) and its breaks (BREAK).

    A side has the columns that checkers of the scenario asked to see, too: a declared `shipped_at` as
    DECLARED + "shipped_at". `*_types` says what they are; money is in minor units.
    """

    left: pa.Table
    right: pa.Table
    breaks: pa.Table
    left_types: Mapping[str, ColumnType] = field(default_factory=dict)
    right_types: Mapping[str, ColumnType] = field(default_factory=dict)


class Checker(Protocol):
    """Looks at both sides once the standard comparison is done; an entry point of group `everycent.recon_checkers`.

    The standard comparison always runs: it proves that every row is in one bucket. A checker adds findings to it.
    """

    @property
    def name(self) -> str:
        """The word that scenarios name it by."""

    @property
    def words(self) -> type[Declaration]:
        """Its words below its name."""

    def check(self, words: Any, sides: CheckSides, around: Surroundings) -> pa.Table:
        """What it finds (FINDING). Raises LinkFailed."""


@runtime_checkable
class SeesColumns(Protocol):
    """What a checker has, too, that looks at more than the columns of SIDE."""

    def sees(
        self, words: Any, left: Mapping[str, ColumnType], right: Mapping[str, ColumnType]
    ) -> tuple[Sequence[str], Sequence[str]]:
        """The declared columns of the left side and of the right that it looks at, of those that are there (type by
        name). Called when a scenario is checked; raises ValueError for words that do not fit."""


@dataclass(frozen=True)
class CheckerFindings:
    """What one checker found; `failure`: why it could not look."""

    checker: str
    findings: pa.Table
    failure: str | None = None


@dataclass(frozen=True)
class RunResult:
    """A run that is done and stored, for those who handle it. Amounts are in minor units of `currency`, but for those
    that are listed as of others."""

    tenant: str
    model: str  # the model's name, or the scenario file's
    scenario: str
    run_id: UUID
    run_no: int
    changed: bool  # False: the same sides had been compared before
    as_of: date
    currency: str
    exponent: int
    left_minor: int
    right_minor: int
    breaks: pa.Table  # BREAK
    totals: pa.Table  # TOTALS
    raw_rows: pa.Table  # RAW_ROW
    checked: tuple[CheckerFindings, ...] = ()
    break_currencies: pa.Table | None = None  # BREAK_CURRENCY, of breaks that are not in `currency` alone
    total_currencies: pa.Table | None = None  # TOTAL_CURRENCY, where rows are in several: these do not add up

    @property
    def agrees(self) -> bool:
        """No break, no finding, and every checker looked."""
        found = any(each.findings.num_rows or each.failure for each in self.checked)
        return not self.breaks.num_rows and not found


@dataclass(frozen=True)
class Handled:
    """What became of a result in one handler's hands: `said` is a line for people; `failure` why it did not work."""

    handler: str
    said: str = ""
    failure: str | None = None


class ResultHandler(Protocol):
    """Does something with a run's result: alert, log, start a command; an entry point of `everycent.recon_handlers`.

    Handlers run after the run is committed, in their order; one that fails keeps none of the others from working. The
    same run may be handed over again (`changed` is False then), so a handler does once what is to be done once.
    """

    @property
    def name(self) -> str:
        """The word that scenarios name it by."""

    @property
    def words(self) -> type[Declaration]:
        """Its words below its name."""

    def handle(self, words: Any, result: RunResult, around: Surroundings) -> str:
        """Returns a line for people: what was done. Raises LinkFailed."""
