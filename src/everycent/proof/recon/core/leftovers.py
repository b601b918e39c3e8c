"""From what pass one leaves to the items of pass two, and back: each row that a rule claims leaves its old bucket.

An item is one side of a break: a row, or, where rows of a key add up, all rows of the key together. Its number is the
place of the break in the list of breaks.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.proof.recon.contract import BREAK, ITEM, MATCHED_ROW, TOTALS, Bucket, MatchLabel
from everycent.proof.recon.core.buckets import cause_texts_sql

_FROM_BREAK = {
    "row_no": "break_no",
    "key": "key",
    "amount_minor": "{side}_amount_minor::BIGINT",
    "status": "nullif({side}_status, '')",
}


def numbered(breaks: pa.Table) -> pa.Table:
    """The breaks with `break_no`, their place from 1 on."""
    return breaks.append_column("break_no", pa.array(range(1, breaks.num_rows + 1), pa.int64()))


def items_of(
    side: str, breaks: pa.Table, rows: pa.Table | str, sums: bool, currency: str, engine: LocalEngine
) -> pa.Table:
    """ITEM of the side's rows in `breaks` (numbered): what its rows (SIDE and further columns) have, where all rows of
    an item have the same. What does not fit 64 bits is no item, nor are rows in several currencies (`currency`:
    that of rows that name none)."""
    has = engine.query("FROM side_rows LIMIT 0", side_rows=rows).column_names
    extra = [name for name in ITEM.names if name not in _FROM_BREAK]
    seen = [name for name in extra if name in has]
    agreed = ", ".join(
        f"CASE WHEN count(s.{identifier(name)}) = count(*) AND min(s.{identifier(name)}) = max(s.{identifier(name)}) "
        f"THEN min(s.{identifier(name)}) END AS {identifier(name)}"
        for name in seen
    )
    same = "s.key = b.key"
    if not sums:
        same += f" AND s.source_file = b.{side}_file AND s.source_line = b.{side}_line"
    in_one = f"HAVING count(DISTINCT coalesce(s.currency, {literal(currency)})) = 1" if "currency" in seen else ""
    found = f"""JOIN (SELECT b.break_no, {agreed} FROM mine AS b JOIN side_rows AS s ON {same} GROUP BY b.break_no
        {in_one}) AS a"""
    columns = ", ".join(
        f"{_FROM_BREAK[name].format(side=side)} AS {identifier(name)}"
        if name in _FROM_BREAK
        else f"{f'a.{identifier(name)}' if name in seen else 'NULL'} AS {identifier(name)}"
        for name in ITEM.names
    )
    fits = f"{side}_amount_minor BETWEEN {-(2**63)} AND {2**63 - 1}"
    return engine.query(
        f"""WITH mine AS (SELECT * FROM breaks WHERE {side}_rows > 0 AND {fits})
        SELECT {columns} FROM mine {f"{found} USING (break_no)" if seen else ""} ORDER BY break_no""",
        breaks=breaks,
        side_rows=rows,
    ).cast(ITEM)


def matched_rows(
    matches: pa.Table, breaks: pa.Table, items: tuple[pa.Table, pa.Table], engine: LocalEngine
) -> pa.Table:
    """MATCHED_ROW of `matches` (MATCH)."""
    of = " UNION ALL ".join(
        f"""SELECT '{side}' AS side, break_no AS row_no, b.key, b.{side}_amount_minor AS amount_minor, i.currency,
            b.{side}_status AS status, b.{side}_rows AS rows, b.{side}_file AS source_file, b.{side}_line AS source_line
        FROM {side}_items AS i JOIN breaks AS b ON b.break_no = i.row_no"""
        for side in ("left", "right")
    )
    return engine.query(
        f"""SELECT {", ".join(map(identifier, MATCHED_ROW.names))} FROM matches JOIN ({of}) USING (side, row_no)
        ORDER BY match_no, side, row_no""",
        matches=matches,
        breaks=breaks,
        left_items=items[0],
        right_items=items[1],
    ).cast(MATCHED_ROW)


def breaks_left(matched: pa.Table, breaks: pa.Table, engine: LocalEngine) -> pa.Table:
    """BREAK: what is not explained. A break of which only one side was claimed goes on as the other side's alone."""
    kept = "SELECT * EXCLUDE (break_no) FROM breaks ANTI JOIN matched ON row_no = break_no"
    apart = " UNION ALL BY NAME ".join(
        f"""SELECT b.key, CASE WHEN label IS NULL THEN {literal(f"missing_{other}")} ELSE label END AS bucket,
            b.{side}_amount_minor, b.{side}_status, b.{side}_rows, b.{side}_file, b.{side}_line, 0 AS {other}_rows
        FROM breaks AS b SEMI JOIN matched AS m ON m.row_no = b.break_no
        LEFT JOIN matched AS m ON m.row_no = b.break_no AND m.side = '{side}'
        WHERE b.{side}_rows > 0 AND label IS DISTINCT FROM {literal(MatchLabel.UNIQUE)}"""
        for side, other in (("left", "right"), ("right", "left"))
    )
    columns = ", ".join(
        {
            "cause": "bucket AS cause",
            "difference_minor": """(coalesce(left_amount_minor, 0)::HUGEINT - coalesce(right_amount_minor, 0)::HUGEINT)
                ::DECIMAL(38, 0) AS difference_minor""",
        }.get(name, identifier(name))
        for name in BREAK.names
    )
    return engine.query(
        f"""WITH apart AS ({apart}),
        told AS (SELECT {columns} FROM apart JOIN {cause_texts_sql()} ON causes.cause = apart.bucket),
        listed AS ({kept} UNION ALL BY NAME FROM told)
        SELECT {", ".join(map(identifier, BREAK.names))} FROM listed
        ORDER BY key, bucket, left_file, left_line, right_file, right_line""",
        breaks=breaks,
        matched=matched,
    ).cast(BREAK)


