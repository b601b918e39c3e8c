"""Loads both sides of a scenario: what their loaders give is parsed as they declare, and kept as it came.

Both sides are loaded at once, each in a thread or process of its own; here their parts are taken as they come.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import islice
from os import environ
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.work_folder import work_folder
from everycent.flow.intake.contract import RECORD, RawRows, Source
from everycent.flow.intake.service import (
    check_columns,
    columns_to_read,
    controls_of,
    declared_fields,
    open_source,
    typed_rows,
)
from everycent.flow.pipeline.service import Session
from everycent.proof.recon.contract import RAW_ROW, REFUSED, Keys, LinkFailed, LoadedFile, Surroundings
from everycent.proof.recon.service import (
    Batches,
    Came,
    Chosen,
    GrowingSide,
    ReconRun,
    RunKey,
    SideRows,
    Work,
    object_sql,
    place_before_sql,
    raw_rows_of,
)
from everycent.serve.links import Links
from everycent.serve.reconciling import Kinds, PlannedScenario, Scope, Side, Stated

_LOOKS_S = 0.02
_RECORDS = "recon_records_{}"


@dataclass(frozen=True)
class Place:
    """Where a scenario is loaded: in which session, of which model or file, with which surroundings. `batches`:
    whose stored records are loaded; None: all that are there."""

    session: Session
    scope: Scope
    kinds: Kinds
    around: Surroundings
    batches: Batches | None = None


@dataclass(frozen=True)
class LoadedSides:
    """Both sides in the engine, what their files state of themselves, and their rows as they came."""

    left: SideRows
    right: SideRows
    stated: tuple[Stated, ...]
    raw: Mapping[str, "RawTables"]

    def raw_rows(self, place: Place, run: ReconRun) -> pa.Table:
        """The rows (RAW_ROW) of all keys in the run's breaks, and of what its day cut carries on; those that the cut
        before carried to it are taken over from there."""
        engine, breaks, carried = place.session.engine, run.reconciled.breaks, run.beyond.carried
        found = [
            self.raw[word].of_keys(place.session, str(side.rows), breaks, carried)
            for word, side in (("left", self.left), ("right", self.right))
        ]
        before = None if not run.beyond.cut.num_rows else run.beyond.cut["before_run_id"][0].as_py()
        if before is None:
            return engine.query("FROM came ORDER BY side, source_file, source_line", came=pa.concat_tables(found)).cast(
                RAW_ROW
            )
        kept = raw_rows_of(place.session.connection, RunKey(place.session.tenant, place.scope.name, UUID(before)))
        return engine.query(
            f"""WITH placed AS (
                SELECT k.* REPLACE (coalesce(c.source_file, k.source_file) AS source_file)
                FROM kept AS k LEFT JOIN carried AS c ON (c.side, c.key, c.source_line) = (k.side, k.key, k.source_line)
                    AND c.source_file = {place_before_sql("k.source_file", "c.opened_on")})
            FROM came UNION ALL
            (FROM placed SEMI JOIN (SELECT key FROM breaks UNION SELECT key FROM carried) USING (key)
            ANTI JOIN came USING (side, source_file, source_line))
            ORDER BY side, source_file, source_line""",
            came=pa.concat_tables(found),
            kept=kept,
            breaks=breaks,
            carried=carried,
        ).cast(RAW_ROW)


def load_sides(
    place: Place,
    scenario: PlannedScenario,
    links: Links,
    given: Mapping[str, Sequence[Path]],
    keys: Sequence[str] | None = None,
) -> LoadedSides:
    """given: files by side, for sides that are files. keys: what alone is looked at. Raises LinkFailed, SourceError."""
    sides = {
        word: LoadingSide(place, scenario, word, side, chosen, given.get(word, ()))
        for word, side, chosen in (("left", scenario.left, links.left), ("right", scenario.right, links.right))
    }
    driven = next((side for side in sides.values() if side.spec.driven is not None), None)
    asked = {side: side.keys_of(keys) for side in sides.values() if side is not driven}
    _drain(asked)
    if driven is not None:
        driver = next(side for side in sides.values() if side is not driven)
        driven.look_up(driver)
    stated = tuple(found for side in sides.values() for found in side.stated)
    raw = {word: side.raw for word, side in sides.items()}
    return LoadedSides(sides["left"].growing.done(), sides["right"].growing.done(), stated, raw)


def _drain(sides: Mapping["LoadingSide", Keys | None]) -> None:
    """Takes the parts of all sides as they come, of all keys or of those of each."""
    open_works = {side: side.work(keys) for side, keys in sides.items() if side.chosen is not None}
    try:
        for side in sides:
            if side.chosen is None:
                side.add_given()
        while open_works:
            for side, work in list(open_works.items()):
                found = work.take(_LOOKS_S)
                if found is None:
                    continue
                if found[0]:
                    side.add(found[1])
                else:
                    del open_works[side]
    finally:
        for work in open_works.values():
            work.give_up()


class LoadingSide:
    """One side while it is loaded."""

    def __init__(
        self,
        place: Place,
        scenario: PlannedScenario,
        word: str,
        side: Side,
        chosen: Chosen | None,
        given: Sequence[Path],
    ) -> None:
        self.place, self.word, self.chosen, self.spec = place, word, chosen, side.plan.spec
        self.called = scenario.called[0 if word == "left" else 1]
        self.stated: list[Stated] = []
        self.raw = RawTables(word)
        self.table = f"recon_side_{word}"
        self.growing = GrowingSide(side.plan, place.session.engine, self.table)
        self._given, self._limits = given, scenario.spec.limits
        self._columns = ("recon", scenario.name, word, "columns")
        self._fields = declared_fields(self._columns, side.columns, side.currency, place.scope.calendar)

    def work(self, keys: Keys | None = None) -> Work:
        """Its loader at work."""
        assert self.chosen is not None, "a side without a loader is added at once"
        return Work(self.chosen, "load", (self.place.around, keys), self._limits)

    def keys_of(self, keys: Sequence[str] | None) -> Keys | None:
        """What its loader is asked for where some keys alone are looked at. Raises LinkFailed where it cannot be."""
        if keys is None:
            return None
        if self.chosen is None or not self.chosen.offered.drivable or len(self.spec.key) != 1:
            raise LinkFailed(
                f"the trigger names keys, and the {self.word} side cannot be looked up by them: it takes a loader that "
                f"looks rows up, and one key column; or let it be `driven` by the other side"
            )
        return Keys(self.spec.key, [(key,) for key in keys])

    def add_given(self) -> None:
        """The stored records, or the files that were given. Raises LinkFailed where there are none."""
        if self.spec.records is not None:
            session, batches, view = self.place.session, self.place.batches, _RECORDS.format(self.word)
            body = self.place.kinds.intake[self.spec.records].body_type
            columns = ["source_file", "source_line", "body"]
            session.details.attach(
                session.engine, view, RECORD, self.place.scope.name, kind=self.spec.records, body_type=body,
                columns=columns, after_batch=0 if batches is None else batches.after,
                only="true" if batches is None else f"batch_no <= {batches.through}",
            )  # fmt: skip
            self.growing.add(view)
            self.raw.came.append(Came(self.word, view, None))
            return
        if not self._given:
            named, called = " or ".join(self.spec.file), self.called
            option = f"--{called}" if called == self.word else f"--side {called}=FILE"
            raise LinkFailed(f"the {called} side is a file like {named}, and none was given; name it with {option}")
        for path in self._given:
            self.add(LoadedFile(path, path.name))

    def add(self, item: LoadedFile | RawRows, part_of: str = "") -> None:
        """What a loader gave. part_of: the batch of keys that was asked for. Raises SourceError, LinkFailed."""
        if isinstance(item, RawRows):
            rows = replace(item, file=item.file + part_of)
            self._add_rows(rows)
            self.raw.add(self.place.session, rows)
        elif isinstance(item, LoadedFile):
            self._add_file(item)
        else:
            raise LinkFailed(f"{self.chosen} gave a {type(item).__name__}; a loader gives LoadedFile or RawRows")

    def _add_file(self, file: LoadedFile) -> None:
        needed, optional = (
            [name for name in columns_to_read(self._fields, required=required) if name not in file.constants]
            for required in (True, False)
        )
        source = open_source(file.path, self.spec, needed, optional)
        for shard in self._shards(file, source):
            self._add_rows(shard)
        self.stated += [Stated(self.word, file.name, control) for control in controls_of(source)]
        self.raw.files.append((file.name, lambda: self._shards(file, open_source(file.path, self.spec))))

    def _shards(self, file: LoadedFile, source: Source) -> Iterator[RawRows]:
        for shard in source.shards(self.place.around.rows_per_part):
            rows = shard.table
            for name, value in file.constants.items():
                rows = rows.append_column(name, pa.repeat(pa.scalar(value), rows.num_rows))
            yield replace(shard, table=rows, file=file.name)

    def _add_rows(self, rows: RawRows) -> None:
        """The rows as they are declared. What is called by no column that is needed is left out."""
        there = rows.table.column_names
        if there or rows.rows_read:
            check_columns(Path(rows.file), there, columns_to_read(self._fields, required=True))
        for name in columns_to_read(self._fields, required=False) if there else ():
            if name not in there:
                rows = replace(rows, table=rows.table.append_column(name, pa.nulls(rows.table.num_rows, pa.string())))
        if not there:
            return
        typed = typed_rows(self._columns, self._fields, rows, self.place.session.engine)
        self.growing.add(typed.rows)
        self.growing.refuse(typed.refused.cast(REFUSED))

    def look_up(self, driver: "LoadingSide") -> None:
        """This side's rows of the other's keys: batches in the keys' order, some under way at a time."""
        how = self.spec.driven
        assert how is not None, "a side that is looked up is driven"
        batches = enumerate(driver.key_batches(how.batch))
        under_way = [(at, self._asked_for(batch)) for at, batch in islice(batches, how.parallel)]
        try:
            while under_way:
                at, work = under_way[0]
                for item in work:
                    self.add(item, f"#{at + 1}")
                del under_way[0]
                under_way += [(at, self._asked_for(batch)) for at, batch in islice(batches, 1)]
        finally:
            for _, work in under_way:
                work.give_up()

    def _asked_for(self, keys: Sequence[str]) -> Work:
        return self.work(Keys(self.spec.key, [_parts(key, len(self.spec.key)) for key in keys]))

    def key_batches(self, size: int) -> Iterator[list[str]]:
        """This side's keys, each once, in their order."""
        found = self.place.session.engine.query(f"SELECT DISTINCT key FROM {identifier(self.table)} ORDER BY key")[
            "key"
        ]
        for start in range(0, len(found), size):
            yield found.slice(start, size).to_pylist()


