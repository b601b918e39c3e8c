"""`everycent party account`: payout accounts are given, confirmed, verified and withdrawn."""

import json
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from everycent.base.platform.settings import Settings
from everycent.flow.model.contract import LoadedModel
from everycent.flow.model.service import load_model
from everycent.flow.parties import service
from everycent.flow.parties.contract import OnboardingSpec
from everycent.flow.parties.service import (
    AccountKeys,
    AccountMove,
    AccountPolicy,
    Done,
    Given,
    MandateDone,
    Method,
    NotMoved,
    Signed,
)
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import Session, open_session
from everycent.serve.account_callbacks import receiving
from everycent.serve.business_day import business_day
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NothingStored
from everycent.serve.cli.statements import person_of
from everycent.serve.cli.terminal import err, out, print_json, print_table
from everycent.serve.demo.verification_service import verification_simulator
from everycent.serve.wiring import SECTIONS, migrations

_LOOKED_AT_EVERY_S = 0.1


def give_command(
    party: str, method: str, holder: str, number: str, who: str | None, model: str | None, *, as_json: bool
) -> int:
    """Gives a party an account."""
    if method not in list(Method):
        raise InputRefused(f"--method {method}: write one of {', '.join(Method)}")
    keys, text = AccountKeys.load(), _number(number)
    with open_session(Settings.load(), migrations()) as session:
        known = service.parties(session.connection, session.tenant, model, {"party_id": party}, 2)
        if len(known) > 1:
            raise NothingStored(f"several models have a party '{party}'; name one with --model")
        of = known[0]["model"] if known else model or "?"
        given = Given(party, Method(method), text, holder, person_of(who, "--as"))
        done = service.give_account(session.connection, session.tenant, of, keys, given, datetime.now(UTC))
    return _print_done(done, as_json=as_json)


def move_command(account: str, move: str, who: str | None, why: str | None, *, as_json: bool) -> int:
    """Confirms, declines or withdraws an account."""
    account_id = _id(account)
    with open_session(Settings.load(), migrations()) as session:
        at = (session.connection, session.tenant, account_id, AccountMove(move), person_of(who, "--as"), why)
        done = service.move_account(*at, datetime.now(UTC))
    return _print_done(done, as_json=as_json)


def _used(session: Session, account: str, now: datetime) -> tuple[UUID, date]:
    """The account that is named, by its id, or by its party's, then the newest that is not given up; and the business
    day of its model."""
    where = (session.connection, session.tenant)
    if ":" not in account:
        account_id = _id(account)
        models = [each["model"] for each in service.accounts(*where, None) if each["account_id"] == account_id]
        return account_id, business_day(*where, next(iter(models), None), now)
    known = service.accounts(*where, None, account)
    used = [each for each in known if each["state"] not in service.ENDED_STATES]
    if not used:
        raise NothingStored(f"{account} has no account; give it one with `everycent party account give`")
    if len({each["model"] for each in used}) > 1:
        raise NothingStored(f"several models have a party '{account}'; name the account by its own id")
    return UUID(str(used[-1]["account_id"])), business_day(*where, used[-1]["model"], now)


def mandate_command(account: str, signed_on: date, source: str, who: str | None, *, as_json: bool) -> int:
    """Gives an account its mandate."""
    keys, text = AccountKeys.load(), _number(source)
    with open_session(Settings.load(), migrations()) as session:
        now = datetime.now(UTC)
        account_id, today = _used(session, account, now)
        given = Signed(account_id, text, signed_on, person_of(who, "--as"))
        done = service.sign_mandate(session.connection, session.tenant, keys, given, today, now)
    return _print_mandate(done, as_json=as_json)


def revoke_command(account: str, on: date | None, who: str | None, why: str, *, as_json: bool) -> int:
    """Takes an account's mandate back."""
    with open_session(Settings.load(), migrations()) as session:
        now = datetime.now(UTC)
        account_id, today = _used(session, account, now)
        at = (session.connection, session.tenant, account_id, on or today, person_of(who, "--as"), why)
        done = service.revoke_mandate(*at, now)
    return _print_mandate(done, as_json=as_json)


def list_command(party: str | None, model: str | None, *, as_json: bool) -> int:
    """Lists accounts."""
    with open_session(Settings.load(), migrations()) as session:
        found = service.accounts(session.connection, session.tenant, model, party)
    return _print_accounts(found, as_json=as_json)


