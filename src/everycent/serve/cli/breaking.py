"""`everycent breaks`: what people see of standing breaks and do with them."""

import getpass
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from everycent.base.platform.database import Connection
from everycent.base.platform.settings import Settings
from everycent.flow.pipeline.session import Session, open_session
from everycent.proof.recon.breaks import desk as at
from everycent.proof.recon.breaks.amounts import amount_said, amounts_said, difference_said, side_said
from everycent.proof.recon.breaks.desk import BY_HAND, Desk, Done, NotDone, Reason, State
from everycent.proof.recon.breaks.exporting import AMOUNTS_IN, export_of
from everycent.proof.recon.breaks.partners import partners
from everycent.proof.recon.breaks.standing import Chosen, StandingBreak, ages, find, history
from everycent.proof.recon.contract import CAUSES
from everycent.serve.booking import act_booked
from everycent.serve.cli import exits
from everycent.serve.cli.refusals import NothingStored
from everycent.serve.cli.terminal import err, out, print_json, print_table
from everycent.serve.sheets import write_sheet
from everycent.serve.wiring import migrations

#: What a person does with the breaks that are meant.
Action = Callable[[Desk, Sequence[StandingBreak]], Done]

_LISTS = {"key": "keys", "kind": "kinds", "cause": "causes", "state": "states", "reason": "reasons"}
_ONES = ("model", "scenario", "owner")
_OTHERS = ("older_than", "overdue")
_VALUES: dict[str, tuple[str, ...]] = {"state": tuple(State), "reason": tuple(Reason), "overdue": ("yes",)}
_REFUSALS_SHOWN = 10
_WAYS_SHOWN = 20


@dataclass(frozen=True)
class Meant:
    """The breaks of a command line, as they were said."""

    ids: tuple[str, ...]
    where: tuple[str, ...]
    count: int | None
    who: str | None

    @property
    def chosen(self) -> Chosen:
        """Raises NotDone."""
        given: dict[str, Any] = {"ids": self.ids}
        for said in self.where:
            name, equals, value = said.partition("=")
            if not equals or name not in (*_LISTS, *_ONES, *_OTHERS):
                names = ", ".join((*_ONES, *_LISTS, *_OTHERS))
                raise NotDone(f"--where {said}: write NAME=VALUE with one of the names {names}")
            if name in _VALUES and value not in _VALUES[name]:
                raise NotDone(f"--where {said}: a {name} is one of {', '.join(_VALUES[name])}")
            if name in _LISTS:
                given[_LISTS[name]] = (*given.get(_LISTS[name], ()), value)
            elif name == "overdue":
                given[name] = True
            else:
                given[name] = value if name in _ONES else _days(value)
        return Chosen(**given)

    @property
    def person(self) -> str:
        """Who gives the command."""
        return self.who if self.who is not None else getpass.getuser()


def _days(text: str) -> timedelta:
    if not (text.isascii() and text.isdigit()) or int(text) > 36_500:
        raise NotDone(f"--where older_than={text}: write a number of days, for example older_than=7")
    return timedelta(days=int(text))


def list_command(meant: Meant, limit: int, file: Path | None, *, as_json: bool) -> int:
    """Lists them, with how old they are; writes all of them into a file where one is named."""
    now, chosen = datetime.now(UTC), meant.chosen
    with open_session(Settings.load(), migrations()) as session:
        counted = ages(session.connection, session.tenant, chosen, now)
        found = find(session.connection, session.tenant, chosen, now, limit)
        if file is not None:
            write_sheet(file, "breaks", export_of(session.connection, session.tenant, chosen, now), AMOUNTS_IN)
    total = sum(row["breaks"] for row in counted)
    if as_json:
        print_json({"count": total, "ages": counted, "breaks": [each.as_dict() for each in found]})
        return exits.OK
    if file is not None:
        out.print(f"written: {file} ({total:,} breaks)", markup=False)
        return exits.OK
    rows = [
        [str(each.break_id)[:8], each.scenario, each.key, difference_said(each), each.cause,
         _state(each), _age(now - each.found_at), each.owner, each.said] for each in found
    ]  # fmt: skip
    if not total:
        out.print("no break fits")
        return exits.OK
    columns = ("id", "scenario", "key", "difference", "cause", "state", "age", "owner", "said")
    print_table(f"Breaks: {len(found):,} of {total:,}", columns, rows, right=frozenset({3}))
    summed = [
        [row["age"], row["state"], f"{row['breaks']:,}", summed_said(row["difference_minor"], row["currency"])]
        for row in counted
    ]
    print_table("By age", ("found", "state", "breaks", "difference"), summed, right=frozenset({2, 3}))
    return exits.OK


