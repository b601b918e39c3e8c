"""The ledger: its transfers are the obligations and instructions, its accounts are its transfers, and it balances."""

from everycent.proof.verify.core.ordered import standing
from everycent.proof.verify.core.posted import posted_otherwise
from everycent.proof.verify.core.rule import Rule

_ACCOUNT = "CASE WHEN {end} LIKE '%:%' THEN 'party/' || {end} ELSE 'operator/' || legal_entity || '/' || charge END"

_POSTED = "batch_no, booked_on, currency, amount_minor, debtor, creditor, legal_entity, charge"

#: What obligations must have posted, per batch, day, pair of accounts and currency; a negative amount swaps the ends.
_OWED = f"""(SELECT batch_no, booked_on, CASE WHEN amount_minor > 0 THEN debtor ELSE creditor END AS debit_account,
        CASE WHEN amount_minor > 0 THEN creditor ELSE debtor END AS credit_account, currency,
        sum(abs(amount_minor::HUGEINT)) AS amount
    FROM (SELECT batch_no, booked_on, currency, amount_minor, {_ACCOUNT.format(end="debtor")} AS debtor,
            {_ACCOUNT.format(end="creditor")} AS creditor FROM (
            SELECT {_POSTED} FROM clearing.obligation UNION ALL
            SELECT {_POSTED} FROM clearing.corrected_obligation WHERE sequence_no = 0) WHERE amount_minor <> 0)
    WHERE debtor <> creditor GROUP BY ALL)"""

OBLIGATIONS_POSTED = Rule(
    "each batch posted its obligations, account by account",
    "ledger.transfer",
    f"""WITH posted AS (
        SELECT batch_no, booked_on, debit_account, credit_account, currency, sum(amount_minor) AS amount
        FROM ledger.transfer ANTI JOIN (FROM platform.batch SELECT batch_no WHERE kind = '(in order)') USING (batch_no)
        WHERE batch_no IS NOT NULL GROUP BY ALL)
    SELECT {{'b': batch_no, 'o': booked_on, 'd': debit_account, 'c': credit_account, 'u': currency}} AS place,
        format('batch {{}}, {{}}: {{}} to {{}}: posted {{}} {{}}, its obligations add up to {{}}', batch_no, booked_on,
            debit_account, credit_account, coalesce(p.amount, 0), currency, coalesce(o.amount, 0)) AS message
    FROM posted p FULL JOIN {_OWED} o USING (batch_no, booked_on, debit_account, credit_account, currency)
    WHERE coalesce(p.amount, 0) <> coalesce(o.amount, 0)""",
    slice_by="batch",
)

#: Windows and rewinds post forth and back, so what holds is the net of all of them.
ORDERED_POSTED = Rule(
    "what was cleared in order, and stands, is posted, account by account",
    "clearing.ordered_obligation",
    f"""WITH moved AS (
        SELECT booked_on, currency, debit_account AS a, credit_account AS b, amount_minor AS posted, 0::HUGEINT AS owed
        FROM ledger.transfer SEMI JOIN (FROM platform.batch SELECT batch_no WHERE kind = '(in order)') USING (batch_no)
        UNION ALL
        SELECT booked_on, currency, {_ACCOUNT.format(end="debtor")}, {_ACCOUNT.format(end="creditor")}, 0,
            amount_minor::HUGEINT
        FROM (SELECT {_POSTED} FROM {standing("clearing.ordered_obligation")} UNION ALL
            SELECT {_POSTED} FROM {standing("clearing.corrected_obligation")} WHERE sequence_no > 0)),
    net AS (
        SELECT booked_on, currency, least(a, b) AS one, greatest(a, b) AS other,
            sum(CASE WHEN a < b THEN posted ELSE -posted END) AS posted,
            sum(CASE WHEN a < b THEN owed ELSE -owed END) AS owed
        FROM moved WHERE a <> b GROUP BY ALL)
    SELECT {{'o': booked_on, 'a': one, 'b': other, 'u': currency}} AS place,
        format('{{}}: {{}} to {{}}: posted {{}} {{}}, obligations cleared in order add up to {{}}', booked_on, one,
            other, posted, currency, owed) AS message
    FROM net WHERE posted <> owed""",
)

INSTRUCTIONS_POSTED = Rule(
    "each instruction is posted, once",
    "payments.instruction",
    posted_otherwise(
        "instruction",
        """SELECT instruction_id AS transfer_id, as_of, currency, amount_minor,
            CASE direction WHEN 'pay' THEN 'party/' || party_id ELSE 'channel/' || channel END AS debit_account,
            CASE direction WHEN 'pay' THEN 'channel/' || channel ELSE 'party/' || party_id END AS credit_account
        FROM payments.instruction""",
        "cause LIKE 'instruction %' OR cause = 'obligations'",
    ),
)

