"""`everycent invoice`: what is to be invoiced, and what people say of it."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from everycent.base.money.amount import NotAnAmount, grouped_minor, parse_typed
from everycent.base.money.currency import currency
from everycent.base.platform.settings import Settings
from everycent.flow.approvals import service as approvals
from everycent.flow.approvals.contract import Outcome
from everycent.flow.pipeline.session import Session, open_session
from everycent.flow.settlement import service as settlement
from everycent.flow.settlement.contract import InvoiceSearch
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NotSaid
from everycent.serve.cli.statements import Told, tell, user
from everycent.serve.cli.terminal import out, print_json, print_table
from everycent.serve.wiring import migrations

_SAYS: dict[str, Callable[[settlement.Desk, str, Any], settlement.Answer]] = {
    "confirm": settlement.confirm_invoice,
    "void": settlement.void_invoice,
}
_MINOR = ("net_minor", "tax_minor", "total_minor")


def list_command(
    model: str | None, statement: str | None, state: str | None, issuer: str | None, limit: int, *, as_json: bool
) -> int:
    """Lists invoices."""
    if state is not None and state not in {*settlement.InvoiceState}:
        raise NotSaid(f"--state {state}: write one of {', '.join(settlement.InvoiceState)}")
    search = InvoiceSearch(model, statement, state, issuer, limit)
    with open_session(Settings.load(), migrations()) as session:
        found = settlement.invoices(session.connection, session.tenant, search)
    if as_json:
        print_json({"invoices": [{**each, **{name: int(str(each[name])) for name in _MINOR}} for each in found]})
        return exits.OK
    if not found:
        out.print("no invoice fits")
        return exits.OK
    rows = [
        [each["invoice_id"], each["issuer"], each["receiver"], *(_amount(each, name) for name in _MINOR),
         each["currency"], each["state"], each["number"]] for each in found
    ]  # fmt: skip
    columns = ("invoice", "by", "to", "without tax", "tax", "total", "", "state", "number")
    print_table("Invoices", columns, rows, right=frozenset({3, 4, 5}))
    return exits.OK


def issue_command(ids: Sequence[str], number: str | None, on: date | None, by: str | None, *, as_json: bool) -> int:
    """Writes down that own invoices were issued, each by itself; 1 where one was refused."""
    if number is not None and len(ids) > 1:
        raise NotSaid(f"--number {number}: it is of one invoice, here are {len(ids)}; issue each by itself")
    given = settlement.InvoiceGiven(number, on)
    return _each(ids, by, lambda desk, each: settlement.issue_invoice(desk, each, given), as_json=as_json)


def receive_command(invoice_id: str, number: str, total: str, on: date, by: str | None, *, as_json: bool) -> int:
    """Takes in a party's invoice; 1 where it was refused."""

    def receive(desk: settlement.Desk, each: str) -> settlement.Answer:
        given = settlement.InvoiceGiven(number, on, _total_minor(desk, each, total))
        return settlement.receive_invoice(desk, each, given)

    return _each([invoice_id], by, receive, as_json=as_json)


def say_command(word: str, ids: Sequence[str], by: str | None, why: str | None, *, as_json: bool) -> int:
    """Confirms or voids invoices, each by itself; 1 where one was refused."""
    return _each(ids, by, lambda desk, each: _SAYS[word](desk, each, why), as_json=as_json)


def _each(
    ids: Sequence[str], by: str | None, act: Callable[[settlement.Desk, str], settlement.Answer], *, as_json: bool
) -> int:
    with open_session(Settings.load(), migrations()) as session:
        desk = _desk(session, by)
        answers = [(each, act(desk, each)) for each in dict.fromkeys(ids)]
    told = [
        Told(name, each.outcome) if each.refused is None
        else Told(name, Outcome.REFUSED, str(each.refused.refusal), each.refused.message) for name, each in answers
    ]  # fmt: skip
    return tell("invoice_id", told, as_json=as_json)


def _desk(session: Session, by: str | None) -> settlement.Desk:
    return settlement.Desk(session.connection, session.tenant, approvals, user(by), datetime.now(UTC))


def _total_minor(desk: settlement.Desk, invoice_id: str, total: str) -> int | None:
    """In the invoice's currency; None where there is no such invoice, which settlement tells. Raises NotSaid."""
    statement_id = invoice_id.rsplit("/", 2)[0]
    found = settlement.invoices(desk.connection, desk.tenant, InvoiceSearch(statement=statement_id))
    if not found:
        return None
    try:
        return parse_typed(total, currency(str(found[0]["currency"])))
    except NotAnAmount as error:
        raise NotSaid(f"--total: {error}") from None


def _amount(found: dict[str, Any], name: str) -> str:
    return grouped_minor(int(found[name]), currency(found["currency"]))
