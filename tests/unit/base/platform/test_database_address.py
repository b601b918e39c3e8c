"""An address that is none is a wrong setting, told without the password in it."""

from pathlib import Path

import pytest

from everycent.base.platform.database import connect
from everycent.base.platform.settings import Settings, SettingsError


@pytest.mark.parametrize("address", ["postgresql://a:secret@[bad/x", "postgresql://a:secret@h/x?nonsense=1"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(SettingsError) as refused:
        connect(Settings(data_dir=tmp_path, database_url=address))
    assert str(refused.value).startswith("EVERYCENT_DATABASE_URL is not an address (")
    assert "secret" not in str(refused.value)
