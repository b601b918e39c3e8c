"""Which rows an ambiguous break may belong to: the ways that rules found to explain it, the likeliest first."""

from typing import Any

from psycopg.rows import dict_row

from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.standing import StandingBreak


def partners(connection: Connection, tenant: str, found: StandingBreak, limit: int) -> list[dict[str, Any]]:
    """The first `limit` ways, in their order: `rank`, `rule`, and the other `rows` of the way: side, key, amount_minor,
    currency, status, file, line. None where the break is not ambiguous."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            _WAYS,
            {
                "tenant": tenant, "model": found.model, "scenario": found.scenario, "run_no": found.last_run_no,
                "key": found.key, "left_file": found.left_file, "left_line": found.left_line,
                "right_file": found.right_file, "right_line": found.right_line, "limit": limit,
            },
        ).fetchall()  # fmt: skip
    ways: dict[int, dict[str, Any]] = {}
    for row in rows:
        way = ways.setdefault(row["rank"], {"rank": row["rank"], "rule": row["rule"], "rows": []})
        of_row = {name: row[name] for name in ("side", "key", "currency", "status", "file", "line")}
        way["rows"].append({**of_row, "amount_minor": int(row["amount_minor"])})
    return list(ways.values())


#: The ways that the break's own row is in, numbered by their order, with the rows beside it.
_WAYS = """WITH mine AS (
        SELECT m.tenant, m.model, m.run_id, m.match_no, m.side, m.row_no, m.rule, r.currency AS of_run
        FROM recon.run AS r JOIN recon.match AS m USING (tenant, model, run_id)
        WHERE (r.tenant, r.model, r.scenario, r.run_no) = (%(tenant)s, %(model)s, %(scenario)s, %(run_no)s)
            AND m.label <> 'unique' AND m.key = %(key)s
            AND (m.source_file, m.source_line) IS NOT DISTINCT FROM (
                CASE m.side WHEN 'left' THEN %(left_file)s::text ELSE %(right_file)s::text END,
                CASE m.side WHEN 'left' THEN %(left_line)s::bigint ELSE %(right_line)s::bigint END)),
    way AS (
        SELECT mine.*, a.alternative_no, row_number() OVER (ORDER BY mine.match_no, a.alternative_no) AS rank
        FROM mine JOIN recon.match_alternative AS a USING (tenant, model, run_id, match_no, side, row_no))
    SELECT w.rank, w.rule, o.side, o.key, o.amount_minor, coalesce(o.currency, w.of_run) AS currency, o.status,
        o.source_file AS file, o.source_line AS line
    FROM way AS w
    JOIN recon.match_alternative AS a USING (tenant, model, run_id, match_no, alternative_no)
    JOIN recon.match AS o ON (o.tenant, o.model, o.run_id, o.side, o.row_no)
        = (a.tenant, a.model, a.run_id, a.side, a.row_no)
    WHERE w.rank <= %(limit)s AND (a.side, a.row_no) <> (w.side, w.row_no)
    ORDER BY w.rank, o.side, o.key COLLATE "C", o.row_no"""
