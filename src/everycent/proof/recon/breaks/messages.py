"""Messages to people, and the ways they go: a service, e-mail, the log. Each has one id, however often sent."""

import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import structlog

from everycent.proof.recon.handling import AlertTargetSpec, MailSpec, WebhookSpec

_MAIL_TIMEOUT_S = 30
_PORTS = {"smtp": 25, "smtps": 465}


class NotSent(Exception):
    """A message did not arrive, or nobody said that it did; the message says why."""


@dataclass(frozen=True)
class Message:
    """`title` is one line; `body` is for programs, `text` for people."""

    message_id: UUID
    title: str
    text: str
    body: Mapping[str, Any]


def send(target: AlertTargetSpec, message: Message, environ: Mapping[str, str]) -> None:
    """Sends it; that it returns means that the receiver has it. Raises NotSent."""
    if target.webhook is not None:
        post(target.webhook, message)
    elif target.mail is not None:
        mail(target.mail, message, environ)
    else:
        log = structlog.get_logger()
        say = log.error if target.log == "error" else log.warning
        say(message.title, alert_id=str(message.message_id), **_shallow(message.body))


def post(target: WebhookSpec, message: Message) -> None:
    """To a service, as JSON. Raises NotSent."""
    content = {"alert_id": str(message.message_id), "title": message.title, "text": message.text, **message.body}
    headers = {"Idempotency-Key": str(message.message_id)}
    try:
        answer = httpx.post(target.url, json=content, headers=headers, timeout=target.timeout_s, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotSent(f"{urlsplit(target.url).hostname} does not answer ({type(error).__name__})") from None
    if not answer.is_success:
        raise NotSent(f"{urlsplit(target.url).hostname} answered with status {answer.status_code}")


def mail(target: MailSpec, message: Message, environ: Mapping[str, str]) -> None:
    """By e-mail, to all receivers. Raises NotSent, also where one of them is refused."""
    server = urlsplit(target.server)
    letter = _letter(target, message)
    password = None if target.password_from is None else environ.get(target.password_from)
    if target.password_from is not None and password is None:
        raise NotSent(f"the environment has no {target.password_from}, the mail server's password")
    where, port = str(server.hostname), server.port or _PORTS[server.scheme]
    tls = ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(where, port, timeout=_MAIL_TIMEOUT_S, context=tls)
            if server.scheme == "smtps"
            else smtplib.SMTP(where, port, timeout=_MAIL_TIMEOUT_S)
        ) as line:
            line.ehlo_or_helo_if_needed()
            if server.scheme == "smtp" and line.has_extn("starttls"):
                line.starttls(context=tls)
            if target.user is not None and password is not None:
                line.login(target.user, password)
            refused = line.send_message(letter)
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(f"mail server {where}:{port}: {_one_line(error)}") from None
    if refused:
        raise NotSent(f"mail server {where}:{port} refuses {', '.join(sorted(refused))}")


def _letter(target: MailSpec, message: Message) -> EmailMessage:
    letter = EmailMessage()
    try:
        letter["Subject"] = " ".join(message.title.split())
        letter["From"], letter["To"] = target.sender, ", ".join(target.to)
    except ValueError as error:
        raise NotSent(f"the addresses {target.sender}, {', '.join(target.to)}: {_one_line(error)}") from None
    letter["Message-ID"] = f"<{message.message_id}@everycent>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(message.text)
    return letter


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def _shallow(body: Mapping[str, Any]) -> dict[str, Any]:
    """What fits on a line of a log."""
    return {name: value for name, value in body.items() if isinstance(value, str | int) and name != "event"}