#: In flight on its channel; a result moves it to the legal entity's bank account or the party's balance there, or back
#: to the party.
RESULTS_POSTED = Rule(
    "each instruction's money is booked where it is",
    "payments.instruction",
    """WITH due AS (
        SELECT instruction_id, account, currency, sum(amount) AS amount FROM (
            SELECT instruction_id, currency, 'channel/' || channel AS account,
                CASE direction WHEN 'pay' THEN -amount_minor ELSE amount_minor END AS amount
            FROM payments.instruction WHERE booking <> 'in_flight'
            UNION ALL SELECT instruction_id, currency,
                CASE WHEN booking <> 'paid' THEN 'party/' || party_id
                    WHEN channel = 'balance' THEN 'balance/' || legal_entity || '/' || party_id
                    ELSE 'bank/' || legal_entity END,
                CASE direction WHEN 'pay' THEN amount_minor ELSE -amount_minor END
            FROM payments.instruction WHERE booking <> 'in_flight') GROUP BY ALL),
    posted AS (
        SELECT instruction_id, account, currency, sum(amount) AS amount FROM (
            SELECT split_part(cause, ' ', 2)::UUID AS instruction_id, credit_account AS account, currency,
                amount_minor AS amount FROM ledger.transfer WHERE cause LIKE 'payment %' AND batch_no IS NULL
            UNION ALL SELECT split_part(cause, ' ', 2)::UUID, debit_account, currency, -amount_minor
            FROM ledger.transfer WHERE cause LIKE 'payment %' AND batch_no IS NULL) GROUP BY ALL)
    SELECT instruction_id AS place,
        format('instruction {}: its result gives {} {} {}; posted {}', instruction_id, account,
            coalesce(d.amount, 0), currency, coalesce(p.amount, 0)) AS message
    FROM due d FULL JOIN posted p USING (instruction_id, account, currency)
    WHERE coalesce(d.amount, 0) <> coalesce(p.amount, 0)""",
)

#: What each transfer moves: its amount, and what it reserves; a settling one frees what its pending one reserved.
_MOVED = """(SELECT t.debit_account, t.credit_account, t.currency, t.booked_on,
        CASE WHEN t.kind IN ('posted', 'post_pending') THEN t.amount_minor ELSE 0 END AS amount,
        CASE t.kind WHEN 'posted' THEN 0 WHEN 'pending' THEN t.amount_minor ELSE -p.amount_minor END AS reserved
    FROM ledger.transfer t LEFT JOIN ledger.transfer p ON p.transfer_id = t.settles AND p.kind = 'pending')"""

ACCOUNT_SUMS = Rule(
    "each account's balance is the sum of its transfers",
    "ledger.account",
    f"""WITH posted AS (
        SELECT account, currency, booked_on, sum(debit) AS debits, sum(credit) AS credits,
            sum(debit_reserved) AS debits_reserved, sum(credit_reserved) AS credits_reserved FROM (
            SELECT debit_account AS account, currency, booked_on, amount AS debit, 0 AS credit,
                reserved AS debit_reserved, 0 AS credit_reserved FROM {_MOVED}
            UNION ALL SELECT credit_account, currency, booked_on, 0, amount, 0, reserved FROM {_MOVED})
        GROUP BY ALL),
    kept AS (
        SELECT account, currency, booked_on, sum(debits_minor) AS debits, sum(credits_minor) AS credits,
            sum(debits_pending_minor) AS debits_reserved, sum(credits_pending_minor) AS credits_reserved
        FROM ledger.account GROUP BY ALL)
    SELECT {{'a': account, 'c': currency, 'o': booked_on}} AS place,
        format('account {{}} in {{}} on {{}}: debits {{}}, pending {{}}, credits {{}}, pending {{}}; its transfers '
            || '{{}}, {{}}, {{}}, {{}}', account, currency, booked_on, coalesce(k.debits, 0),
            coalesce(k.debits_reserved, 0), coalesce(k.credits, 0), coalesce(k.credits_reserved, 0),
            coalesce(p.debits, 0), coalesce(p.debits_reserved, 0), coalesce(p.credits, 0),
            coalesce(p.credits_reserved, 0)) AS message
    FROM kept k FULL JOIN posted p USING (account, currency, booked_on)
    WHERE coalesce(k.debits, 0) <> coalesce(p.debits, 0) OR coalesce(k.credits, 0) <> coalesce(p.credits, 0)
        OR coalesce(k.debits_reserved, 0) <> coalesce(p.debits_reserved, 0)
        OR coalesce(k.credits_reserved, 0) <> coalesce(p.credits_reserved, 0)""",
)

