"""Runs list the rows kept as they came, and what further checkers found: none is altered or taken away unseen.

Safe after deploy. Before: runs that list neither. After: each that has such rows lists their digests, and is sealed so.
"""

from alembic import op

revision = "recon_0015"
down_revision = "recon_0014"
branch_labels = None
depends_on = None

_DIGEST = """(SELECT md5(string_agg(h, '' ORDER BY h)) FROM (
    SELECT md5(to_jsonb(r)::text) COLLATE "C" AS h FROM {table} AS r
    WHERE (r.tenant, r.model, r.run_id) = (t.tenant, t.model, t.run_id)) AS hashed)"""
_TABLES = ("recon.raw_row", "recon.finding")


def upgrade() -> None:
    for table in _TABLES:
        op.execute(
            f"""
            UPDATE recon.run AS t SET digests = digests || jsonb_build_object('{table}', {_DIGEST.format(table=table)})
            WHERE EXISTS (SELECT FROM {table} AS r
                WHERE (r.tenant, r.model, r.run_id) = (t.tenant, t.model, t.run_id))
            """
        )
    op.execute(
        """
        UPDATE recon.run AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid
        WHERE digests ?| ARRAY['recon.raw_row', 'recon.finding']
        """
    )


def downgrade() -> None:
    op.execute(
        """
        UPDATE recon.run SET digests = digests - 'recon.raw_row' - 'recon.finding';
        UPDATE recon.run AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid;
        """
    )
