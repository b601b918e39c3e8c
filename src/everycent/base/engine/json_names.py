"""Names in JSON objects: of a name that stands twice Python takes the last value, and says nothing of the others."""

from typing import Any


class NameTwice(ValueError):
    """An object has two values by one name; which of them counts is anyone's guess."""


def named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object, for `object_pairs_hook` of json. Raises NameTwice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NameTwice(f"an object has the name '{twice}' twice; which one counts cannot be told: write it once")
    return found
