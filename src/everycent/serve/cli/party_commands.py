"""`everycent party`: parties by what the business calls them, and the contracts that make them."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from everycent.base.platform.settings import Settings
from everycent.flow.model.contract import LoadedModel
from everycent.flow.model.service import load_model
from everycent.flow.parties import service
from everycent.flow.parties.contract import RELATION_FIELDS
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import open_session, plan_model
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NothingStored
from everycent.serve.cli.terminal import out, print_json, print_table, shorten
from everycent.serve.wiring import SECTIONS, migrations

_SEARCHED = ("role", "party_id", *RELATION_FIELDS)


def list_command(where: Sequence[str], model: str | None, limit: int, *, as_json: bool) -> int:
    """Lists parties."""
    wanted = _wanted(where)
    with open_session(Settings.load(), migrations()) as session:
        found = service.parties(session.connection, session.tenant, model, wanted, limit)
    if as_json:
        print_json({"parties": found})
        return exits.OK
    rows = [[each["model"], each["party_id"], each["role"], each["contracts"] or ""] for each in found]
    print_table("parties", ["model", "party", "role", "contracts"], rows, right=frozenset({3}))
    if len(found) == limit:
        out.print(f"these are the first {limit}; --limit shows more", markup=False)
    return exits.OK


def show_command(party: str, model: str | None, *, as_json: bool) -> int:
    """Shows one party; NothingStored where there is none of that id."""
    with open_session(Settings.load(), migrations()) as session:
        at = (session.connection, session.tenant, model)
        known = service.parties(*at, {"party_id": party}, 2)
        if not known:
            raise NothingStored(f"there is no party '{party}'; `everycent party list` names them")
        if len(known) > 1:
            names = ", ".join(each["model"] for each in known)
            raise NothingStored(f"several models have a party '{party}': {names}, ...; name one with --model")
        at = (session.connection, session.tenant, known[0]["model"])
        related = service.related(*at, {"party_id": party})
        contracts, events = service.contracts(*at, party), service.events(*at, party)
    if as_json:
        told = {"relations": related, "contracts": list(map(_plain, contracts)), "events": list(map(_plain, events))}
        print_json({**known[0], **told})
        return exits.OK
    out.print(f"{party}, {known[0]['role']} in {known[0]['model']}", markup=False)
    if related:
        columns = [name for name in related[0] if name not in ("model", "party_id")]
        print_table("relation groups", columns, [[each[name] for name in columns] for each in related])
    if contracts:
        _print_contracts(contracts)
    if events:
        rows = [[f"{each['recorded_at']:%Y-%m-%d %H:%M}", each["kind"]] for each in events]
        print_table("told to others", ["when", "what"], rows)
    return exits.OK


def take_command(path: Path, files: Sequence[str], *, dry_run: bool, as_json: bool) -> int:
    """Takes messages; exit code 1 where one was not taken."""
    model, plan = _planned(path)
    contents = [line for file in files for line in _lines(file)]
    with open_session(Settings.load(), migrations()) as session:
        at = (session.connection, session.tenant, model.name, plan)
        taken = service.take_contracts(*at, contents, datetime.now(UTC), dry_run=dry_run)
    return _print_taken(model.name, taken, dry_run=dry_run, as_json=as_json)


def retry_command(path: Path, *, dry_run: bool, as_json: bool) -> int:
    """Takes refused messages again; exit code 1 where one is refused again."""
    model, plan = _planned(path)
    with open_session(Settings.load(), migrations()) as session:
        at = (session.connection, session.tenant, model.name, plan)
        taken = service.retry_contracts(*at, datetime.now(UTC), dry_run=dry_run)
    return _print_taken(model.name, taken, dry_run=dry_run, as_json=as_json)


def contracts_command(party: str | None, model: str | None, *, refused: bool, as_json: bool) -> int:
    """Lists contracts, or the messages that were not taken."""
    with open_session(Settings.load(), migrations()) as session:
        at = (session.connection, session.tenant, model)
        found = service.refusals(*at) if refused else service.contracts(*at, party)
    if as_json:
        print_json({"refused" if refused else "contracts": [_plain(each) for each in found]})
    elif refused:
        rows = [
            [each["contract_no"], each["revision"], each["refusal"], shorten(each["reason"]), shorten(_shown(each), 60)]
            for each in found
        ]
        print_table("messages that were not taken", ["contract", "revision", "refusal", "why", "message"], rows)
    else:
        _print_contracts(found)
    return exits.OK


def _planned(path: Path) -> tuple[LoadedModel, service.OnboardingPlan]:
    """The model, and its rule for contracts. Raises ModelRefused, InputRefused."""
    model = load_model(path, SECTIONS)
    planned = plan_model(model, Settings.load().tenant, model.files)
    spec = model.spec
    plan = service.plan_onboarding(spec.onboarding, spec.parties)
    if not plan.roles:
        raise InputRefused(f"{path} takes no contracts; add 'onboarding', and 'onboard' to a role under 'parties'")
    named = (spec.charges, planned.legal_entities, spec.currency_codes, spec.ending_events, spec.calendars)
    return model, plan.naming(*named)


def _lines(file: str) -> list[bytes]:
    content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    return [line for line in content.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]


def _wanted(where: Sequence[str]) -> dict[str, str]:
    wanted = {}
    for text in where:
        name, equals, value = text.partition("=")
        if not equals or name not in _SEARCHED:
            raise InputRefused(f"--where {text}: write FIELD=VALUE with one of {', '.join(_SEARCHED)}")
        wanted[name] = value
    return wanted


def _print_taken(model: str, taken: Sequence[service.ContractTaken], *, dry_run: bool, as_json: bool) -> int:
    counts = Counter(each.outcome.value for each in taken)
    refused = [each for each in taken if each.refusal is not None]
    new = sum(each.new_party for each in taken)
    if as_json:
        messages = [
            {
                "line": each.line,
                "outcome": each.outcome.value,
                "contract": each.contract_no,
                "revision": each.revision,
                "party": each.party_id,
                "new_party": each.new_party,
                "refusal": None if each.refusal is None else each.refusal.name.value,
                "reason": None if each.refusal is None else each.refusal.message,
            }
            for each in taken
        ]
        tally = {outcome.value: counts[outcome.value] for outcome in service.Outcome}
        print_json({"model": model, "dry_run": dry_run, **tally, "new_parties": new, "messages": messages})
    else:
        tally_text = ", ".join(f"{counts[each.value]:,} {each.value}" for each in service.Outcome if counts[each.value])
        would = "would be: " if dry_run else ""
        out.print(f"{len(taken):,} messages {would}{tally_text or 'there was none'}; {new:,} new parties", markup=False)
        if refused:
            rows = [
                [each.line, each.contract_no, each.revision, each.refusal.name.value, shorten(each.refusal.message)]
                for each in refused
                if each.refusal is not None
            ]
            columns = ["line", "contract", "revision", "refusal", "why"]
            print_table("not taken, and kept", columns, rows, right=frozenset({0}))
    return exits.FAILED if refused else exits.OK


def _print_contracts(found: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        [
            each["contract_no"],
            each["revision"],
            each["party_id"],
            _days(each["since"], each["until"]),
            each["cycle"],
            each["mode"],
            each["legal_entity"],
        ]
        for each in found
    ]
    columns = ["contract", "revision", "party", "holds", "cycle", "mode", "legal entity"]
    print_table("contracts", columns, rows, right=frozenset({1}))


def _days(since: date | None, until: date | None) -> str:
    if since is None:
        return "on no day"
    return f"from {since}" if until is None else f"from {since} until {until}"


def _shown(refused: Mapping[str, Any]) -> str:
    return bytes(refused["content"]).decode("utf-8", "backslashreplace")


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row for programs: bytes as text, times in ISO 8601, durations in seconds, exact numbers as text."""
    plain = dict(row)
    for name, value in row.items():
        if isinstance(value, bytes | memoryview):
            plain[name] = bytes(value).decode("utf-8", "backslashreplace")
        elif isinstance(value, date):
            plain[name] = value.isoformat()
    if "reserve_release_after" in plain:
        held = plain.pop("reserve_release_after")
        plain["reserve_release_seconds"] = None if held is None else int(held.total_seconds())
    return plain
