"""Standing breaks as they are read: one by one, by what they have in common, and by age."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.rows import class_row, dict_row

from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.words import Words


@dataclass(frozen=True)
class StandingBreak:
    """A break across runs, with the figures of the last run that found it. Amounts are minor units of their side's
    currency; the difference is of `currency`, None where the sides are in several: those do not add up."""

    break_id: UUID
    model: str
    scenario: str
    kind: str  # a bucket, or of what a checker found: CHECKER/KIND
    key: str
    occurrence: int
    state: str
    reason: str | None  # why it is closed
    cause: str
    owner: str | None
    currency: str | None
    left_amount_minor: int | None  # None: no row on that side, or rows in several currencies
    right_amount_minor: int | None
    difference_minor: int | None
    left_currency: str | None
    right_currency: str | None
    left_amounts: str | None  # of rows in several currencies: minor units by code, as a JSON object
    right_amounts: str | None
    left_status: str | None
    right_status: str | None
    left_file: str | None
    left_line: int | None
    right_file: str | None
    right_line: int | None
    first_run_no: int
    last_run_no: int
    rechecks: int
    repairs: int
    found_at: datetime
    moved_at: datetime
    due_at: datetime | None
    said: str | None  # by checkers

    def amounts_of(self, side: str) -> dict[str, int]:
        """What a side (left or right) has of each currency, in minor units."""
        several, minor = getattr(self, f"{side}_amounts"), getattr(self, f"{side}_amount_minor")
        if several is not None:
            return {str(code): int(each) for code, each in json.loads(several).items()}
        return {} if minor is None else {getattr(self, f"{side}_currency"): minor}

    @property
    def of_checker(self) -> bool:
        """Whether a checker found it, not the comparison."""
        return "/" in self.kind

    def as_dict(self) -> dict[str, Any]:
        """For programs: ids and times as text."""
        return {
            name: value if value is None or isinstance(value, str | int) else str(value)
            for name, value in asdict(self).items()
        }


#: A break `s` with its finding `f`, in other currencies than its run's `m`, or what a checker found `c`, in the runs
#: `r`, and `first`.
FROM = """FROM recon.standing_break AS s
    LEFT JOIN recon.break AS f USING (tenant, model, run_id, finding_no)
    LEFT JOIN recon.break_currency AS m USING (tenant, model, run_id, finding_no)
    LEFT JOIN recon.standing_finding AS c USING (tenant, model, break_id)
    JOIN recon.run AS r USING (tenant, model, run_id)
    JOIN recon.run AS first ON (first.tenant, first.model, first.run_id) = (s.tenant, s.model, s.first_run_id)"""
CAUSE = "coalesce(f.cause, c.cause)"
#: What the difference is in; null where the sides are in several currencies.
CURRENCY = """CASE WHEN m.run_id IS NULL THEN r.currency WHEN m.left_amounts IS NULL AND m.right_amounts IS NULL
    AND coalesce(m.left_currency = m.right_currency, true) THEN coalesce(m.left_currency, m.right_currency) END"""
#: Null where it is of no one currency; a checker finds no amounts.
DIFFERENCE = f"CASE WHEN {CURRENCY} IS NOT NULL THEN coalesce(f.difference_minor, 0) END"


def _amount_of(side: str) -> str:
    """SQL of a side's amount, where it is of one currency, and of that currency."""
    ours = f"CASE WHEN f.{side}_amount_minor IS NOT NULL THEN r.currency END"
    return f"""CASE WHEN m.{side}_amounts IS NULL THEN f.{side}_amount_minor END AS {side}_amount_minor,
    CASE WHEN m.run_id IS NULL THEN {ours} ELSE m.{side}_currency END AS {side}_currency"""


