"""Which entries stand in the ledger: of runs, and of what people wrote off; and which were taken back.

Safe before deploy: a new table; entries of runs from before are booked with the next run of their scenario.
"""

from alembic import op

revision = "recon_0019"
down_revision = "recon_0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE recon.booked_entry (
            tenant text NOT NULL,
            model text NOT NULL,
            transfer_id uuid NOT NULL,           -- the ledger's transfer that books it
            scenario text NOT NULL,
            run_id uuid,                         -- an entry of a run,
            entry_no bigint,
            break_id uuid,                       -- or a break that a person wrote off, by this move
            move_no bigint,
            times integer NOT NULL DEFAULT 0,    -- how often it was booked and taken back before
            cause text NOT NULL,
            key text NOT NULL,
            debit_account text NOT NULL,
            credit_account text NOT NULL CHECK (credit_account <> debit_account),
            amount_minor numeric(38, 0) NOT NULL CHECK (amount_minor > 0),
            currency text NOT NULL,
            booked_on date NOT NULL,
            back_id uuid,                        -- the ledger's transfer that takes it back; null: it stands
            back_on date,
            PRIMARY KEY (tenant, model, transfer_id),
            UNIQUE (tenant, model, run_id, entry_no, times),
            UNIQUE (tenant, model, break_id, move_no),
            FOREIGN KEY (tenant, model, run_id, entry_no) REFERENCES recon.entry,
            FOREIGN KEY (tenant, model, break_id) REFERENCES recon.standing_break,
            CHECK ((run_id IS NULL) <> (break_id IS NULL)),
            CHECK ((run_id IS NULL) = (entry_no IS NULL) AND (break_id IS NULL) = (move_no IS NULL)),
            CHECK ((back_id IS NULL) = (back_on IS NULL))
        );
        CREATE INDEX booked_entry_standing ON recon.booked_entry (tenant, model, scenario) WHERE back_id IS NULL;
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE recon.booked_entry")
