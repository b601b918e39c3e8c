"""What `live` and `inline` may say."""

from typing import Any

import pytest
from pydantic import ValidationError

from everycent.proof.recon.contract import ReconSpec

SIDE = {"columns": {"k": "text", "a": "money"}, "key": "k", "amount": "a"}


def spec(**words: Any) -> ReconSpec:
    return ReconSpec.model_validate({"left": SIDE, "right": SIDE, **words})


def test_what_is_said_is_understood() -> None:
    live = spec(live={"delay": "10 minutes", "sample": "0.05"}, inline={"within": "2 seconds", "otherwise": "hold"})
    assert live.live is not None and live.live.parts_kept == 50_000
    assert live.inline is not None and live.inline.within.total_seconds() == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"inline": {}}, "`inline` answers from what `live` has taken in; add `live`"),
        ({"live": {"sample": "0"}}, "0 is no share"),
        ({"live": {"sample": "1.5"}}, "1.5 is no share"),
        ({"live": {"sample": "0.0000001"}}, "at most six decimals"),
        ({"live": {}, "inline": {"within": "2 hours"}}, "'2 hours' is no time to answer in"),
        ({"live": {}, "inline": {"within": "0 ms"}}, "'0 ms' is no time to answer in"),
        ({"live": {}, "detail": False, "total": {}}, "`live` looks at each key by itself"),
        (
            {"live": {}, "rules": [{"name": "r", "key": {}}]},
            "`live` looks at each key by itself; leave `rules`",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(words: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        spec(**words)
    assert said in str(refused.value)
