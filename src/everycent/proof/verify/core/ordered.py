"""What was cleared in strict order: numbers without holes, charges carried in full, totals that follow amounts."""

from everycent.proof.verify.core.rule import Rule


def standing(table: str) -> str:
    """SQL: the rows of a table in generations that stand: effective, with no later one from their number on."""
    return f"""(SELECT t.* FROM {table} t
        WHERE (t.generation = 0
                OR t.generation IN (SELECT generation FROM platform.generation WHERE state = 'effective'))
            AND NOT EXISTS (SELECT 1 FROM platform.generation g WHERE g.state = 'effective'
                AND g.generation > t.generation AND g.starts_at <= t.sequence_no))"""


def summed_up(table: str, kept: str) -> str:
    """SQL: the rows of a table that the sums in `kept` are of: of batches up to the one that these say, as they stood
    when the generation that these say was the last that was effective."""
    through, last = (f"(SELECT {name} FROM platform.kept_sum WHERE table_name = '{kept}')"
                     for name in ("through_batch", "generation"))  # fmt: skip
    return f"""(SELECT t.* FROM {table} t WHERE t.batch_no <= {through}
            AND (t.generation = 0 OR t.generation IN (
                SELECT generation FROM platform.generation WHERE state = 'effective' AND generation <= {last}))
            AND NOT EXISTS (SELECT 1 FROM platform.generation g WHERE g.state = 'effective'
                AND g.generation > t.generation AND g.generation <= {last} AND g.starts_at <= t.sequence_no))"""


_ENDS = """record_id, charge, bearer, debtor, creditor, amount_minor, currency, legal_entity, booked_on,
    debtor_statement, creditor_statement"""

#: SQL: all obligations that stand, whether arrival or order decided them, and what corrections took back or put in.
STANDING_OBLIGATIONS = (
    f"(SELECT {_ENDS} FROM clearing.obligation UNION ALL SELECT {_ENDS} FROM {standing('clearing.ordered_obligation')}"
    f" UNION ALL SELECT {_ENDS} FROM {standing('clearing.corrected_obligation')})"
)

NUMBERS = Rule(
    "records cleared in order have the numbers 1, 2, 3 ..., each once",
    "clearing.sequenced_record",
    f"""WITH numbered AS (
        SELECT sequence_no, row_number() OVER (ORDER BY sequence_no) AS place, record_id,
            count(*) OVER (PARTITION BY record_id) AS times FROM {standing("clearing.sequenced_record")})
    SELECT sequence_no AS place, format('record {{}} has number {{}} at place {{}}, and is there {{}} times', record_id,
        sequence_no, place, times) AS message
    FROM numbered WHERE sequence_no <> place OR times > 1""",
)

CARRIED = Rule(
    "each charge cleared in order is carried in full, in its currency",
    "rating.ordered_charge",
    f"""WITH carried AS (
        SELECT record_id, charge, sum(amount_minor) AS amount, min(currency) AS currency, max(currency) AS other
        FROM {standing("clearing.ordered_obligation")} GROUP BY record_id, charge)
    SELECT {{'r': record_id, 'c': charge}} AS place,
        format('charge {{}}/{{}}: charged {{}} minor units, its obligations add up to {{}}', record_id, charge,
            coalesce(c.amount_minor, 0), coalesce(amount, 0)) AS message
    FROM {standing("rating.ordered_charge")} c FULL JOIN carried o USING (record_id, charge)
    WHERE coalesce(c.amount_minor, 0) <> coalesce(amount, 0) OR c.currency <> o.currency OR c.currency <> o.other""",
)

TURN_TAKEN = Rule(
    "each charge that waited has its amount, or is held, once its record's turn came",
    "clearing.waiting_charge",
    # What is cleared again after a correction is cleared as corrected.
    f"""WITH turned AS (
        SELECT w.record_id, w.charge, w.amount_minor AS waited, c.amount_minor AS charged, arg_max(k.amount_minor,
            k.revision) AS corrected
        FROM clearing.waiting_charge w SEMI JOIN {standing("clearing.sequenced_record")} s USING (record_id)
            LEFT JOIN {standing("rating.ordered_charge")} c USING (record_id, charge)
            LEFT JOIN rating.corrected_charge k ON k.record_id = w.record_id AND k.charge = w.charge
                AND k.batch_no < c.batch_no
            ANTI JOIN {standing("rating.ordered_held_charge")} h ON h.record_id = w.record_id AND h.charge = w.charge
        WHERE w.amount_minor IS NOT NULL GROUP BY ALL)
    SELECT {{'r': record_id, 'c': charge}} AS place,
        format('charge {{}}/{{}}: {{}} minor units waited, {{}} were charged in order', record_id, charge,
            coalesce(corrected, waited), coalesce(charged::VARCHAR, 'none')) AS message
    FROM turned WHERE charged IS DISTINCT FROM coalesce(corrected, waited)""",
)

