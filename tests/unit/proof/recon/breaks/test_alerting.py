"""Alerts: grouped, limited, and delivered at least once by one id."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
import structlog
from repair_service import Service, repair_service

from everycent.proof.recon.breaks.alerting import Written, deliver, write_alerts
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.contract import BREAK, TOTALS, LinkFailed, RunResult, Surroundings
from everycent.proof.recon.handlers.alert import MAIL, WEBHOOK, WebhookWords
from everycent.proof.recon.handling import MailSpec

from .conftest import Desk, side
from .mail_server import MailServer, mail_server

Declared = Callable[[dict[str, Any]], Desk]


@pytest.fixture
def hook() -> Iterator[Service]:
    with repair_service() as running:
        yield running


@pytest.fixture
def post_office() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


def alert(*targets: dict[str, Any], **words: Any) -> dict[str, Any]:
    return {"alert": {"to": list(targets), **words}}


def write(desk: Desk) -> Written:
    return write_alerts(desk.connection, "default", "shop", Words("bill", "CNY", desk.words), desk.now)


def send(desk: Desk, **environ: str) -> list[str | None]:
    return [one.failure for one in deliver(desk.connection, "default", "shop", environ, desk.now)]


def four(desk: Desk) -> Desk:
    desk.run(side("l", A=105, B=7, D=8), side("r", A=100, C=9))
    return desk


@pytest.mark.parametrize(
    ("group_by", "messages"),
    [
        ("scenario", ["bill: breaks, 4 open, 0.11 CNY"]),
        (
            "kind",
            [
                "bill: amount_differs, 1 open, 0.05 CNY",
                "bill: missing_left, 1 open, -0.09 CNY",
                "bill: missing_right, 2 open, 0.15 CNY",
            ],
        ),
    ],
)
def test_breaks_of_a_group_share_a_message(
    declared: Declared, hook: Service, group_by: str, messages: list[str]
) -> None:
    desk = four(declared(alert({"webhook": {"url": hook.url}}, group_by=group_by)))
    assert write(desk) == Written(len(messages), 4, 0)
    assert send(desk) == [None] * len(messages)
    assert sorted(body["title"] for _, body in hook.got) == messages
    assert sum(len(body["breaks"]) for _, body in hook.got) == 4
    assert set(desk.states().values()) == {"alerted"}
    assert write(desk) == Written(0, 0, 0), "of a break one is told once"


def test_what_waits_for_its_recheck_alarms_nobody(declared: Declared, hook: Service) -> None:
    desk = four(declared({"recheck": {"after": "1 hour"}, **alert({"webhook": {"url": hook.url}})}))
    assert write(desk) == Written(0, 0, 0)


def test_more_than_an_hour_allows_waits_and_is_then_told_together(declared: Declared, hook: Service) -> None:
    desk = four(declared(alert({"webhook": {"url": hook.url}}, group_by="none", most_per_hour=1)))
    assert write(desk) == Written(1, 1, 3)
    desk.later(minutes=59)
    assert write(desk) == Written(0, 0, 3)
    desk.later(minutes=2)
    assert write(desk) == Written(1, 1, 2)


def test_a_message_comes_until_it_has_arrived_always_by_the_same_id(declared: Declared, hook: Service) -> None:
    desk = four(declared(alert({"webhook": {"url": hook.url}}, group_by="scenario")))
    write(desk)
    hook.answers = [503, 0]
    assert send(desk) == ["127.0.0.1 answered with status 503"]
    assert send(desk) == [], "it is not due again yet"
    desk.later(minutes=1)
    assert send(desk) == ["127.0.0.1 does not answer (RemoteProtocolError)"]
    desk.later(minutes=2)
    assert send(desk) == [None]
    desk.later(days=1)
    assert send(desk) == []
    assert len(hook.got) == 3 and len({key for key, _ in hook.got}) == 1


def test_sent_and_not_committed_is_sent_again(declared: Declared, hook: Service) -> None:
    desk = four(declared(alert({"webhook": {"url": hook.url}}, group_by="scenario")))
    write(desk)
    with pytest.raises(RuntimeError), desk.connection.transaction():
        send(desk)
        raise RuntimeError("the power goes")
    assert send(desk) == [None]
    first, second = (key for key, _ in hook.got)
    assert first == second


def test_mail_goes_to_all_with_what_people_need(declared: Declared, post_office: MailServer) -> None:
    to = {"to": ["ann@shop.example", "bob@shop.example"], "from": "everycent@shop.example", "server": post_office.url}
    desk = four(declared(alert({"mail": to}, group_by="scenario", shown=2)))
    write(desk)
    assert send(desk) == [None, None]
    letter, other = post_office.letters
    assert letter["Subject"] == "bill: breaks, 4 open, 0.11 CNY"
    assert {letter["To"], other["To"]} == {"ann@shop.example", "bob@shop.example"}
    text = letter.get_content()
    assert "A  0.05 CNY  the amounts differ · 金额不一致" in text
    assert "and 2 more: everycent breaks list --where scenario=bill" in text


@pytest.mark.parametrize("fault", ["451 later", "", "nobody"])
def test_mail_that_is_refused_or_cut_off_is_sent_again(declared: Declared, post_office: MailServer, fault: str) -> None:
    to = {"to": "ann@shop.example", "from": "everycent@shop.example", "server": post_office.url}
    desk = four(declared(alert({"mail": to}, group_by="scenario")))
    write(desk)
    if fault == "nobody":
        post_office.unknown = {"ann@"}
    else:
        post_office.faults = [fault]
    (failure,) = send(desk)
    assert failure is not None and failure.startswith("mail server 127.0.0.1:")
    post_office.unknown.clear()
    desk.later(hours=1)
    assert send(desk) == [None]
    assert len({letter["Message-ID"] for letter in post_office.letters}) == 1


def test_a_receiver_that_is_refused_brings_nobody_else_a_letter_twice(
    declared: Declared, post_office: MailServer
) -> None:
    to = {"to": ["ann@shop.example", "gone@shop.example"], "from": "e@shop.example", "server": post_office.url}
    desk = four(declared(alert({"mail": to}, group_by="scenario")))
    post_office.unknown = {"gone@"}
    write(desk)
    for _ in range(3):
        assert any("nobody here" in (failure or "") for failure in send(desk))
        desk.later(hours=1)
    assert [letter["To"] for letter in post_office.letters] == ["ann@shop.example"]


def test_a_password_that_is_not_there_is_named(declared: Declared, post_office: MailServer) -> None:
    to = {"to": "a@x.example", "from": "b@x.example", "server": post_office.url, "user": "u", "password_from": "PASS"}
    desk = four(declared(alert({"mail": to})))
    write(desk)
    assert set(send(desk)) == {"the environment has no PASS and no PASS_FILE, the mail server's password"}


def test_the_log_is_told(declared: Declared) -> None:
    desk = four(declared(alert({"log": "error"}, group_by="scenario")))
    write(desk)
    with structlog.testing.capture_logs() as lines:
        assert send(desk) == [None]
    assert [(line["log_level"], line["event"], line["count"]) for line in lines] == [
        ("error", "bill: breaks, 4 open, 0.11 CNY", 4)
    ]


def result(*, changed: bool = True, breaks: int = 1) -> RunResult:
    row = {"key": "A", "bucket": "missing_left", "cause": "missing_left", "difference_minor": 1}
    return RunResult(
        "default", "shop", "bill", UUID(int=5), 2, changed, date(2026, 3, 2), "CNY", 2, 0, 1,
        pa.Table.from_pylist([row] * breaks, BREAK), TOTALS.empty_table(), pa.table({}),
    )  # fmt: skip


def test_a_run_s_result_is_told_at_once_where_a_scenario_says_so(
    hook: Service, post_office: MailServer, tmp_path: Path
) -> None:
    around, words = Surroundings(tmp_path, date(2026, 3, 2), tmp_path), WebhookWords(url=hook.url, tries=1)
    assert WEBHOOK.handle(words, result(), around) == f"sent to {hook.url}"
    assert WEBHOOK.handle(words, result(changed=False), around) == "not sent: of this run it was told before"
    assert WEBHOOK.handle(words, result(breaks=0), around) == "not sent: the sides agree"
    assert [body["title"] for _, body in hook.got] == ["bill: run 2 found 1 breaks"]
    hook.answers = [500]
    with pytest.raises(LinkFailed, match=r"handler 'webhook': .* answered with status 500"):
        WEBHOOK.handle(words, result(), around)
    to = {"to": "ann@shop.example", "from": "everycent@shop.example", "server": post_office.url}
    assert MAIL.handle(MailSpec.model_validate(to), result(), around) == "sent to ann@shop.example"
