"""A record explained: its source row, and each charge with the formula, the values it used, and who owes it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

from everycent.base.money.amount import format_minor
from everycent.base.money.currency import Currency, currency
from everycent.proof.explain.contract import Explanation
from everycent.proof.explain.core.model_text import ModelText, RuleText, names_in
from everycent.proof.explain.core.numbers import in_numbers, plain, with_numbers
from everycent.proof.explain.core.slices import slices_told
from everycent.proof.explain.statements import statement_line
from everycent.proof.explain.store import Finder, Row

#: What a charge per share calls a part of what is shared, and the role of who carries it.
SHARE, BEARER = "share", "bearer"
#: So many rules that were not used are told of a charge.
OTHER_RULES_MAX = 8


def record_explained(
    finder: Finder, model: str, record: Row, charge: str | None, bearer: int | None
) -> Explanation | None:
    """The record with all of its charges, or the one asked for; None where it has no such charge or bearer."""
    walk = _Walk(finder, model, record)
    charges = [row for row in walk.charges if charge in (None, row["charge"])]
    held = [row for row in finder.held(model, record["record_id"]) if charge in (None, row["charge"])]
    retries = finder.retries(model, record["record_id"])
    parts = [walk.charge(row, bearer) for row in charges]
    known = {row["charge"] for row in (*charges, *held)}
    waiting = [row for row in finder.waiting(model, record["record_id"]) if row["charge"] not in known]
    waiting = [row for row in waiting if charge in (None, row["charge"])]
    if charge is not None and not held and not waiting and not any(part.parts for part in parts):
        return None
    parts += [walk.waits(row) for row in waiting]
    parts += [_held(finder, row, [each for each in retries if each["charge"] == row["charge"]]) for row in held]
    if charge is None:
        parts += [_refunding(row) for row in finder.records(model, "refund_of", [record["record_id"]])]
    return walk.record_with(parts)


class _Walk:
    """One record and what its charges are computed from."""

    def __init__(self, finder: Finder, model: str, record: Row) -> None:
        self.finder = finder
        self.model = model
        self.record = record
        self.id: UUID = record["record_id"]
        self.text: ModelText = finder.model_text(model, record["batch_no"])
        self.charges = finder.charges(model, self.id)
        self.obligations = finder.obligations(model, self.id)
        self.corrections = finder.corrections(model, self.id)
        self.number = finder.number(model, self.id)
        self.moved = {row["factor"]: row for row in finder.moved(model, self.id)}
        self.pots = {(row["charge"], row["bearer"]): row for row in finder.in_pots(model, self.id) if row["budget"]}
        self.origin = self._origin()
        self.snapshots = finder.snapshots(model, (self.origin or record)["record_id"])
        first = next((row["currency"] for row in self.charges), None)
        self.money = _known(self.text.currency_of(record["kind"], record["body"]) or first)

    def _origin(self) -> Row | None:
        """The record that this one refunds."""
        if self.record["refund_of"] is None:
            return None
        found = self.finder.records(self.model, "record_id", [self.record["refund_of"]])
        return found[0] if found else None

    def record_with(self, parts: Sequence[Explanation]) -> Explanation:
        record = self.record
        batch = self.finder.batch(record["batch_no"])
        names = self.text.in_order(record["kind"], record["body"])
        facts = [
            ("source", f"{record['source_file']}:{record['source_line']}"),
            ("record id", str(self.id)),
            ("occurred at", f"{record['occurred_at']:%Y-%m-%d %H:%M:%S} UTC, business date {record['business_date']}"),
            ("booked on", str(record["booked_on"])),
            ("columns", ", ".join(f"{name} = {self._shown(name, record['body'][name])}" for name in names)),
            ("batch", f"{record['batch_no']}, model {self.model}, version {batch['model_version']}"),
        ]
        if self.origin is not None:
            facts.insert(1, ("refund of", _place(self.origin)))
        return Explanation("record", str(self.id), f"{record['kind']} {record['key']}", tuple(facts), tuple(parts))

    def charge(self, charge: Row, bearer: int | None) -> Explanation:
        money = currency(charge["currency"])
        owed = [
            self._obligation(row, charge, money)
            for row in self.obligations
            if row["charge"] == charge["charge"] and bearer in (None, row["bearer"])
        ]
        amount = format_minor(charge["amount_minor"], money)
        facts = self._given_back(charge, money) if charge["refund_of"] is not None else self._computed(charge)
        facts += self._corrected(charge["charge"], money)
        if self.number is not None and charge["batch_no"] == self.number["batch_no"]:
            facts.append(("cleared in order", f"number {self.number['sequence_no']}"))
        elif charge["batch_no"] != self.record["batch_no"] and "revision" not in charge:
            facts.append(("released by", _batch(self.finder, charge["batch_no"])))
        return Explanation(
            "charge",
            f"{self.id}/{charge['charge']}",
            f"{charge['charge']}: {amount} {money}",
            tuple(facts),
            tuple(owed),
        )

    def _corrected(self, charge: str, money: Currency) -> list[tuple[str, str]]:
        """Each correction of the charge, from which amount to which."""
        made = [row for row in self.corrections if row["charge"] == charge]
        if not made:
            return []
        first = [row for row in self.finder.before_corrections(self.model, self.id) if row["charge"] == charge]
        amounts = [row["amount_minor"] for row in (*(first or [{"amount_minor": 0}]), *made)]
        return [
            (
                f"correction {row['revision']}",
                f"from {format_minor(before, money)} to {format_minor(row['amount_minor'], money)} {money},"
                f" by {_batch(self.finder, row['batch_no'])}",
            )
            for row, before in zip(made, amounts, strict=False)
        ]

    def waits(self, row: Row) -> Explanation:
        """A charge whose turn is still to come."""
        ident = f"{self.id}/{row['charge']}"
        if row["amount_minor"] is None:
            said = "waits for its turn in strict order, in which it is computed"
            if self.number is not None:
                said = "this record is without it, as was found in its turn"
            return Explanation("charge", ident, f"{row['charge']}: {said}")
        money = currency(row["currency"])
        amount = format_minor(row["amount_minor"], money)
        text = f"{row['charge']}: {amount} {money}, waits for its turn in strict order"
        return Explanation("charge", ident, text, tuple(self._computed(row)))

    def _computed(self, charge: Row) -> list[tuple[str, str]]:
        text = self.finder.model_text(self.model, charge["batch_no"])  # the version that computed it
        rule: RuleText = text.rule(charge["charge"], charge["rule"])
        named = charge["rule"] != charge["charge"]
        used = text.used(charge["charge"])
        facts = [("rule", f"{charge['rule']}, {used}" if used else charge["rule"])] if named else []
        if rule.amount is not None:
            facts.append(("formula", f"{rule.amount}, rounded {rule.rounding} once"))
        base = text.per_share_of(charge["charge"])
        if base is not None:  # its bearers' obligations have the numbers
            when = [] if rule.when is None else [("when", rule.when)]
            return [("per share of", f"{base}: for each of its bearers, added up"), *facts, *when]
        snapshot = self._snapshot(charge["batch_no"])
        found = {name: value for name in rule.names if (value := self._value(name, text, snapshot)) is not None}
        if rule.when is not None:
            facts.append(("when", with_numbers(rule.when, {name: value for name, (value, _) in found.items()})))
        facts += in_numbers(rule, found, format_minor(charge["amount_minor"], currency(charge["currency"])))
        facts += self._slices(rule, found, text)
        facts += self._other_rules(charge, text, snapshot)
        sharing = text.sharing(charge["charge"])
        return facts if sharing is None else [*facts, ("shared", sharing.line())]

    def _slices(self, rule: RuleText, found: Mapping[str, tuple[str, str]], text: ModelText) -> list[tuple[str, str]]:
        """A graduated price slice by slice: of a running total, or of a value by itself."""
        price = rule.graduated
        if price is None or "from" in price:
            return []
        moved = self.moved.get(str(price.get("over")))
        if moved is not None:
            shown = self._total_shown(str(price["over"]), text)
            ends = shown(moved["total_after"] - moved["amount"]), shown(moved["total_after"])
        else:
            of = str(price.get("of"))
            ends = "0", found[of][0] if of in found else of
        told = slices_told(price, *ends)
        return [] if told is None else [("slices", told)]

    def _other_rules(
        self, charge: Row, text: ModelText, snapshot: Mapping[str, tuple[Any, int]]
    ) -> list[tuple[str, str]]:
        """The rules that the charge was not computed by, their conditions as written and with the record's values."""
        facts = []
        for label, condition, days in text.other_rules(charge["charge"], charge["rule"])[:OTHER_RULES_MAX]:
            known = {name: self._value(name, text, snapshot) for name in names_in(condition)}
            asked = with_numbers(condition, {name: value[0] for name, value in known.items() if value is not None})
            parts = [asked, f"{days} (it is {self.record['business_date']})" if days else ""]
            facts.append(("not used", f"{label}: {', '.join(filter(None, parts)) or 'always'}"))
        return facts

    def _snapshot(self, batch_no: int) -> dict[str, tuple[Any, int]]:
        """The values as they were known when a batch was computed, each with the batch that looked it up; a later
        look-up found what was missing before."""
        found: dict[str, tuple[Any, int]] = {}
        for row in self.snapshots:
            if row["batch_no"] <= batch_no:
                fresh = {name: (value, row["batch_no"]) for name, value in row["body"].items()}
                found |= {name: got for name, got in fresh.items() if got[0] is not None or name not in found}
        return found

    def _source(self, name: str, batch_no: int) -> str:
        """Where a factor's value came from and when: a table by its hash, an answer from outside by its time."""
        text = self.finder.model_text(self.model, batch_no)
        told = text.factor(name) or "factor"
        source = self.finder.batch_source(self.model, batch_no)
        if text.factor_is_constant(name):
            return f"{told} of version {self.finder.batch(batch_no)['model_version']}"
        content = source["tables"].get(text.factor_table(name))
        if content is not None:
            return f"{told}, SHA-256 {content[:12]}"
        if source["gathering"] is not None and text.factor_is_fetched(name):
            body = (self.origin or self.record)["body"]
            answer = self.finder.fetched(
                self.model, source["gathering"], name, [body.get(column) for column in text.factor_key(name)]
            )
            if answer is not None:
                return f"{told}, fetched {answer['fetched_at'].astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return told

    def _given_back(self, charge: Row, money: Currency) -> list[tuple[str, str]]:
        originals = self.finder.charges(self.model, charge["refund_of"])
        was = [row["amount_minor"] for row in originals if row["charge"] == charge["charge"]]
        facts = [("on refund", self.text.on_refund(charge["charge"]))]
        if was:
            facts.append(("gives back of", f"{format_minor(was[0], money)} {money}"))
        if self.record["amount_minor"] is not None and self.origin is not None and self.origin["amount_minor"]:
            refunded, worth = (abs(row["amount_minor"]) for row in (self.record, self.origin))
            facts.append(("refunded", f"{format_minor(refunded, money)} of {format_minor(worth, money)} {money}"))
        return facts

    def _value(self, name: str, text: ModelText, snapshot: Mapping[str, tuple[Any, int]]) -> tuple[str, str] | None:
        """The value that a name of the formula had, and where it is from; None for no name of the record or model."""
        if name in self.moved:
            return self._accumulated(name, text, self.moved[name])
        if name in snapshot:
            value, batch_no = snapshot[name]
            if value is None and text.is_made(name):
                return None  # nothing was looked up, such as a rate where the amount is in the charge's currency
            money = text.factor_is_money(name, (self.origin or self.record)["kind"])
            return _money(value, self.money) if money else plain(value), f" ({self._source(name, batch_no)})"
        if name in self.record["body"]:
            return self._shown(name, self.record["body"][name]), ""
        charged = [row for row in self.charges if row["charge"] == name]
        return (_money(charged[0]["amount_minor"], currency(charged[0]["currency"])), " (charge)") if charged else None

    def _accumulated(self, name: str, text: ModelText, row: Row) -> tuple[str, str]:
        """A factor that depends on what came before, with the total that it is of, before and after the record."""
        shown = self._total_shown(name, text)
        where = " ".join(part for part in (row["pot"], row["period"]) if part)
        number = f"number {row['sequence_no']}"
        after, before = row["total_after"], row["total_after"] - row["amount"]
        if row["quantity"] is None:
            value = before if text.counts_before(name) else after
            said = f"accumulated of {where}: " if where else "accumulated: "
            return shown(value), f" ({said}{shown(before)} before {number}, then {shown(after)})"
        worth = shown(abs(row["amount"])) if row["quantity"] else "(none)"
        units = f"{plain(row['quantity_after'] - row['quantity'])} units worth {shown(before)} before {number}"
        return worth, f" (accumulated of {where}: {units})"

    def _obligation(self, row: Row, charge: Row, money: Currency) -> Explanation:
        amount = format_minor(row["amount_minor"], money)
        number = f"{row['bearer']}: " if row["bearer"] else ""  # 0: one party owes all of it
        ends = [
            (end, statement_line(self.finder, self.model, row[f"{end}_statement"]))
            for end in ("debtor", "creditor")
            if row[f"{end}_statement"] is not None
        ]
        return Explanation(
            "obligation",
            f"{self.id}/{row['charge']}/{row['bearer']}",
            f"{number}{row['debtor']} owes {row['creditor']} {amount} {money}",
            (
                ("booked on", str(row["booked_on"])),
                ("settled by", row["legal_entity"]),
                *self._contracts(row),
                *self._standing(row, charge, money),
            ),
            tuple(Explanation("statement", row[f"{end}_statement"], f"of the {end}: {line}") for end, line in ends),
        )

    def _contracts(self, row: Row) -> list[tuple[str, str]]:
        """The contracts under which the two ends are settled."""
        snapshot, facts = self._snapshot(row["batch_no"]), []
        text = self.finder.model_text(self.model, row["batch_no"])
        for party in (row["debtor"], row["creditor"]):
            role = party.partition(":")[0]
            number, _ = snapshot.get(f"contract of {role}", (None, 0))
            if number is not None:
                facts.append(("contract", f"{number} of {party}, {text.contract(role)}"))
        return facts

    def _standing(self, row: Row, charge: Row, money: Currency) -> list[tuple[str, str]]:
        """Why it is what it is; of one that a correction took back, or that takes back, only that."""
        revision = row.get("revision", 0)
        if row.get("reverses"):
            return [("takes back", f"what was owed before correction {revision}")]
        later = [each["revision"] for each in self.corrections if each["charge"] == row["charge"]]
        taken_by = min((each for each in later if each > revision), default=None)
        if taken_by is not None:
            return [("taken back", f"by correction {taken_by}")]
        return [*self._share(row, charge, money), *self._in_pot(row, money)]

    def _share(self, row: Row, charge: Row, money: Currency) -> list[tuple[str, str]]:
        """What the bearer was to carry of the charge, and what kept it from that."""
        text = self.finder.model_text(self.model, row["batch_no"])
        if text.per_share_of(row["charge"]) is not None:
            return self._rated_share(row, text, money)
        sharing = text.sharing(row["charge"])
        if sharing is None or row["bearer"] == 0:
            return []
        if charge["refund_of"] is not None:
            return [("given back", sharing.given_back())]
        # After a rewind, what a closed statement has and what adjusts it are two rows.
        rows = [
            each
            for each in self.obligations
            if (each["charge"], each["bearer"]) == (row["charge"], row["bearer"])
            and each.get("revision", 0) == row.get("revision", 0)
            and not each.get("reverses")
        ]
        carried = sum(each["amount_minor"] for each in rows)
        facts = sharing.facts(row["bearer"] - 1, charge["amount_minor"], carried, money)
        return facts if len(rows) == 1 else [*facts, ("one part", f"of {format_minor(carried, money)} in {len(rows)}")]

    def _rated_share(self, row: Row, text: ModelText, money: Currency) -> list[tuple[str, str]]:
        """What the bearer's share was, and how it was rated."""
        if row["refund_of"] is not None:
            return [("given back", "to each in proportion to what is left of its amount")]
        base = text.per_share_of(row["charge"])
        shares = [each for each in self.obligations if (each["charge"], each["bearer"]) == (base, row["bearer"])]
        if not shares:  # verify names the row
            return []
        role = shares[0]["debtor"].partition(":")[0]
        snapshot = self._snapshot(row["batch_no"])
        snapshot |= {name.removesuffix(f" of {role}"): value for name, value in snapshot.items()}
        share = format_minor(sum(each["amount_minor"] for each in shares), currency(shares[0]["currency"]))
        own = {SHARE: (share, f" (of {base}, carried by {shares[0]['debtor']})"), BEARER: (role, "")}
        rule = text.rule(row["charge"], row["charge"])
        found = {name: value for name in rule.names if (value := own.get(name) or self._value(name, text, snapshot))}
        own_rows = [
            each for each in self.obligations if (each["charge"], each["bearer"]) == (row["charge"], row["bearer"])
        ]
        return in_numbers(rule, found, format_minor(sum(each["amount_minor"] for each in own_rows), money))

    def _in_pot(self, row: Row, money: Currency) -> tuple[tuple[str, str], ...]:
        """What the bearer had carried before and after, in the pot of its budget."""
        pot = row if row.get("budget") else self.pots.get((row["charge"], row["bearer"]))
        if pot is None:
            return ()
        before, after = (format_minor(pot[f"total_{when}_minor"], money) for when in ("before", "after"))
        named = " ".join(part for part in (pot["budget"], pot["pot"], pot["period"]) if part)
        return (("carried", f"{pot['leaf']} had carried {before} of budget {named}, then {after}"),)

    def _shown(self, column: str, value: Any) -> str:
        kind, body = self.record["kind"], self.record["body"]
        if not self.text.is_money(kind, column):
            return plain(value)
        return _money(value, _known(self.text.currency_of(kind, body, column)) or self.money)

    def _total_shown(self, name: str, text: ModelText) -> Callable[[Any], str]:
        """How what a factor adds up is told: as money of the model's, or as it is."""
        if not text.total_is_money(name):
            return plain
        money = _known(text.currency) or self.money
        return lambda value: _money(value, money)


def _known(code: str | None) -> Currency | None:
    return None if code is None else currency(code)


def _money(value: Any, money: Currency | None) -> str:
    """Minor units as an amount; as they are where nothing says in which currency."""
    return plain(value) if value is None or money is None else format_minor(int(value), money)


def _held(finder: Finder, row: Row, retries: Sequence[Row]) -> Explanation:
    """A held charge with what became of it, each time that this changed."""
    said = [
        f"{each['outcome'].replace('_', ' ')}{', ' + each['reason'] if each['reason'] else ''}"
        f" ({_batch(finder, each['batch_no'])})"
        for each in retries
    ]
    return Explanation(
        "held_charge",
        f"{row['record_id']}/{row['charge']}",
        f"{row['charge']}: {row['state']}, {row['reason']}",
        tuple(("rated again", line) for line in said),
    )


def _batch(finder: Finder, batch_no: int) -> str:
    return f"batch {batch_no}, version {finder.batch(batch_no)['model_version']}"


def _refunding(row: Row) -> Explanation:
    return Explanation("record", str(row["record_id"]), f"{_place(row)} refunds it")


def _place(row: Row) -> str:
    return f"{row['kind']} {row['key']} ({row['source_file']}:{row['source_line']})"
