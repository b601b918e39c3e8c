"""Files by pattern and in archives, Hive folders, and objects of a store."""

import importlib.util
import tarfile
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from everycent.flow.intake.contract import SourceError
from everycent.proof.recon.chain import Surroundings
from everycent.proof.recon.loaders import files, hive, object_store


def around(folder: Path) -> Surroundings:
    temp = folder / "temp"
    temp.mkdir(exist_ok=True)
    return Surroundings(folder, date(2026, 3, 1), temp)


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"a\n{name}\n")


def load(loader: Any, at: Path, /, **words: Any) -> list[tuple[str, str, dict[str, str]]]:
    found = loader.load(loader.words.model_validate(words), around(at), None)
    return [(each.name, each.path.read_text().splitlines()[1], dict(each.constants)) for each in found]


def names(found: list[tuple[str, str, dict[str, str]]]) -> list[str]:
    return [name for name, _, _ in found]


def test_files_by_name_and_pattern_each_once(tmp_path: Path) -> None:
    put(tmp_path, "b/2026-03-01.csv", "b/2026-03-02.csv", "a.csv")
    assert names(load(files.LOADER, tmp_path, paths=["b/*.csv", "b/{as_of}.csv", "a.csv"])) == [
        "b/2026-03-01.csv", "b/2026-03-02.csv", "a.csv",
    ]  # fmt: skip
    with pytest.raises(SourceError, match="no file is like c"):
        load(files.LOADER, tmp_path, paths="c*.csv")
    with pytest.raises(SourceError, match="there is no file"):
        load(files.LOADER, tmp_path, paths="c.csv")


def test_members_of_archives(tmp_path: Path) -> None:
    put(tmp_path, "one.csv", "two.csv", "notes.txt")
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as tar:
        for name in ("two.csv", "notes.txt", "one.csv"):
            tar.add(tmp_path / name, f"deep/{name}")
        link = tarfile.TarInfo("deep/three.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert load(files.LOADER, tmp_path, paths="all.tar.gz", inside="*.csv") == [
        ("all.tar.gz/deep/one.csv", "one.csv", {}), ("all.tar.gz/deep/two.csv", "two.csv", {}),
    ]  # fmt: skip
    with pytest.raises(SourceError, match=r"holds nothing like \*\.xlsx; it holds: deep/notes.txt"):
        load(files.LOADER, tmp_path, paths="all.tar.gz", inside="*.xlsx")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("zeros.csv", b"\0" * (3 << 20))
    with pytest.raises(SourceError, match=r"bomb\.zip unpacks to more than 2 MB"):
        load(files.LOADER, tmp_path, paths="bomb.zip", unpacked_mb=2)
    assert not list((tmp_path / "temp").rglob("zeros.csv"))


def test_an_archive_cut_off(tmp_path: Path) -> None:
    put(tmp_path, "one.csv")
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "one.csv", "one.csv")
    whole = (tmp_path / "all.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"cut\.tar\.gz cannot be unpacked: "):
        load(files.LOADER, tmp_path, paths="cut.tar.gz")


def test_partitions_are_columns_and_what_is_not_wanted_is_not_opened(tmp_path: Path) -> None:
    put(
        tmp_path, "w/dt=2026-03-01/region=east/p0.csv", "w/dt=2026-03-01/region=a%20b/p0.csv", "w/_SUCCESS",
        "w/dt=2026-02-28/region=east/p0.csv", "w/dt=2026-03-01/region=__HIVE_DEFAULT_PARTITION__/p0.csv",
    )  # fmt: skip
    found = load(hive.LOADER, tmp_path, folder="w", where={"dt": "{as_of}"})
    assert [constants for _, _, constants in found] == [
        {"dt": "2026-03-01", "region": ""},
        {"dt": "2026-03-01", "region": "a b"},
        {"dt": "2026-03-01", "region": "east"},
    ]
    assert names(found)[2] == "dt=2026-03-01/region=east/p0.csv"
    with pytest.raises(SourceError, match="has no file for region=west; there are dt=2026-02-28, dt=2026-03-01"):
        load(hive.LOADER, tmp_path, folder="w", where={"region": "west"})
    with pytest.raises(SourceError, match="is not parted by 'day'; its folders are dt=2026-02-28, dt=2026-03-01"):
        load(hive.LOADER, tmp_path, folder="w", where={"day": "2026-03-01"})


def test_objects_of_a_store(tmp_path: Path) -> None:
    put(tmp_path, "store/2026-03-01/b.csv", "store/2026-03-01/a.csv", "store/2026-02-28/c.csv")
    found = load(object_store.LOADER, tmp_path, at=f"file://{tmp_path}/store/{{as_of}}/*.csv")
    assert [(Path(name).name, text) for name, text, _ in found] == [
        ("a.csv", "store/2026-03-01/a.csv"), ("b.csv", "store/2026-03-01/b.csv"),
    ]  # fmt: skip
    with pytest.raises(SourceError, match="the store has no object like"):
        load(object_store.LOADER, tmp_path, at=f"file://{tmp_path}/store/*.parquet")


@pytest.mark.skipif(importlib.util.find_spec("moto") is None, reason="moto, a store for tests, is not installed")
def test_objects_of_s3(tmp_path: Path) -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "STORE": f"http://{host}:{port}"}
        for path, body in (("bills", b""), ("bills/2026-03-01/a.csv", b"a\n1\n")):
            httpx.put(f"{keys['STORE']}/{path}", content=body, timeout=30).raise_for_status()
        words = object_store.ObjectStoreWords(at="s3://bills/{as_of}/*.csv", endpoint="STORE")
        here = Surroundings(tmp_path, date(2026, 3, 1), tmp_path, keys)
        (found,) = object_store.LOADER.load(words, here, None)
        assert (found.name, found.path.read_text()) == ("bills/2026-03-01/a.csv", "a\n1\n")
    finally:
        server.stop()
