"""What people do with breaks. Each call is one transaction; the same again by the same person changes nothing."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from everycent.base.engine.sql import literal
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.amounts import amount_said, amounts_said, currencies_said, difference_said, limit_of
from everycent.proof.recon.breaks.moving import HOUSE, Moving, apply, by_ids
from everycent.proof.recon.breaks.standing import CURRENCY, DIFFERENCE, FROM, Chosen, StandingBreak, find, words_of
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.core.moves import BY_HAND as BY_HAND
from everycent.proof.recon.core.moves import DECIDED, MOVES, Move, NotAllowed
from everycent.proof.recon.core.moves import Reason as Reason
from everycent.proof.recon.core.moves import State as State

ATTACHMENT_BYTES_MAX = 10 * 1024 * 1024


class NotDone(Exception):
    """What is asked cannot be done with any break; the message says what would be right."""


@dataclass(frozen=True)
class Desk:
    """Where a person stands: whose breaks, who it is, and what time it is."""

    connection: Connection
    tenant: str
    who: str
    now: datetime

    def __post_init__(self) -> None:
        if not self.who.strip() or self.who == HOUSE:
            raise NotDone(f"'{self.who}' is not a person's name; say who you are with --as")


@dataclass
class Done:
    """What became of the breaks that were meant. `refused`: each with why, named after the rule that it would break."""

    moved: list[UUID] = field(default_factory=list)
    unchanged: list[UUID] = field(default_factory=list)  # the same had been done before
    refused: list[tuple[StandingBreak, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what one should know of what was done


def assign(desk: Desk, meant: Sequence[StandingBreak], owner: str, why: str | None = None) -> Done:
    """Gives them to a person."""
    if not owner.strip():
        raise NotDone("nobody is named; say whose they become with --to")
    return _do(desk, meant, Move.ASSIGN, why, {"owner": owner}, sets={"owner": "moving.detail ->> 'owner'"})


def comment(desk: Desk, meant: Sequence[StandingBreak], text: str) -> Done:
    """Keeps what a person says."""
    if not text.strip():
        raise NotDone("there is nothing to keep; write a comment")
    return _do(desk, meant, Move.COMMENT, text)


def attach(desk: Desk, meant: Sequence[StandingBreak], file: Path, why: str | None = None) -> Done:
    """Keeps a file's content with them. Raises OSError, NotDone."""
    size = file.stat().st_size
    if size > ATTACHMENT_BYTES_MAX:
        raise NotDone(f"{file} has {size:,} bytes; attach at most {ATTACHMENT_BYTES_MAX:,}, or say where it is")
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    with desk.connection.transaction():
        desk.connection.execute(
            "INSERT INTO recon.attachment (tenant, digest, content) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (desk.tenant, digest, content),
        )
        return _do(desk, meant, Move.ATTACH, why, {"file": file.name, "sha256": digest, "bytes": size})


def attached(connection: Connection, tenant: str, digest: str) -> bytes | None:
    """A file's content, by its SHA-256; None where it is not kept or is no longer what was attached."""
    row = connection.execute(
        "SELECT content FROM recon.attachment WHERE tenant = %s AND digest = %s", (tenant, digest)
    ).fetchone()
    content = None if row is None else bytes(row[0])
    return content if content is not None and hashlib.sha256(content).hexdigest() == digest else None


def close(desk: Desk, meant: Sequence[StandingBreak], reason: Reason, why: str | None) -> Done:
    """Closes them with a reason of BY_HAND. One that keeps the difference for good waits for a second person above the
    scenario's `approve_above`, as a write-off does: it could stand for one otherwise."""
    with desk.connection.transaction():
        words = _words(desk, meant)
        done, at_once, to_ask = _apart(
            desk,
            meant,
            lambda found: (None, reason in DECIDED and _is_above(found, words[found.model, found.scenario])),
        )
        _add(done, _do(desk, at_once, Move.CLOSE, why, reason=reason))
        return _add(done, _ask(desk, to_ask, why, reason))


def reopen(desk: Desk, meant: Sequence[StandingBreak], why: str | None) -> Done:
    """Opens what was closed; whoever does so has them in hand."""
    return _do(desk, meant, Move.REOPEN, why, sets={"owner": "%(who)s"})