def show_command(id_text: str, folder: Path | None, *, as_json: bool) -> int:
    """Shows one with its history; writes its attachments where a folder is given."""
    with open_session(Settings.load(), migrations()) as session:
        (found,) = _by_ids(session.connection, session.tenant, [id_text], datetime.now(UTC))
        moves = history(session.connection, session.tenant, found)
        ways = partners(session.connection, session.tenant, found, _WAYS_SHOWN)
        if folder is not None:
            _write_attachments(session, moves, folder)
    if as_json:
        print_json({**found.as_dict(), "alternatives": ways, "history": moves})
        return exits.OK
    for name, value in _shown(found).items():
        if value not in (None, ""):
            out.print(f"{name:>12}  {value}", markup=False)
    _print_ways(ways)
    rows = [
        [f"{move['recorded_at']:%Y-%m-%d %H:%M}", move["move"], move["to_state"], move["who"], _told(move["detail"]),
         move["why"], move["run_no"]] for move in moves
    ]  # fmt: skip
    print_table("History", ("at (UTC)", "move", "state", "who", "what", "why", "run"), rows, right=frozenset({6}))
    return exits.OK


def _print_ways(ways: Sequence[dict[str, Any]]) -> None:
    """What an ambiguous break may belong to."""
    rows = [
        [
            way["rank"], row["side"], row["key"], amount_said(row["amount_minor"], row["currency"]), row["status"],
            "" if row["line"] is None else f"{row['file']}, line {row['line']}", way["rule"],
        ]
        for way in ways for row in way["rows"]
    ]  # fmt: skip
    if rows:
        title = "May belong to: the likeliest first; the rows of one number belong together"
        print_table(title, ("", "side", "key", "amount", "status", "where", "rule"), rows, right=frozenset({0, 3}))


def _shown(found: StandingBreak) -> dict[str, object]:
    """What a person reads of a break."""
    sides = {}
    for side in ("left", "right"):
        status, file = (getattr(found, f"{side}_{what}") for what in ("status", "file"))
        place = None if file is None else f"{file}, line {getattr(found, f'{side}_line')}"
        sides[side] = " · ".join(text for text in (side_said(found, side), status, place) if text) or "none"
    text = CAUSES.get(found.cause)
    return {
        "break": found.break_id,
        "of": f"{found.model}, {found.scenario}",
        "key": found.key + (f" ({found.occurrence}. of this kind)" if found.occurrence > 1 else ""),
        "kind": found.kind,
        "means": found.cause if text is None else f"{text.en} · {text.zh}",
        "said": found.said,
        **sides,
        "difference": difference_said(found),
        "state": _state(found),
        "owner": found.owner,
        "found": f"{found.found_at:%Y-%m-%d %H:%M} UTC by run {found.first_run_no}, last by run {found.last_run_no}",
        "looked at": None if not found.rechecks else f"{found.rechecks} times again",
        "repairs": found.repairs or None,
        "due": None if found.due_at is None else f"{found.due_at:%Y-%m-%d %H:%M} UTC",
    }


def _told(detail: dict[str, Any] | None) -> str:
    """What the history keeps of a move, for a person."""
    detail = detail or {}
    words = [str(detail[name]) for name in ("rule", "file") if name in detail]
    words += [f"to {detail['owner']}"] if "owner" in detail else []
    words += [str(detail["reason"])] if "reason" in detail else []
    if "difference_minor" in detail:
        words.append(amount_said(int(detail["difference_minor"]), detail["currency"]))
    if "left" in detail:
        words.append(" - ".join(filter(None, (amounts_said(detail[side]) for side in ("left", "right")))))
    return ", ".join(words)


def act_command(meant: Meant, action: Action, *, as_json: bool) -> int:
    """Does it with all that are meant, in one transaction; 1 where it was refused of some."""
    now = datetime.now(UTC)
    with open_session(Settings.load(), migrations()) as session:
        found = meant_breaks(session.connection, session.tenant, meant, now)
        desk = Desk(session.connection, session.tenant, meant.person, now)
        done = act_booked(session, lambda: action(desk, found), now)
    if as_json:
        refused = [{"break_id": str(each.break_id), "key": each.key, "why": why} for each, why in done.refused]
        print_json({"moved": done.moved, "unchanged": done.unchanged, "refused": refused, "notes": done.notes})
    else:
        again = f", {len(done.unchanged):,} as they were" if done.unchanged else ""
        out.print(f"{len(done.moved):,} done{again}", markup=False)
        for note in done.notes:
            err.print(f"note: {note}", markup=False)
        for each, why in done.refused[:_REFUSALS_SHOWN]:
            err.print(f"refused: {str(each.break_id)[:8]} ({each.scenario}, {each.key}): {why}", markup=False)
        if len(done.refused) > _REFUSALS_SHOWN:
            err.print(f"refused: {len(done.refused) - _REFUSALS_SHOWN:,} more")
    return exits.FAILED if done.refused else exits.OK


