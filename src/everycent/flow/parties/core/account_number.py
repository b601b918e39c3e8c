"""An account's number: whether it can be one, what is shown of it, and from when on it may be used."""

import re
from datetime import date, datetime, timedelta
from enum import StrEnum

from everycent.base.money.calendar import BusinessCalendar
from everycent.flow.parties.core.account_moves import AccountRefused, NotMoved

_SHOWN = 4


class Method(StrEnum):
    """How a party is paid."""

    BANK_CARD = "bank_card"
    ALIPAY = "alipay"
    WECHAT = "wechat"


#: How a number is written, and what people are told of it.
_WRITTEN = {
    Method.BANK_CARD: (r"[A-Z0-9]{8,34}", "8 to 34 digits and capital letters: a card's or account's number, an IBAN"),
    Method.ALIPAY: (r"[^\s@]{1,64}@[^\s@]{1,64}|\+?\d{8,20}", "the mail address or the telephone number it is under"),
    Method.WECHAT: (r"[A-Za-z0-9_-]{6,64}", "the OpenID or account name, 6 to 64 letters, digits, '-' and '_'"),
}


def plain_number(method: Method, text: str) -> str | NotMoved:
    """The number without the blanks that people write in it. NUMBER_MALFORMED says nothing of the number itself."""
    number = re.sub(r"[ \u00a0]", "", text.strip())
    number = number.upper() if method is Method.BANK_CARD else number
    pattern, right = _WRITTEN[method]
    if re.fullmatch(pattern, number) is None:
        return NotMoved(AccountRefused.NUMBER_MALFORMED, f"this is no number of a {method}; it has {right}")
    return number


def masked(number: str) -> str:
    """What anybody may see: the last four characters of a long number, and not how long it is."""
    shown = number[-_SHOWN:] if len(number) >= 2 * _SHOWN else ""
    return f"****{shown}"


def usable_on(
    verified_at: datetime, confirmed_at: datetime | None, cooling: timedelta, calendar: BusinessCalendar
) -> date:
    """The first business day on which an account is paid to.

    A party's first account: the day on which it was verified. A change (`confirmed_at`: when the second person said
    yes): the first whole day after it has cooled.
    """
    day = calendar.today(verified_at)
    if confirmed_at is None:
        return day
    cooled = confirmed_at + cooling
    after = calendar.today(cooled)
    starts_then = calendar.today(cooled - timedelta(microseconds=1)) < after
    return max(day, after if starts_then else after + timedelta(days=1))