def write_off(desk: Desk, meant: Sequence[StandingBreak], why: str | None) -> Done:
    """Writes their differences off; those above the scenario's `approve_above` wait for a second person instead."""
    with desk.connection.transaction():
        words, unnamed = _words(desk, meant), set[str]()
        done, at_once, to_ask = _apart(
            desk, meant, lambda found: _written_off(found, words[found.model, found.scenario], unnamed)
        )
        for model, scenario in sorted({(found.model, found.scenario) for found in at_once}):
            if words[model, scenario].handling.write_off is None:
                done.notes.append(_without_limits(desk, model, scenario))
        done.notes += sorted(unnamed)
        _add(done, _do(desk, at_once, Move.WRITE_OFF, why, reason=Reason.WRITTEN_OFF, chosen=_WITH_DIFFERENCE))
        return _add(done, _ask(desk, to_ask, why, Reason.WRITTEN_OFF))


def _apart(
    desk: Desk, meant: Sequence[StandingBreak], judge: Callable[[StandingBreak], tuple[str | None, bool]]
) -> tuple[Done, list[StandingBreak], list[StandingBreak]]:
    """Those that are refused, those that are closed at once, those that another person is asked about. `judge`: why one
    is refused, and, where it is not, whether somebody is asked."""
    done, at_once, to_ask = Done(), list[StandingBreak](), list[StandingBreak]()
    for found in _held(desk, meant):
        refusal, asks = judge(found)
        if refusal is not None:
            done.refused.append((found, refusal))
        else:
            (to_ask if asks else at_once).append(found)
    return done, at_once, to_ask


def _words(desk: Desk, meant: Sequence[StandingBreak]) -> dict[tuple[str, str], Words]:
    """By model and scenario, the words that were observed last: they say what a person may write off."""
    return {
        (model, scenario): words
        for model in {found.model for found in meant}
        for scenario, words in words_of(desk.connection, desk.tenant, model).items()
    }


def _ask(desk: Desk, meant: Sequence[StandingBreak], why: str | None, reason: Reason) -> Done:
    """Asks another person to agree that they are closed with this reason."""
    detail = f"detail || jsonb_build_object('reason', {literal(reason)}) AS detail"
    chosen = f"SELECT break_id, {detail} FROM ({_WITH_DIFFERENCE}) AS d"
    done = _do(desk, meant, Move.ASK_WRITE_OFF, why, reason=reason, chosen=chosen)
    if done.moved or done.unchanged:
        done.notes.append(f"{len(meant):,} wait for another person's yes: everycent breaks approve")
    return done


def _without_limits(desk: Desk, model: str, scenario: str) -> str:
    row = desk.connection.execute(
        """SELECT r.run_no, o.recorded_at FROM recon.observation AS o JOIN recon.run AS r USING (tenant, model, run_id)
        WHERE (o.tenant, o.model, o.scenario) = (%s, %s, %s) ORDER BY observation_no DESC LIMIT 1""",
        (desk.tenant, model, scenario),
    ).fetchone()
    assert row is not None, "what has breaks was observed"
    return (
        f"{scenario} has no limit for write-offs, and nobody else was asked: such are its words since run {row[0]} "
        f"({row[1]:%Y-%m-%d %H:%M} UTC); others hold from the next run, or `everycent breaks handle`, on"
    )


def _held(desk: Desk, meant: Sequence[StandingBreak]) -> list[StandingBreak]:
    """They as they are now, and as they stay until the transaction ends: no run changes their figures meanwhile."""
    held: list[StandingBreak] = []
    for model in sorted({found.model for found in meant}):
        ids = sorted(found.break_id for found in meant if found.model == model)
        desk.connection.execute(
            """SELECT FROM recon.standing_break WHERE tenant = %s AND model = %s AND break_id = ANY(%s)
            ORDER BY break_id FOR UPDATE""",
            (desk.tenant, model, ids),
        )
        held += find(desk.connection, desk.tenant, Chosen(model=model, break_ids=ids), desk.now)
    return held


#: `chosen` of a move that keeps the difference as it is: in one currency, or what each side has of each.
_WITH_DIFFERENCE = f"""SELECT s.break_id, CASE WHEN {CURRENCY} IS NULL
        THEN jsonb_build_object('left', {{left}}, 'right', {{right}})
        ELSE jsonb_build_object('difference_minor', {DIFFERENCE}, 'currency', {CURRENCY}) END AS detail
    {FROM} WHERE s.tenant = %(tenant)s AND s.model = %(model)s AND s.break_id = ANY(%(ids)s)""".format(
    **{
        side: f"""CASE WHEN m.{side}_amounts IS NOT NULL THEN m.{side}_amounts::jsonb WHEN m.{side}_currency IS NOT NULL
        THEN jsonb_build_object(m.{side}_currency, f.{side}_amount_minor) ELSE '{{}}' END"""
        for side in ("left", "right")
    }
)


