"""Real servers that loaders ask."""

from collections.abc import Iterator

import pytest
from maria import INSTALLED, MISSING, Maria, maria_server


@pytest.fixture(scope="session")
def maria() -> Iterator[Maria]:
    if not INSTALLED:
        pytest.skip(MISSING)
    with maria_server() as running:
        yield running
