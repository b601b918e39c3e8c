from dataclasses import replace

import pytest

from everycent.base.platform.database import Connection, connect
from everycent.base.platform.scratch import ScratchRefused, scratch_database


def scratches(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT datname FROM pg_database WHERE starts_with(datname, 'everycent_scratch_')")
    return [name for (name,) in rows]


def test_it_has_all_tables_and_nothing_of_it_stays(database):
    with scratch_database(database.settings, []) as scratch, connect(scratch) as connection:
        assert connection.execute("SELECT count(*) FROM platform.batch").fetchone() == (0,)
        assert scratch.data_dir.is_relative_to(database.settings.temp_dir)
        assert len(scratches(database.connection)) >= 1
        name = connection.info.dbname
    assert name not in scratches(database.connection) and not scratch.data_dir.exists()


def test_what_a_kill_left_behind_is_removed_and_what_is_in_use_or_of_others_stays(database):
    (oid,) = database.connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
    abandoned, of_others = f"everycent_scratch_{oid}_abandoned", f"everycent_scratch_{oid}0_of_others"
    for name in (abandoned, of_others):
        database.connection.execute(f"CREATE DATABASE {name}")
    with scratch_database(database.settings, []) as first, scratch_database(database.settings, []):
        found = scratches(database.connection)
        assert abandoned not in found and of_others in found
        with connect(first) as connection:
            assert connection.info.dbname in found
    database.connection.execute(f"DROP DATABASE {of_others}")


def test_a_user_who_may_not_make_one_is_told_what_would_help(database):
    database.connection.execute("CREATE ROLE modest LOGIN")
    url = str(database.settings.database_url).replace("user=everycent", "user=modest")
    try:
        with (
            pytest.raises(ScratchRefused, match="modest may not create a scratch database; grant it CREATEDB"),
            scratch_database(replace(database.settings, database_url=url), []),
        ):
            pass
    finally:
        database.connection.execute("DROP ROLE modest")