TOTALS = Rule(
    "each total after a share is the total before it and the share",
    "clearing.ordered_obligation",
    """SELECT {'r': record_id, 'c': charge, 'b': bearer} AS place,
        format('obligation {}/{}/{}: {} minor units, its total goes from {} to {}', record_id, charge, bearer,
            amount_minor, total_before_minor, total_after_minor) AS message
    FROM clearing.ordered_obligation
    WHERE NOT adjusts AND budget IS NOT NULL
        AND total_after_minor IS DISTINCT FROM total_before_minor + amount_minor""",
)

RUNNING = Rule(
    "each running total is the sum of what records moved, in order",
    "rating.running_total",
    f"""WITH moved AS (
        SELECT record_id, factor, pot, period, total_after, quantity_after,
            sum(amount) OVER in_order AS total, sum(quantity) OVER in_order AS units
        FROM {standing("rating.running_total")}
        WINDOW in_order AS (PARTITION BY factor, pot, period ORDER BY sequence_no ROWS UNBOUNDED PRECEDING))
    SELECT {{'r': record_id, 'f': factor}} AS place,
        format('record {{}}: {{}} {{}} {{}} stands at {{}}, what was added comes to {{}}', record_id, factor, pot,
            period, total_after, total) AS message
    FROM moved WHERE total_after <> total OR quantity_after IS DISTINCT FROM units""",
)

CARRIED_ON = Rule(
    "each total before a share is the sum of the shares before it",
    "clearing.ordered_obligation",
    # What stands in a closed statement keeps the totals of its time: later generations change what is before it.
    f"""WITH stands AS (FROM {standing("clearing.ordered_obligation")} WHERE budget IS NOT NULL),
    closed AS (SELECT statement_id FROM settlement.statement WHERE state <> 'open'),
    -- A correction moves the totals of what is cleared after it, not of what was cleared before.
    corrected AS (SELECT budget, pot, period, leaf, amount_minor, batch_no
        FROM {standing("clearing.corrected_obligation")} WHERE budget IS NOT NULL),
    shares AS (
        SELECT budget, pot, period, leaf, sequence_no, sum(amount_minor) AS amount, min(batch_no) AS batch_no,
            min(record_id::VARCHAR) AS record_id, bool_and(total_before_minor IS NOT NULL AND NOT adjusts
                AND (generation = 0 OR coalesce(debtor_statement NOT IN (FROM closed), true)
                    AND coalesce(creditor_statement NOT IN (FROM closed), true))) AS tells,
            list(total_before_minor) AS before, list(total_after_minor) AS after
        FROM stands GROUP BY ALL),
    summed AS (
        SELECT * EXCLUDE (moved), coalesce(moved, 0)
            + sum(amount) OVER (PARTITION BY budget, pot, period, leaf ORDER BY sequence_no) AS total
        FROM shares LEFT JOIN (
            SELECT budget, pot, period, leaf, s.sequence_no, sum(c.amount_minor) AS moved
            FROM shares s JOIN corrected c USING (budget, pot, period, leaf) WHERE c.batch_no < s.batch_no GROUP BY ALL
        ) USING (budget, pot, period, leaf, sequence_no))
    SELECT {{'n': sequence_no, 'b': budget, 'p': pot, 'd': period, 'l': leaf}} AS place,
        format('record {{}} (number {{}}): its shares take the total of {{}} in budget {{}} from {{}} to {{}}, they say'
            ' from {{}} to {{}}', record_id, sequence_no, leaf, budget, total - amount, total, before, after) AS message
    FROM summed WHERE tells AND NOT (list_contains(before, total - amount) AND list_contains(after, total))""",
)

