"""Ways to people: mail under TLS with a login, webhooks with a signature, secrets that no model holds."""

import base64
import hashlib
import hmac
import json
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from repair_service import Service, repair_service

from everycent.proof.recon.breaks.messages import Message, NotSent, mail, post
from everycent.proof.recon.chain import LinkFailed, Surroundings
from everycent.proof.recon.handlers.alert import WEBHOOK, WebhookWords
from everycent.proof.recon.handling import MailSpec, WebhookSpec

from .mail_server import MailServer, mail_server
from .test_alerting import result

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
MESSAGE = Message(UUID(int=7), "bill: 1 open", "A differs\n", {"count": 1, "name": "差错"})
USERS = {"everycent": "s3cret"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of this machine's, signed by itself, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate; it is not installed")
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=local", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return both


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def letter(post_office: MailServer, **words: str) -> MailSpec:
    to = {"to": "ann@shop.example", "from": "everycent@shop.example", "server": post_office.url}
    return MailSpec.model_validate({**to, **words})


LOGIN = {"user": "everycent", "password_from": "MAIL_PASSWORD"}


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_mail_goes_under_tls_and_the_password_with_it(
    scheme: Literal["smtp", "smtps"], tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(tls, scheme, USERS) as post_office:
        mail(letter(post_office, **LOGIN), MESSAGE, {"MAIL_PASSWORD": "s3cret"})
    assert [one["Subject"] for one in post_office.letters] == ["bill: 1 open"]
    assert "AUTH" in post_office.hidden and "DATA" in post_office.hidden
    assert set(post_office.said) <= {"EHLO", "STARTTLS"}


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_certificate_that_nobody_vouches_for_gets_no_mail(
    scheme: Literal["smtp", "smtps"], tls: ssl.SSLContext
) -> None:
    with mail_server(tls, scheme, USERS) as post_office, pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
        mail(letter(post_office, **LOGIN), MESSAGE, {"MAIL_PASSWORD": "s3cret"})
    assert post_office.letters == [] and "AUTH" not in post_office.hidden + post_office.said


def test_a_password_never_goes_in_plain_text() -> None:
    with mail_server(users=USERS) as post_office, pytest.raises(NotSent, match=r"offers no TLS, .* it was not sent"):
        mail(letter(post_office, **LOGIN), MESSAGE, {"MAIL_PASSWORD": "s3cret"})
    assert "AUTH" not in post_office.said


@pytest.mark.parametrize(
    ("password", "says"),
    [("guessed", "who are you"), pytest.param("pässword", "must be ASCII", id="one that mail cannot carry")],
)
def test_a_password_that_does_not_work_is_told_without_saying_it(
    password: str, says: str, tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(tls, users=USERS) as post_office, pytest.raises(NotSent, match=says) as told:
        mail(letter(post_office, **LOGIN), MESSAGE, {"MAIL_PASSWORD": password})
    assert not any(part in str(told.value) for part in (password, "xe4", "ä")) and post_office.letters == []


@pytest.fixture
def hook() -> Iterator[Service]:
    with repair_service() as running:
        yield running


@pytest.mark.parametrize("secret", ["plain words", "whsec_" + base64.b64encode(b"\x00key").decode()])
@pytest.mark.parametrize("kept", ["variable", "file"])
def test_a_webhook_is_signed_over_its_very_bytes(hook: Service, tmp_path: Path, secret: str, kept: str) -> None:
    file = tmp_path / "secret"
    file.write_text(secret + "\n")
    environ = {"HOOK_SECRET": secret} if kept == "variable" else {"HOOK_SECRET_FILE": str(file)}
    post(WebhookSpec(url=hook.url, secret_from="HOOK_SECRET"), MESSAGE, environ, NOW)
    ((headers, content),) = hook.raw
    key = b"\x00key" if secret.startswith("whsec_") else secret.encode()
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (str(UUID(int=7)), str(int(NOW.timestamp())))
    over = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + content
    expected = base64.b64encode(hmac.new(key, over, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert json.loads(content)["name"] == "差错" and secret.encode() not in content


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "the environment has no HOOK_SECRET and no HOOK_SECRET_FILE, the webhook's secret"),
        ({"HOOK_SECRET_FILE": "none"}, "HOOK_SECRET_FILE, the webhook's secret, cannot be read (FileNotFoundError)"),
        ({"HOOK_SECRET": "whsec_?"}, "HOOK_SECRET begins with whsec_, and what follows is not base64"),
    ],
)
def test_without_its_secret_a_webhook_is_not_sent(hook: Service, environ: dict[str, str], says: str) -> None:
    with pytest.raises(NotSent) as told:
        post(WebhookSpec(url=hook.url, secret_from="HOOK_SECRET"), MESSAGE, environ, NOW)
    assert str(told.value) == says and hook.got == []


@pytest.mark.parametrize(("answers", "sent"), [([503, 0, 200], 3), ([422], 1), ([503] * 3, 3)])
def test_a_run_s_webhook_is_sent_again_where_that_may_help(
    hook: Service, tmp_path: Path, answers: list[Any], sent: int
) -> None:
    around, words = Surroundings(tmp_path, NOW.date(), tmp_path), WebhookWords(url=hook.url)
    hook.answers, taken = list(answers), answers[-1] == 200
    if taken:
        assert WEBHOOK.handle(words, result(), around) == f"sent to {hook.url}"
    else:
        with pytest.raises(LinkFailed, match="answered with status"):
            WEBHOOK.handle(words, result(), around)
    assert len(hook.got) == sent and len({key for key, _ in hook.got}) == 1
