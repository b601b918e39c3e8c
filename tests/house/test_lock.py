"""requirements.lock: what pyproject.toml asks for, pinned by hash, and no address in it."""

import re
import tomllib

from packaging.requirements import Requirement
from sources import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINNED = {
    name: (version, entry)
    for entry in re.split(r"\n(?=\w)", LOCK)
    for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", entry)
}


def test_what_the_project_asks_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [
        *project["project"]["dependencies"],
        *project["dependency-groups"]["dev"],
        *project["build-system"]["requires"],
    ]
    for requirement in map(Requirement, asked):
        name = requirement.name.lower()
        assert name in PINNED, f"{name} is not in requirements.lock; run make lock"
        version, _ = PINNED[name]
        assert requirement.specifier.contains(version), f"{requirement} is locked at {version}; run make lock"


def test_everything_is_pinned_by_hash() -> None:
    assert len(PINNED) > 30
    bare = [name for name, (_, entry) in PINNED.items() if "--hash=sha256:" not in entry]
    assert not bare, f"{bare} have no hash; run make lock"


def test_it_names_no_place() -> None:
    """Where packages come from is the installer's own setting: docs/decisions/0002."""
    places = re.findall(r"\S+://\S+|--(?:extra-)?index-url.*|--find-links.*|(?<![\w.])/\w+/\S+", LOCK)
    assert not places, places
