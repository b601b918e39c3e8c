"""Finding the account of each instruction; one without a usable account waits, with the reason."""

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.flow.parties.contract import PartySpec, party_id_sql
from everycent.flow.payments.core.plan import AccountSource, PaymentPlan

#: Of bank files: characters of an account's number and of a mandate's id, digits of an amount.
ACCOUNT_CHARACTERS_MAX = 34
MANDATE_CHARACTERS_MAX = 35
AMOUNT_DIGITS_MAX = 18

_UNPRINTABLE = r"[\x00-\x1f\x7f-\x9f\x{FFFE}\x{FFFF}]"

_FOUND = pa.schema(
    [
        ("instruction_id", pa.uuid()),
        ("account", pa.string()),
        ("account_id", pa.uuid()),
        ("account_name", pa.string()),
        ("mandate", pa.string()),
        ("mandate_signed_on", pa.date32()),
        ("state", pa.string()),
        ("reason", pa.string()),
        ("method", pa.string()),
    ]
)


def find_accounts(
    plan: PaymentPlan, instructions: pa.Table, tables: Mapping[str, pa.Table], as_of: date, engine: LocalEngine
) -> pa.Table:
    """For each of `instructions` (instruction_id, role, party_id, legal_entity, currency, direction, amount_minor,
    pays_back): account, account_id, account_name, mandate, mandate_signed_on, state, reason and method (bank_card,
    alipay, wechat; None where nothing tells). Of a verified account the number is masked: its id leads to it. Mandates
    are of what is collected by direct debit; what is not, for its party took its mandate back, says so.

    `tables` are the model's attached tables by name. Where one has validity dates, `as_of` selects. Ordered by
    instruction_id. Bad or missing accounts are reasons, not errors.
    """
    sources = {role.role: role.accounts for role in plan.roles if role.accounts is not None}
    given = {f"accounts_{at}": tables[source.table] for at, source in enumerate(sources.values())}
    known = [_known_sql(role, source, name, as_of) for (role, source), name in zip(sources.items(), given, strict=True)]
    known_sql = " UNION ALL ".join(known) or _NONE_KNOWN
    creditors = () if plan.direct_debit is None else tuple(plan.direct_debit.creditor_ids)
    sql = _find_sql(known_sql, sources, [role.role for role in plan.roles if role.waits], creditors, as_of)
    found = engine.query(sql, instruction=instructions, **given).cast(_FOUND)
    assert found.num_rows == instructions.num_rows, "each instruction has one account or one reason"
    return found


_NONE_KNOWN = """SELECT '' AS party_id, '' AS code, '' AS number, '' AS name, '' AS id, '' AS shown, '' AS mandate,
    CAST(NULL AS DATE) AS signed_on, CAST(NULL AS DATE) AS revoked_on, '' AS method WHERE false"""


def _known_sql(role: str, source: AccountSource, table: str, as_of: date) -> str:
    party = party_id_sql(role, PartySpec(key=source.key), lambda column: f"{table}.{identifier(column)}")
    name = "NULL" if source.name is None else identifier(source.name)
    account_id, shown = ("account_id", "masked") if source.verified else ("NULL", "NULL")
    code = "''" if source.currency is None else identifier(source.currency)
    mandate, signed_on = ("NULL", "NULL") if source.mandate is None else map(identifier, source.mandate)
    revoked = "NULL" if source.revoked is None else identifier(source.revoked)
    method = "NULL" if source.method is None else identifier(source.method)
    return f"""
        SELECT {party} AS party_id, CAST({code} AS VARCHAR) AS code,
            trim(CAST({identifier(source.number)} AS VARCHAR)) AS number,
            CAST({name} AS VARCHAR) AS name, CAST({account_id} AS VARCHAR) AS id, CAST({shown} AS VARCHAR) AS shown,
            nullif(trim(CAST({mandate} AS VARCHAR)), '') AS mandate, TRY_CAST({signed_on} AS DATE) AS signed_on,
            TRY_CAST({revoked} AS DATE) AS revoked_on,
            nullif(trim(CAST({method} AS VARCHAR)), '') AS method
        FROM {table} WHERE {_valid_sql(source, as_of)}
    """


def _valid_sql(source: AccountSource, as_of: date) -> str:
    if source.valid is None:
        return "true"
    first, end = (f"CAST({identifier(column)} AS DATE)" for column in source.valid)
    day = f"DATE {literal(as_of.isoformat())}"
    return f"coalesce({first} <= {day}, true) AND coalesce({end} > {day}, true)"


#: Of accounts that are there, as branches of a CASE.
_NOT_TO_PAY = """WHEN pays_back AND id IS NULL THEN 'money is paid back to a verified account alone: say in payouts, '
                    || role || ', account: {verified: yes}, or cancel it'
                WHEN number = '' THEN 'the account number of ' || party_id || ' is empty'"""


