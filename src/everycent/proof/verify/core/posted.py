"""What is to be posted one by one: each with its amount, day and two accounts, once, and no other is."""


def posted_otherwise(what: str, due: str, caused: str) -> str:
    """SQL of what is not posted as it is due, or is not due at all.

    `what`: its word in messages. `due`: a query of transfer_id, as_of, currency, amount_minor, debit_account,
    credit_account. `caused`: which transfers of no batch are its.
    """
    return f"""WITH due AS ({due}),
    posted AS (FROM ledger.transfer WHERE batch_no IS NULL AND ({caused}))
    SELECT coalesce(d.transfer_id, p.transfer_id) AS place,
        format('{what} {{}}: {{}} {{}} from {{}} to {{}} on {{}}; posted {{}} {{}} from {{}} to {{}} on {{}}',
            coalesce(d.transfer_id, p.transfer_id), coalesce(d.amount_minor, 0), coalesce(d.currency, ''),
            coalesce(d.debit_account, '-'), coalesce(d.credit_account, '-'), coalesce(d.as_of::VARCHAR, '-'),
            coalesce(p.amount_minor, 0), coalesce(p.currency, ''), coalesce(p.debit_account, '-'),
            coalesce(p.credit_account, '-'), coalesce(p.booked_on::VARCHAR, '-')) AS message
    FROM due d FULL JOIN posted p ON p.transfer_id = d.transfer_id
    WHERE (d.amount_minor, d.currency, d.debit_account, d.credit_account, d.as_of)
        IS DISTINCT FROM (p.amount_minor, p.currency, p.debit_account, p.credit_account, p.booked_on)"""