def show_command(account: str, *, as_json: bool) -> int:
    """Shows an account with its history."""
    account_id = _id(account)
    with open_session(Settings.load(), migrations()) as session:
        found = [
            each
            for each in service.accounts(session.connection, session.tenant, None)
            if each["account_id"] == account_id
        ]
        if not found:
            raise NothingStored(f"there is no account {account_id}; `everycent party account list` names them")
        moves = service.account_moves(session.connection, session.tenant, found[0]["model"], account_id)
    if as_json:
        print_json({**found[0], "moves": moves})
        return exits.OK
    _print_accounts(found, as_json=False)
    rows = [
        [f"{each['recorded_at']:%Y-%m-%d %H:%M}", each["move"], each["to_state"], each["moved_by"], each["reason"]]
        for each in moves
    ]
    print_table("what moved it", ["when", "move", "state", "by", "why"], rows)
    return exits.OK


def verify_command(path: Path, wait: int, port: int, *, simulated: bool, as_json: bool) -> int:
    """Asks the service; exit code 1 where it was not reached, or answers are missing after waiting for them."""
    model, keys = load_model(path, SECTIONS), AccountKeys.load()
    with open_session(Settings.load(), migrations()) as session, ExitStack() as running:
        secret = secrets.token_bytes(32)
        asked_service = None if simulated else service.VerificationService.load()
        if asked_service is not None:
            secret = asked_service.secret
        if simulated or wait:
            policy = _policy(model)
            address = running.enter_context(receiving(session.settings, model.name, policy, secret, port=port))
            if simulated:
                made_up = running.enter_context(verification_simulator(secret, address))
                asked_service = service.VerificationService(made_up.url, secret)
        assert asked_service is not None, "a service is asked, a real or a made-up one"
        at = (session.connection, session.tenant, model.name)
        asked = service.verify_accounts(*at, keys, asked_service, datetime.now(UTC))
        _wait(session, model.name, asked, wait)
        states = {each["account_id"]: each for each in service.accounts(*at)}
    answers = [(each, states[each.account.account_id]) for each in asked]
    return _print_asked(model.name, answers, waited=bool(wait or simulated), as_json=as_json)


def _wait(session: Session, model: str, asked: Sequence[service.Asked], seconds: int) -> None:
    """Until every account that was asked about has its answer, or the time is over."""
    ends, ids = time.monotonic() + seconds, {each.account.account_id for each in asked}
    while time.monotonic() < ends:
        now = service.accounts(session.connection, session.tenant, model)
        if not any(each["account_id"] in ids and each["state"] == "verifying" for each in now):
            return
        time.sleep(_LOOKED_AT_EVERY_S)


def _print_asked(
    model: str, answers: Sequence[tuple[service.Asked, Mapping[str, Any]]], *, waited: bool, as_json: bool
) -> int:
    told = [{**state, "not_reached": each.not_reached} for each, state in answers]
    if as_json:
        print_json({"model": model, "asked": len(told), "accounts": told})
    else:
        some = "1 account" if len(told) == 1 else f"{len(told):,} accounts"
        out.print(f"the verification service was asked about {some}", markup=False)
        if told:
            rows = [[each["party_id"], each["masked"], each["state"], each["not_reached"]] for each in told]
            print_table("accounts", ["party", "account", "state", "not reached"], rows)
    missing = any(each["not_reached"] or (waited and each["state"] == "verifying") for each in told)
    return exits.FAILED if missing else exits.OK


def listen_command(path: Path, port: int) -> int:
    """Takes call-backs until stopped."""
    model, asked_service = load_model(path, SECTIONS), service.VerificationService.load()

    def told(taken: service.AnswerTaken) -> None:
        account = None if taken.account is None else str(taken.account.account_id)
        line = {"outcome": taken.outcome, "account": account, "refusal": taken.refusal, "reason": taken.reason}
        out.print(json.dumps(line), markup=False)

    with open_session(Settings.load(), migrations()) as session:
        at = (session.settings, model.name, _policy(model), asked_service.secret)
        with receiving(*at, port=port, told=told) as address:
            err.print(f"everycent: call-backs are taken at {address}", markup=False)
            while True:
                time.sleep(3600)


