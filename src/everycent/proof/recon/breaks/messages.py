"""Messages to people, and the ways they go: a service, e-mail, the log. Each has one id, however often sent."""

import base64
import binascii
import json
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import structlog

from everycent.base.platform.signatures import signed
from everycent.proof.recon.handling import AlertTargetSpec, MailSpec, WebhookSpec

_MAIL_TIMEOUT_S = 30
_AGAIN = frozenset({408, 425, 429, *range(500, 600)})
_PORTS = {"smtp": 25, "smtps": 465}


class NotSent(Exception):
    """A message did not arrive, or nobody said that it did; the message says why. `again`: at once it may do better."""

    def __init__(self, why: str, *, again: bool = True) -> None:
        super().__init__(why)
        self.again = again


@dataclass(frozen=True)
class Message:
    """`title` is one line; `body` is for programs, `text` for people."""

    message_id: UUID
    title: str
    text: str
    body: Mapping[str, Any]


def send(target: AlertTargetSpec, message: Message, environ: Mapping[str, str], now: datetime) -> None:
    """Sends it; that it returns means that the receiver has it. Raises NotSent."""
    if target.webhook is not None:
        post(target.webhook, message, environ, now)
    elif target.mail is not None:
        mail(target.mail, message, environ)
    else:
        log = structlog.get_logger()
        say = log.error if target.log == "error" else log.warning
        say(message.title, alert_id=str(message.message_id), **_shallow(message.body))


def post(target: WebhookSpec, message: Message, environ: Mapping[str, str], now: datetime) -> None:
    """To a service, as JSON, signed where there is a secret. Raises NotSent."""
    body = {"alert_id": str(message.message_id), "title": message.title, "text": message.text, **message.body}
    content = json.dumps(body, ensure_ascii=False).encode()
    headers = {"Idempotency-Key": str(message.message_id), "Content-Type": "application/json"}
    if target.secret_from is not None:
        key = _key_of(target.secret_from, _secret(target.secret_from, environ, "the webhook's secret"))
        headers |= signed(message.message_id, content, key, now)
    where = urlsplit(target.url).hostname
    try:
        answer = httpx.post(
            target.url, content=content, headers=headers, timeout=target.timeout_s, follow_redirects=False
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotSent(f"{where} does not answer ({type(error).__name__})") from None
    if not answer.is_success:
        raise NotSent(f"{where} answered with status {answer.status_code}", again=answer.status_code in _AGAIN)


def _key_of(name: str, secret: str) -> bytes:
    """`whsec_` and base64 as the convention writes secrets; any other text as it is."""
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise NotSent(f"{name} begins with whsec_, and what follows is not base64", again=False) from None


def _secret(name: str, environ: Mapping[str, str], what: str) -> str:
    """What the variable holds, or the file that the variable with _FILE behind its name leads to. Raises NotSent."""
    found = environ.get(name)
    if found is None and (file := environ.get(f"{name}_FILE")) is not None:
        try:
            found = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            raise NotSent(f"{name}_FILE, {what}, cannot be read ({type(error).__name__})", again=False) from None
    if not found:
        raise NotSent(f"the environment has no {name} and no {name}_FILE, {what}", again=False)
    return found


def mail(target: MailSpec, message: Message, environ: Mapping[str, str]) -> None:
    """By e-mail, to all receivers. Raises NotSent, also where one of them is refused."""
    server = urlsplit(target.server)
    letter = _letter(target, message)
    name = target.password_from
    password = None if name is None else _secret(name, environ, "the mail server's password")
    where, port = str(server.hostname), server.port or _PORTS[server.scheme]
    tls = ssl.create_default_context()
    try:
        with (
            smtplib.SMTP_SSL(where, port, timeout=_MAIL_TIMEOUT_S, context=tls)
            if server.scheme == "smtps"
            else smtplib.SMTP(where, port, timeout=_MAIL_TIMEOUT_S)
        ) as line:
            line.ehlo_or_helo_if_needed()
            hidden = server.scheme == "smtps"
            if not hidden and line.has_extn("starttls"):
                line.starttls(context=tls)
                hidden = True
            if target.user is not None and password is not None:
                if not hidden:
                    raise NotSent(
                        f"mail server {where}:{port} offers no TLS, so that anyone on the way could read the password; "
                        "it was not sent. Use smtps://, or a server that offers STARTTLS",
                        again=False,
                    )
                line.login(target.user, password)
            refused = line.send_message(letter)
    except UnicodeError:  # its text would tell a part of the password
        raise NotSent(f"mail server {where}:{port}: user, password and addresses must be ASCII", again=False) from None
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