GENERATIONS = Rule(
    "each generation begins at its first number, and is effective once it was made so",
    "platform.generation",
    """WITH made AS (
        SELECT generation, min(sequence_no) AS first_no FROM clearing.sequenced_record
        WHERE generation > 0 GROUP BY ALL),
    switched AS (
        SELECT TRY_CAST(replace(content_hash, 'generation ', '') AS INTEGER) AS generation, batch_no
        FROM platform.batch WHERE kind = '(in order)' AND starts_with(content_hash, 'generation '))
    SELECT generation AS place, format('generation {} is {}, from number {} on; its first number is {}, and {}',
        generation, coalesce(state, 'not known'), coalesce(starts_at::VARCHAR, 'none'),
        coalesce(first_no::VARCHAR, 'none'),
        coalesce('batch ' || batch_no || ' made it effective', 'no batch made it effective')) AS message
    FROM platform.generation FULL JOIN made USING (generation) FULL JOIN switched USING (generation)
    WHERE state IS NULL OR first_no <> starts_at OR (state = 'effective') <> (batch_no IS NOT NULL)
        OR (state = 'effective' AND first_no IS NULL)""",
)

FRONTIER = Rule(
    "no charge waits in batches that were gone through, but for those of parked records",
    "clearing.frontier",
    f"""WITH released AS (
        SELECT record_id, charge FROM rating.retry WHERE outcome IN ('charged', 'not_charged')),
    parked AS (SELECT record_id FROM rating.held_charge ANTI JOIN released USING (record_id, charge))
    SELECT {{'r': record_id, 'c': charge}} AS place,
        format('charge {{}}/{{}} waits since batch {{}}, all up to batch {{}} was gone through', record_id, charge,
            batch_no, through_batch) AS message
    FROM clearing.waiting_charge, clearing.frontier WHERE batch_no <= through_batch
        AND record_id NOT IN (SELECT record_id FROM {standing("clearing.sequenced_record")})
        AND record_id NOT IN (FROM parked)
    UNION ALL
    SELECT {{'r': NULL, 'c': ''}}, format('{{}} is the highest number given, {{}} is kept', highest, last_no)
    FROM clearing.frontier, (
        SELECT coalesce(max(sequence_no), 0) AS highest FROM {standing("clearing.sequenced_record")})
    WHERE last_no > highest""",
)

ACCUMULATORS = Rule(
    "each accumulator that is kept is the sum of the shares that it is of",
    "clearing.accumulator",
    f"""WITH shares AS (
        SELECT budget, pot, period, leaf, sum(amount_minor) AS amount
        FROM {summed_up("clearing.ordered_obligation", "clearing.accumulator")} WHERE budget IS NOT NULL GROUP BY ALL
        UNION ALL
        SELECT budget, pot, period, leaf, sum(amount_minor)
        FROM {summed_up("clearing.corrected_obligation", "clearing.accumulator")} WHERE budget IS NOT NULL
        GROUP BY ALL),
    added AS (SELECT budget, pot, period, leaf AS bearer, sum(amount) AS amount FROM shares GROUP BY ALL)
    SELECT {{'b': budget, 'p': pot, 'd': period, 'l': bearer}} AS place,
        format('{{}} in budget {{}}, pot {{}}, period {{}}: {{}} minor units are kept, its shares add up to {{}}',
            bearer, budget, pot, period, coalesce(total_minor, 0), coalesce(amount, 0)) AS message
    FROM clearing.accumulator FULL JOIN added USING (budget, pot, period, bearer)
    WHERE coalesce(total_minor, 0) <> coalesce(amount, 0)""",
)

STANDING_TOTALS = Rule(
    "each running total that is kept is the sum of what records moved",
    "rating.standing_total",
    f"""WITH added AS (
        SELECT factor, pot, period, sum(amount) AS total, sum(quantity) AS units
        FROM {summed_up("rating.running_total", "rating.standing_total")} GROUP BY ALL)
    SELECT {{'f': factor, 'p': pot, 'd': period}} AS place,
        format('{{}} {{}} {{}}: {{}} and {{}} units are kept, what was added comes to {{}} and {{}}', factor, pot,
            period, coalesce(total_after, 0), coalesce(quantity_after, 0), coalesce(total, 0), coalesce(units, 0))
            AS message
    FROM rating.standing_total FULL JOIN added USING (factor, pot, period)
    WHERE coalesce(total_after, 0) <> coalesce(total, 0) OR coalesce(quantity_after, 0) <> coalesce(units, 0)""",
)

RULES = (NUMBERS, GENERATIONS, FRONTIER, TURN_TAKEN, CARRIED, TOTALS, CARRIED_ON, RUNNING, ACCUMULATORS,
         STANDING_TOTALS)  # fmt: skip