def answers_command(*, as_json: bool) -> int:
    """Lists call-backs that were not taken."""
    with open_session(Settings.load(), migrations()) as session:
        found = service.refused_answers(session.connection, session.tenant)
    plain = [{**each, "content": bytes(each["content"]).decode("utf-8", "backslashreplace")} for each in found]
    if as_json:
        print_json({"refused": plain})
    else:
        rows = [[f"{each['recorded_at']:%Y-%m-%d %H:%M}", each["refusal"], each["reason"]] for each in plain]
        print_table("call-backs that were not taken", ["when", "refusal", "why"], rows)
    return exits.OK


def find_command(number: str, *, as_json: bool) -> int:
    """Lists the accounts that have a number."""
    keys, text = AccountKeys.load(), _number(number)
    with open_session(Settings.load(), migrations()) as session:
        ids = {each.account_id for each in service.found(session.connection, session.tenant, keys, text)}
        every = service.accounts(session.connection, session.tenant, None)
    return _print_accounts([each for each in every if each["account_id"] in ids], as_json=as_json)


def new_key_command(key_id: str) -> int:
    """Prints a new key."""
    key = service.new_key(key_id)
    AccountKeys.load({"EVERYCENT_ACCOUNT_KEYS": key})
    out.print(key, markup=False)
    return exits.OK


def rekey_command(*, as_json: bool) -> int:
    """Seals numbers anew."""
    keys = AccountKeys.load()
    with open_session(Settings.load(), migrations()) as session:
        renewed = service.rekey(session.connection, session.tenant, keys)
    if as_json:
        print_json({"key": keys.sealing, "sealed_anew": renewed})
    else:
        out.print(f"{renewed:,} numbers are sealed anew under key {keys.sealing}", markup=False)
    return exits.OK


def _policy(model: LoadedModel) -> AccountPolicy:
    onboarding = model.spec.onboarding or OnboardingSpec(sources={})
    return AccountPolicy(model.calendar, onboarding.cooling)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InputRefused(f"'{text}' is no account's id; `everycent party account list` names them") from None


def _number(source: str) -> str:
    """All that is there: of two lines neither is taken for the number. Who types it ends it with the line."""
    if source != "-":
        return Path(source).read_text(encoding="utf-8")
    return sys.stdin.readline() if sys.stdin.isatty() else sys.stdin.read()


def _print_done(done: Done | NotMoved, *, as_json: bool) -> int:
    if isinstance(done, NotMoved):
        raise InputRefused(f"{done.name}: {done.message}")
    account = done.account
    if as_json:
        print_json(
            {
                "account_id": account.account_id,
                "model": account.model,
                "party_id": account.party_id,
                "masked": account.masked,
                "state": account.state.value,
                "changed": done.changed,
            }
        )
    else:
        was = "is" if done.changed else "was already"
        out.print(f"account {account.account_id} ({account.masked}) of {account.party_id} {was} {account.state}")
    return exits.OK


def _print_mandate(done: MandateDone | NotMoved, *, as_json: bool) -> int:
    if isinstance(done, NotMoved):
        raise InputRefused(f"{done.name}: {done.message}")
    one = done.mandate
    if as_json:
        told = {"account_id": one.account_id, "mandate": one.masked, "signed_on": one.signed_on}
        print_json({**told, "revoked_on": one.revoked_on, "changed": done.changed})
    else:
        since = "" if one.revoked_on is None else f", revoked on {one.revoked_on}"
        before = "" if done.changed else " (as before)"
        out.print(f"mandate {one.masked} of account {one.account_id}, signed on {one.signed_on}{since}{before}")
    return exits.OK


def _print_accounts(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> int:
    if as_json:
        print_json({"accounts": list(found)})
        return exits.OK
    columns = ["account_id", "party_id", "method", "masked", "holder", "state", "usable_on"]
    titles = ["account", "party", "method", "number", "holder", "state", "used from", "debited under"]
    rows = [[*(each[name] for name in columns), _debited_under(each)] for each in found]
    print_table("payout accounts", titles, rows)
    return exits.OK


def _debited_under(account: Mapping[str, Any]) -> str:
    """The mandate, as anybody may see it."""
    if account["mandate"] is None:
        return ""
    if account["mandate_revoked_on"] is not None:
        return f"revoked on {account['mandate_revoked_on']}"
    return f"{account['mandate']} of {account['mandate_signed_on']}"
