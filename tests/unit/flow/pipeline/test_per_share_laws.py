"""Laws of charges per share: random sharing, rates, currencies and refunds against an oracle in fractions."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import OracleCharge, OracleSale, rounded, split

from everycent.base.engine.local import LocalEngine
from everycent.flow.model.service import load_model
from everycent.flow.pipeline.golden import run_golden_cases

EXPONENTS = {"CNY": 2, "JPY": 0, "KWD": 3}
ROLES = ("platform", "brand", "mall", "agent")
ROUNDINGS = st.sampled_from(["half_up", "half_even", "down", "up"])
ODD_CENTS = st.sampled_from(["largest_remainder", "first_in_order"])
MINOR = st.one_of(st.integers(0, 30), st.integers(0, 5_000), st.integers(0, 10**12))

MODEL = """\
model: shares
version: 1
currency: {currency}
calendar: {{time_zone: Asia/Shanghai}}
parties:
  platform: {{operator: shanghai}}
  merchant: {{key: [merchant]}}
  brand: {{key: [brand]}}
  mall: {{key: [mall]}}
  agent: {{key: [agent]}}
records:
  sale:
    id: [no]
    occurred_at: at
    columns: {{no: text, merchant: text, brand: text, mall: text, agent: text, gift: money, at: timestamp}}
    amount: gift
  refund:
    refunds: sale
    of: [sale]
    id: [no]
    occurred_at: at
    columns: {{no: text, sale: text, given: money, at: timestamp}}
    amount: given
factors:
  fee_rate: {{table: fees.csv, key: [bearer], column: rate}}
charges:
  gift: {{for: sale, amount: gift, creditor: merchant, apportion: {apportion}, on_refund: {gift_back}}}
  fee:
    for: sale
    per_share_of: gift
    when: bearer <> '{left_out}'
    amount: greatest(share * fee_rate, {least})
    round: {rounding}
    {ends}
    on_refund: {fee_back}
statements: {{merchant: {{cycle: daily}}, brand: {{cycle: daily}}, mall: {{cycle: daily}}, agent: {{cycle: daily}}}}
tests:
  all of it:
    facts: |
{facts}
    obligations: |
{obligations}
"""


@dataclass(frozen=True)
class Shared:
    """How the gift is shared: the declaration, and each bearer's (role, share) of an amount."""

    by: str
    weights: tuple[int, ...]
    limits: tuple[int, ...]
    among: tuple[int, int]
    odd_cent: str

    def text(self, exponent: int) -> str:
        """Platform, agent and the partners, who are brand and mall."""
        group = f"among: {{brand: {self.among[0]}, mall: {self.among[1]}}}"
        word = {"ratio": "weight", "in_order": "up_to", "fixed": "fixed"}[self.by]
        if self.by == "ratio":
            first, second, last = (f"weight: {weight}" for weight in self.weights)
            third = f"{last}, {group}"
        else:
            first, second = (f"{word}: {major(limit, exponent)}" for limit in self.limits)
            third = group
        bearers = f"platform: {{{first}}}, agent: {{{second}}}, partners: {{{third}}}"
        return f"{{by: {self.by}, bearers: {{{bearers}}}, odd_cent: {self.odd_cent}}}"

    def of(self, amount: int) -> list[tuple[str, int]]:
        """Each bearer's share, as declared."""
        if self.by == "ratio":
            platform, agent, partners = split(amount, list(self.weights), self.odd_cent)
        else:
            platform = min(self.limits[0], amount)
            agent = min(self.limits[1], amount - platform)
            partners = amount - platform - agent
        brand, mall = split(partners, list(self.among), self.odd_cent)
        return [("platform", platform), ("agent", agent), ("brand", brand), ("mall", mall)]


def major(minor: int, exponent: int) -> str:
    digits = f"{abs(minor):0{exponent + 1}}"
    return ("-" if minor < 0 else "") + (f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits)


@st.composite
def sharings(draw: st.DrawFn) -> Shared:
    weights = (draw(st.integers(0, 9)), draw(st.integers(0, 9)), draw(st.integers(1, 9)))
    among = (draw(st.integers(0, 9)), draw(st.integers(1, 9)))
    limits = (draw(st.integers(1, 500)), draw(st.integers(1, 500)))
    return Shared(draw(st.sampled_from(["ratio", "in_order", "fixed"])), weights, limits, among, draw(ODD_CENTS))


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "currency": draw(st.sampled_from(list(EXPONENTS))),
        "shared": draw(sharings()),
        "rates": draw(st.fixed_dictionaries({role: st.integers(0, 3000) for role in ROLES})),
        "least": draw(st.integers(0, 50)),
        "rounding": draw(ROUNDINGS),
        "backs": (draw(st.sampled_from(["prorate", "return"])), draw(st.sampled_from(["prorate", "return", "keep"]))),
        "paid": draw(st.booleans()),
        "left_out": draw(st.sampled_from(["nobody", "brand", "agent"])),
        "gifts": draw(st.lists(MINOR, min_size=1, max_size=3)),
        "refunds": draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100)), max_size=3)),
        "cut": draw(st.booleans()),
    }


