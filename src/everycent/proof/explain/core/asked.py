"""What an id may mean: a record, one of its charges, or one bearer's obligation of it."""

import re
from dataclasses import dataclass
from uuid import UUID

_UUID = re.compile(r"([0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12})(?:/(.+))?")


@dataclass(frozen=True)
class Asked:
    """One reading of an id. Either `record_id` or `key` is set; `kind` narrows a key."""

    record_id: UUID | None = None
    kind: str | None = None
    key: str | None = None
    charge: str | None = None
    bearer: int | None = None


def readings(text: str) -> list[Asked]:
    """Every reading of `text`, the longest key first: keys hold "/" too.

    Forms: `<uuid>`, `<key>`, `<kind>:<key>`, each with `/<charge>` or `/<charge>/<bearer>` behind. A uuid comes first;
    a key may look like one.
    """
    found = _UUID.fullmatch(text)
    kind, colon, key = text.partition(":")
    given = [(None, text)] + ([(kind, key)] if colon else [])
    keys = [reading for named, rest in given for reading in _key_readings(named, rest)]
    if found is None:
        return keys
    charge, bearer = _charge_and_bearer(found[2])
    return [Asked(record_id=UUID(found[1]), charge=charge, bearer=bearer), *keys]


def _key_readings(kind: str | None, text: str) -> list[Asked]:
    parts = text.split("/")
    found = [Asked(kind=kind, key=text)]
    if len(parts) > 1:
        found.append(Asked(kind=kind, key="/".join(parts[:-1]), charge=parts[-1]))
    if len(parts) > 2 and parts[-1].isdecimal():
        found.append(Asked(kind=kind, key="/".join(parts[:-2]), charge=parts[-2], bearer=int(parts[-1])))
    return found


def _charge_and_bearer(rest: str | None) -> tuple[str | None, int | None]:
    if rest is None:
        return None, None
    charge, slash, bearer = rest.rpartition("/")
    return (charge, int(bearer)) if slash and bearer.isdecimal() else (rest, None)