#: Each side's amount, and what it is in.
AMOUNTS = f"{_amount_of('left')}, {_amount_of('right')}"
#: Oldest first; of one age by scenario, key and kind.
ORDER = 's.found_at, s.scenario, s.key COLLATE "C", s.kind, s.occurrence'
COLUMNS = f"""s.break_id, s.model, s.scenario, s.kind, s.key, s.occurrence, s.state, s.reason, {CAUSE} AS cause,
    s.owner, {CURRENCY} AS currency, {AMOUNTS}, {DIFFERENCE} AS difference_minor,
    m.left_amounts, m.right_amounts, f.left_status, f.right_status, coalesce(f.left_file, c.left_file) AS left_file,
    coalesce(f.left_line, c.left_line) AS left_line,
    coalesce(f.right_file, c.right_file) AS right_file, coalesce(f.right_line, c.right_line) AS right_line,
    first.run_no AS first_run_no, r.run_no AS last_run_no, s.rechecks, s.repairs, s.found_at, s.moved_at, s.due_at,
    coalesce(c.said, (SELECT string_agg(g.reason, '; ' ORDER BY g.finding_no) FROM recon.finding AS g
        WHERE (g.tenant, g.model, g.run_id, g.key) = (s.tenant, s.model, s.run_id, s.key)
            AND (g.left_file, g.left_line, g.right_file, g.right_line)
            IS NOT DISTINCT FROM (f.left_file, f.left_line, f.right_file, f.right_line))) AS said"""


#: Whose a break is that nobody has.
NOBODY = "none"
#: SQL: that a break is open longer than the words that were observed last allow.
OVERDUE = """(s.state <> 'closed' AND s.found_at + (SELECT (o.handling ->> 'resolve_within')::interval
    FROM recon.observation AS o WHERE (o.tenant, o.model, o.scenario) = (s.tenant, s.model, s.scenario)
    ORDER BY o.observation_no DESC LIMIT 1) < %(now)s)"""


@dataclass(frozen=True)
class Chosen:
    """Which breaks are meant: those that fit all that is given."""

    model: str | None = None
    scenario: str | None = None
    break_ids: Sequence[UUID] | None = None
    ids: Sequence[str] = ()  # their beginnings, as people say them
    keys: Sequence[str] = ()
    kinds: Sequence[str] = ()
    causes: Sequence[str] = ()
    states: Sequence[str] = ()  # none: all that are open
    reasons: Sequence[str] = ()
    owner: str | None = None
    older_than: timedelta | None = None
    overdue: bool = False  # open longer than their scenario's words allow

    def condition(self, now: datetime) -> tuple[str, dict[str, Any]]:
        """SQL over what `FROM` joins."""
        lists = {"s.key": self.keys, "s.kind": self.kinds, CAUSE: self.causes, "s.reason": self.reasons}
        parts = ["true"]
        values: dict[str, Any] = {}
        for place, (column, wanted) in enumerate(lists.items()):
            if wanted:
                parts.append(f"{column} = ANY(%(list{place})s)")
                values[f"list{place}"] = list(wanted)
        if self.states:
            parts.append("s.state = ANY(%(states)s)")
        elif not (self.ids or self.reasons or self.break_ids is not None):
            parts.append("s.state <> 'closed'")
        if self.break_ids is not None:
            parts.append("s.break_id = ANY(%(break_ids)s)")
            values["break_ids"] = list(self.break_ids)
        if self.ids:
            begins = "SELECT FROM unnest(%(ids)s::text[]) AS i(id) WHERE starts_with(s.break_id::text, id)"
            parts.append(f"EXISTS ({begins})")
        for column, one in (("s.model", self.model), ("s.scenario", self.scenario), ("s.owner", self.owner)):
            if one is not None:
                parts.append(
                    "s.owner IS NULL" if (column, one) == ("s.owner", NOBODY) else f"{column} = %({column[2:]})s"
                )
        if self.older_than is not None:
            parts.append("s.found_at <= %(found_before)s")
            values["found_before"] = now - self.older_than
        if self.overdue:
            parts.append(OVERDUE)
            values["now"] = now
        values |= {
            "states": list(self.states), "ids": [text.lower() for text in self.ids], "model": self.model,
            "scenario": self.scenario, "owner": self.owner,
        }  # fmt: skip
        return " AND ".join(parts), values