def told(case: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The facts and, by the oracle, what must come of them: the text tables of a golden case."""
    exponent, shared = EXPONENTS[case["currency"]], case["shared"]
    sale, refund = "sale  no  merchant  brand  mall  agent  gift  at", "refund  no  sale  given  at"
    facts = [sale]
    owed, lives = ["record  charge  debtor  creditor  amount"], {}

    def row(record: str, charge: str, role: str, minor: int) -> str:
        party = {"brand": "b-1", "mall": "n-1", "agent": "a-1"}.get(role, role)
        ends = (party, "m-1") if charge == "gift" else ("platform", party) if case["paid"] else (party, "platform")
        return "  ".join([record, charge, *ends, major(minor, exponent)])

    rated = [role for role in ("agent", "brand", "mall") if role != case["left_out"]]
    for number, gift in enumerate(case["gifts"]):
        facts += [sale] if case["cut"] and number else []
        facts.append(f"A{number}  m-1  b-1  n-1  a-1  {major(gift, exponent)}  2026-03-01 10:00")
        shares = dict(shared.of(gift))
        exact = {role: Fraction(shares[role] * case["rates"][role], 10000) for role in rated}
        exact = {role: max(value, Fraction(case["least"])) for role, value in exact.items()}
        parts = {role: rounded(exact[role], case["rounding"]) for role in rated}
        assert sum(shares.values()) == gift
        whole = [OracleCharge("gift", "", lambda _: Fraction(0), "half_up", case["backs"][0], (), shared.odd_cent),
                 OracleCharge("fee", "", lambda _: Fraction(0), case["rounding"], case["backs"][1])]  # fmt: skip
        life = OracleSale(whole, {}, gift)
        life.amounts = {"gift": gift, "fee": sum(parts.values())}
        life.remaining = {"gift": list(shares.values()), "fee": list(parts.values())}
        lives[number] = (life, {"gift": list(shares), "fee": rated})
        owed += [row(f"A{number}", "gift", role, share) for role, share in shares.items()]
        owed += [row(f"A{number}", "fee", role, part) for role, part in parts.items()]
    given_back = []
    for number, (of, percent) in enumerate(case["refunds"]):
        life, roles = lives.get(of, (None, {}))
        amount = 0 if life is None else min(life.worth * percent // 100, life.worth - life.refunded)
        if life is None or amount == 0:
            continue
        back = life.give_back(amount)
        assert back is not None, "no more is refunded than what is left"
        facts += [refund] if case["cut"] or not given_back else []
        given_back.append(amount)
        facts.append(f"R{number}  A{of}  {major(amount, exponent)}  2026-03-02 10:00")
        for charge, parts_back in back:
            owed += [
                row(f"R{number}", charge, role, part) for role, part in zip(roles[charge], parts_back, strict=True)
            ]
    return facts, owed


@settings(max_examples=8)
@given(case=cases())
def test_every_share_is_rated_as_an_oracle_rates_it(case: dict[str, Any], local: tuple[LocalEngine, Path]) -> None:
    as_the_oracle(case, *local)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=200)
@given(case=cases())
def test_many_shares_are_rated_as_an_oracle_rates_them(case: dict[str, Any], local: tuple[LocalEngine, Path]) -> None:
    as_the_oracle(case, *local)


def as_the_oracle(case: dict[str, Any], engine: LocalEngine, folder: Path) -> None:
    facts, owed = told(case)
    exponent = EXPONENTS[case["currency"]]
    text = MODEL.format(
        currency=case["currency"],
        apportion=case["shared"].text(exponent),
        gift_back=case["backs"][0],
        fee_back=case["backs"][1],
        left_out=case["left_out"],
        least=major(case["least"], exponent),
        rounding=case["rounding"],
        ends="debtor: platform\n    creditor: bearer" if case["paid"] else "debtor: bearer\n    creditor: platform",
        facts="\n".join("      " + line for line in facts),
        obligations="\n".join("      " + line for line in owed),
    )
    (folder / "model.yaml").write_text(text)
    rates = "".join(f"{role},{rate // 10000}.{rate % 10000:04}\n" for role, rate in case["rates"].items())
    (folder / "fees.csv").write_text("bearer,rate\n" + rates)
    [outcome] = run_golden_cases(load_model(folder / "model.yaml", {}), "default", engine)
    assert outcome.differences == ()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """One engine and one folder for all examples."""
    with LocalEngine(threads=1, memory_mb=512, temp_dir=Path(tmp_path_factory.mktemp("spill"))) as engine:
        yield engine, tmp_path_factory.mktemp("model")