def approve(desk: Desk, meant: Sequence[StandingBreak], why: str | None = None) -> Done:
    """Says yes to a closing that another person asked for."""
    done = Done()
    agreed: dict[Reason, list[StandingBreak]] = {}
    with desk.connection.transaction():
        for found in _held(desk, meant):
            asked = _asked(desk, found)
            refusal = _not_approved(desk, found, asked)
            if refusal is not None:
                done.refused.append((found, refusal))
            else:
                agreed.setdefault(Reason.WRITTEN_OFF if asked is None else asked.reason, []).append(found)
        for reason, some in sorted(agreed.items()):
            _add(done, _do(desk, some, Move.APPROVE, why, reason=reason))
    return done


def _not_approved(desk: Desk, found: StandingBreak, asked: "_Asked | None") -> str | None:
    """Why this person may not say yes."""
    if found.state != State.TO_APPROVE or asked is None:
        return None
    if _same_person(asked.who, desk.who):
        return f"{asked.who} asked for it; a second person must approve"
    if asked.worth != _worth(found):
        then = _said(asked.worth)
        return f"its difference is {difference_said(found)} now, {then} was asked for; decline, and ask again"
    return None


def decline(desk: Desk, meant: Sequence[StandingBreak], why: str | None) -> Done:
    """Says no to a closing that was asked for; the break is in hand again."""
    return _do(desk, meant, Move.DECLINE, why)


def settle(desk: Desk, meant: Sequence[StandingBreak], why: str | None, *, repaired: bool) -> Done:
    """Says of repairs in doubt whether they were made."""
    sets = {"due_at": "%(now)s::timestamptz"} if repaired else {}
    in_doubt = [found for found in meant if found.state == State.IN_DOUBT]
    done = _do(desk, in_doubt, Move.SUCCEED if repaired else Move.FAIL, why, sets=sets)
    done.refused += [
        (found, f"it is {found.state}; only what is in_doubt is settled") for found in meant if found not in in_doubt
    ]
    return done


def _do(
    desk: Desk,
    meant: Sequence[StandingBreak],
    move: Move,
    why: str | None,
    detail: dict[str, Any] | None = None,
    *,
    reason: Reason | None = None,
    sets: dict[str, str] | None = None,
    chosen: str | None = None,
) -> Done:
    """The move, of those whose state allows it now; the same person's same move again is none."""
    done = Done()
    with desk.connection.transaction():
        for model in sorted({found.model for found in meant}):
            here = {found.break_id: found for found in meant if found.model == model}
            done.unchanged += (same := _same_again(desk, model, list(here), move, why, detail, reason))
            wanted = [break_id for break_id in here if break_id not in set(same)]
            by_id, values = by_ids(wanted)
            moving = Moving(
                desk.tenant, model, move, desk.now, who=desk.who, why=why, sets=sets or {},
                reason="s.reason" if reason is None else literal(reason),
                values={**values, "detail": None if detail is None else json.dumps(detail)},
            )  # fmt: skip
            moved = set(apply(desk.connection, moving, chosen or by_id))
            done.moved += [break_id for break_id in wanted if break_id in moved]
            left = [break_id for break_id in wanted if break_id not in moved]
            if left:
                now = find(desk.connection, desk.tenant, Chosen(model=model, break_ids=left), desk.now)
                done.refused += [(found, str(NotAllowed(move, State(found.state)))) for found in now]
    return done


