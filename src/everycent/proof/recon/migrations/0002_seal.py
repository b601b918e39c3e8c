"""A reconciliation's seal, and digests of the rows that it found: none is altered, added or taken away unseen.

Safe after deploy. Before: runs without digests and seal. After: each has those of what it holds.
"""

from alembic import op

revision = "recon_0002"
down_revision = "recon_0001"
branch_labels = None
depends_on = None

_DIGEST = """(SELECT md5(coalesce(string_agg(h, '' ORDER BY h), '')) FROM (
    SELECT md5(to_jsonb(r)::text) COLLATE "C" AS h FROM {table} AS r
    WHERE (r.tenant, r.model, r.run_id) = (t.tenant, t.model, t.run_id)) AS hashed)"""
_TABLES = ("recon.total", "recon.break", "recon.write_off", "recon.refused")


def upgrade() -> None:
    digests = ", ".join(f"'{table}', {_DIGEST.format(table=table)}" for table in _TABLES)
    op.execute(
        f"""
        ALTER TABLE recon.run ADD COLUMN digests jsonb, ADD COLUMN seal uuid;
        UPDATE recon.run AS t SET digests = jsonb_build_object({digests});
        UPDATE recon.run AS t SET seal = md5((to_jsonb(t) - 'seal')::text)::uuid;
        """
    )


def downgrade() -> None:
    op.execute("ALTER TABLE recon.run DROP COLUMN digests, DROP COLUMN seal")
