"""What checkers find stands as breaks, too: their words and places, as the last run that found it gave them.

Safe before deploy: a new table, a column that may be empty now, an index in another order. Before: each standing break
names a row of recon.break. After: one without `finding_no` has a row of recon.standing_finding.
"""

from alembic import op

revision = "recon_0013"
down_revision = "recon_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE recon.standing_break ALTER COLUMN finding_no DROP NOT NULL;
        -- By tenant and model first, it was taken for the primary key's lookups while the table had no statistics, and
        -- read through all breaks for each.
        ALTER TABLE recon.standing_break
            DROP CONSTRAINT standing_break_tenant_model_scenario_kind_key_occurrence_key,
            ADD CONSTRAINT standing_break_once UNIQUE (key, kind, scenario, model, tenant, occurrence);
        CREATE TABLE recon.standing_finding (
            tenant text NOT NULL,
            model text NOT NULL,
            break_id uuid NOT NULL,
            checker text NOT NULL,
            cause text NOT NULL,                 -- the kind, as the checker calls it
            said text NOT NULL,
            left_file text,
            left_line bigint,
            right_file text,
            right_line bigint,
            PRIMARY KEY (tenant, model, break_id),
            FOREIGN KEY (tenant, model, break_id) REFERENCES recon.standing_break
        );
        CREATE INDEX finding_key ON recon.finding (tenant, model, run_id, key);
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DELETE FROM recon.move WHERE (tenant, model, break_id) IN (
            SELECT tenant, model, break_id FROM recon.standing_finding);
        DELETE FROM recon.repair_attempt WHERE (tenant, model, break_id) IN (
            SELECT tenant, model, break_id FROM recon.standing_finding);
        DROP TABLE recon.standing_finding;
        DELETE FROM recon.standing_break WHERE finding_no IS NULL;
        ALTER TABLE recon.standing_break ALTER COLUMN finding_no SET NOT NULL;
        ALTER TABLE recon.standing_break
            DROP CONSTRAINT standing_break_once,
            ADD CONSTRAINT standing_break_tenant_model_scenario_kind_key_occurrence_key
                UNIQUE (tenant, model, scenario, kind, key, occurrence);
        DROP INDEX recon.finding_key;
        """
    )
