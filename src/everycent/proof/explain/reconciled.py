"""What reconciliations say of a business id: breaks, write-offs, their handling, and where a run found nothing."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from everycent.base.money.amount import format_minor
from everycent.base.money.currency import currency
from everycent.proof.explain.contract import Event
from everycent.proof.explain.store import Finder, Row
from everycent.proof.recon.contract import CAUSES


def reconciled_events(finder: Finder, model: str, text: str, records: Sequence[Row]) -> tuple[list[Event], list[str]]:
    """Events of every scenario, by the text and by the keys that the records have in it; and what is not there."""
    runs = {row["scenario"]: row for row in finder.query(_NEWEST, model=model)}
    keys = _keys(finder, model, records)
    asked = sorted({text, *(key for of_scenario in keys.values() for key in of_scenario)})
    found = finder.query(_FOUND, model=model, keys=asked, begins=f"{_escaped(text)}/%")
    events = [_found(model, row) for row in found if _meant(row, text, keys)]
    moves = finder.query(_MOVES, model=model, keys=asked, begins=f"{_escaped(text)}/%")
    events += [_moved(model, row) for row in moves if _meant(row, text, keys)]
    matched = finder.query(_MATCHED, model=model, keys=asked, begins=f"{_escaped(text)}/%")
    events += [_claimed(model, row) for row in matched if _meant(row, text, keys)]
    loaded = finder.query(_LOADED, model=model, keys=asked, begins=f"{_escaped(text)}/%")
    events += [_came(model, row) for row in loaded if _meant(row, text, keys)]
    named = finder.query(_NAMED, model=model, keys=asked, begins=f"{_escaped(text)}/%")
    events += [_checked(model, row) for row in named if _meant(row, text, keys)]
    paid = finder.query(_PAID, model=model, keys=asked, begins=f"{_escaped(text)}/%")
    events += [_paid_in(model, row) for row in paid if _meant(row, text, keys)]
    missing = []
    for scenario, of_scenario in sorted(keys.items()):
        run = runs.get(scenario)
        if run is None:
            missing.append(f"reconciliation {scenario} of {model} has not run")
            continue
        broken = {row["key"] for row in found if row["scenario"] == scenario and row["run_no"] == run["run_no"]}
        agreed = sorted(of_scenario - broken)
        if agreed:
            said = (
                f"{scenario} run {run['run_no']}: no break for {', '.join(agreed[:5])}{' …' if len(agreed) > 5 else ''}"
            )
            events.append(Event(run["recorded_at"], "reconciled", str(run["run_id"]), said, model))
    if records and not keys:
        files = finder.scenario_files()
        beside = f"; of {', '.join(files)} what differed is shown: keys that agreed leave no name" if files else ""
        missing.append(f"no reconciliation of {model} takes these records as a side{beside}")
    return events, missing


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _meant(row: Row, text: str, keys: Mapping[str, set[str]]) -> bool:
    """A key may mean something else in a scenario that the records are no side of."""
    key = row["key"]
    return key == text or key.startswith(f"{text}/") or key in keys.get(row["scenario"], ())


def _keys(finder: Finder, model: str, records: Sequence[Row]) -> dict[str, set[str]]:
    """By scenario, the keys under which the records are compared."""
    keys: dict[str, set[str]] = {}
    for record in records:
        for scenario, sides in finder.model_text(model, record["batch_no"]).recon_sides().items():
            for side in sides:
                if side.get("records") == record["kind"]:
                    names = [side["key"]] if isinstance(side["key"], str) else list(side["key"])
                    key = _key([record["body"].get(name) for name in names])
                    if key is not None:
                        keys.setdefault(scenario, set()).add(key)
    return keys


def _key(parts: Sequence[Any]) -> str | None:
    """As recon joins them: by "/", which a part's own does not imitate."""
    if any(part in (None, "") for part in parts):
        return None
    texts = [str(part) for part in parts]
    if len(texts) == 1:
        return texts[0]
    return "/".join(text.replace("\\", "\\\\").replace("/", "\\/") for text in texts)


