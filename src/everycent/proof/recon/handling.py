"""The words of a scenario's `breaks`: what becomes of a break between its finding and its end."""

from datetime import timedelta
from pathlib import PurePath
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from everycent.base.engine.declaration import Declaration, Duration, FormulaText, Name, Words
from everycent.proof.recon.limits import Amounts

_NO_TIME = timedelta(0)


def _http(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"'{url}' is no address of a service; write for example https://orders.example/repairs")
    return url


def _smtp(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError(f"'{url}' is no mail server; write for example smtp://mail.example:587")
    if parts.password is not None:
        raise ValueError("a model holds no passwords; name the variable that does with password_from")
    return url


def _inside(path: str) -> str:
    if PurePath(path).is_absolute() or ".." in PurePath(path).parts:
        raise ValueError(f"'{path}' is not beside the model; write a path below the model's folder")
    return path


Url = Annotated[str, AfterValidator(_http)]
MailServer = Annotated[str, AfterValidator(_smtp)]
Beside = Annotated[str, AfterValidator(_inside)]


class RecheckSpec(Declaration):
    """Looking again before a break counts: what has mended itself by then alarms nobody."""

    after: Duration = Field(
        default=timedelta(minutes=30), description="how long to wait before each look", examples=["30 minutes"]
    )
    times: int = Field(
        default=1, ge=1, le=100, description="how many looks must find it again before it is confirmed", examples=[3]
    )


class RestRepairSpec(Declaration):
    """A service that repairs: gets the break as JSON by POST, with an Idempotency-Key that names break and attempt."""

    url: Url = Field(description="where it is", examples=["https://orders.example/repairs"])
    timeout_s: int = Field(default=10, ge=1, le=600, description="how long it may take to answer", examples=[10])
    tries: int = Field(
        default=3, ge=1, le=10, description="how often one attempt is sent, always with the same key", examples=[3]
    )
    ask: Url | None = Field(
        default=None,
        description="where an attempt of unknown end is asked about: GET of this address, '/' and the key",
        examples=["https://orders.example/repairs"],
    )


class ScriptRepairSpec(Declaration):
    """A program that repairs: gets the break as JSON on its standard input; exit code 0 says that it is done."""

    file: Beside = Field(description="the program, below the model's folder", examples=["repairs/mark_paid.py"])
    timeout_s: int = Field(default=60, ge=1, le=3600, description="how long it may take", examples=[60])


class RepairRuleSpec(Declaration):
    """A standard cure. The first rule that fits a confirmed break repairs it."""

    name: Name = Field(description="what the history calls it", examples=["mark-paid"])
    kinds: Words = Field(default=(), description="of these kinds; all otherwise", examples=["status_differs"])
    causes: Words = Field(default=(), description="with these causes; any otherwise", examples=["opposite_sign"])
    when: FormulaText | None = Field(
        default=None,
        description="and of which this holds: a condition over key, kind, cause, left_status, right_status, "
        "left_amount, right_amount, difference, currency; amounts are of the scenario's currency, and have no value in "
        "others, unless the condition says in which `currency` they are",
        examples=["right_status = 'SUCCESS'"],
    )
    handler: str | None = Field(
        default=None, description="an installed handler, by its entry point's name", examples=["hold_statement"]
    )
    rest: RestRepairSpec | None = Field(default=None, description="or a service")
    script: ScriptRepairSpec | None = Field(default=None, description="or a program")
    dry_run: Literal["never", "first", "only"] = Field(
        default="never",
        description="whether it is told to try first, changing nothing: never; first: before each repair, which is "
        "made if the trial goes well; only: nothing is repaired, the history keeps what the trial said",
    )
    attempts: int = Field(
        default=1, ge=1, le=10, description="how often it is tried for one break where it fails", examples=[2]
    )
    most: int = Field(
        default=100, ge=1, description="breaks of one reconciliation that it repairs, at most", examples=[20]
    )
    most_amount: Amounts | None = Field(
        default=None,
        description="what their differences may add up to in one reconciliation, in major units; any otherwise. One "
        "amount is of the scenario's currency, of others by code; what is in none of them is not repaired",
        examples=["1000.00", {"CNY": "1000.00", "JPY": "20000"}],
    )

    @model_validator(mode="after")
    def _one_handler(self) -> Self:
        if [self.handler, self.rest, self.script].count(None) != 2:
            raise ValueError("a repair is made in one way; write one of handler, rest, script")
        return self


class MailSpec(Declaration):
    """Alerts by e-mail."""

    to: Words = Field(min_length=1, description="who gets it", examples=["settlement@shop.example"])
    sender: str = Field(alias="from", description="who it is from", examples=["everycent@shop.example"])
    server: MailServer = Field(
        description="the mail server; smtps speaks TLS from the first byte, smtp turns it on where it is offered",
        examples=["smtp://mail.example:587"],
    )
    user: str | None = Field(default=None, description="the name to log in with", examples=["everycent"])
    password_from: Name | None = Field(
        default=None,
        description="the environment variable that holds its password; with _FILE behind its name, the path of a file "
        "that does",
        examples=["MAIL_PASSWORD"],
    )


class WebhookSpec(Declaration):
    """Alerts by a POST of JSON, with an Idempotency-Key that is the same however often it is sent."""

    url: Url = Field(description="where it goes", examples=["https://chat.example/hooks/settlement"])
    timeout_s: int = Field(default=10, ge=1, le=120, description="how long it may take to answer", examples=[10])
    secret_from: Name | None = Field(
        default=None,
        description="the environment variable that holds the secret it is signed with (webhook-signature: "
        "HMAC-SHA256); with _FILE behind its name, the path of a file that does",
        examples=["HOOK_SECRET"],
    )


class AlertTargetSpec(Declaration):
    """One way to tell people."""

    webhook: WebhookSpec | None = Field(default=None, description="a service")
    mail: MailSpec | None = Field(default=None, description="e-mail")
    log: Literal["warning", "error"] | None = Field(
        default=None, description="the log, as a warning or as an error; from there to wherever logs go"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if [self.webhook, self.mail, self.log].count(None) != 2:
            raise ValueError("an alert goes one way; write one of webhook, mail, log")
        return self


class AlertSpec(Declaration):
    """Who is told of confirmed breaks that nothing repairs."""

    to: tuple[AlertTargetSpec, ...] = Field(min_length=1, description="each is told")
    group_by: Literal["scenario", "kind", "cause", "none"] = Field(
        default="kind",
        description="what shares one message: all of a scenario, those of a kind, those of a cause, or none: each "
        "break has its own",
    )
    most_per_hour: int = Field(
        default=10, ge=1, description="messages in an hour, at most; the breaks of more wait for the next", examples=[4]
    )
    shown: int = Field(
        default=20, ge=1, le=1000, description="breaks that a message lists; it counts all", examples=[5]
    )


class WriteOffSpec(Declaration):
    """What a person may write off."""

    limit: Amounts | None = Field(
        default=None,
        description="a larger difference cannot be written off, in major units; one amount is of the scenario's "
        "currency, of others by code. What is in none of them waits for a second person's yes",
        examples=["100.00", {"CNY": "100.00", "JPY": "2000"}],
    )
    approve_above: Amounts | None = Field(
        default=None,
        description="a larger difference waits for a second person's yes; 0: each does, as does one in a currency that "
        "is not named. Nothing waits otherwise",
        examples=["1.00", {"CNY": "1.00", "JPY": "20"}],
    )


class HandlingSpec(Declaration):
    """The life of a scenario's breaks. Without words they are confirmed as they are found, and wait for a person."""

    recheck: RecheckSpec | None = Field(default=None, description="looking again before a break counts")
    repair: tuple[RepairRuleSpec, ...] = Field(default=(), description="standard cures, the first that fits")
    alert: AlertSpec | None = Field(default=None, description="who is told")
    write_off: WriteOffSpec | None = Field(default=None, description="what a person may write off")
    resolve_within: Duration | None = Field(
        default=None, description="how long a break may be open before it is overdue", examples=["3 days"]
    )

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        names = [rule.name for rule in self.repair]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two repairs are called '{name}'; give each a name of its own")
        return self

    @property
    def waits(self) -> timedelta:
        """How long a break waits before it is looked at again; no time without a recheck."""
        return _NO_TIME if self.recheck is None else self.recheck.after