def whole(number: Any) -> int | None:
    """A number of the database's as the whole number that it is; None of none."""
    return None if number is None else int(number)


class _Whole(Loader):
    """A numeric(38, 0) as the whole number that it is: minor units may be more than 64 bits hold."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data))


def find(
    connection: Connection, tenant: str, chosen: Chosen, now: datetime, limit: int | None = None
) -> list[StandingBreak]:
    """Those that are meant, oldest first; of one age by scenario, key and kind."""
    condition, values = chosen.condition(now)
    with connection.cursor(row_factory=class_row(StandingBreak)) as cursor:
        cursor.adapters.register_loader("numeric", _Whole)
        return cursor.execute(
            f"SELECT {COLUMNS} {FROM} WHERE s.tenant = %(tenant)s AND {condition} ORDER BY {ORDER} LIMIT %(limit)s",
            {"tenant": tenant, **values, "limit": limit},
        ).fetchall()


def find_in(connection: Connection, tenant: str, model: str, table: str, limit: int) -> list[StandingBreak]:
    """The first of those whose break_id is in `table` (SQL), in the order of `find`."""
    with connection.cursor(row_factory=class_row(StandingBreak)) as cursor:
        cursor.adapters.register_loader("numeric", _Whole)
        return cursor.execute(
            f"""SELECT {COLUMNS} {FROM} WHERE s.tenant = %(tenant)s AND s.model = %(model)s
                AND s.break_id IN (SELECT break_id FROM {table}) ORDER BY {ORDER} LIMIT %(limit)s""",
            {"tenant": tenant, "model": model, "limit": limit},
        ).fetchall()


#: How long a break has been open, in days: up to here, by what people call it.
AGES = (("up to 1 day", 1), ("1 to 3 days", 3), ("3 to 7 days", 7), ("7 to 30 days", 30), ("over 30 days", None))

#: SQL: its place in AGES.
AGE = "CASE {} END".format(
    " ".join(
        f"ELSE {place}" if days is None else f"WHEN s.found_at > %(now)s - interval '{days} days' THEN {place}"
        for place, (_, days) in enumerate(AGES)
    )
)


def ages(connection: Connection, tenant: str, chosen: Chosen, now: datetime) -> list[dict[str, Any]]:
    """How many of those that are meant, and what their differences add up to, by age, state and currency; without one
    those whose sides are in several, which do not add up."""
    condition, values = chosen.condition(now)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"""SELECT {AGE} AS age, s.state, {CURRENCY} AS currency, count(*) AS breaks,
                sum({DIFFERENCE}) AS difference_minor
            {FROM} WHERE s.tenant = %(tenant)s AND {condition} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
            {"tenant": tenant, "now": now, **values},
        ).fetchall()
    return [{**row, "age": AGES[row["age"]][0], "difference_minor": whole(row["difference_minor"])} for row in rows]


def history(connection: Connection, tenant: str, found: StandingBreak) -> list[dict[str, Any]]:
    """Its moves, in order."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """SELECT m.move_no, m.move, m.from_state, m.to_state, m.reason, m.who, m.why, m.detail, r.run_no,
                m.recorded_at
            FROM recon.move AS m LEFT JOIN recon.run AS r USING (tenant, model, run_id)
            WHERE m.tenant = %s AND m.model = %s AND m.break_id = %s ORDER BY m.move_no""",
            (tenant, found.model, found.break_id),
        ).fetchall()


def words_of(connection: Connection, tenant: str, model: str) -> Mapping[str, Words]:
    """By scenario, the words that were observed last."""
    rows = connection.execute(
        """SELECT DISTINCT ON (scenario) scenario, currency, handling FROM recon.observation
        WHERE tenant = %s AND model = %s ORDER BY scenario, observation_no DESC""",
        (tenant, model),
    )
    return {name: Words.read(name, code, kept) for name, code, kept in rows}
