"""From one day cut to the next: what is open is carried on and ages, and what comes late closes it.

A key that agrees is closed. Rows of it that come later are not compared with those that were closed: they are open.
"""

from datetime import date

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.proof.recon.contract import ITEM, SIDE

_SEEN = [field for field in ITEM if field.name not in ("row_no", "key", "amount_minor", "status")]

#: A row that is open at a cut, or lies ahead of it. Ordered by side, place, key, amount.
CARRIED = pa.schema(
    [
        pa.field("carried_no", pa.int64()),
        pa.field("side", pa.string()),
        *SIDE,
        *_SEEN,
        pa.field("kind", pa.string()),
        pa.field("opened_on", pa.date32()),  # the first cut at which it was open, or the one that it lies ahead of
        pa.field("age_days", pa.int64()),  # from then to this cut
    ]
)

#: The cut at which a run was made, and the run of the cut before it.
CUT = pa.schema(
    [
        pa.field("scenario", pa.string()),
        pa.field("day", pa.date32()),
        pa.field("before_run_id", pa.string()),
        pa.field("through_batch", pa.int64()),  # stored records up to this batch were taken
    ]
)


def at_places_of_their_own(
    carried: pa.Table, left: pa.Table | str, right: pa.Table | str, engine: LocalEngine
) -> pa.Table:
    """`carried` (CARRIED), each row at a place that no other row of its side has. Where a file of the same name came
    with another row on that line, what was carried is of `NAME of DAY`, the day when it opened."""
    taken = " UNION ALL ".join(
        f"SELECT c.carried_no FROM carried AS c JOIN {side}_given AS g USING (source_file, source_line) "
        f"WHERE c.side = {literal(side)} AND NOT ({_same_row_sql(rows, engine)})"
        for side, rows in (("left", left), ("right", right))
    )
    return engine.query(
        f"""SELECT * REPLACE (
            CASE WHEN carried_no IN ({taken}) THEN {place_before_sql("source_file", "opened_on")} ELSE source_file END
                AS source_file)
        FROM carried ORDER BY carried_no""",
        carried=carried,
        left_given=left,
        right_given=right,
    ).cast(CARRIED)


def place_before_sql(file: str, opened_on: str) -> str:
    """What a file is called once another of its name has come."""
    return f"{file} || ' of ' || strftime({opened_on}, '%Y-%m-%d')"


def _same_row_sql(rows: pa.Table | str, engine: LocalEngine) -> str:
    """Whether the given row `g` is the one that was carried, `c`, in all that is known of that."""
    given = engine.query("FROM given LIMIT 0", given=rows).column_names
    return " AND ".join(
        f"(c.{identifier(name)} IS NULL OR c.{identifier(name)} IS NOT DISTINCT FROM g.{identifier(name)})"
        for name in given
        if name in CARRIED.names
    )


def with_carried(side: str, rows: pa.Table | str, carried: pa.Table, engine: LocalEngine) -> pa.Table:
    """The side's rows with those that were carried (CARRIED): a row that is given again is there once."""
    columns = ", ".join(map(identifier, engine.query("FROM given LIMIT 0", given=rows).column_names))
    return engine.query(
        f"""SELECT {columns} FROM carried WHERE side = {literal(side)}
        UNION ALL
        SELECT {columns} FROM given AS g ANTI JOIN (FROM carried WHERE side = {literal(side)}) AS c
            ON c.source_file = g.source_file AND c.source_line = g.source_line AND {_same_row_sql(rows, engine)}""",
        given=rows,
        carried=carried,
    )


def of_the_day(rows: pa.Table, day: date, engine: LocalEngine) -> tuple[pa.Table, pa.Table]:
    """The rows up to the cut, and those ahead of it. A row without a date is of the day."""
    ahead = f"coalesce(occurred_on > {literal(day.isoformat())}::DATE, false)"
    here, later = (engine.query(f"FROM given WHERE {sign} {ahead}", given=rows) for sign in ("NOT", ""))
    return here, later


def open_rows(
    day: date,
    sides: tuple[pa.Table, pa.Table],
    ahead: tuple[pa.Table, pa.Table],
    breaks: pa.Table,
    sums: tuple[bool, bool],
    before: pa.Table,
    engine: LocalEngine,
) -> pa.Table:
    """CARRIED to the next cut: the rows of `breaks` (BREAK), and those ahead. `before`: what was carried to this."""
    parts = []
    for side, rows, later, summed in zip(("left", "right"), sides, ahead, sums, strict=True):
        place = "" if summed else f" AND b.{side}_file = s.source_file AND b.{side}_line = s.source_line"
        listed = engine.query(
            f"""SELECT * FROM s SEMI JOIN (FROM breaks WHERE {side}_rows > 0) AS b ON b.key = s.key{place}
            UNION ALL SELECT * FROM later""",
            s=rows,
            later=later,
            breaks=breaks,
        )
        seen = [
            identifier(field.name) if field.name in listed.column_names else f"NULL AS {identifier(field.name)}"
            for field in (*SIDE, *_SEEN, pa.field("kind", pa.string()))
        ]
        at = literal(day.isoformat())
        parts.append(
            engine.query(
                f"""WITH told AS (SELECT {literal(side)} AS side, {", ".join(seen)} FROM listed),
                known AS (SELECT side, source_file, source_line, key, min(opened_on) AS opened_on FROM before
                    GROUP BY ALL)
                SELECT 0 AS carried_no, told.*, coalesce(opened_on, {at}::DATE) AS opened_on,
                    {at}::DATE - coalesce(opened_on, {at}::DATE) AS age_days
                FROM told LEFT JOIN known USING (side, source_file, source_line, key)""",
                listed=listed,
                before=before,
            ).cast(CARRIED)
        )
    return engine.query(
        """SELECT * REPLACE (
            row_number() OVER (ORDER BY side, source_file, source_line, key, amount_minor) AS carried_no)
        FROM parts ORDER BY carried_no""",
        parts=pa.concat_tables(parts),
    ).cast(CARRIED)