def _found(model: str, row: Row) -> Event:
    amounts = " against ".join(_worth(row, side) for side in ("left", "right"))
    said = f"{row['scenario']} run {row['run_no']}, {row['key']}: {CAUSES[row['cause']].en} ({amounts})"
    places = [f"{row[f'{side}_file']}:{row[f'{side}_line']}" for side in ("left", "right") if row[f"{side}_line"]]
    ident = f"{row['run_id']}/{row['finding_no']}"
    kind = "reconciled" if row["written_off"] else "break"
    return Event(row["recorded_at"], kind, ident, said, model, " ".join(places))


def _worth(row: Row, side: str) -> str:
    """What a side of a break has: of each currency, where its rows are in several."""
    if row[f"{side}_amounts"] is not None:
        amounts = {code: int(minor) for code, minor in json.loads(row[f"{side}_amounts"]).items()}
    elif row[f"{side}_amount_minor"] is not None:
        amounts = {row[f"{side}_currency"] or row["currency"]: int(row[f"{side}_amount_minor"])}
    else:
        return "nothing"
    return _amounts(amounts)


def _amounts(by_code: Mapping[str, int]) -> str:
    """`5.00 CNY + 100 JPY`."""
    return " + ".join(f"{format_minor(minor, currency(code))} {code}" for code, minor in sorted(by_code.items()))


def _moved(model: str, row: Row) -> Event:
    why = f" ({', '.join(_said(row))})" if row["reason"] or row["why"] else ""
    said = f"{row['scenario']}, {row['key']}: {row['move']} to {row['to_state']} by {row['who']}{why}"
    return Event(row["recorded_at"], "handled", f"{row['break_id']}/{row['move_no']}", said, model)


def _claimed(model: str, row: Row) -> Event:
    """A row that a rule matched, or could not tell apart from others, with the keys of the other side."""
    money = currency(row["currency"] or row["run_currency"])
    others = ", ".join(row["others"] or ["nothing"])
    said = (
        f"{row['scenario']} run {row['run_no']}, {row['key']}: {row['side']} row of "
        f"{format_minor(int(row['amount_minor']), money)} {money} {row['label']} by rule {row['rule']}, with {others}"
    )
    place = "" if row["source_line"] is None else f"{row['source_file']}:{row['source_line']}"
    return Event(row["recorded_at"], "reconciled", f"{row['run_id']}/match {row['match_no']}", said, model, place)


def _paid_in(model: str, row: Row) -> Event:
    """What of an order is in a payout, and the line of the bank that paid it."""
    money = currency(row["part_currency"] or row["currency"])
    parts = ", ".join(
        f"{part} {format_minor(int(minor), money)}" for part, minor in zip(row["parts"], row["minors"], strict=True)
    )
    payout = "no payout" if row["payout"] is None else f"payout {row['payout']}"
    paid = "not paid"
    if row["paid_key"] is not None:
        paid = f"paid as {row['paid_key']}, {_amounts(row['paid'] or {})} in all"
    said = (
        f"{row['scenario']} run {row['run_no']}, {row['key']}: {format_minor(int(row['minor']), money)} {money} "
        f"({parts}) of {payout}, {paid}"
    )
    return Event(row["recorded_at"], "reconciled", f"{row['run_id']}/payout {row['payout'] or ''}", said, model)


def _came(model: str, row: Row) -> Event:
    """A row of a side as it was loaded, kept where it is in a break."""
    said = f"{row['scenario']} run {row['run_no']}, {row['key']}: {row['side']} row {row['raw']}"
    ident = f"{row['run_id']}/{row['side']}/{row['source_file']}:{row['source_line']}"
    place = f"{row['source_file']}:{row['source_line']}"
    return Event(row["recorded_at"], "reconciled", ident, said, model, place)


def _checked(model: str, row: Row) -> Event:
    """What a checker found."""
    said = f"{row['scenario']} run {row['run_no']}, {row['key']}: {row['checker']} found {row['kind']}: {row['reason']}"
    return Event(row["recorded_at"], "reconciled", f"{row['run_id']}/{row['checker']}/{row['kind']}", said, model)


def _said(row: Row) -> Iterator[str]:
    for word in ("reason", "why"):
        if row[word]:
            yield str(row[word])


#: When a run was first observed, where it was: runs themselves have no clock.
_OBSERVED = """(SELECT min(o.recorded_at) FROM recon.observation o
    WHERE (o.tenant, o.model, o.run_id) = (r.tenant, r.model, r.run_id)) AS recorded_at"""