LIMITED_SUMS = Rule(
    "a limited account's totals are those of the account",
    "ledger.account_limit",
    """WITH kept AS (
        SELECT account, currency, sum(debits_minor) AS debits, sum(credits_minor) AS credits,
            sum(debits_pending_minor) AS debits_reserved, sum(credits_pending_minor) AS credits_reserved
        FROM ledger.account GROUP BY ALL)
    SELECT {'a': account, 'c': currency} AS place,
        format('limited account {} in {}: debits {}, pending {}, credits {}, pending {}; the account {}, {}, {}, {}',
            account, currency, debits_minor, debits_pending_minor, credits_minor, credits_pending_minor,
            coalesce(debits, 0), coalesce(debits_reserved, 0), coalesce(credits, 0), coalesce(credits_reserved, 0))
            AS message
    FROM ledger.account_limit LEFT JOIN kept USING (account, currency)
    WHERE (debits_minor, credits_minor, debits_pending_minor, credits_pending_minor) IS DISTINCT FROM
        (coalesce(debits, 0), coalesce(credits, 0), coalesce(debits_reserved, 0), coalesce(credits_reserved, 0))""",
)

SETTLED_ONCE = Rule(
    "what settles a pending transfer settles one, once, and not more than all of it",
    "ledger.transfer",
    """SELECT t.transfer_id AS place,
        format('transfer {} settles {} with {} {}: that one is {}, of {}, settled {} times', t.transfer_id, t.settles,
            t.amount_minor, t.currency, coalesce(p.kind, 'not there'), coalesce(p.amount_minor, 0), times) AS message
    FROM (SELECT *, count(*) OVER (PARTITION BY settles) AS times FROM ledger.transfer WHERE settles IS NOT NULL) t
    LEFT JOIN ledger.transfer p ON p.transfer_id = t.settles
    WHERE times > 1 OR p.kind IS DISTINCT FROM 'pending' OR t.amount_minor > p.amount_minor
        OR (t.debit_account, t.credit_account, t.currency) IS DISTINCT FROM
            (p.debit_account, p.credit_account, p.currency)""",
)

TRIAL_BALANCE = Rule(
    "the trial balance is zero in each currency",
    "ledger.account",
    """SELECT currency AS place, format('{}: debits {}, credits {}', currency, sum(debits_minor), sum(credits_minor))
        AS message
    FROM ledger.account GROUP BY currency HAVING sum(debits_minor) <> sum(credits_minor)""",
)

PARTY_BALANCES = Rule(
    "each party's balance is what its statements say and no instruction has moved",
    "ledger.account",
    """WITH said AS (
        SELECT 'party/' || party_id AS account, currency, sum(due) AS due FROM (
            SELECT party_id, currency, payable_minor - receivable_minor AS due FROM settlement.statement
            UNION ALL SELECT party_id, currency, amount_minor FROM settlement.statement_line
            UNION ALL SELECT party_id, currency, CASE direction WHEN 'pay' THEN -amount_minor ELSE amount_minor END
            FROM payments.instruction WHERE booking <> 'back'
            UNION ALL SELECT party_id, currency, CASE direction WHEN 'pay' THEN amount_minor ELSE -amount_minor END
            FROM non_order.charge WHERE state = 'booked'
            UNION ALL SELECT party_id, currency, p.amount_minor FROM payments.pay_back p
                JOIN payments.receipt USING (receipt_id) ANTI JOIN payments.pay_back_undone USING (pay_back_id)
            UNION ALL SELECT party_id, currency, amount_minor FROM payments.share_entry
            WHERE party_id IS NOT NULL)
            GROUP BY ALL),
    held AS (
        SELECT account, currency, sum(credits_minor - debits_minor) AS balance FROM ledger.account
            WHERE account LIKE 'party/%' GROUP BY ALL)
    SELECT {'a': account, 'c': currency} AS place,
        format('{} in {}: balance {}, its statements less its instructions {}', account, currency, coalesce(balance, 0),
            coalesce(due, 0)) AS message
    FROM held FULL JOIN said USING (account, currency) WHERE coalesce(balance, 0) <> coalesce(due, 0)""",
)

BALANCES_KEPT = Rule(
    "each prepaid balance is what was paid onto it less what was taken from it, and not below nothing",
    "ledger.account",
    """WITH said AS (
        SELECT 'balance/' || legal_entity || '/' || party_id AS account, currency,
            sum(CASE direction WHEN 'pay' THEN amount_minor ELSE -amount_minor END) AS due
        FROM payments.instruction WHERE channel = 'balance' AND booking = 'paid' GROUP BY ALL),
    held AS (
        SELECT account, currency, sum(credits_minor - debits_minor) AS balance FROM ledger.account
            WHERE account LIKE 'balance/%' GROUP BY ALL)
    SELECT {'a': account, 'c': currency} AS place,
        format('{} in {}: {}, its instructions say {}', account, currency, coalesce(balance, 0), coalesce(due, 0))
            AS message
    FROM held FULL JOIN said USING (account, currency) WHERE coalesce(balance, 0) <> coalesce(due, 0) OR balance < 0""",
)

RULES = (
    OBLIGATIONS_POSTED,
    ORDERED_POSTED,
    INSTRUCTIONS_POSTED,
    RESULTS_POSTED,
    ACCOUNT_SUMS,
    LIMITED_SUMS,
    SETTLED_ONCE,
    TRIAL_BALANCE,
    PARTY_BALANCES,
    BALANCES_KEPT,
)