def meant_breaks(connection: Connection, tenant: str, meant: Meant, now: datetime) -> list[StandingBreak]:
    """Those that are named, or fit and are as many as was said. Raises NotDone, NothingStored."""
    chosen = meant.chosen
    if meant.ids and not meant.where:
        return _by_ids(connection, tenant, meant.ids, now)
    if not meant.where:
        raise NotDone("no break is named; give ids, or say which with --where")
    found = find(connection, tenant, chosen, now)
    _confirm(len(found), meant.count)
    return found


def action(name: str, given: Mapping[str, Any]) -> Action:
    """What the command of this name does, with what it was given. Raises NotDone for what cannot be given."""
    if name == "close" and given["reason"] not in BY_HAND:
        raise NotDone(f"--reason {given['reason']}: write one of {', '.join(BY_HAND)}")
    return lambda desk, found: _ACTIONS[name](desk, found, given)


_ACTIONS: Mapping[str, Callable[[Desk, Sequence[StandingBreak], Mapping[str, Any]], Done]] = {
    "assign": lambda desk, found, given: at.assign(desk, found, given["to"], given["why"]),
    "comment": lambda desk, found, given: at.comment(desk, found, given["say"]),
    "attach": lambda desk, found, given: at.attach(desk, found, given["file"], given["why"]),
    "write-off": lambda desk, found, given: at.write_off(desk, found, given["why"]),
    "approve": lambda desk, found, given: at.approve(desk, found, given["why"]),
    "decline": lambda desk, found, given: at.decline(desk, found, given["why"]),
    "close": lambda desk, found, given: at.close(desk, found, Reason(given["reason"]), given["why"]),
    "reopen": lambda desk, found, given: at.reopen(desk, found, given["why"]),
    "settle": lambda desk, found, given: at.settle(desk, found, given["why"], repaired=given["repaired"]),
}


def _by_ids(connection: Connection, tenant: str, ids: Sequence[str], now: datetime) -> list[StandingBreak]:
    """Each by the beginning of its id, or by its key. Raises NothingStored."""
    found = []
    for text in ids:
        fitting = find(connection, tenant, Chosen(ids=(text,)), now, 3)
        fitting = fitting or find(connection, tenant, Chosen(keys=(text,), states=tuple(State)), now, 3)
        if not fitting:
            raise NothingStored(f"there is no break '{text}'; `everycent breaks list` shows their ids")
        if len(fitting) > 1:
            some = ", ".join(str(each.break_id) for each in fitting)
            raise NothingStored(f"several breaks are called '{text}': {some}; write more of the id")
        found += fitting
    return list(dict.fromkeys(found))


def _confirm(found: int, count: int | None) -> None:
    if found == 0:
        raise NothingStored("no break fits; `everycent breaks list` with the same --where shows what does")
    if count is None and found == 1:
        return
    if count != found:
        said = "" if count is None else f", not {count:,}"
        raise NotDone(f"{found:,} breaks fit{said}; nothing was done. If you mean all of them, add --count {found}")


def _write_attachments(session: Session, moves: Sequence[dict[str, Any]], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for move in moves:
        if move["move"] == "attach":
            content = at.attached(session.connection, session.tenant, move["detail"]["sha256"])
            if content is None:
                err.print(f"{move['detail']['file']} is no longer what was attached; it is not written", markup=False)
                continue
            target = folder / f"{move['move_no']}-{Path(move['detail']['file']).name}"
            target.write_bytes(content)
            out.print(f"written: {target}", markup=False)


def _state(found: StandingBreak) -> str:
    return found.state if found.reason is None else f"{found.state}: {found.reason}"


def summed_said(minor: int | None, code: str | None) -> str:
    """What differences add up to; those in several currencies do not."""
    return "in several currencies" if minor is None or code is None else amount_said(minor, code)


def _age(length: timedelta) -> str:
    hours = length // timedelta(hours=1)
    return f"{hours // 24} d" if hours >= 24 else f"{hours} h"