_NEWEST = f"""SELECT DISTINCT ON (scenario) scenario, run_no, run_id, {_OBSERVED} FROM recon.run r
    WHERE {{tenant}} AND model = %(model)s ORDER BY scenario, run_no DESC"""

_FOUND = f"""SELECT r.scenario, r.run_no, r.currency, {_OBSERVED}, f.* FROM (
        SELECT *, false AS written_off
        FROM recon.break LEFT JOIN recon.break_currency USING (tenant, model, run_id, finding_no)
        UNION ALL
        SELECT *, true
        FROM recon.write_off LEFT JOIN recon.write_off_currency USING (tenant, model, run_id, finding_no)) AS f
    JOIN recon.run r USING (tenant, model, run_id)
    WHERE {{tenant}} AND model = %(model)s AND (f.key = ANY(%(keys)s) OR f.key LIKE %(begins)s)
    ORDER BY r.scenario, r.run_no, f.finding_no"""

_MOVES = """SELECT b.scenario, b.key, m.* FROM recon.move m JOIN recon.standing_break b USING (tenant, model, break_id)
    WHERE {tenant} AND model = %(model)s AND (b.key = ANY(%(keys)s) OR b.key LIKE %(begins)s)
    ORDER BY b.scenario, b.key, m.move_no"""

_OF_KEY = """{tenant} AND model = %(model)s AND (f.key = ANY(%(keys)s) OR f.key LIKE %(begins)s)"""

_MATCHED = f"""SELECT r.scenario, r.run_no, r.currency AS run_currency, {_OBSERVED}, f.*, (
        SELECT array_agg(DISTINCT o.key ORDER BY o.key) FROM recon.match o
        WHERE (o.tenant, o.model, o.run_id, o.match_no) = (f.tenant, f.model, f.run_id, f.match_no)
            AND o.side <> f.side) AS others
    FROM recon.match f JOIN recon.run r USING (tenant, model, run_id) WHERE {_OF_KEY}
    ORDER BY r.scenario, r.run_no, f.match_no, f.side, f.row_no"""

#: Of the newest run of each scenario: a run restates what payouts are made of.
_PAID = f"""SELECT r.scenario, r.run_no, r.currency, {_OBSERVED}, f.*, (
        SELECT jsonb_object_agg(coalesce(c.currency, r.currency), p.paid_minor)
        FROM recon.payout_part p LEFT JOIN recon.payout_currency c USING (tenant, model, run_id, part_no)
        WHERE (p.tenant, p.model, p.run_id, p.paid_key) = (f.tenant, f.model, f.run_id, f.paid_key)
            AND p.paid_minor IS NOT NULL) AS paid
    FROM (
        SELECT tenant, model, run_id, "order" AS key, payout, paid_key, currency AS part_currency,
            sum(amount_minor) AS minor, array_agg(part ORDER BY part_no) AS parts,
            array_agg(amount_minor ORDER BY part_no) AS minors
        FROM recon.payout_part LEFT JOIN recon.payout_currency USING (tenant, model, run_id, part_no)
        WHERE {{tenant}} AND model = %(model)s AND ("order" = ANY(%(keys)s) OR "order" LIKE %(begins)s)
        GROUP BY tenant, model, run_id, "order", payout, paid_key, currency) AS f
    JOIN recon.run r USING (tenant, model, run_id)
    WHERE r.run_no = (SELECT max(n.run_no) FROM recon.run n
        WHERE (n.tenant, n.model, n.scenario) = (r.tenant, r.model, r.scenario))
    ORDER BY r.scenario, f.key, f.payout, f.paid_key, f.part_currency NULLS FIRST"""

_LOADED = f"""SELECT r.scenario, r.run_no, {_OBSERVED}, f.* FROM recon.raw_row f
    JOIN recon.run r USING (tenant, model, run_id) WHERE {_OF_KEY}
    ORDER BY r.scenario, r.run_no, f.side, f.source_file, f.source_line"""

_NAMED = f"""SELECT r.scenario, r.run_no, {_OBSERVED}, f.* FROM recon.finding f
    JOIN recon.run r USING (tenant, model, run_id) WHERE {_OF_KEY} ORDER BY r.scenario, r.run_no, f.finding_no"""