def _parts(key: str, columns: int) -> tuple[str, ...]:
    """The values that a key is made of; see recon's core/side.py."""
    if columns == 1:
        return (key,)
    return tuple(re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"(?:[^/\\]|\\.)+", key))


class RawTables:
    """A side's rows as they came. Files are read again where a break has rows of them; what else came is in tables of
    the engine, one for each set of columns."""

    def __init__(self, word: str, came: Iterable[Came] = ()) -> None:
        self._word = word
        self._tables: dict[tuple[tuple[str, Any], ...], str] = {}
        self.came = [each for each in came if each.side == word]
        self.files: list[tuple[str, Callable[[], Iterator[RawRows]]]] = []

    def add(self, session: Session, rows: RawRows) -> None:
        """Rows of a part, their columns as they came."""
        if not rows.table.num_columns:
            return
        shape = tuple((field.name, str(field.type)) for field in rows.table.schema)
        plain = _plain(rows)
        found = f"SELECT {literal(rows.file)} AS source_file, * FROM came"
        if shape in self._tables:
            session.engine.query(f"INSERT INTO {identifier(self._tables[shape])} {found}", came=plain)
            return
        table = self._tables[shape] = f"recon_raw_{self._word}_{len(self._tables)}"
        session.engine.query(f"CREATE OR REPLACE TABLE {identifier(table)} AS {found}", came=plain)
        self.came.append(Came(self._word, table, tuple(rows.table.column_names)))

    def all_in_tables(self, session: Session) -> Sequence[Came]:
        """All of them, those of files too, for a time when the files may be gone."""
        for _, parts in self.files:
            for rows in parts():
                self.add(session, rows)
        self.files.clear()
        return self.came

    def of_keys(self, session: Session, side: str, breaks: pa.Table, carried: pa.Table) -> pa.Table:
        """RAW_ROW of the rows whose key is in a break, and of those carried on; `side` is the table of what was
        compared."""
        places = f"""SELECT source_file, source_line, key FROM {identifier(side)} SEMI JOIN breaks USING (key)
            UNION SELECT source_file, source_line, key FROM carried WHERE side = {literal(self._word)}"""
        found = [RAW_ROW.empty_table()]
        for came in self.came:
            rows = session.engine.query(
                f"""SELECT {literal(self._word)} AS side, source_file, r.source_line::BIGINT AS source_line, key,
                    {came.json_sql} AS raw
                FROM {identifier(came.rows)} AS r JOIN ({places}) AS p USING (source_file, source_line)""",
                breaks=breaks,
                carried=carried,
            )
            found.append(rows.cast(RAW_ROW))
        if self.files:
            found += self._of_files(session, session.engine.query(places, breaks=breaks, carried=carried))
        return pa.concat_tables(found)

    def _of_files(self, session: Session, places: pa.Table) -> Iterator[pa.Table]:
        """RAW_ROW of the places that are in files."""
        for name, parts in self.files:
            wanted = places.filter(pc.equal(places["source_file"], name))
            for rows in parts() if wanted.num_rows else ():
                found = session.engine.query(
                    f"""SELECT {literal(self._word)} AS side, {literal(name)} AS source_file,
                        r.source_line::BIGINT AS source_line, key, {object_sql(tuple(rows.table.column_names))} AS raw
                    FROM came AS r JOIN wanted USING (source_line)""",
                    came=_plain(rows),
                    wanted=wanted,
                )
                yield found.cast(RAW_ROW)

    def drop(self, session: Session) -> None:
        """They are not needed any more."""
        for table in self._tables.values():
            session.engine.connection.execute(f"DROP TABLE IF EXISTS {identifier(table)}")


def _plain(rows: RawRows) -> pa.Table:
    """The rows with their lines; columns are numbered, so that their names clash with nothing."""
    plain = rows.table.rename_columns([f"c{at}" for at in range(rows.table.num_columns)])
    return plain.add_column(0, "source_line", rows.lines)


@contextmanager
def surrounded(session: Session, scope: Scope, as_of: date | None) -> Iterator[Surroundings]:
    """What the links of a scenario are told of where they work; `as_of`: None: today by its calendar."""
    with work_folder(session.settings.temp_dir) as folder:
        day = as_of or scope.calendar.today(datetime.now(UTC))
        yield Surroundings(scope.path.absolute().parent, day, folder, dict(environ), session.settings)
