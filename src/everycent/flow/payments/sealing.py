"""The seals of instructions and of their history, as SQL that changes them makes them."""


def sealed_with(change: str) -> str:
    """SQL: the seal of the row `known` once the members of the JSON object `change` are its columns."""
    return f"md5(((to_jsonb(known) || {change}) - 'seal')::text)::uuid"


HISTORY = (
    "tenant, model, instruction_id, move_no, move, came, from_state, to_state, booking, finding, cause, who, why,"
    " recorded_at"
)