def _same_again(
    desk: Desk,
    model: str,
    ids: Sequence[UUID],
    move: Move,
    why: str | None,
    detail: dict[str, Any] | None,
    reason: Reason | None,
) -> list[UUID]:
    """Those whose last move was this very one."""
    closes = State.CLOSED in MOVES[move].values()
    rows = desk.connection.execute(
        """SELECT s.break_id FROM recon.standing_break AS s
        JOIN recon.move AS m ON (m.tenant, m.model, m.break_id, m.move_no) = (s.tenant, s.model, s.break_id, s.moves)
        WHERE s.tenant = %(tenant)s AND s.model = %(model)s AND s.break_id = ANY(%(ids)s) AND m.move = %(move)s
            AND m.who = %(who)s AND m.why IS NOT DISTINCT FROM %(why)s::text
            AND (%(detail)s::jsonb IS NULL OR m.detail = %(detail)s::jsonb)
            AND (NOT %(closes)s OR m.reason IS NOT DISTINCT FROM %(reason)s::text) ORDER BY 1""",
        {
            "tenant": desk.tenant, "model": model, "ids": list(ids), "move": move, "who": desk.who, "why": why,
            "detail": None if detail is None else json.dumps(detail), "closes": closes, "reason": reason,
        },
    )  # fmt: skip
    return [found for (found,) in rows]


def _written_off(found: StandingBreak, words: Words, unnamed: set[str]) -> tuple[str | None, bool]:
    """Why a difference cannot be written off, and whether a second person must agree; what is to be known of a currency
    that the limits do not name is added to `unnamed`."""
    if found.currency is None or found.difference_minor is None:
        in_all = currencies_said(found)
        return f"it is in {in_all}, which leave no one difference; close it: --reason accepted, or handled", False
    if found.difference_minor == 0:
        return "its amounts agree, there is nothing to write off; close it: --reason accepted, or handled", False
    spec, code = words.handling.write_off, found.currency
    if spec is None:
        return None, False
    limit = None if spec.limit is None else limit_of(spec.limit, words, code)
    if limit is not None and abs(found.difference_minor) > limit[1]:
        said = amount_said(abs(found.difference_minor), code)
        return f"its difference of {said} is above the limit of {limit[0]}", False
    silent = [
        word
        for word, given in (("limit", spec.limit), ("approve_above", spec.approve_above))
        if given is not None and limit_of(given, words, code) is None
    ]
    if silent:
        unnamed.add(
            f"{found.scenario}: {' and '.join(silent)} say{'s' * (len(silent) == 1)} nothing of {code}, so another "
            f"person is asked; to say it, write for example {silent[0]}: {{{words.currency}: ..., {code}: ...}}"
        )
    return None, bool(silent) or _is_above(found, words)


def _is_above(found: StandingBreak, words: Words) -> bool:
    """Whether its difference is one that a second person must agree to: of what is in a currency that is not named, or
    in several, each is."""
    spec = words.handling.write_off
    if spec is None or spec.approve_above is None:
        return False
    above = limit_of(spec.approve_above, words, found.currency)
    return above is None or found.difference_minor is None or abs(found.difference_minor) > above[1]


#: What a closing is about: the difference and its currency, or what each side has of each currency.
_Worth = tuple[tuple[tuple[str, int], ...], ...]


def _worth(found: StandingBreak) -> _Worth:
    if found.currency is not None and found.difference_minor is not None:
        return (((found.currency, found.difference_minor),),)
    return tuple(tuple(sorted(found.amounts_of(side).items())) for side in ("left", "right"))


def _said(worth: _Worth) -> str:
    return " - ".join(amounts_said(dict(amounts)) for amounts in worth)


@dataclass(frozen=True)
class _Asked:
    """What a person asked another to agree to: that it be closed with this reason, worth what it was."""

    who: str
    worth: _Worth
    reason: Reason


def _asked(desk: Desk, found: StandingBreak) -> _Asked | None:
    """What was asked last."""
    row = desk.connection.execute(
        """SELECT who, detail FROM recon.move
        WHERE tenant = %s AND model = %s AND break_id = %s AND move = %s ORDER BY move_no DESC LIMIT 1""",
        (desk.tenant, found.model, found.break_id, Move.ASK_WRITE_OFF),
    ).fetchone()
    if row is None:
        return None
    who, detail = row
    if "difference_minor" in detail:
        worth: _Worth = (((str(detail["currency"]), int(detail["difference_minor"])),),)
    else:
        worth = tuple(
            tuple(sorted((code, int(minor)) for code, minor in detail[side].items())) for side in ("left", "right")
        )
    return _Asked(str(who), worth, Reason(detail.get("reason", Reason.WRITTEN_OFF)))


def _same_person(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _add(done: Done, more: Done) -> Done:
    done.moved += more.moved
    done.unchanged += more.unchanged
    done.refused += more.refused
    done.notes += more.notes
    return done