def _find_sql(
    known_sql: str, sources: Mapping[str, AccountSource], waits: Sequence[str], creditors: Sequence[str], as_of: date
) -> str:
    by_table = ", ".join(literal(role) for role in sources) or "NULL"
    tables = " ".join(f"WHEN {literal(role)} THEN {literal(source.table)}" for role, source in sources.items())
    table = f"CASE role {tables} END" if tables else "NULL"
    waiting = ", ".join(map(literal, waits)) or "NULL"
    by_currency = ", ".join(literal(role) for role, source in sources.items() if source.currency) or "NULL"
    day = f"DATE {literal(as_of.isoformat())}"
    by_verified = ", ".join(literal(role) for role, source in sources.items() if source.verified) or "NULL"
    return f"""
        WITH known AS (
            SELECT party_id, code, count(*) AS accounts, any_value(number) AS number,
                any_value(name) AS name, any_value(id) AS id, any_value(shown) AS shown, any_value(method) AS method,
                any_value(mandate) AS mandate, any_value(signed_on) AS signed_on, any_value(revoked_on) AS revoked_on
            FROM ({known_sql}) GROUP BY party_id, code
        ), candidate AS (
            SELECT instruction_id, instruction.party_id, legal_entity, amount_minor, {table} AS source, role, currency,
                pays_back, substr(instruction.party_id, length(role) + 2) AS party_key,
                CASE WHEN role IN ({by_table}) THEN coalesce(known.accounts, 0) ELSE 1 END AS accounts,
                CASE WHEN role IN ({by_table}) THEN coalesce(known.number, '') ELSE party_key END AS number,
                coalesce(nullif(trim(known.name), ''), party_key) AS name, known.id, known.shown,
                CASE WHEN direction = 'collect' AND coalesce(known.revoked_on > {day}, true) THEN known.mandate END
                    AS mandate, known.signed_on,
                CASE WHEN direction = 'collect' AND known.revoked_on <= {day} THEN known.revoked_on END AS revoked_on,
                known.method
            FROM instruction LEFT JOIN known
                ON known.party_id = instruction.party_id AND known.code IN ('', currency)
        ), judged AS (
            SELECT *, CASE
                WHEN role IN ({waiting}) THEN 'no account of ' || party_id || ' is known: say in payouts, ' || role
                    || ', account which table has it'
                WHEN accounts = 0 AND role IN ({by_verified}) THEN party_id || ' has no verified account on '
                    || {day} || '; give it one with `everycent party account give`, and have it verified'
                WHEN accounts = 0 THEN 'table ' || source || ' has no account of ' || party_id
                    || CASE WHEN role IN ({by_currency}) THEN ' in ' || currency ELSE '' END || '; add it there'
                WHEN accounts > 1 THEN 'table ' || source || ' has ' || accounts || ' accounts of ' || party_id
                    || '; leave one'
                {_NOT_TO_PAY}
                WHEN length(number) > {ACCOUNT_CHARACTERS_MAX} THEN 'the account number of ' || party_id || ' has '
                    || length(number) || ' characters; a bank file takes {ACCOUNT_CHARACTERS_MAX}'
                WHEN regexp_matches(number, '{_UNPRINTABLE}') THEN 'the account number of ' || party_id
                    || ' holds characters that cannot be printed'
                WHEN length(CAST(amount_minor AS VARCHAR)) > {AMOUNT_DIGITS_MAX} THEN 'the amount has more than '
                    || '{AMOUNT_DIGITS_MAX} digits, which no bank file takes'
                {_mandate_reasons_sql(creditors, as_of)}
                END AS reason
            FROM candidate
        )
        SELECT instruction_id,
            CASE WHEN reason IS NULL THEN coalesce(shown, number) END AS account,
            CASE WHEN reason IS NULL THEN CAST(id AS UUID) END AS account_id,
            CASE WHEN reason IS NULL THEN name END AS account_name,
            CASE WHEN reason IS NULL THEN mandate END AS mandate,
            CASE WHEN reason IS NULL AND mandate IS NOT NULL THEN signed_on END AS mandate_signed_on,
            CASE WHEN reason IS NULL THEN 'created' ELSE 'waiting' END AS state,
            coalesce(reason, 'not debited: its mandate was revoked on ' || revoked_on) AS reason, method
        FROM judged
        ORDER BY instruction_id
    """


def _mandate_reasons_sql(creditors: Sequence[str], as_of: date) -> str:
    """Why a debit waits, as branches of a CASE: who has no mandate is not debited at all."""
    known_creditors = ", ".join(map(literal, creditors)) or "NULL"
    return f"""
        WHEN mandate IS NULL THEN NULL
        WHEN legal_entity NOT IN ({known_creditors}) THEN legal_entity
            || ' has no identification as a creditor: say in payouts, ' || role
            || ', direct_debit, creditor_ids which it has'
        WHEN length(mandate) > {MANDATE_CHARACTERS_MAX} THEN 'the mandate of ' || party_id || ' has '
            || length(mandate) || ' characters; a bank file takes {MANDATE_CHARACTERS_MAX}'
        WHEN regexp_matches(mandate, '{_UNPRINTABLE}') THEN 'the mandate of ' || party_id
            || ' holds characters that cannot be printed'
        WHEN signed_on IS NULL THEN 'the mandate of ' || party_id || ' has no day on which it was signed'
        WHEN signed_on > DATE {literal(as_of.isoformat())} THEN 'the mandate of ' || party_id
            || ' is signed on ' || signed_on || ', which is to come'
    """
