"""Result handlers: `webhook` and `mail` tell at once that a run found breaks. For grouped, limited alerts that are sent
until they arrive, and only of what a recheck confirms, declare `breaks: {alert: ...}`."""

import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid5

from pydantic import Field

from everycent.base.engine.declaration import Declaration
from everycent.proof.recon.breaks.messages import Message, NotSent, mail, post
from everycent.proof.recon.chain import LinkFailed, RunResult, Surroundings
from everycent.proof.recon.handlers.log import summary_of
from everycent.proof.recon.handling import MailSpec, WebhookSpec

_FIRST_WAIT_S = 0.2
_AGREES, _TOLD = "not sent: the sides agree", "not sent: of this run it was told before"


class WebhookWords(WebhookSpec):
    """Where a run's summary goes."""

    tries: int = Field(
        default=3, ge=1, le=10, description="how often it is sent, always with the same key, where nobody takes it"
    )


class Webhook:
    """The handler `webhook`."""

    name = "webhook"
    words: type[Declaration] = WebhookWords

    def handle(self, words: WebhookWords, result: RunResult, around: Surroundings) -> str:
        """Sends the run's summary. Raises LinkFailed."""
        if result.agrees or not result.changed:
            return _AGREES if result.agrees else _TOLD
        message = _message(result, self.name)
        for again in range(words.tries - 1, -1, -1):
            try:
                post(words, message, around.environ, datetime.now(UTC))
                break
            except NotSent as error:
                if not (again and error.again):
                    raise LinkFailed(f"handler 'webhook': {error}") from None
            time.sleep(_FIRST_WAIT_S * 2 ** (words.tries - 1 - again))
        return f"sent to {words.url}"


class Mail:
    """The handler `mail`."""

    name = "mail"
    words: type[Declaration] = MailSpec

    def handle(self, words: MailSpec, result: RunResult, around: Surroundings) -> str:
        """Sends the run's summary. Raises LinkFailed."""
        if result.agrees or not result.changed:
            return _AGREES if result.agrees else _TOLD
        try:
            mail(words, _message(result, self.name), around.environ)
        except NotSent as error:
            raise LinkFailed(f"handler 'mail': {error}") from None
        return f"sent to {', '.join(words.to)}"


def _message(result: RunResult, handler: str) -> Message:
    body: dict[str, Any] = summary_of(result)
    title = f"{result.scenario}: run {result.run_no} found {result.breaks.num_rows:,} breaks"
    lines = [title, "", *(f"{name}: {value}" for name, value in body.items())]
    return Message(uuid5(result.run_id, handler), title, "\n".join(lines) + "\n", body)


WEBHOOK = Webhook()
MAIL = Mail()