def totals_of(
    totals: pa.Table,
    breaks: pa.Table,
    matched: pa.Table,
    only_right: pa.Table,
    buckets: Sequence[Bucket],
    engine: LocalEngine,
) -> pa.Table:
    """TOTALS of `buckets`: those of what agrees stay, the others are added up anew. `only_right`: BREAK, and none."""
    order = ", ".join(f"({place}, {literal(bucket)})" for place, bucket in enumerate(buckets))
    agree = ", ".join(map(literal, (Bucket.EQUAL, Bucket.WITHIN_TOLERANCE)))
    return engine.query(
        f"""WITH rows AS (
            SELECT bucket, key, left_rows, right_rows, left_amount_minor::HUGEINT AS l, right_amount_minor::HUGEINT AS r
            FROM breaks
            UNION ALL
            SELECT {literal(Bucket.ONLY_RIGHT)}, key, 0, right_rows, 0, right_amount_minor::HUGEINT FROM only_right
            UNION ALL
            SELECT {literal(Bucket.MATCHED)}, key, CASE side WHEN 'left' THEN rows ELSE 0 END,
                CASE side WHEN 'right' THEN rows ELSE 0 END, CASE side WHEN 'left' THEN amount_minor::HUGEINT END,
                CASE side WHEN 'right' THEN amount_minor::HUGEINT END
            FROM matched WHERE label = {literal(MatchLabel.UNIQUE)}),
        summed AS (
            SELECT bucket, count(DISTINCT key) AS keys, sum(left_rows) AS left_rows, sum(right_rows) AS right_rows,
                coalesce(sum(l), 0) AS left_minor, coalesce(sum(r), 0) AS right_minor
            FROM rows GROUP BY bucket
            UNION ALL SELECT bucket, keys, left_rows, right_rows, left_minor::HUGEINT, right_minor::HUGEINT FROM totals
            WHERE bucket IN ({agree}))
        SELECT b.bucket, coalesce(keys, 0)::BIGINT AS keys, coalesce(left_rows, 0)::BIGINT AS left_rows,
            coalesce(right_rows, 0)::BIGINT AS right_rows, coalesce(left_minor, 0)::DECIMAL(38, 0) AS left_minor,
            coalesce(right_minor, 0)::DECIMAL(38, 0) AS right_minor,
            (coalesce(left_minor, 0) - coalesce(right_minor, 0))::DECIMAL(38, 0) AS difference_minor
        FROM (VALUES {order}) AS b(place, bucket) LEFT JOIN summed USING (bucket) ORDER BY place""",
        totals=totals,
        breaks=breaks,
        matched=matched,
        only_right=only_right,
    ).cast(TOTALS)


def of_no_matter(breaks: pa.Table, by_key: pa.Table, engine: LocalEngine) -> tuple[pa.Table, pa.Table]:
    """Of a one-way comparison: the breaks, and the rows that only the right side has. `by_key`: the breaks of pass one,
    which tell the keys that the left side does not have: of these a repetition on the right is no break either."""
    none = f"""bucket = {literal(Bucket.MISSING_LEFT)} OR (bucket = {literal(Bucket.DUPLICATED_RIGHT)}
        AND key IN (SELECT key FROM by_key WHERE bucket = {literal(Bucket.MISSING_LEFT)}))"""
    listed = engine.query(f"SELECT *, {none} AS of_no_matter FROM breaks", breaks=breaks, by_key=by_key)
    mark = listed["of_no_matter"]
    found = listed.drop_columns(["of_no_matter"]).cast(BREAK)
    return found.filter(pc.invert(mark)), found.filter(mark)


def with_conversions(differences: pa.Table, matched: pa.Table, money: str, engine: LocalEngine) -> pa.Table:
    """MATCH_DIFFERENCE and, of each unique match in several currencies, what its currencies make up of left - right, as
    the scenario's totals count it: then the causes of every unique match add up to left - right."""
    return engine.query(
        f"""WITH apart AS (
            SELECT match_no, sum(CASE side WHEN 'left' THEN amount_minor ELSE -amount_minor END) AS difference,
                count(DISTINCT coalesce(currency, {literal(money)})) AS currencies
            FROM matched WHERE label = {literal(MatchLabel.UNIQUE)} GROUP BY match_no),
        named AS (SELECT match_no, sum(difference_minor) AS difference FROM differences GROUP BY match_no)
        SELECT match_no, cause, difference_minor, currency FROM differences
        UNION ALL
        SELECT match_no, 'conversion', (apart.difference - coalesce(named.difference, 0))::DECIMAL(38, 0), NULL
        FROM apart LEFT JOIN named USING (match_no)
        WHERE currencies > 1 AND apart.difference <> coalesce(named.difference, 0)
        ORDER BY match_no, cause""",
        differences=differences,
        matched=matched,
    ).cast(differences.schema)
