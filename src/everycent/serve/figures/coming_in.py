"""SQL of what parties were asked for and what came in by parts, as the ledger has both at the end of a day."""

#: `taken`: what of receipts is set aside, and where the money of its instruction is by then. An instruction's first end
#: moves its money out of flight; the transfer has the id that flow/payments/core/results.py gives it.
CAME_IN = """
    first_end AS (
        SELECT DISTINCT ON (m.instruction_id) m.instruction_id, m.booking
        FROM payments.instruction_move AS m JOIN payments.instruction AS i USING (tenant, model, instruction_id)
            JOIN ledger.transfer AS t ON t.tenant = m.tenant AND t.model = m.model AND t.transfer_id = left(encode(
                sha256(convert_to(m.instruction_id || chr(31) || m.move_no, 'UTF8')), 'hex'), 32)::uuid
        WHERE m.tenant = %(tenant)s AND m.model = %(model)s AND i.direction = 'collect' AND m.booking <> 'in_flight'
            AND t.booked_on <= %(on)s
        ORDER BY m.instruction_id, m.move_no),
    taken AS (
        SELECT u.receipt_id, u.instruction_id, u.amount_minor, coalesce(first_end.booking, 'in_flight') AS booking
        FROM payments.receipt_use AS u LEFT JOIN first_end USING (instruction_id)
        WHERE u.tenant = %(tenant)s AND u.model = %(model)s AND u.as_of <= %(on)s)
"""

#: What is asked for and lacks, since it was asked for; what came in and is for nothing, since it came.
OF_AGE = """
        SELECT i.party_id, i.currency, 'collecting', i.as_of, i.amount_minor - coalesce(parts.minor, 0)
        FROM payments.instruction AS i LEFT JOIN (
            SELECT instruction_id, sum(amount_minor) AS minor FROM taken GROUP BY 1) AS parts USING (instruction_id)
        WHERE i.tenant = %(tenant)s AND i.model = %(model)s AND i.direction = 'collect' AND i.as_of <= %(on)s
            AND i.instruction_id NOT IN (SELECT instruction_id FROM first_end)
            AND i.amount_minor > coalesce(parts.minor, 0)
        UNION ALL
        SELECT r.party_id, r.currency, 'on account', r.as_of, r.amount_minor - coalesce(uses.minor, 0)
        FROM payments.receipt AS r LEFT JOIN (
            SELECT receipt_id, sum(amount_minor) AS minor FROM (
                SELECT receipt_id, amount_minor FROM taken WHERE booking <> 'back'
                UNION ALL
                SELECT p.receipt_id, p.amount_minor
                FROM payments.pay_back AS p
                    LEFT JOIN payments.pay_back_undone AS gone USING (tenant, model, pay_back_id)
                WHERE p.tenant = %(tenant)s AND p.model = %(model)s AND p.as_of <= %(on)s
                    AND coalesce(gone.as_of > %(on)s, true)) AS gone
            GROUP BY 1) AS uses USING (receipt_id)
        WHERE r.tenant = %(tenant)s AND r.model = %(model)s AND r.as_of <= %(on)s
            AND r.amount_minor > coalesce(uses.minor, 0)
"""
