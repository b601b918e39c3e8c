"""What a trigger fired may be a job of workers', and takes several marks: that of each file. Files that arrived are
marked in the same way.

Safe before deploy: what is fired by hand is written as before.
"""

from alembic import op

revision = "recon_0018"
down_revision = "recon_0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        r"""
        ALTER TABLE recon.fired
            ALTER COLUMN run_id DROP NOT NULL,
            ADD COLUMN job_no bigint,
            ADD FOREIGN KEY (tenant, job_no) REFERENCES recon.job,
            ADD CHECK (run_id IS NOT NULL OR job_no IS NOT NULL);
        INSERT INTO recon.fired (tenant, model, scenario, mark, job_no)
        SELECT tenant, model, scenario, regexp_replace(path, '^.*/', '') || ':' || content_hash, job_no
        FROM recon.arrived_file
        ON CONFLICT DO NOTHING;
        DROP TABLE recon.arrived_file;
        """
    )


def downgrade() -> None:
    op.execute(
        """
        CREATE TABLE recon.arrived_file (
            tenant text NOT NULL,
            model text NOT NULL,
            scenario text NOT NULL,
            content_hash text NOT NULL,
            path text NOT NULL,
            job_no bigint NOT NULL,
            PRIMARY KEY (tenant, model, scenario, content_hash),
            FOREIGN KEY (tenant, job_no) REFERENCES recon.job
        );
        INSERT INTO recon.arrived_file
        SELECT tenant, model, scenario, right(mark, 64), left(mark, -65), job_no
        FROM recon.fired WHERE job_no IS NOT NULL AND mark ~ ':[0-9a-f]{64}$'
        ON CONFLICT DO NOTHING;
        DELETE FROM recon.fired WHERE run_id IS NULL;
        ALTER TABLE recon.fired DROP COLUMN job_no, ALTER COLUMN run_id SET NOT NULL;
        """
    )
