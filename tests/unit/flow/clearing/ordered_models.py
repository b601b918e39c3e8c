"""Random models whose charges draw on a budget, and random facts for them."""

from typing import Any

from hypothesis import strategies as st

EXPONENTS = {"CNY": 2, "JPY": 0, "KWD": 3}
ROLES = ["platform", "brand", "distributor"]
MERCHANTS = ["m-7", "m/8", "m\\9"]
DAYS = ["2026-03-01", "2026-03-02", "2026-04-01", "2026-12-31"]
WEIGHTS = st.one_of(st.integers(0, 9), st.integers(0, 3), st.integers(1, 10**9))


def money(minor: int, exponent: int) -> str:
    return f"{minor // 10**exponent}.{minor % 10**exponent:0{exponent}}" if exponent else str(minor)


@st.composite
def models(draw: st.DrawFn) -> dict[str, Any]:
    """A currency, a budget, and one or two charges that draw on it; a bearer has the same cap in both."""
    name = draw(st.sampled_from(sorted(EXPONENTS)))
    exponent, size = EXPONENTS[name], draw(st.sampled_from([20, 2000, 10**15]))
    limits = st.one_of(st.none(), st.integers(0, size).map(lambda minor: money(minor, exponent)))
    caps: dict[str, str | None] = {}

    def capped(words: dict[str, Any], label: str) -> dict[str, Any]:
        caps.setdefault(label, draw(limits))
        return words if caps[label] is None else {**words, "cap": caps[label]}

    def bearers(word: str) -> dict[str, Any]:
        labels = draw(st.lists(st.sampled_from([*ROLES, "shops", "makers"]), min_size=1, max_size=3, unique=True))
        found: dict[str, Any] = {}
        for at, label in enumerate(labels):
            words = capped({}, label)
            if label not in ROLES:
                inner = draw(st.lists(st.sampled_from(ROLES), min_size=1, max_size=3, unique=True))
                words["among"] = {role: capped({"weight": str(draw(WEIGHTS))}, f"{label}/{role}") for role in inner}
            limit = str(draw(WEIGHTS)) if word == "weight" else draw(limits)
            if word == "fixed" and (at == 0 or limit is None):
                limit = None if at == 0 else money(1, exponent)
            found[label] = words if limit is None else {**words, word: limit}
        return found

    charges = {}
    for charge_name in ["coupon", "gift"][: draw(st.integers(1, 2))]:
        by = draw(st.sampled_from(["ratio", "ratio", "in_order", "fixed"]))
        who = bearers({"ratio": "weight", "in_order": "up_to", "fixed": "fixed"}[by])
        apportion = {
            "by": by,
            "budget": "spring",
            "bearers": who,
            "over_cap": draw(st.sampled_from(["pass_on", "cut"])),
            "refund": draw(st.sampled_from(["proportional", "reverse"])),
            "odd_cent": draw(st.sampled_from(["largest_remainder", "first_in_order"])),
        }
        last = draw(st.sampled_from([None, "hold", "refuse", *list(who)[-1:], *who]))
        if last is not None:
            apportion["when_all_capped"] = last
        on_refund = draw(st.sampled_from(["prorate", "prorate", "return", "keep"]))
        rounding = draw(st.sampled_from(["half_up", "half_even", "down", "up"]))
        charges[charge_name] = {"apportion": apportion, "on_refund": on_refund, "round": rounding}
    budget: dict[str, Any] = {"per": draw(st.sampled_from([[], ["merchant"], ["merchant", "store"]]))}
    budget["period"] = draw(st.sampled_from(["day", "week", "month", "quarter", "year", "none"]))
    cap = draw(limits)
    return {
        "currency": name,
        "size": size,
        "budgets": {"spring": budget if cap is None else {**budget, "cap": cap}},
        "charges": charges,
    }


def facts_of(draw: st.DrawFn, model: dict[str, Any]) -> list[dict[str, Any]]:
    """Sales and refunds of them, some of which come too early, ask for too much, or refund what is not there."""
    amounts = st.one_of(st.integers(-model["size"], model["size"]), st.integers(0, model["size"]))
    facts: list[dict[str, Any]] = []
    for at in range(draw(st.integers(1, 14))):
        sold = [fact["key"] for fact in facts if "charges" in fact]
        if sold and draw(st.integers(0, 2)) == 0:
            of = draw(st.sampled_from([*sold, *sold, *sold, "A13"]))
            amount = draw(st.sampled_from([1, 7, 33, 50, 50, 100, -1]))
            facts.append({"key": f"R{at}", "refund_of": of, "amount": amount, "on": "2026-03-09"})
            continue
        names = [name for name in model["charges"] if draw(st.integers(0, 4))]
        facts.append(
            {
                "key": f"A{at}",
                "amount": draw(st.sampled_from([100, 100, 100, 3, 0])),
                "charges": {name: draw(amounts) for name in names},
                "merchant": draw(st.sampled_from(MERCHANTS)),
                "brand": draw(st.sampled_from(["b-2", "b-2", "b-2", "b-3", "b-4", None])),
                "store": draw(st.sampled_from(["s-1", "s-1", "s-2", "s-2", None])),
                "on": draw(st.sampled_from(DAYS)),
            }
        )
    return facts


@st.composite
def days(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    model = draw(models())
    return model, facts_of(draw, model)
