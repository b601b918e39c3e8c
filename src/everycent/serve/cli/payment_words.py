"""What a statement's payment is, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from everycent.serve.cli.terminal import shorten

_SENT = ("submitted", "processing", "unknown")


def payment_words(statement: Mapping[str, Any], sides: Sequence[Mapping[str, Any]]) -> str:
    """Where the payment of a statement stands. `sides`: as payments tell of it; none: they have not taken it up."""
    if not sides:
        return ""
    words = [(side["side"], _of_side(side)) for side in sides]
    told = words[0][1] if len(words) == 1 else "; ".join(f"{side} {said}" for side, said in words)
    held = "; parked" if statement["parked_as_of"] is not None else ""
    partly = "partly paid: " if statement["settled_sides"] and statement["settled_as_of"] is None else ""
    return f"{partly}{told}{held}"


def _of_side(side: Mapping[str, Any]) -> str:
    reason = shorten(side["reason"] or "")
    match side["outcome"], side["state"]:
        case "zero", _:
            return "settled without payment"
        case "carried", _:
            return "carried to the next closing: below the minimum"
        case _, "waiting":
            return f"instructed, waits: {reason}"
        case _, "filed":
            return f"filed with the bank on {side['filed_as_of']}"
        case _, state if state in _SENT:
            return "sent to the channel"
        case _, "parked":
            return f"instructed, parked: {reason}"
        case _, "succeeded":
            return f"paid on {side['ended_as_of']}"
        case _, state if state in ("failed", "returned"):
            return f"{state}: {reason}"
        case _:
            return "instructed"
