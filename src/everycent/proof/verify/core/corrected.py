"""Corrections: numbered without holes, each takes back what stood, to the cent, and is carried in full."""

from everycent.proof.verify.core.ordered import standing
from everycent.proof.verify.core.rule import Rule

REVISIONS = Rule(
    "corrections of a charge are numbered 1, 2, 3 ...",
    "rating.corrected_charge",
    """WITH numbered AS (
        SELECT record_id, charge, revision,
            row_number() OVER (PARTITION BY record_id, charge ORDER BY revision, batch_no) AS place
        FROM rating.corrected_charge)
    SELECT {'r': record_id, 'c': charge, 'n': revision} AS place,
        format('charge {}/{}: correction {} is at place {}', record_id, charge, revision, place) AS message
    FROM numbered WHERE revision <> place""",
    slice_by="record",
)

CARRIED = Rule(
    "each corrected charge is carried in full, in its currency, by obligations of its batch",
    "rating.corrected_charge",
    """WITH carried AS (
        SELECT record_id, charge, revision, generation, batch_no, sum(amount_minor) FILTER (NOT reverses) AS amount,
            min(currency) FILTER (NOT reverses) AS currency, max(currency) FILTER (NOT reverses) AS other
        FROM clearing.corrected_obligation GROUP BY ALL)
    SELECT {'r': record_id, 'c': charge, 'n': revision} AS place,
        format('charge {}/{}: corrected to {} minor units by correction {}, its obligations add up to {}', record_id,
            charge, coalesce(c.amount_minor::VARCHAR, 'none'), revision, coalesce(amount, 0)) AS message
    FROM rating.corrected_charge c FULL JOIN carried o USING (record_id, charge, revision, generation, batch_no)
    WHERE c.amount_minor IS NULL OR c.amount_minor <> coalesce(amount, 0) OR c.currency <> o.currency
        OR c.currency <> o.other""",
    slice_by="record",
)

TAKEN_BACK = Rule(
    "each correction takes back what stood of its charge",
    "clearing.corrected_obligation",
    # What order decided stands by generation: a rewind put other rows in the place of all that was before it.
    """WITH revised AS (SELECT DISTINCT record_id, charge, generation, sequence_no > 0 AS ordered, revision
        FROM rating.corrected_charge),
    base AS (
        SELECT record_id, charge, 0 AS generation, false AS ordered, 0 AS revision, bearer, debtor, creditor, currency,
            amount_minor FROM clearing.obligation
        UNION ALL
        SELECT record_id, charge, generation, true, 0, bearer, debtor, creditor, currency, amount_minor
        FROM clearing.ordered_obligation
        UNION ALL
        SELECT record_id, charge, generation, sequence_no > 0, revision, bearer, debtor, creditor, currency,
            amount_minor FROM clearing.corrected_obligation WHERE NOT reverses),
    before AS (
        SELECT r.*, coalesce(max(e.revision), 0) AS last FROM revised r LEFT JOIN revised e
            ON e.record_id = r.record_id AND e.charge = r.charge AND e.generation = r.generation
            AND e.ordered = r.ordered AND e.revision < r.revision
        GROUP BY ALL),
    moved AS (
        SELECT b.record_id, b.charge, b.revision, bearer, debtor, creditor, currency, amount_minor
        FROM before b JOIN base s ON s.record_id = b.record_id AND s.charge = b.charge AND s.generation = b.generation
            AND s.ordered = b.ordered AND s.revision = b.last
        UNION ALL
        SELECT record_id, charge, revision, bearer, debtor, creditor, currency, amount_minor
        FROM clearing.corrected_obligation WHERE reverses)
    SELECT {'r': record_id, 'c': charge, 'b': bearer, 'n': revision, 'd': debtor, 'e': creditor} AS place,
        format('obligation {}/{}/{}, {} owes {}: after correction {} took it back, {} minor units of it are left',
            record_id, charge, bearer, debtor, creditor, revision, sum(amount_minor)) AS message
    FROM moved GROUP BY record_id, charge, revision, bearer, debtor, creditor, currency
    HAVING sum(amount_minor) <> 0""",
    slice_by="record",
)

TOTALS = Rule(
    "each total after a correction's share is the total before it and the share, and goes on from what was carried",
    "clearing.corrected_obligation",
    f"""WITH ours AS (FROM {standing("clearing.corrected_obligation")} WHERE budget IS NOT NULL),
    switched AS (
        SELECT coalesce(max(batch_no), 0) AS batch_no FROM platform.batch
        WHERE kind = '(in order)' AND starts_with(content_hash, 'generation ')),
    ends AS (
        SELECT budget, pot, period, leaf, batch_no, sum(amount_minor) AS amount, list(total_before_minor) AS before,
            list(total_after_minor) AS after FROM ours WHERE batch_no > (FROM switched) GROUP BY ALL),
    carried AS (
        SELECT budget, pot, period, leaf, batch_no, amount_minor FROM ours UNION ALL
        SELECT budget, pot, period, leaf, batch_no, amount_minor
        FROM {standing("clearing.ordered_obligation")} WHERE budget IS NOT NULL),
    summed AS (
        SELECT e.budget, e.pot, e.period, e.leaf, e.batch_no, amount, before, after, sum(c.amount_minor) AS total
        FROM ends e JOIN carried c ON (c.budget, c.pot, c.period, c.leaf) = (e.budget, e.pot, e.period, e.leaf)
            AND c.batch_no <= e.batch_no GROUP BY ALL)
    SELECT {{'n': revision, 'r': record_id::VARCHAR, 'c': charge, 'b': bearer}} AS place,
        format('obligation {{}}/{{}}/{{}}, correction {{}}: {{}} minor units, its total goes from {{}} to {{}}',
            record_id, charge, bearer, revision, amount_minor, total_before_minor, total_after_minor) AS message
    FROM ours WHERE total_after_minor IS DISTINCT FROM total_before_minor + amount_minor
    UNION ALL
    SELECT {{'n': batch_no, 'r': '', 'c': budget, 'b': 0}},
        format('batch {{}} takes the total of {{}} in budget {{}} from {{}} to {{}}, its shares say from {{}} to {{}}',
            batch_no, leaf, budget, total - amount, total, before, after)
    FROM summed WHERE NOT (list_contains(before, total - amount) AND list_contains(after, total))""",
)

RULES = (REVISIONS, CARRIED, TAKEN_BACK, TOTALS)
